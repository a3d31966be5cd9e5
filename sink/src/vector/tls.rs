//! TLS towards a Vector: its authority, and a certificate of ours where it asks for one.
//! It must never go on without the protection that was configured.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use super::VectorError;

/// Whom to believe, and who we are. Files are PEM and are read once, at the start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// Authorities to believe instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Our certificate with those that vouch for it, and its key.
    pub client: Option<(PathBuf, PathBuf)>,
    /// The name that the certificate must bear, where it is not the address's host.
    pub server_name: Option<String>,
}

impl Tls {
    pub(super) fn apply(&self, endpoint: Endpoint, handshake: Duration) -> Result<Endpoint, VectorError> {
        let mut config = ClientTlsConfig::new().timeout(handshake);
        config = match &self.ca_file {
            Some(path) => config.ca_certificate(Certificate::from_pem(read(path, "-----BEGIN CERTIFICATE")?)),
            None => config.with_native_roots(),
        };
        if let Some((certificate, key)) = &self.client {
            let certificate = read(certificate, "-----BEGIN CERTIFICATE")?;
            config = config.identity(Identity::from_pem(certificate, read(key, "PRIVATE KEY-----")?));
        }
        if let Some(name) = &self.server_name {
            config = config.domain_name(name);
        }
        let bad = |why: tonic::transport::Error| {
            let why = std::error::Error::source(&why).map_or_else(|| why.to_string(), ToString::to_string);
            VectorError::Tls { path: "tls".to_owned(), why }
        };
        endpoint.tls_config(config).map_err(bad)
    }
}

/// A file that holds what it should: the library takes one without certificates for an empty list.
fn read(path: &Path, wanted: &str) -> Result<String, VectorError> {
    let bad = |why: String| VectorError::Tls { path: path.display().to_string(), why };
    let text = std::fs::read_to_string(path).map_err(|e| bad(e.to_string()))?;
    if text.contains(wanted) {
        return Ok(text);
    }
    Err(bad(format!("there is no PEM block `{}` in it", wanted.trim_matches('-'))))
}
