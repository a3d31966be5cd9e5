//! Where requests go: the one place where a name becomes a host.
//!
//! An endpoint must never be made of anything a component says; it is configuration.

use serde::Serialize;

use crate::error::ConfigError;

/// Which service answers there; it decides what may be asked: reads, and for a project the calls of consumer groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// Log Service, one project.
    Sls,
    /// Object Storage Service, one bucket.
    Oss {
        /// The bucket; it is part of what is signed even where the host does not name it.
        bucket: String,
    },
    /// ActionTrail of a region, asked about a trail.
    ActionTrail,
}

/// The address of one project, one bucket, or ActionTrail.
///
/// ```
/// use innertrail_fetch::{Endpoint, Network};
/// let logs = Endpoint::sls("my-project", "cn-hangzhou.log.aliyuncs.com")?;
/// assert_eq!(logs.url(), "https://my-project.cn-hangzhou.log.aliyuncs.com");
/// assert_eq!(logs.region(), Some("cn-hangzhou"));
/// let objects = Endpoint::oss("my-bucket", &Endpoint::oss_name("cn-hangzhou", Network::Internal))?;
/// assert_eq!(objects.url(), "https://my-bucket.oss-cn-hangzhou-internal.aliyuncs.com");
/// // A private link, or a test: connect elsewhere, and keep the name for Host, signature and certificate.
/// let linked = logs.with_address("127.0.0.1:18080")?;
/// assert_eq!(linked.host(), "my-project.cn-hangzhou.log.aliyuncs.com");
/// # Ok::<(), innertrail_fetch::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    service: Service,
    secure: bool,
    host: String,
    port: Option<u16>,
    address: Option<String>,
    region: Option<String>,
}

/// From where an endpoint is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// From anywhere.
    Public,
    /// From inside the same region; no traffic fee.
    Internal,
}

impl Endpoint {
    /// A project at a Log Service endpoint such as `cn-hangzhou.log.aliyuncs.com`; `https` unless the endpoint says
    /// `http://`.
    ///
    /// # Errors
    /// A name or endpoint that cannot be one.
    pub fn sls(project: &str, endpoint: &str) -> Result<Self, ConfigError> {
        Self::below(Service::Sls, check_name(project)?, endpoint)
    }

    /// A bucket at an OSS endpoint such as `oss-cn-hangzhou.aliyuncs.com`, virtual-host style (OSS refuses any other).
    ///
    /// # Errors
    /// A name or endpoint that cannot be one.
    pub fn oss(bucket: &str, endpoint: &str) -> Result<Self, ConfigError> {
        let service = Service::Oss { bucket: check_name(bucket)?.to_owned() };
        Self::below(service, bucket, endpoint)
    }

    /// A bucket behind a domain of its own (CNAME): the host is used as it is. Needs [`Self::with_region`].
    ///
    /// # Errors
    /// A name or domain that cannot be one.
    pub fn oss_domain(bucket: &str, domain: &str) -> Result<Self, ConfigError> {
        let service = Service::Oss { bucket: check_name(bucket)?.to_owned() };
        let (secure, host, port) = split(domain)?;
        Ok(Self { service, secure, region: None, host, port, address: None })
    }

    /// The endpoint name of Log Service in a region.
    #[must_use]
    pub fn sls_name(region: &str, network: Network) -> String {
        let suffix = if network == Network::Internal { "-intranet" } else { "" };
        format!("{region}{suffix}.log.aliyuncs.com")
    }

    /// The endpoint name of OSS in a region.
    #[must_use]
    pub fn oss_name(region: &str, network: Network) -> String {
        let suffix = if network == Network::Internal { "-internal" } else { "" };
        format!("oss-{region}{suffix}.aliyuncs.com")
    }

    /// ActionTrail at an endpoint such as `actiontrail.cn-hangzhou.aliyuncs.com`.
    ///
    /// # Errors
    /// An endpoint that cannot be one.
    pub fn actiontrail(endpoint: &str) -> Result<Self, ConfigError> {
        let (secure, host, port) = split(endpoint)?;
        Ok(Self { service: Service::ActionTrail, secure, region: None, host, port, address: None })
    }

    /// The endpoint name of ActionTrail in a region. Some regions share one; their endpoint has to be given.
    #[must_use]
    pub fn actiontrail_name(region: &str) -> String {
        format!("actiontrail.{region}.aliyuncs.com")
    }

    fn below(service: Service, label: &str, endpoint: &str) -> Result<Self, ConfigError> {
        let (secure, name, port) = split(endpoint)?;
        let region = region_of(&name).map(str::to_owned);
        Ok(Self { service, secure, host: format!("{label}.{name}"), port, address: None, region })
    }

