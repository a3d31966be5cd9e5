//! What the HTTP library's errors are called here.
//!
//! The texts must never hold header values or a proxy's address: both can contain credentials.

use std::io;

use crate::request::Fault;
use crate::wire::resolve::Unresolved;

/// The kind of an error, and what to say about it.
pub(crate) fn name(error: &ureq::Error) -> (Fault, String) {
    match error {
        ureq::Error::Timeout(what) => timeout(*what),
        ureq::Error::HostNotFound => (Fault::Dns, "the name has no address; check its spelling".to_owned()),
        ureq::Error::Other(inner) => other(inner.as_ref()),
        ureq::Error::Rustls(e) => tls(e),
        ureq::Error::Tls(why) => (Fault::Tls, (*why).to_owned()),
        ureq::Error::Io(e) => of_io(e),
        ureq::Error::ConnectProxyFailed(why) => {
            (Fault::Connect, format!("the proxy made no connection: {why}; check the proxy variables"))
        }
        ureq::Error::ConnectionFailed => (Fault::Connect, "no connection".to_owned()),
        ureq::Error::LargeResponseHeader(..) => {
            (Fault::Protocol, "the header of the answer is longer than allowed".to_owned())
        }
        ureq::Error::Protocol(e) => (Fault::Protocol, format!("the answer is not HTTP/1.1: {e}")),
        ureq::Error::Http(_) | ureq::Error::BadUri(_) => {
            (Fault::Refused, "the request cannot be written as HTTP".to_owned())
        }
        _ => (Fault::Protocol, "the exchange failed".to_owned()),
    }
}

fn timeout(what: ureq::Timeout) -> (Fault, String) {
    match what {
        ureq::Timeout::Resolve => (Fault::Dns, "the name service did not answer in time".to_owned()),
        ureq::Timeout::Connect => (Fault::Timeout, "no connection in time".to_owned()),
        other => (Fault::Timeout, format!("not done in time ({other})")),
    }
}

fn other(inner: &(dyn std::error::Error + 'static)) -> (Fault, String) {
    match inner.downcast_ref::<Unresolved>() {
        Some(why) => (Fault::Dns, format!("{why}; check the endpoint's spelling and the name service")),
        None => (Fault::Protocol, inner.to_string()),
    }
}

fn tls(error: &rustls::Error) -> (Fault, String) {
    let remedy = match error {
        rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer) => {
            "; if its authority is your own, name it in `ca_file`"
        }
        _ => "",
    };
    (Fault::Tls, format!("{error}{remedy}"))
}

fn of_io(error: &io::Error) -> (Fault, String) {
    if let Some(inner) = error.get_ref() {
        if let Some(e) = inner.downcast_ref::<rustls::Error>() {
            return tls(e);
        }
        if let Some(e) = inner.downcast_ref::<ureq::Error>() {
            return name(e);
        }
    }
    let fault = match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::NotConnected => Fault::Reset,
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Fault::Timeout,
        io::ErrorKind::InvalidData => Fault::Protocol,
        _ => Fault::Connect,
    };
    (fault, error.to_string())
}
