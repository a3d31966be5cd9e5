//! Names to addresses, with the configured exceptions.
//!
//! It must never fall back to the name service for a host that has an address configured.

use std::collections::BTreeMap;
use std::fmt;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// A name without an address; carries the system's reason.
#[derive(Debug)]
pub(crate) struct Unresolved(pub(crate) String);

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unresolved {}

/// The system's resolver, but for hosts that are reached elsewhere.
#[derive(Debug, Default)]
pub(crate) struct Names {
    system: DefaultResolver,
    /// Scheme and authority to `host:port`.
    elsewhere: BTreeMap<String, String>,
}

impl Names {
    pub(crate) fn new(elsewhere: BTreeMap<String, String>) -> Self {
        Self { system: DefaultResolver::default(), elsewhere }
    }
}

impl Resolver for Names {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let base = format!("{}://{}", uri.scheme_str().unwrap_or_default(), uri.authority().map_or("", |a| a.as_str()));
        let other = match self.elsewhere.get(&base) {
            None => None,
            Some(address) => {
                Some(format!("http://{address}/").parse::<Uri>().map_err(|e| ureq::Error::Http(e.into()))?)
            }
        };
        self.system.resolve(other.as_ref().unwrap_or(uri), config, timeout).map_err(|error| match error {
            ureq::Error::Timeout(_) => error,
            other => ureq::Error::Other(Box::new(Unresolved(other.to_string()))),
        })
    }
}
