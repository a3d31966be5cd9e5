//! TLS with an authority of our own, and proxies.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use innertrail_fetch::{Client, Clock, Endpoint, Environment, Fault};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::double::{Server, config, credentials, get};

struct Secure {
    server: Server,
    ca_file: PathBuf,
    _dir: tempfile::TempDir,
}

/// A TLS server for `name`, and its authority in a file.
fn secure(name: &str) -> Secure {
    let (ca_key, mut ca) = (rcgen::KeyPair::generate().unwrap(), rcgen::CertificateParams::new(vec![]).unwrap());
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    ca.distinguished_name.push(rcgen::DnType::CommonName, format!("authority of {name}"));
    let ca_certificate = ca.self_signed(&ca_key).unwrap();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    let tls = Arc::new(tls);
    let server = Server::wrapped(
        Arc::new(move |stream| Box::new(StreamOwned::new(ServerConnection::new(Arc::clone(&tls)).unwrap(), stream))),
        |seen, reply| reply.answer(200, &[], seen.target.as_bytes()),
    );
    let dir = tempfile::tempdir().unwrap();
    let ca_file = dir.path().join("ca.pem");
    std::fs::write(&ca_file, ca_certificate.pem()).unwrap();
    Secure { server, ca_file, _dir: dir }
}

fn client(secure: &Secure, authority: &Secure) -> Client {
    let mut config = config();
    config.wire.ca_file = Some(authority.ca_file.clone());
    let endpoint = Endpoint::sls("my-project", "logs.example").unwrap().with_region("cn-test");
    let endpoint = endpoint.with_address(&secure.server.address()).unwrap();
    crate::double::client_of(endpoint, config, credentials(), Clock::system())
}

#[test]
fn an_authority_of_ones_own_is_believed_if_it_is_named() {
    let secure = secure("my-project.logs.example");
    let trusting = client(&secure, &secure);
    for _ in 0..3 {
        assert_eq!(trusting.call(&get("/over/tls")).unwrap().body, b"/over/tls");
    }
    assert_eq!(secure.server.connections.load(Ordering::SeqCst), 1);
    let other = self::secure("unused.example");
    let failure = client(&secure, &other).call(&get("/")).unwrap_err();
    assert_eq!(failure.fault, Fault::Tls);
    assert!(failure.why.contains("ca_file"), "{failure}");
    assert_eq!(secure.server.seen().len(), 3, "nothing was sent to whom was not believed");
}

#[test]
fn a_certificate_for_another_name_is_not_believed() {
    let secure = secure("my-project.other.example");
    let failure = client(&secure, &secure).call(&get("/")).unwrap_err();
    assert_eq!(failure.fault, Fault::Tls, "{failure}");
    assert!(secure.server.seen().is_empty());
}

#[test]
fn a_server_without_tls_is_told() {
    let server = Server::start(|_, reply| reply.answer(200, &[], b""));
    let other = secure("unused.example");
    let plain = Secure { server, ca_file: other.ca_file.clone(), _dir: tempfile::tempdir().unwrap() };
    let failure = client(&plain, &other).call(&get("/")).unwrap_err();
    assert!(matches!(failure.fault, Fault::Tls | Fault::Reset | Fault::Protocol), "{failure}");
}

/// A proxy that connects everything to one place; ends with the value.
struct Proxy {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
    stopped: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Proxy {
    fn start(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (heads, stopped) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (log, stop) = (Arc::clone(&heads), Arc::clone(&stopped));
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let log = Arc::clone(&log);
                thread::spawn(move || tunnel(&stream.unwrap(), to, &log));
            }
        });
        Self { port, heads, stopped, thread: Some(thread) }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        self.thread.take().unwrap().join().unwrap();
    }
}

fn tunnel(client: &TcpStream, to: u16, log: &Mutex<Vec<String>>) {
    let mut head = String::new();
    let mut reader = BufReader::new(client.try_clone().unwrap());
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap() == 0 {
            return;
        }
    }
    log.lock().unwrap().push(head.clone());
    let mut client = client.try_clone().unwrap();
    // user:planted-proxy-word
    if !head.contains("Proxy-Authorization: Basic dXNlcjpwbGFudGVkLXByb3h5LXdvcmQ=\r\n") {
        client.write_all(b"HTTP/1.1 407 X\r\nContent-Length: 0\r\n\r\n").unwrap();
        return;
    }
    client.write_all(b"HTTP/1.1 200 X\r\n\r\n").unwrap();
    let mut server = TcpStream::connect(("127.0.0.1", to)).unwrap();
    let (mut back, mut forth) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let there = thread::spawn(move || {
        let _ = std::io::copy(&mut reader, &mut server);
        let _ = server.shutdown(Shutdown::Both);
    });
    let _ = std::io::copy(&mut back, &mut forth);
    let _ = client.shutdown(Shutdown::Both);
    there.join().unwrap();
}

#[test]
fn proxies_are_used_by_connect_and_passed_by_for_exceptions() {
    let secure = secure("my-project.logs.example");
    let proxy = Proxy::start(secure.server.port);
    let call = |variables: &[(&str, String)]| {
        let mut config = config();
        config.wire.ca_file = Some(secure.ca_file.clone());
        config.retry.tries = 1;
        let endpoint = Endpoint::sls("my-project", "logs.example").unwrap().with_region("cn-test");
        let endpoints = BTreeMap::from([("project".to_owned(), endpoint)]);
        let environment = Environment::of(variables.iter().map(|(k, v)| (*k, v.clone())));
        Client::with(config, endpoints, credentials(), &environment, Clock::system()).unwrap().call(&get("/through"))
    };
    let address = |user: &str| format!("http://{user}127.0.0.1:{}", proxy.port);
    let good = address("user:planted-proxy-word@");
    assert_eq!(call(&[("HTTPS_PROXY", good.clone())]).unwrap().body, b"/through");
    let heads = proxy.heads();
    assert!(heads[0].starts_with("CONNECT my-project.logs.example:443 HTTP/1.1\r\n"), "{heads:?}");
    assert!(!heads[0].contains("LTAI"), "the proxy sees no credentials");

    let failure = call(&[("https_proxy", address("user:wrong-proxy-word@"))]).unwrap_err();
    assert_eq!(failure.fault, Fault::Connect, "{failure}");
    assert!(failure.why.contains("407") && !failure.why.contains("wrong-proxy-word"), "{failure}");

    let before = proxy.heads().len();
    let failure = call(&[("https_proxy", good.clone()), ("NO_PROXY", "logs.example".to_owned())]).unwrap_err();
    assert_eq!(failure.fault, Fault::Dns, "directly there is no such name: {failure}");
    let failure = call(&[("http_proxy", good)]).unwrap_err();
    assert_eq!(failure.fault, Fault::Dns, "the proxy is for the other scheme: {failure}");
    assert_eq!(proxy.heads().len(), before);
}
