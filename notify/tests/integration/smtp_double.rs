//! A strict mail server on 127.0.0.1: RFC 5321's order of commands, CR LF alone, dots taken off, STARTTLS or TLS, AUTH only under it.
//! It must never forgive a client anything, or listen on anything but 127.0.0.1.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A mail as it was taken.
#[derive(Debug, Clone)]
pub(crate) struct Mail {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) data: Vec<u8>,
    pub(crate) encrypted: bool,
    pub(crate) login: Option<String>,
}

/// What it does otherwise than a server that works.
#[derive(Debug, Clone)]
pub(crate) enum Trick {
    /// Answers this command with that line, once a connection.
    Say(&'static str, &'static str),
    /// Offers no STARTTLS.
    NoStarttls,
    /// Speaks on behind its answer to STARTTLS, as somebody on the way could.
    Inject,
    /// Offers AUTH LOGIN alone.
    LoginOnly,
    /// Takes the message and closes without an answer.
    Vanish,
    /// Never greets.
    Silent,
    /// Greets a byte at a time, for ever.
    Drip,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Plain,
    Starttls,
    Tls,
}

type Taken = Arc<Mutex<Vec<Mail>>>;

pub(crate) struct SmtpDouble {
    pub(crate) address: SocketAddr,
    pub(crate) ca_file: PathBuf,
    pub(crate) taken: Taken,
    pub(crate) faults: Arc<Mutex<Vec<String>>>,
    _dir: tempfile::TempDir,
}

trait Wire: Read + Write + Send {}
impl<T: Read + Write + Send> Wire for T {}

impl SmtpDouble {
    /// `tricks`: one for each connection; behind the last the server works.
    pub(crate) fn start(mode: Mode, tricks: Vec<Trick>) -> Self {
        let (config, authority) = certificate();
        let dir = tempfile::tempdir().unwrap();
        let ca_file = dir.path().join("ca.pem");
        std::fs::write(&ca_file, authority).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (taken, faults) = (Taken::default(), Arc::new(Mutex::new(vec![])));
        let (mails, told) = (taken.clone(), faults.clone());
        thread::spawn(move || {
            let mut tricks = tricks.into_iter();
            for socket in listener.incoming().flatten() {
                let session = Session {
                    mode,
                    trick: tricks.next(),
                    tls: config.clone(),
                    mails: mails.clone(),
                    encrypted: mode == Mode::Tls,
                };
                let told = told.clone();
                thread::spawn(move || {
                    let served = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| session.serve(socket)));
                    if let Err(panic) = served {
                        let why = panic.downcast_ref::<String>().cloned();
                        let why = why.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
                        told.lock().unwrap().push(why.unwrap_or_default());
                    }
                });
            }
        });
        Self { address, ca_file, taken, faults, _dir: dir }
    }
}

fn certificate() -> (Arc<ServerConfig>, String) {
    let (ca_key, mut ca) = (rcgen::KeyPair::generate().unwrap(), rcgen::CertificateParams::new(vec![]).unwrap());
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    ca.distinguished_name.push(rcgen::DnType::CommonName, "authority of the tests");
    let pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    (Arc::new(config), pem)
}

/// An HTTPS server that answers each request with 204; its head is looked at. With a folder that holds its authority, `ca.pem`.
pub(crate) fn secure_http(look: impl Fn(&str) + Send + 'static) -> (SocketAddr, tempfile::TempDir) {
    let (config, authority) = certificate();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ca.pem"), authority).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let mut tls = StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), socket);
            // Who does not believe the certificate never sends one.
            let Some(request) = whole(&mut tls) else { continue };
            look(&request);
            let _sent = tls.write_all(b"HTTP/1.1 204 X\r\nconnection: close\r\n\r\n").and_then(|()| tls.flush());
        }
    });
    (address, dir)
}

