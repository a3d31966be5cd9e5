//! Which certificate authorities are believed: the system's, and those of one further file.
//! It must never end with none where TLS is asked for.

use std::path::Path;

use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};

use super::HttpError;

/// The authorities for a secure address; for another none are needed, and the system's store is not read.
pub(super) fn load(secure: bool, file: Option<&Path>) -> Result<RootCerts, HttpError> {
    if !secure {
        return Ok(RootCerts::from(Vec::new()));
    }
    let native = rustls_native_certs::load_native_certs();
    let mut roots: Vec<Certificate<'static>> =
        native.certs.iter().map(|c| Certificate::from_der(c.as_ref()).to_owned()).collect();
    if let Some(path) = file {
        let bad = |why: String| HttpError::Authorities(format!("{}: {why}", path.display()));
        let pem = std::fs::read(path).map_err(|e| bad(e.to_string()))?;
        let before = roots.len();
        for item in parse_pem(&pem) {
            if let PemItem::Certificate(certificate) = item.map_err(|e| bad(e.to_string()))? {
                roots.push(certificate);
            }
        }
        if roots.len() == before {
            return Err(bad("there is no certificate in it".to_owned()));
        }
    }
    if roots.is_empty() {
        let why = native.errors.first().map_or_else(|| "the system has no store".to_owned(), ToString::to_string);
        return Err(HttpError::Authorities(why));
    }
    Ok(RootCerts::from(roots))
}
