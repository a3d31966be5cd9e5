//! From the options of a cloud source to what the HTTP client is made of: endpoints, bounds, where the credentials are.
//!
//! It must never read a credential, and never give the component a way to name a host: endpoints are the options' alone.

use std::collections::BTreeMap;

use innertrail_fetch::{
    Client, ClientConfig, Clock, ConfigError, CredentialsConfig, Endpoint, Environment, Network as Reach, Provider,
    Role, WireConfig,
};

use crate::config::{
    ActionTrail, AddressStyle, AssumeRoleCredentials, Connection, Credentials, Mirror, Network, OssSource, Proxy,
    SlsSource, Source, Sts,
};

/// Most bytes of an answer that the component may ask for; its own memory would not hold more.
pub const MAX_BODY: u32 = 16 << 20;

/// The name of ActionTrail's endpoint.
pub const ACTIONTRAIL: &str = "actiontrail";

/// Everything a client is made of.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The name by which the component asks for it: the project, or the bucket.
    pub name: String,
    /// Where it is.
    pub endpoint: Endpoint,
    /// The client's bounds.
    pub client: ClientConfig,
    /// Where the credentials are.
    pub credentials: CredentialsConfig,
}

impl Plan {
    /// The plan of a source; `None` for one that reads no network.
    ///
    /// # Errors
    /// Options that cannot work together, such as a V4 signature without a region.
    pub fn of(source: &Source) -> Result<Option<Self>, ConfigError> {
        Ok(match source {
            Source::File(_) => None,
            Source::Sls(sls) => Some(Self::of_sls(sls)?),
            Source::Oss(oss) => Some(Self::of_oss(oss)?),
        })
    }

    fn of_sls(sls: &SlsSource) -> Result<Self, ConfigError> {
        let name = named(sls.endpoint.as_deref(), sls.region.as_deref(), |region| {
            Endpoint::sls_name(region, reach(sls.network))
        })?;
        let endpoint = Endpoint::sls(&sls.project, &name)?;
        let needs_region = sls.signature == crate::config::Signature::V4;
        Ok(Self {
            name: sls.project.clone(),
            endpoint: finished(endpoint, &sls.connection, sls.region.as_deref(), needs_region)?,
            client: client(&sls.connection, sls.max_in_flight),
            credentials: credentials(&sls.credentials, &sls.connection),
        })
    }

    fn of_oss(oss: &OssSource) -> Result<Self, ConfigError> {
        let (endpoint, region) = (oss.endpoint.as_deref(), oss.region.as_deref());
        let endpoint = bucket(&oss.bucket, endpoint, region, oss.network, oss.style)?;
        Ok(Self {
            name: oss.bucket.clone(),
            endpoint: finished(endpoint, &oss.connection, region, true)?,
            client: client(&oss.connection, oss.max_in_flight),
            credentials: credentials(&oss.credentials, &oss.connection),
        })
    }

    /// The plan of what is copied to a bucket; the bucket is its name.
    ///
    /// # Errors
    /// Options that cannot work together.
    pub fn of_mirror(mirror: &Mirror) -> Result<Self, ConfigError> {
        let (endpoint, region) = (mirror.endpoint.as_deref(), mirror.region.as_deref());
        let endpoint = bucket(&mirror.bucket, endpoint, region, mirror.network, mirror.style)?;
        Ok(Self {
            name: mirror.bucket.clone(),
            endpoint: finished(endpoint, &mirror.connection, region, true)?,
            client: client(&mirror.connection, 1),
            credentials: credentials(&mirror.credentials, &mirror.connection),
        })
    }

    /// The plan of what ActionTrail is asked; [`ACTIONTRAIL`] is its name.
    ///
    /// # Errors
    /// Options that cannot work together.
    pub fn of_actiontrail(trail: &ActionTrail) -> Result<Self, ConfigError> {
        let name = named(trail.endpoint.as_deref(), trail.region.as_deref(), Endpoint::actiontrail_name)?;
        Ok(Self {
            name: ACTIONTRAIL.to_owned(),
            endpoint: finished(Endpoint::actiontrail(&name)?, &trail.connection, trail.region.as_deref(), false)?,
            client: client(&trail.connection, 1),
            credentials: credentials(&trail.credentials, &trail.connection),
        })
    }

    /// The credentials, as a source of them; nothing is fetched yet.
    ///
    /// # Errors
    /// Options that cannot work.
    pub fn credentials(&self) -> Result<innertrail_fetch::Credentials, ConfigError> {
        innertrail_fetch::Credentials::new(self.credentials.clone(), Environment::process(), Clock::system())
    }

    /// A client; it connects to nothing yet.
    ///
    /// # Errors
    /// Options that cannot work, such as a certificate file that is none.
    pub fn client(&self, credentials: innertrail_fetch::Credentials) -> Result<Client, ConfigError> {
        let endpoints = BTreeMap::from([(self.name.clone(), self.endpoint.clone())]);
        Client::new(self.client.clone(), endpoints, credentials)
    }
}

