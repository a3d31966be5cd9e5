//! Posts to one address of the host's own choice, such as a robot's: for rooms that tell people something.
//!
//! It must never reach anything but the host it was made for, follow a redirect, repeat a request by itself, or show more of
//! the address than scheme, host and port: what stands behind them is often a key.

use std::fmt;
use std::net::IpAddr;

use ureq::http::Uri;

use crate::environment::Environment;
use crate::error::ConfigError;
use crate::request::Fault;
use crate::wire::{Body, Exchange, Target, Wire, WireConfig};

/// One host to post to. Connections are kept between requests; proxies and authorities are those of [`WireConfig`], and
/// this machine is reached without a proxy.
pub struct Post {
    wire: Wire,
    base: String,
    authority: String,
}

/// A whole answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Posted {
    /// Its status; never one of a redirect.
    pub status: u16,
    /// Its headers, names in lower case. Hostile text.
    pub headers: Vec<(String, String)>,
    /// Its body. Hostile bytes.
    pub body: Vec<u8>,
}

/// A request without a whole answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", fault.as_str())]
pub struct Unposted {
    /// The kind.
    pub fault: Fault,
    /// What happened; holds nothing of the address behind its host.
    pub why: String,
    /// The status, if the answer broke behind its head: the receiver has decided, and only its words are missing.
    pub status: Option<u16>,
}

impl Unposted {
    /// Whether it is certain that nothing of the request was taken: there was no connection at all.
    #[must_use]
    pub fn never_left(&self) -> bool {
        matches!(self.fault, Fault::Connect | Fault::Dns | Fault::Tls | Fault::Refused)
    }
}

impl Posted {
    /// A header by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

impl Post {
    /// Prepares requests to `base` (`https://host` or `http://host:port`, without path); sends none.
    ///
    /// # Errors
    /// [`ConfigError`]: no such address, unusable timeouts, proxies or authorities.
    pub fn new(config: &WireConfig, environment: &Environment, base: &str) -> Result<Self, ConfigError> {
        let bad = |why: &str| ConfigError::Endpoint { given: "(not shown)".to_owned(), why: why.to_owned() };
        let uri: Uri = base.parse().map_err(|_| bad("it cannot be read as an address"))?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(bad("it begins neither with https:// nor with http://")),
        };
        let authority = uri.authority().ok_or_else(|| bad("it names no host"))?;
        if authority.as_str().contains('@') || uri.path_and_query().is_some_and(|p| p.as_str() != "/") {
            return Err(bad("it holds more than scheme, host and port"));
        }
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let target = Target {
            base: format!("{}://{authority}", if secure { "https" } else { "http" }),
            secure,
            host: authority.host().to_owned(),
            port,
            address: None,
            direct: is_here(authority.host()),
        };
        let (base, authority) = (target.base.clone(), authority.as_str().to_owned());
        let wire = Wire::new(config, environment, &[target], 1)?;
        Ok(Self { wire, base, authority })
    }

    /// Scheme, host and port.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Posts once. `target` is the encoded path and query; at most `max` bytes of the answer's body are read.
    ///
    /// # Errors
    /// [`Unposted`].
    pub fn send(&self, target: &str, headers: &[(String, String)], body: &[u8], max: u64) -> Result<Posted, Unposted> {
        let exchange = Exchange {
            method: "POST",
            base: &self.base,
            authority: &self.authority,
            target,
            headers,
            body: Body::Bytes(body),
            max_body: max,
        };
        match self.wire.send(&exchange) {
            Ok(answer) => Ok(Posted { status: answer.status, headers: answer.headers, body: answer.body }),
            Err(broken) => {
                Err(Unposted { fault: broken.fault, why: broken.why, status: broken.partial.map(|p| p.status) })
            }
        }
    }
}

/// This machine, which no proxy has anything to do with.
fn is_here(host: &str) -> bool {
    host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post").field("base", &self.base).finish_non_exhaustive()
    }
}

impl fmt::Debug for Posted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Posted").field("status", &self.status).field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_without_a_path_is_taken_and_none_is_repeated_in_an_error() {
        let made = |base: &str| Post::new(&WireConfig::default(), &Environment::of([("a", "b")]), base);
        assert_eq!(made("http://h.example:81").unwrap().base(), "http://h.example:81");
        assert!(["localhost", "127.0.0.1", "[::1]"].into_iter().all(is_here) && !is_here("localhost.example"));
        for base in ["ftp://hidden-word", "hidden-word", "http://hidden-word@h", "http://h/hidden-word", "http://"] {
            let said = made(base).unwrap_err().to_string();
            assert!(!said.contains("hidden-word"), "{said}");
        }
    }
}
