//! OTLP over TLS: who is believed, and who is not.

use std::io::{BufRead, BufReader, Read, Write};
use std::sync::Arc;

use innertrail_sink::otlp::{Otlp, OtlpConfig, OtlpError};
use innertrail_sink::{Refused, Sender};

use crate::double::{Listener, server_config};
use crate::fixture_records;

/// A receiver for `localhost` that says yes to everything, and the PEM of its authority.
fn receiver(authority: &str) -> (Listener, String) {
    let (config, pem) = server_config(authority);
    let listener = Listener::start(move |stream, _, _| {
        let session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = BufReader::new(rustls::StreamOwned::new(session, stream));
        let mut length = 0;
        loop {
            let mut line = String::new();
            if !matches!(stream.read_line(&mut line), Ok(n) if n > 0) {
                return;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        if stream.read_exact(&mut vec![0; length]).is_ok() {
            let _ = stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        }
    });
    (listener, pem)
}

#[test]
fn only_the_receiver_that_the_authority_vouches_for_is_sent_to() {
    let (dir, fixtures) = (tempfile::tempdir().unwrap(), fixture_records::all());
    let ((listener, pem), (_, another)) = (receiver("ours"), receiver("another"));
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let send = |host: &str, authority: &str| {
        let mut config = OtlpConfig::of(&format!("https://{host}:{}", listener.port));
        config.ca_file = Some(write("ca.pem", authority));
        Otlp::new(&config).unwrap().send(&fixtures.part(0, 3))
    };
    send("localhost", &pem).unwrap();
    for (host, authority, wanted) in
        [("localhost", &another, "UnknownIssuer"), ("127.0.0.1", &pem, "not valid for name")]
    {
        let refused = send(host, authority).unwrap_err();
        assert!(matches!(&refused, Refused::Later { why, .. } if why.contains(wanted)), "{refused:?}");
    }
}

#[test]
fn a_file_without_an_authority_is_no_authority() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ca.pem");
    let mut config = OtlpConfig::of("https://localhost:4318");
    config.ca_file = Some(path.clone());
    for text in [None, Some(""), Some("no pem"), Some("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n")] {
        if let Some(text) = text {
            std::fs::write(&path, text).unwrap();
        }
        let refused = Otlp::new(&config).unwrap_err();
        assert!(matches!(&refused, OtlpError::Authorities(why) if why.contains("ca.pem")), "{text:?}: {refused}");
    }
}
