//! Which certificate authorities are believed: the system's, and those of one further file.
//!
//! It must never end with none: a client that believes nobody fails at the first request with a message about a
//! certificate, where the cause is a missing package.

use std::path::Path;

use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};

use crate::error::ConfigError;

/// A file of certificate authorities is not longer, bytes.
const MAX_FILE: u64 = 8 << 20;

/// The system's authorities and those of `file`.
pub(crate) fn load(file: Option<&Path>) -> Result<RootCerts, ConfigError> {
    let native = rustls_native_certs::load_native_certs();
    let mut roots: Vec<Certificate<'static>> =
        native.certs.iter().map(|c| Certificate::from_der(c.as_ref()).to_owned()).collect();
    if let Some(path) = file {
        roots.extend(from_file(path)?);
    }
    if roots.is_empty() {
        let why = native.errors.first().map_or_else(|| "the system has no store".to_owned(), ToString::to_string);
        return Err(ConfigError::NoAuthorities(why));
    }
    Ok(RootCerts::from(roots))
}

fn from_file(path: &Path) -> Result<Vec<Certificate<'static>>, ConfigError> {
    let bad = |why: String| ConfigError::Authority { path: path.to_owned(), why };
    let text = crate::files::read(path, MAX_FILE).map_err(|e| bad(e.to_string()))?;
    let mut found = Vec::new();
    for item in parse_pem(&text) {
        match item {
            Ok(PemItem::Certificate(certificate)) => {
                let der = rustls::pki_types::CertificateDer::from(certificate.der());
                rustls::RootCertStore::empty().add(der).map_err(|e| bad(e.to_string()))?;
                found.push(certificate);
            }
            Ok(_) => {}
            Err(e) => return Err(bad(e.to_string())),
        }
    }
    if found.is_empty() {
        return Err(bad("there is no certificate in it".to_owned()));
    }
    Ok(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_usable_certificate_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        assert!(load(Some(&path)).unwrap_err().to_string().contains("ca.pem"));
        for text in ["", "no pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            std::fs::write(&path, text).unwrap();
            assert!(load(Some(&path)).unwrap_err().to_string().contains("at least one PEM certificate"), "{text}");
        }
    }
}
