//! Who is believed to be the receiver.
//! It must never believe a certificate that no authority vouches for, or one for another name.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::ForwardError;

/// The longest file of authorities, bytes.
const MAX_AUTHORITIES: u64 = 8 << 20;

/// Who vouches for the receiver.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TlsConfig {
    /// A PEM file of further certificate authorities, beside the system's.
    pub ca_file: Option<PathBuf>,
    /// The name in the receiver's certificate, where it is not the host of the address.
    pub server_name: Option<String>,
}

/// What a session is made of.
pub(super) struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Tls {
    pub(super) fn new(config: &TlsConfig, address: &str) -> Result<Self, ForwardError> {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let name = config.server_name.as_deref().unwrap_or(host.trim_start_matches('[').trim_end_matches(']'));
        let shown = || ForwardError::Name(name.escape_debug().to_string());
        let roots = roots(config.ca_file.as_deref()).map_err(ForwardError::Authorities)?;
        let client = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has the default versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).map_err(|_| shown())?;
        Ok(Self { config: Arc::new(client), name })
    }

    pub(super) fn session(&self) -> io::Result<ClientConnection> {
        ClientConnection::new(Arc::clone(&self.config), self.name.clone()).map_err(io::Error::other)
    }
}

/// The system's authorities and those of `file`.
fn roots(file: Option<&Path>) -> Result<RootCertStore, String> {
    let native = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // A store of hundreds has some that cannot be used; the others can.
    roots.add_parsable_certificates(native.certs);
    if let Some(path) = file {
        let bad = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
        let mut pem = Vec::new();
        File::open(path).and_then(|f| f.take(MAX_AUTHORITIES).read_to_end(&mut pem)).map_err(|e| bad(&e))?;
        let mut found = 0;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|e| bad(&e))?;
            roots.add(certificate).map_err(|e| bad(&e))?;
            found += 1;
        }
        if found == 0 {
            return Err(bad(&"there is no certificate in it"));
        }
    }
    if roots.is_empty() {
        return Err(native.errors.first().map_or_else(|| "the system has no store".to_owned(), ToString::to_string));
    }
    Ok(roots)
}
