//! What can be configured about credentials: where they are, never what they are.
//!
//! It must never have a field for a key's value.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Source, Surroundings, ecs, file, local, profile, sts};
use crate::error::ConfigError;
use crate::wire::WireConfig;

/// Where credentials come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CredentialsConfig {
    /// The provider.
    pub provider: Provider,
    /// The Security Token Service: a host name, `https` unless it says `http://`. The default is `sts.aliyuncs.com`;
    /// inside a region without the internet it is `sts-vpc.<region>.aliyuncs.com`.
    pub sts_endpoint: String,
    /// Connects there instead, for private links and tests; `host:port`.
    pub sts_address: Option<String>,
    /// The metadata service of an ECS instance.
    pub metadata_address: String,
    /// How connections to these two are made.
    pub wire: WireConfig,
}

impl Default for CredentialsConfig {
    fn default() -> Self {
        Self {
            provider: Provider::Default,
            sts_endpoint: "sts.aliyuncs.com".to_owned(),
            sts_address: None,
            metadata_address: "100.100.100.200:80".to_owned(),
            wire: WireConfig {
                connect_timeout_ms: 5_000,
                read_timeout_ms: 10_000,
                total_timeout_ms: 15_000,
                ..WireConfig::default()
            },
        }
    }
}

impl CredentialsConfig {
    /// That provider, all else by default.
    #[must_use]
    pub fn of(provider: Provider) -> Self {
        Self { provider, ..Self::default() }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        crate::endpoint::split(&self.sts_endpoint)?;
        crate::endpoint::check_address(&self.metadata_address)?;
        if let Some(address) = &self.sts_address {
            crate::endpoint::check_address(address)?;
        }
        self.provider.check(0)
    }
}

/// A place where credentials are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Provider {
    /// The first of: environment variables, OIDC token file, profile, ECS role; in the order of the official SDKs.
    #[default]
    Default,
    /// Environment variables.
    Environment {
        /// The variable of the access key id.
        #[serde(default = "Provider::id_variable")]
        access_key_id: String,
        /// The variable of the secret.
        #[serde(default = "Provider::secret_variable")]
        access_key_secret: String,
        /// The variable of the token; it need not be set.
        #[serde(default = "Provider::token_variable")]
        security_token: String,
    },
    /// A JSON file with `access_key_id`, `access_key_secret` and, where they are temporary, `security_token` and
    /// `expiration` (RFC 3339). Mode 0600 or 0400, owned by the user of the process. It is read again each minute.
    File {
        /// Its path.
        path: PathBuf,
    },
    /// A profile of the `aliyun` command, modes AK, StsToken, RamRoleArn, ChainableRamRoleArn, EcsRamRole, OIDC.
    Profile {
        /// The file; `~/.aliyun/config.json` by default.
        #[serde(default)]
        path: Option<PathBuf>,
        /// The profile; by default the one of `ALIBABA_CLOUD_PROFILE`, or the file's current one.
        #[serde(default)]
        name: Option<String>,
    },
    /// The role of the ECS instance.
    EcsRole {
        /// Its name; asked of the metadata service by default.
        #[serde(default)]
        role: Option<String>,
        /// Whether the older metadata protocol, without a token, is refused.
        #[serde(default)]
        hardened_only: bool,
    },
    /// A role for an OIDC token, as in ACK pods (RRSA).
    Oidc {
        /// The identity provider; by default `ALIBABA_CLOUD_OIDC_PROVIDER_ARN`.
        #[serde(default)]
        provider_arn: Option<String>,
        /// The token's file; by default `ALIBABA_CLOUD_OIDC_TOKEN_FILE`.
        #[serde(default)]
        token_file: Option<PathBuf>,
        /// The role; its `arn` is `ALIBABA_CLOUD_ROLE_ARN` by default.
        #[serde(flatten)]
        role: Role,
    },
    /// A role assumed with other credentials.
    AssumeRole {
        /// Whose.
        with: Box<Provider>,
        /// The role.
        #[serde(flatten)]
        role: Role,
    },
}

/// A RAM role and the session in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Role {
    /// Its ARN.
    pub role_arn: Option<String>,
    /// Under which name the session appears in the trail; `innertrail` by default.
    pub session_name: Option<String>,
    /// What the role's owner agreed on with this account. Not a secret by the service's definition.
    pub external_id: Option<String>,
    /// A policy that narrows the session, JSON.
    pub policy: Option<String>,
    /// How long a session lasts, seconds, from 900 up to what the role allows; 3600 by default.
    pub duration_secs: Option<u32>,
}

impl Provider {
    /// The usual variables.
    #[must_use]
    pub fn environment() -> Self {
        Self::Environment {
            access_key_id: Self::id_variable(),
            access_key_secret: Self::secret_variable(),
            security_token: Self::token_variable(),
        }
    }

    fn id_variable() -> String {
        "ALIBABA_CLOUD_ACCESS_KEY_ID".to_owned()
    }

    fn secret_variable() -> String {
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET".to_owned()
    }

    fn token_variable() -> String {
        "ALIBABA_CLOUD_SECURITY_TOKEN".to_owned()
    }

    /// What reports call it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Environment { .. } => "environment",
            Self::File { .. } => "file",
            Self::Profile { .. } => "profile",
            Self::EcsRole { .. } => "ecs_role",
            Self::Oidc { .. } => "oidc",
            Self::AssumeRole { .. } => "assume_role",
        }
    }

    fn check(&self, depth: u32) -> Result<(), ConfigError> {
        match self {
            Self::AssumeRole { role, .. } if role.role_arn.is_none() => {
                Err(ConfigError::Bounds("assume_role needs a role_arn"))
            }
            Self::AssumeRole { .. } if depth > 4 => Err(ConfigError::Bounds("more than five roles in a chain")),
            Self::AssumeRole { with, role } => role.check().and_then(|()| with.check(depth + 1)),
            Self::Oidc { role, .. } => role.check(),
            _ => Ok(()),
        }
    }
}

impl Role {
    fn check(&self) -> Result<(), ConfigError> {
        let long = self.duration_secs.is_none_or(|d| (900..=43_200).contains(&d));
        let named = self.session_name.as_ref().is_none_or(|n| {
            (2..=64).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_alphanumeric() || b".@-_".contains(&b))
        });
        match (long, named) {
            (false, _) => Err(ConfigError::Bounds("duration_secs is between 900 and 43200")),
            (_, false) => Err(ConfigError::Bounds("session_name is 2 to 64 letters, digits, `.`, `@`, `-` and `_`")),
            _ => Ok(()),
        }
    }
}

/// The source that a provider means.
pub(super) fn source(provider: &Provider, around: &Surroundings) -> Result<Box<dyn Source>, ConfigError> {
    Ok(match provider {
        Provider::Default => Box::new(local::Chain::new(around)?),
        Provider::Environment { access_key_id, access_key_secret, security_token } => {
            Box::new(local::Variables::new(around, access_key_id, access_key_secret, security_token))
        }
        Provider::File { path } => Box::new(file::KeyFile::new(around, path)),
        Provider::Profile { path, name } => Box::new(profile::Profile::new(around, path.as_deref(), name.as_deref())?),
        Provider::EcsRole { role, hardened_only } => {
            Box::new(ecs::Metadata::new(around, role.as_deref(), *hardened_only)?)
        }
        Provider::Oidc { provider_arn, token_file, role } => {
            Box::new(sts::Oidc::new(around, provider_arn.as_deref(), token_file.as_deref(), role)?)
        }
        Provider::AssumeRole { with, role } => Box::new(sts::AssumeRole::new(around, source(with, around)?, role)?),
    })
}