    /// Connects to `host:port` or `ip:port` instead; Host header, signature and certificate name stay the endpoint's.
    /// Such an endpoint is never reached through a proxy.
    ///
    /// # Errors
    /// An address without a port, or with more than host and port.
    pub fn with_address(mut self, address: &str) -> Result<Self, ConfigError> {
        self.address = Some(check_address(address)?);
        Ok(self)
    }

    /// Says the region, which V4 signatures contain.
    #[must_use]
    pub fn with_region(mut self, region: &str) -> Self {
        self.region = Some(region.to_owned());
        self
    }

    /// The region: as said, or as the endpoint's name tells it.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// Which service it is.
    #[must_use]
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Whether TLS is used.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host without its port.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The value of the Host header: with the port where it is not the scheme's own.
    #[must_use]
    pub fn authority(&self) -> String {
        self.port.map_or_else(|| self.host.clone(), |port| format!("{}:{port}", self.host))
    }

    /// Scheme and authority, without a path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", if self.secure { "https" } else { "http" }, self.authority())
    }

    /// Where to connect instead of the host.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }

    pub(crate) fn required_region(&self) -> Result<&str, ConfigError> {
        self.region().filter(|r| !r.is_empty()).ok_or_else(|| ConfigError::Region(self.host.clone()))
    }
}