/// Where a bucket is.
fn bucket(
    bucket: &str,
    endpoint: Option<&str>,
    region: Option<&str>,
    network: Network,
    style: AddressStyle,
) -> Result<Endpoint, ConfigError> {
    let name = named(endpoint, region, |region| Endpoint::oss_name(region, reach(network)))?;
    match style {
        AddressStyle::VirtualHost => Endpoint::oss(bucket, &name),
        AddressStyle::CustomDomain => Endpoint::oss_domain(bucket, &name),
    }
}

/// The endpoint's name as it is given, or the one of the region.
fn named(
    endpoint: Option<&str>,
    region: Option<&str>,
    of_region: impl FnOnce(&str) -> String,
) -> Result<String, ConfigError> {
    match (endpoint, region) {
        (Some(endpoint), _) => Ok(endpoint.to_owned()),
        (None, Some(region)) => Ok(of_region(region)),
        (None, None) => {
            Err(ConfigError::Bounds("neither `region` nor `endpoint` is given, so nobody knows where to ask"))
        }
    }
}

fn finished(
    mut endpoint: Endpoint,
    connection: &Connection,
    region: Option<&str>,
    needs_region: bool,
) -> Result<Endpoint, ConfigError> {
    if let Some(region) = region {
        endpoint = endpoint.with_region(region);
    }
    if needs_region && endpoint.region().is_none() {
        return Err(ConfigError::Region(endpoint.host().to_owned()));
    }
    match &connection.address {
        Some(address) => endpoint.with_address(address),
        None => Ok(endpoint),
    }
}

fn reach(network: Network) -> Reach {
    match network {
        Network::Public => Reach::Public,
        Network::Internal => Reach::Internal,
    }
}

fn wire(connection: &Connection) -> WireConfig {
    WireConfig {
        connect_timeout_ms: u64::from(connection.connect_timeout_ms),
        read_timeout_ms: u64::from(connection.read_timeout_ms),
        total_timeout_ms: u64::from(connection.total_timeout_ms),
        ca_file: connection.ca_file.clone(),
        proxy_from_environment: connection.proxy == Proxy::Environment,
    }
}

fn client(connection: &Connection, max_in_flight: u32) -> ClientConfig {
    ClientConfig {
        wire: wire(connection),
        // Signs of life to a consumer group must not wait for pages.
        max_in_flight: max_in_flight.saturating_add(2),
        requests_per_second: connection.requests_per_second,
        max_body: MAX_BODY,
        ..ClientConfig::default()
    }
}

fn credentials(given: &Credentials, connection: &Connection) -> CredentialsConfig {
    let mut config = CredentialsConfig::of(provider(given));
    config.wire.ca_file.clone_from(&connection.ca_file);
    config.wire.proxy_from_environment = connection.proxy == Proxy::Environment;
    if let Some(sts) = sts(given) {
        config.sts_endpoint.clone_from(&sts.endpoint);
        config.sts_address.clone_from(&sts.address);
    }
    if let Some(address) = metadata_address(given) {
        config.metadata_address = address.to_owned();
    }
    config
}

fn provider(given: &Credentials) -> Provider {
    match given {
        Credentials::Default => Provider::Default,
        Credentials::Environment(names) => Provider::Environment {
            access_key_id: names.id_variable.clone(),
            access_key_secret: names.secret_variable.clone(),
            security_token: names.token_variable.clone(),
        },
        Credentials::File(file) => Provider::File { path: file.path.clone() },
        Credentials::Profile(profile) => Provider::Profile { path: profile.path.clone(), name: profile.name.clone() },
        Credentials::EcsRamRole(ecs) => Provider::EcsRole { role: ecs.role.clone(), hardened_only: ecs.hardened_only },
        Credentials::Oidc(oidc) => Provider::Oidc {
            provider_arn: oidc.provider_arn.clone(),
            token_file: oidc.token_file.clone(),
            role: Role { role_arn: oidc.role_arn.clone(), session_name: oidc.session_name.clone(), ..Role::default() },
        },
        Credentials::AssumeRole(assumed) => {
            Provider::AssumeRole { with: Box::new(provider(&assumed.with)), role: role(assumed) }
        }
    }
}

fn role(assumed: &AssumeRoleCredentials) -> Role {
    Role {
        role_arn: Some(assumed.role_arn.clone()),
        session_name: assumed.session_name.clone(),
        external_id: assumed.external_id.clone(),
        policy: None,
        duration_secs: Some(assumed.duration_secs),
    }
}

/// The outermost one counts: a chain of roles is assumed at one service.
fn sts(given: &Credentials) -> Option<&Sts> {
    match given {
        Credentials::Oidc(oidc) => Some(&oidc.sts),
        Credentials::AssumeRole(assumed) => Some(&assumed.sts),
        _ => None,
    }
}

fn metadata_address(given: &Credentials) -> Option<&str> {
    match given {
        Credentials::EcsRamRole(ecs) => Some(&ecs.metadata_address),
        Credentials::AssumeRole(assumed) => metadata_address(&assumed.with),
        _ => None,
    }
}
