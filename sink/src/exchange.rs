//! What the sinks that post share: an address that can be shown, authorities that are believed, a client over `ureq` and
//! rustls, and what its errors say.
//! It must never follow a redirect, ask for a compressed answer, or end without authorities where TLS is asked for.

use std::io::{ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::config::{AutoHeaderValue, Config};
use ureq::http::Uri;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::sender::Refused;
use crate::trouble;

/// The longest file of authorities, bytes.
const MAX_AUTHORITIES: u64 = 8 << 20;

/// Reads a URL; gives it with the part that can be shown: scheme, host and port.
///
/// # Errors
/// What is wrong with it; the URL itself may hold a secret and is not repeated.
pub(crate) fn address(url: &str) -> Result<(Uri, String), &'static str> {
    let uri: Uri = url.parse().map_err(|_| "it cannot be read")?;
    let scheme = uri.scheme_str().filter(|s| ["http", "https"].contains(s));
    let scheme = scheme.ok_or("it begins neither with https:// nor with http://")?;
    let authority = uri.authority().ok_or("it names no host")?;
    if authority.as_str().contains('@') {
        return Err("it holds a user or a password");
    }
    let shown = format!("{scheme}://{authority}");
    Ok((uri, shown))
}

/// A client for one address.
///
/// # Errors
/// Why there are no authorities to believe.
pub(crate) fn client(
    secure: bool,
    ca_file: Option<&Path>,
    connect_timeout: Duration,
    timeout: Duration,
) -> Result<Agent, String> {
    let tls = TlsConfig::builder()
        .root_certs(roots(secure, ca_file)?)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    let config = Config::builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .tls_config(tls)
        .user_agent(concat!("innertrail/", env!("CARGO_PKG_VERSION")))
        .accept_encoding(AutoHeaderValue::None)
        .timeout_connect(Some(connect_timeout))
        .timeout_global(Some(timeout))
        .build();
    Ok(config.new_agent())
}

/// The system's authorities and those of `file`; for an address without TLS none, and the system's are not read.
fn roots(secure: bool, file: Option<&Path>) -> Result<RootCerts, String> {
    if !secure {
        return Ok(RootCerts::from(Vec::new()));
    }
    let native = rustls_native_certs::load_native_certs();
    let mut roots: Vec<Certificate<'static>> =
        native.certs.iter().map(|c| Certificate::from_der(c.as_ref()).to_owned()).collect();
    if let Some(path) = file {
        roots.extend(from_file(path).map_err(|why| format!("{}: {why}", path.display()))?);
    }
    if roots.is_empty() {
        return Err(native.errors.first().map_or_else(|| "the system has no store".to_owned(), ToString::to_string));
    }
    Ok(RootCerts::from(roots))
}

fn from_file(path: &Path) -> Result<Vec<Certificate<'static>>, String> {
    let mut pem = Vec::new();
    let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
    file.take(MAX_AUTHORITIES).read_to_end(&mut pem).map_err(|e| e.to_string())?;
    let mut found = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|e| e.to_string())? {
            found.push(certificate);
        }
    }
    if found.is_empty() { Err("there is no certificate in it".to_owned()) } else { Ok(found) }
}

/// Whether it ended before there was a connection.
pub(crate) fn is_unconnected(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => true,
        ureq::Error::Timeout(what) => matches!(what, ureq::Timeout::Resolve | ureq::Timeout::Connect),
        ureq::Error::Io(error) => trouble::is_unconnected(error.kind()),
        _ => false,
    }
}

/// An exchange that came to no answer.
pub(crate) struct Failed {
    /// What to do about it.
    pub(crate) refused: Refused,
    /// Whether the receiver may have seen something of the request.
    pub(crate) reached: bool,
}

impl From<Failed> for Refused {
    fn from(failed: Failed) -> Self {
        failed.refused
    }
}

/// What came of it. A connection that was there and was closed is told apart from one that never was.
pub(crate) fn failed(shown: &str, error: &ureq::Error) -> Failed {
    use ureq::{Error, Timeout};
    let why = format!("{shown}: {}", name(error));
    match error {
        Error::Io(e) if is_closed(e.kind()) => Failed { refused: Refused::Closed { why }, reached: true },
        other => {
            let waited = matches!(other, Error::Timeout(at) if !matches!(at, Timeout::Resolve | Timeout::Connect));
            Failed { refused: Refused::Later { why, after: None }, reached: waited }
        }
    }
}

/// Whether an established connection ended by the other side's doing.
pub(crate) fn is_closed(kind: ErrorKind) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

/// What to make of a failed exchange, given the body's length before compression and the receiver's limit.
///
/// A receiver that refuses a body for its length may close the connection before its answer can be read. So a failure says
/// little about the network when the one record of a batch is longer than the limit, but where nobody was reached.
pub(crate) fn beyond(limit: usize, len: usize, failed: Failed) -> Refused {
    match failed.refused {
        Refused::Later { why, .. } | Refused::Closed { why } if len > limit && failed.reached => Refused::Unclear {
            why: format!("{why}; the body has {len} bytes, more than the {limit} that the receiver takes"),
        },
        Refused::Closed { why } => Refused::Closed { why: format!("{why}; the body has {len} bytes") },
        other => other,
    }
}

/// An error of the exchange. The library's texts hold no header values.
pub(crate) fn name(error: &ureq::Error) -> String {
    match error {
        ureq::Error::HostNotFound => "the name has no address; check its spelling".to_owned(),
        ureq::Error::Timeout(what) => format!("not done in time ({what})"),
        other => other.to_string().escape_debug().to_string(),
    }
}