/// Whether TLS, host, and port where it is not the scheme's own.
pub(crate) fn split(given: &str) -> Result<(bool, String, Option<u16>), ConfigError> {
    let bad = |why: &str| ConfigError::Endpoint { given: shown(given), why: why.to_owned() };
    let (secure, rest) = match given.split_once("://") {
        None => (true, given),
        Some(("https", rest)) => (true, rest),
        Some(("http", rest)) => (false, rest),
        Some(_) => return Err(bad("write `https://` or `http://` before the name, or nothing for https")),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    const NAME: &str = "write a host name such as cn-hangzhou.log.aliyuncs.com, without path, user or query";
    if rest.contains(['@', '/', '?', '#']) {
        return Err(bad(NAME));
    }
    let (host, port) = match rest.rsplit_once(':') {
        None => (rest, None),
        Some((host, port)) => {
            (host, Some(port.parse::<u16>().map_err(|_| bad("the port is not a number below 65536"))?))
        }
    };
    let host = host.to_ascii_lowercase();
    if host.parse::<std::net::IpAddr>().is_ok() || host.starts_with('[') {
        return Err(bad("an address names no service; keep the service's name here and set `address`"));
    }
    if !is_host(&host) {
        return Err(bad(NAME));
    }
    Ok((secure, host, port.filter(|p| *p != if secure { 443 } else { 80 })))
}

/// Checks `host:port` or `ip:port`.
pub(crate) fn check_address(address: &str) -> Result<String, ConfigError> {
    let bad =
        || ConfigError::Endpoint { given: shown(address), why: "`address` is `host:port` or `ip:port`".to_owned() };
    if address.parse::<std::net::SocketAddr>().is_ok() {
        return Ok(address.to_owned());
    }
    let (host, port) = address.rsplit_once(':').ok_or_else(bad)?;
    (is_host(host) && port.parse::<u16>().is_ok()).then(|| address.to_owned()).ok_or_else(bad)
}

/// A refused value as it may be shown: what looks like a user and password is left out.
fn shown(given: &str) -> String {
    crate::scrub::plain(given.rsplit('@').next().unwrap_or_default(), 200)
}

fn is_host(host: &str) -> bool {
    let label = |l: &str| !l.is_empty() && l.len() <= 63 && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    host.len() <= 200 && host.split('.').all(label)
}

fn check_name(name: &str) -> Result<&str, ConfigError> {
    let fits = (3..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-');
    fits.then_some(name).ok_or_else(|| ConfigError::Name(crate::scrub::plain(name, 80)))
}

/// The region in an endpoint's name: `cn-hangzhou[-intranet|-share].log.aliyuncs.com`,
/// `oss-cn-hangzhou[-internal].aliyuncs.com`. Global and acceleration names have none.
fn region_of(name: &str) -> Option<&str> {
    let first = name.strip_suffix(".aliyuncs.com")?;
    let region = match first.strip_suffix(".log") {
        Some(label) => ["-intranet", "-share"].iter().find_map(|s| label.strip_suffix(s)).unwrap_or(label),
        None => {
            let label = first.strip_prefix("oss-")?;
            label.strip_suffix("-internal").unwrap_or(label)
        }
    };
    let looks_like_one = region.split_once('-').is_some_and(|(country, _)| country.len() == 2) && !region.contains('.');
    looks_like_one.then_some(region)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_become_hosts_and_regions() {
        let shown = |e: Endpoint| format!("{} {:?}", e.url(), e.region());
        let sls = |endpoint: &str| shown(Endpoint::sls("my-project", endpoint).unwrap());
        let oss = |endpoint: &str| shown(Endpoint::oss("my-bucket", endpoint).unwrap());
        insta::assert_snapshot!([
            sls("cn-hangzhou.log.aliyuncs.com"),
            sls("https://CN-Hangzhou-intranet.log.aliyuncs.com/"),
            sls("http://cn-hangzhou.log.aliyuncs.com:80"),
            sls("ap-southeast-1-share.log.aliyuncs.com:443"),
            sls("log-global.aliyuncs.com"),
            sls("http://logs.example.internal:18080"),
            oss("oss-eu-central-1.aliyuncs.com"),
            oss("oss-cn-shanghai-internal.aliyuncs.com"),
            oss("oss-accelerate.aliyuncs.com"),
            shown(Endpoint::oss_domain("my-bucket", "audit.example.com").unwrap().with_region("cn-beijing")),
        ].join("\n"), @r#"
        https://my-project.cn-hangzhou.log.aliyuncs.com Some("cn-hangzhou")
        https://my-project.cn-hangzhou-intranet.log.aliyuncs.com Some("cn-hangzhou")
        http://my-project.cn-hangzhou.log.aliyuncs.com Some("cn-hangzhou")
        https://my-project.ap-southeast-1-share.log.aliyuncs.com Some("ap-southeast-1")
        https://my-project.log-global.aliyuncs.com None
        http://my-project.logs.example.internal:18080 None
        https://my-bucket.oss-eu-central-1.aliyuncs.com Some("eu-central-1")
        https://my-bucket.oss-cn-shanghai-internal.aliyuncs.com Some("cn-shanghai")
        https://my-bucket.oss-accelerate.aliyuncs.com None
        https://audit.example.com Some("cn-beijing")
        "#);
    }

    #[test]
    fn what_is_no_endpoint_is_refused_with_a_remedy() {
        let sls = |endpoint: &str| Endpoint::sls("my-project", endpoint).unwrap_err().to_string();
        insta::assert_snapshot!([
            sls("127.0.0.1:8080"),
            sls("ftp://x.example"),
            sls("https://user:hidden-word@x.example"),
            sls("x.example/path"),
            sls("x.example:99999"),
            sls("a..b"),
            Endpoint::sls("evil.example/", "x.example").unwrap_err().to_string(),
            Endpoint::oss("Bucket", "x.example").unwrap_err().to_string(),
            Endpoint::oss_domain("bucket", "x.example").unwrap().required_region().unwrap_err().to_string(),
            Endpoint::sls("my-project", "x.example").unwrap().with_address("10.0.0.1").unwrap_err().to_string(),
        ].join("\n"), @r"
        endpoint `127.0.0.1:8080`: an address names no service; keep the service's name here and set `address`
        endpoint `ftp://x.example`: write `https://` or `http://` before the name, or nothing for https
        endpoint `x.example`: write a host name such as cn-hangzhou.log.aliyuncs.com, without path, user or query
        endpoint `x.example/path`: write a host name such as cn-hangzhou.log.aliyuncs.com, without path, user or query
        endpoint `x.example:99999`: the port is not a number below 65536
        endpoint `a..b`: write a host name such as cn-hangzhou.log.aliyuncs.com, without path, user or query
        `evil.example/` is no name of a project or bucket: 3 to 63 of a-z, 0-9 and `-`, neither first nor last a `-`
        `Bucket` is no name of a project or bucket: 3 to 63 of a-z, 0-9 and `-`, neither first nor last a `-`
        the region cannot be told from the endpoint `x.example`; set `region`, for example `cn-hangzhou`
        endpoint `10.0.0.1`: `address` is `host:port` or `ip:port`
        ");
    }

    #[test]
    fn addresses_may_be_names_or_either_kind_of_ip() {
        let with = |address: &str| Endpoint::sls("my-project", "x.example").unwrap().with_address(address).is_ok();
        assert!(with("127.0.0.1:80") && with("[::1]:80") && with("ep-1.example:443"));
        assert!(!with("::1") && !with("a b:1") && !with("a:b") && !with(":80"));
        assert_eq!(Endpoint::sls_name("cn-x", Network::Internal), "cn-x-intranet.log.aliyuncs.com");
        assert_eq!(Endpoint::sls_name("cn-x", Network::Public), "cn-x.log.aliyuncs.com");
        assert_eq!(Endpoint::oss_name("cn-x", Network::Public), "oss-cn-x.aliyuncs.com");
    }
}
