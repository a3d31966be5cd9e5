//! TLS: the operator's certificate, read again when its files change. It must never go on without TLS when a file cannot be read.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::{ServerError, TlsFiles};

/// How long the files are not looked at again.
const LOOK_EVERY: Duration = Duration::from_secs(10);

type Print = [Option<(u64, SystemTime)>; 2];

struct Known {
    looked: Instant,
    print: Print,
    acceptor: TlsAcceptor,
}

/// The certificate in use.
pub struct Tls {
    files: TlsFiles,
    known: Mutex<Known>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`ServerError::Tls`].
    pub fn open(files: &TlsFiles) -> Result<Self, ServerError> {
        let print = print(files);
        let known = Known { looked: Instant::now(), print, acceptor: read(files)? };
        Ok(Self { files: files.clone(), known: Mutex::new(known) })
    }

    /// What takes the next connection. Files that cannot be used leave the certificate that was read before in use.
    #[must_use]
    pub fn acceptor(&self) -> TlsAcceptor {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.looked.elapsed() >= LOOK_EVERY {
            known.looked = Instant::now();
            let now = print(&self.files);
            if now != known.print
                && let Ok(acceptor) = read(&self.files)
            {
                (known.print, known.acceptor) = (now, acceptor);
            }
        }
        known.acceptor.clone()
    }
}

fn print(files: &TlsFiles) -> Print {
    [&files.certificate, &files.key].map(|path| {
        let meta = std::fs::metadata(path).ok()?;
        Some((meta.len(), meta.modified().ok()?))
    })
}

fn read(files: &TlsFiles) -> Result<TlsAcceptor, ServerError> {
    let wrong = |path: &Path, why: String| ServerError::Tls { path: path.to_owned(), why };
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| wrong(&files.certificate, e.to_string()))?;
    if chain.is_empty() {
        return Err(wrong(&files.certificate, "there is no certificate in it; it must be PEM".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|e| {
        wrong(&files.key, format!("no private key can be read: {e}; it must be PEM without a password"))
    })?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|e| wrong(&files.certificate, format!("{e}; certificate and key must belong together")))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
