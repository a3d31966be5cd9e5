//! The authorities that a mail server's certificate is held against.
//! It must never end with none.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// The longest file of authorities, bytes.
const MAX: u64 = 8 << 20;

/// The system's authorities and those of `file`.
pub(super) fn config(file: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let native = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(native.certs);
    if let Some(path) = file {
        let named = |why: String| format!("{}: {why}", path.display());
        let mut pem = Vec::new();
        let opened = File::open(path).map_err(|e| named(e.to_string()))?;
        opened.take(MAX).read_to_end(&mut pem).map_err(|e| named(e.to_string()))?;
        let before = store.len();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|e| named(e.to_string()))?;
            store.add(certificate).map_err(|e| named(e.to_string()))?;
        }
        if store.len() == before {
            return Err(named("there is no certificate in it".to_owned()));
        }
    }
    if store.is_empty() {
        return Err(native.errors.first().map_or_else(|| "the system has no store".to_owned(), ToString::to_string));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|e| e.to_string())?.with_root_certificates(store).with_no_client_auth();
    Ok(Arc::new(config))
}
