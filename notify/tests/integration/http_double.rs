//! A strict HTTP/1.1 server on 127.0.0.1: it reads whole requests, refuses what is not well-formed, and answers as the test says.
//! It must never listen on anything but 127.0.0.1, or outlive its test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let first = found.next();
        assert!(found.next().is_none(), "{name} twice");
        first
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.target.split_once('?')?;
        let mut found = query.split('&').filter_map(|pair| pair.split_once('=')).filter(|(n, _)| *n == name);
        let value = found.next().map(|(_, v)| percent_decoded(v));
        assert!(found.next().is_none(), "{name} twice");
        value
    }
}

fn percent_decoded(text: &str) -> String {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, more)) = rest.split_first() {
        rest = match first {
            b'%' => {
                out.push(u8::from_str_radix(std::str::from_utf8(&more[..2]).unwrap(), 16).unwrap());
                &more[2..]
            }
            b'+' => panic!("a plus stands for a space in a query"),
            b => {
                out.push(*b);
                more
            }
        };
    }
    String::from_utf8(out).unwrap()
}

/// What is answered.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Of(u16, Vec<(&'static str, String)>, String),
    /// The connection ends without an answer.
    Reset,
    /// Nothing comes.
    Hang,
    /// The head of an answer, and a body that ends early.
    Cut(u16),
    /// No HTTP.
    Garbage,
    /// An error whose body does not end.
    Endless,
}

impl Reply {
    pub(crate) fn ok(body: &str) -> Self {
        Self::Of(200, vec![("content-type", "application/json".to_owned())], body.to_owned())
    }

    pub(crate) fn status(status: u16) -> Self {
        Self::Of(status, vec![], String::new())
    }
}

type Judge = Box<dyn FnMut(&Seen) -> Reply + Send>;

/// The server; ends with the test.
pub(crate) struct Double {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    faults: Arc<Mutex<Vec<String>>>,
}

impl Double {
    pub(crate) fn start(judge: impl FnMut(&Seen) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, faults) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(vec![])));
        let (stopped, told) = (stop.clone(), faults.clone());
        let judge: Arc<Mutex<Judge>> = Arc::new(Mutex::new(Box::new(judge)));
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let (judge, told, stopped) = (judge.clone(), told.clone(), stopped.clone());
                thread::spawn(move || {
                    let served =
                        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| serve(socket, &judge, &stopped)));
                    if let Err(panic) = served {
                        let why = panic.downcast_ref::<String>().cloned();
                        let why = why.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
                        told.lock().unwrap().push(why.unwrap_or_default());
                    }
                });
            }
        });
        Self { address, stop, faults }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Fails if a request broke the contract.
    pub(crate) fn check(&self) {
        let faults = self.faults.lock().unwrap();
        assert!(faults.is_empty(), "{faults:?}");
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _wake = TcpStream::connect(self.address);
        if !thread::panicking() {
            self.check();
        }
    }
}

fn serve(socket: TcpStream, judge: &Mutex<Judge>, stopped: &AtomicBool) {
    let mut reader = BufReader::new(socket.try_clone().unwrap());
    let mut socket = socket;
    while let Some(seen) = read(&mut reader) {
        let reply = judge.lock().unwrap_or_else(std::sync::PoisonError::into_inner)(&seen);
        match reply {
            Reply::Of(status, headers, body) => {
                let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
                headers.iter().for_each(|(n, v)| head.push_str(&format!("{n}: {v}\r\n")));
                if socket.write_all(format!("{head}\r\n{body}").as_bytes()).is_err() {
                    return;
                }
            }
            Reply::Reset => return,
            Reply::Hang => {
                while !stopped.load(Ordering::SeqCst) {
                    thread::sleep(Duration::from_millis(20));
                }
                return;
            }
            Reply::Cut(status) => {
                let _sent =
                    socket.write_all(format!("HTTP/1.1 {status} X\r\ncontent-length: 100\r\n\r\n{{").as_bytes());
                return;
            }
            Reply::Garbage => {
                let _sent = socket.write_all(b"220 mail.example ESMTP\r\n\r\n");
                return;
            }
            Reply::Endless => {
                let _sent = socket.write_all(b"HTTP/1.1 500 X\r\ncontent-length: 999999999\r\n\r\n");
                while socket.write_all(&[b'x'; 8192]).is_ok() {}
                return;
            }
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut line = || {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        assert!(line.ends_with("\r\n") && line.len() < 8192, "a line of a head: {line:?}");
        Some(line.trim_end_matches("\r\n").to_owned())
    };
    let first = line()?;
    let parts: Vec<&str> = first.split(' ').collect();
    assert!(parts.len() == 3 && parts[2] == "HTTP/1.1" && parts[1].starts_with('/'), "{first}");
    let mut headers = vec![];
    loop {
        let header = line()?;
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(':').unwrap();
        assert!(!name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{header}");
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let seen = Seen { method: parts[0].to_owned(), target: parts[1].to_owned(), headers, body: vec![] };
    assert!(seen.header("host").is_some(), "no Host");
    let length: usize = seen.header("content-length").unwrap().parse().unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Seen { body, ..seen })
}