/// A request to the end of its body; a connection that is closed on unread bytes loses the answer.
fn whole(tls: &mut impl Read) -> Option<String> {
    let (mut request, mut piece) = (String::new(), [0; 4096]);
    loop {
        let read = tls.read(&mut piece).ok().filter(|read| *read > 0)?;
        request.push_str(std::str::from_utf8(&piece[..read]).unwrap());
        if let Some((head, body)) = request.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
            if body.len() >= length.unwrap().parse().unwrap() {
                return Some(request);
            }
        }
    }
}

struct Session {
    mode: Mode,
    trick: Option<Trick>,
    tls: Arc<ServerConfig>,
    mails: Taken,
    encrypted: bool,
}

impl Session {
    fn serve(mut self, mut socket: TcpStream) {
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        match self.trick {
            Some(Trick::Silent) => return thread::sleep(Duration::from_secs(3)),
            Some(Trick::Drip) => {
                while socket.write_all(b"2").is_ok() {
                    thread::sleep(Duration::from_millis(20));
                }
                return;
            }
            _ => {}
        }
        if self.mode == Mode::Tls {
            let tls = ServerConnection::new(self.tls.clone()).unwrap();
            self.talk(Box::new(StreamOwned::new(tls, socket)), true);
        } else if let Some(socket) = self.talk(Box::new(socket.try_clone().unwrap()), true).then_some(socket) {
            self.encrypted = true;
            let tls = ServerConnection::new(self.tls.clone()).unwrap();
            self.talk(Box::new(StreamOwned::new(tls, socket)), false);
        }
    }

    /// Until the end, or until the connection is to be encrypted: `true`.
    fn talk(&self, mut wire: Box<dyn Wire>, greet: bool) -> bool {
        if greet && !self.answer(&mut wire, "CONNECT", "220 mail.example ESMTP") {
            return false;
        }
        let (mut hello, mut login, mut from, mut to) = (false, None, None, vec![]);
        while let Some(line) = line(&mut wire) {
            let line = String::from_utf8(line).expect("ASCII commands");
            assert!(line.is_ascii() && line.len() <= 510, "{line:?}");
            let (verb, rest) = line.split_once([' ', ':']).unwrap_or((line.as_str(), ""));
            let yes = match verb {
                "EHLO" => {
                    assert!(!rest.is_empty());
                    hello = true;
                    self.able()
                }
                "STARTTLS" => {
                    assert!(self.mode == Mode::Starttls && !self.encrypted && hello && rest.is_empty());
                    let more = if matches!(self.trick, Some(Trick::Inject)) { "\r\n250 injected" } else { "" };
                    return self.answer(&mut wire, "STARTTLS", &format!("220 go on{more}"));
                }
                "AUTH" => {
                    assert!(self.encrypted && hello && login.is_none(), "AUTH in clear");
                    login = Some(auth(&mut wire, rest));
                    "235 welcome".to_owned()
                }
                "MAIL" => {
                    assert!(hello && from.is_none() && (self.encrypted || self.mode == Mode::Plain), "MAIL in clear");
                    from = Some(address(rest, "FROM"));
                    "250 ok".to_owned()
                }
                "RCPT" => {
                    assert!(from.is_some());
                    to.push(address(rest, "TO"));
                    "250 ok".to_owned()
                }
                "DATA" => {
                    assert!(!to.is_empty() && rest.is_empty());
                    if !self.answer(&mut wire, "DATA", "354 go on") {
                        return false;
                    }
                    let data = message(&mut wire);
                    let mail = Mail {
                        from: from.take().unwrap(),
                        to: std::mem::take(&mut to),
                        data,
                        encrypted: self.encrypted,
                        login: login.clone(),
                    };
                    let refused = matches!(self.trick, Some(Trick::Say(".", _)));
                    if !refused {
                        self.mails.lock().unwrap().push(mail);
                    }
                    if matches!(self.trick, Some(Trick::Vanish)) {
                        return false;
                    }
                    if !self.answer(&mut wire, ".", "250 queued") {
                        return false;
                    }
                    continue;
                }
                "QUIT" => {
                    let _sent = wire.write_all(b"221 bye\r\n");
                    return false;
                }
                other => panic!("a command that nobody asked for: {other:?}"),
            };
            if !self.answer(&mut wire, verb, &yes) {
                return false;
            }
        }
        false
    }

