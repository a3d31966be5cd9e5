//! TLS with a certificate of an authority of the test's own, and addresses that must not be served without.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use innertrail_api::server::{Options, Server, ServerError, TlsFiles};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::{Stage, now_us};

struct Made {
    files: TlsFiles,
    root: rustls::pki_types::CertificateDer<'static>,
}

/// A certificate for every name of a domain, as an operator has it.
fn made(dir: &Path, name: &str) -> Made {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["*.logs.example".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let files = TlsFiles { certificate: dir.join(format!("{name}.pem")), key: dir.join(format!("{name}.key")) };
    std::fs::write(&files.certificate, certificate.pem()).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    Made { files, root: certificate.der().clone() }
}

#[test]
fn a_request_over_tls_is_answered_and_one_without_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let made = made(dir.path(), "a");
    let stage = Stage::with(|options| options.tls = Some(made.files.clone()));
    let mut roots = RootCertStore::empty();
    roots.add(made.root.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("audit.logs.example").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(stage.address()).unwrap());
    stream.write_all(b"GET / HTTP/1.1\r\nhost: audit.logs.example\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    let _without_notice = stream.read_to_string(&mut text);
    assert!(text.starts_with("HTTP/1.1 400") && text.contains("MissingAPIVersion"), "{text}");
    let plain = stage.raw("GET / HTTP/1.1\r\nhost: audit.logs.example\r\n\r\n");
    assert!(!plain.contains("HTTP/1.1"), "{plain}");
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (made(dir.path(), "a").files, made(dir.path(), "b").files);
    let empty = dir.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    for (certificate, key, told) in [
        (dir.path().join("none.pem"), a.key.clone(), "none.pem"),
        (empty.clone(), a.key.clone(), "empty.pem"),
        (a.certificate.clone(), empty, "empty.pem"),
        (a.certificate.clone(), b.key, "belong together"),
    ] {
        let mut options = Options::new("127.0.0.1:0", now_us);
        options.tls = Some(TlsFiles { certificate, key });
        let error = Server::bind(options).err().unwrap().to_string();
        assert!(error.contains(told), "{told}: {error}");
    }
}

#[test]
fn an_address_that_others_reach_needs_tls_or_a_word() {
    let bind = |listen: &str, plaintext| {
        let mut options = Options::new(listen, now_us);
        options.plaintext = plaintext;
        Server::bind(options)
    };
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"] {
        let refused = bind(listen, false).err().unwrap();
        assert!(
            matches!(refused, ServerError::Plaintext(_)) && refused.to_string().contains("plaintext: true"),
            "{refused}"
        );
    }
    // An address for documents, which no machine has: the word lets it be tried, and it cannot be had.
    assert!(matches!(bind("192.0.2.1:80", true).err().unwrap(), ServerError::Listen { .. }));
    let taken = Stage::new();
    let error = bind(&taken.address().to_string(), false).err().unwrap();
    assert!(matches!(error, ServerError::Listen { .. }), "{error}");
}
