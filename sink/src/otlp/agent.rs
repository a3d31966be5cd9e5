//! One exchange with the receiver over `ureq` and rustls: send, read a bounded answer.
//! It must never follow a redirect, ask for a compressed answer, or show a header's value.

use std::fmt;
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};

use ureq::http::{HeaderName, HeaderValue};

use super::answer::{Answer, Body};
use super::{Encoding, Header, OtlpConfig, OtlpError};
use crate::exchange::{self, Failed};
use crate::reference::Secret;

/// Most bytes of an answer that are read. An honest one has a few hundred.
const MAX_ANSWER: u64 = 64 << 10;
/// Headers that are this module's own.
const OURS: [&str; 7] =
    ["host", "content-type", "content-length", "content-encoding", "transfer-encoding", "connection", "user-agent"];

/// A receiver's address, and the connections to it.
pub(super) struct Agent {
    agent: ureq::Agent,
    url: String,
    shown: String,
    headers: Vec<Header>,
    values: Vec<(HeaderName, HeaderValue)>,
    /// Whether there was no connection for the last request.
    unconnected: AtomicBool,
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent").field("shown", &self.shown).finish_non_exhaustive()
    }
}

impl Agent {
    pub(super) fn new(config: &OtlpConfig) -> Result<Self, OtlpError> {
        let (url, shown) = address(&config.url)?;
        let values = config.headers.iter().map(read).collect::<Result<_, _>>()?;
        let secure = url.starts_with("https://");
        let agent = exchange::client(secure, config.ca_file.as_deref(), config.connect_timeout, config.timeout)
            .map_err(OtlpError::Authorities)?;
        Ok(Self { agent, url, shown, headers: config.headers.clone(), values, unconnected: AtomicBool::new(false) })
    }

    /// Scheme, host and port: what messages name.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// Whether there was no connection for the last request.
    pub(super) fn was_unconnected(&self) -> bool {
        self.unconnected.load(Ordering::Relaxed)
    }

    /// Reads the headers' values again; those that cannot be read stay.
    pub(super) fn renew_headers(&mut self) {
        if let Ok(values) = self.headers.iter().map(read).collect() {
            self.values = values;
        }
    }

    /// Sends one request and reads what there is of the answer.
    pub(super) fn post(&self, encoding: Encoding, gzip: bool, body: &[u8]) -> Result<Answer, Failed> {
        let kind = match encoding {
            Encoding::Protobuf => "application/x-protobuf",
            Encoding::Json => "application/json",
        };
        let mut request = self.agent.post(&self.url).header("content-type", kind);
        if gzip {
            request = request.header("content-encoding", "gzip");
        }
        for (name, value) in &self.values {
            request = request.header(name, value);
        }
        let response = request.send(body);
        self.unconnected.store(response.as_ref().is_err_and(exchange::is_unconnected), Ordering::Relaxed);
        let response = response.map_err(|e| exchange::failed(&self.shown, &e))?;
        let (parts, body) = response.into_parts();
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body: bounded(body) })
    }
}

fn bounded(body: ureq::Body) -> Body {
    let mut bytes = Vec::new();
    match body.into_reader().take(MAX_ANSWER + 1).read_to_end(&mut bytes) {
        Ok(_) if bytes.len() as u64 > MAX_ANSWER => Body::TooLong(bytes),
        Ok(_) => Body::Whole(bytes),
        Err(error) => Body::Cut(bytes, exchange::name(&ureq::Error::from(error))),
    }
}

/// The URL with its path, and the part of it that can be shown.
fn address(url: &str) -> Result<(String, String), OtlpError> {
    let (uri, shown) = exchange::address(url).map_err(OtlpError::Url)?;
    let path = match uri.path_and_query().map_or("", |p| p.as_str()) {
        "" | "/" => "/v1/logs",
        path => path,
    };
    Ok((format!("{shown}{path}"), shown))
}

fn read(header: &Header) -> Result<(HeaderName, HeaderValue), OtlpError> {
    let shown = || header.name.escape_debug().to_string();
    let name = HeaderName::from_bytes(header.name.as_bytes()).ok().filter(|n| !OURS.contains(&n.as_str()));
    let name = name.ok_or_else(|| OtlpError::Header(shown(), "its name is none, or one that this sink sets itself"))?;
    let secret: Secret = header.value.read().map_err(|e| OtlpError::Value(shown(), e))?;
    let value = HeaderValue::from_str(&format!("{}{}", header.prefix, secret.expose()));
    let mut value = value.map_err(|_| OtlpError::Header(shown(), "its value holds characters that no header can"))?;
    value.set_sensitive(true);
    Ok((name, value))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_url_with_the_default_path_or_its_own() {
        let told = |url: &str| address(url).map_or_else(|e| e.to_string(), |(url, shown)| format!("{url} {shown}"));
        insta::assert_snapshot!(
            ["http://h:4318", "https://h/", "http://[::1]:1/otlp/logs?x=1", "ftp://h", "/v1/logs", "http://u:p@h", "\u{7}"]
                .map(told).join("\n"),
            @r##"
http://h:4318/v1/logs http://h:4318
https://h/v1/logs https://h
http://[::1]:1/otlp/logs?x=1 http://[::1]:1
the url is not usable: it begins neither with https:// nor with http://; write `https://host:4318`, and put what authorises into `headers`
the url is not usable: it begins neither with https:// nor with http://; write `https://host:4318`, and put what authorises into `headers`
the url is not usable: it holds a user or a password; write `https://host:4318`, and put what authorises into `headers`
the url is not usable: it cannot be read; write `https://host:4318`, and put what authorises into `headers`
"##);
    }

    #[test]
    fn a_header_that_this_sink_sets_is_refused_and_no_value_is_shown() {
        let header = |name: &str, variable: &str| Header {
            name: name.to_owned(),
            prefix: "Bearer ".to_owned(),
            value: crate::Reference::Environment(variable.to_owned()),
        };
        for name in ["Content-Type", "host", "a b", "x\n"] {
            assert!(matches!(read(&header(name, "PATH")), Err(OtlpError::Header(..))), "{name:?}");
        }
        let why = read(&header("authorization", "INNERTRAIL_NOT_SET")).unwrap_err().to_string();
        assert!(why.starts_with("the header authorization: the variable INNERTRAIL_NOT_SET: it is not set"), "{why}");
        let (_, value) = read(&header("authorization", "PATH")).unwrap();
        assert_eq!(format!("{value:?}"), "Sensitive");
    }
}