    fn able(&self) -> String {
        let mut able = vec!["mail.example", "SIZE 1000000", "8BITMIME"];
        if self.mode == Mode::Starttls && !self.encrypted && !matches!(self.trick, Some(Trick::NoStarttls)) {
            able.push("STARTTLS");
        }
        if self.encrypted {
            able.push(if matches!(self.trick, Some(Trick::LoginOnly)) { "AUTH LOGIN" } else { "AUTH LOGIN PLAIN" });
        }
        let last = able.pop().unwrap();
        able.iter().map(|a| format!("250-{a}\r\n")).collect::<String>() + &format!("250 {last}")
    }

    /// `false`: the client was told no, and the connection ends.
    fn answer(&self, wire: &mut Box<dyn Wire>, verb: &str, yes: &str) -> bool {
        let told = match &self.trick {
            Some(Trick::Say(at, line)) if *at == verb => Some(*line),
            _ => None,
        };
        let sent = wire.write_all(format!("{}\r\n", told.unwrap_or(yes)).as_bytes()).and_then(|()| wire.flush());
        sent.is_ok() && told.is_none()
    }
}

fn auth(wire: &mut Box<dyn Wire>, rest: &str) -> String {
    use base64::Engine;
    let plain =
        |text: &str| String::from_utf8(base64::engine::general_purpose::STANDARD.decode(text).unwrap()).unwrap();
    if let Some(all) = rest.strip_prefix("PLAIN ") {
        return plain(all).trim_start_matches('\0').replace('\0', ":");
    }
    assert_eq!(rest, "LOGIN");
    let mut ask = |question: &[u8]| {
        wire.write_all(question).and_then(|()| wire.flush()).unwrap();
        plain(&String::from_utf8(line(wire).unwrap()).unwrap())
    };
    let user = ask(b"334 VXNlcm5hbWU6\r\n");
    format!("{user}:{}", ask(b"334 UGFzc3dvcmQ6\r\n"))
}

fn address(rest: &str, word: &str) -> String {
    let inner = rest.strip_prefix(word).and_then(|r| r.strip_prefix(":<")).and_then(|r| r.strip_suffix('>'));
    let inner = inner.unwrap_or_else(|| panic!("{rest:?}"));
    assert!(inner.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"".contains(&b)) && inner.matches('@').count() == 1);
    inner.to_owned()
}

/// A line without its CR LF; `None` at the end of the connection.
fn line(wire: &mut Box<dyn Wire>) -> Option<Vec<u8>> {
    let (mut line, mut byte) = (vec![], [0]);
    loop {
        if wire.read(&mut byte).unwrap_or(0) == 0 {
            assert!(line.is_empty(), "the connection ends within a line");
            return None;
        }
        match byte[0] {
            b'\n' => {
                assert_eq!(line.pop(), Some(b'\r'), "a bare LF");
                return Some(line);
            }
            b => {
                assert_ne!(line.last(), Some(&b'\r'), "a bare CR");
                line.push(b);
            }
        }
    }
}

/// The message, its dots taken off.
fn message(wire: &mut Box<dyn Wire>) -> Vec<u8> {
    let mut data = vec![];
    loop {
        let mut line = line(wire).expect("a dot ends a message");
        assert!(line.len() <= 998 && line.is_ascii());
        if line == b"." {
            return data;
        }
        if line.starts_with(b".") {
            line.remove(0);
        }
        data.extend_from_slice(&line);
        data.extend_from_slice(b"\r\n");
    }
}
