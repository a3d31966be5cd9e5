//! One receiver for each protocol, with what it claims to have got.
//! It must never claim what it has not answered for, nor answer before it has claimed.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use innertrail_sink::Sender;
use innertrail_sink::encode::Encoding;
use innertrail_sink::http::{Body, Http, HttpConfig};
use innertrail_sink::spool::{Spool, SpoolConfig};
use innertrail_sink::stdout::Stream;
use innertrail_sink::vector::{Compression, Vector, VectorConfig};

use crate::contract::{Answer, Contract, shared_form};
use crate::http_double::{Claims, HttpServer, Mood, events, spooled};
use crate::proxy::Proxy;

/// A receiver of one protocol.
pub(crate) trait Receiver {
    fn sender(&self) -> Box<dyn Sender>;
    fn claims(&self) -> Claims;
    /// The way to it, where there is one that can be disturbed.
    fn proxy(&self) -> Option<&Proxy> {
        None
    }
    /// From now on about one answer in so many is a refusal that may work later; 0: none.
    fn moody(&self, one_in: u64);
}

type Got = Arc<Mutex<Claims>>;
pub(crate) struct ToVector {
    _server: Contract,
    proxy: Proxy,
    got: Got,
    mood: Arc<Mood>,
    compression: Compression,
}

impl ToVector {
    pub(crate) fn new(compression: Compression) -> Self {
        let (got, mood) = (Got::default(), Arc::<Mood>::default());
        let (to, in_mood) = (Arc::clone(&got), Arc::clone(&mood));
        let server = Contract::serve(Arc::new(move |events| {
            if in_mood.refuses() {
                return Answer::Status(13, "Delivery error");
            }
            to.lock().unwrap().extend(events.iter().map(shared_form));
            Answer::Ok
        }));
        let proxy = Proxy::to(server.address);
        Self { _server: server, proxy, got, mood, compression }
    }
}

/// A Vector sender as the tests have it: impatient.
pub(crate) fn vector_sender(address: SocketAddr, compression: Compression) -> Box<dyn Sender> {
    let deadline = Duration::from_millis(600);
    let config = VectorConfig { compression, deadline, ..VectorConfig::of(&format!("http://{address}")) };
    Box::new(Vector::new(config).unwrap())
}

impl Receiver for ToVector {
    fn sender(&self) -> Box<dyn Sender> {
        vector_sender(self.proxy.address, self.compression)
    }
    fn claims(&self) -> Claims {
        self.got.lock().unwrap().clone()
    }
    fn proxy(&self) -> Option<&Proxy> {
        Some(&self.proxy)
    }
    fn moody(&self, one_in: u64) {
        self.mood.refuse_one_in(one_in);
    }
}

pub(crate) struct ToHttp {
    server: HttpServer,
    proxy: Proxy,
    got: Got,
    body: Body,
}

impl ToHttp {
    pub(crate) fn new(body: Body) -> Self {
        let got = Got::default();
        let to = Arc::clone(&got);
        let server = HttpServer::new(Arc::new(move |claims| to.lock().unwrap().extend(claims)));
        Self { proxy: Proxy::to(server.address), server, got, body }
    }
}

/// An HTTP sender as the tests have it: impatient.
pub(crate) fn http_sender(address: SocketAddr, body: Body) -> Box<dyn Sender> {
    let timeout = Duration::from_millis(600);
    let encoding = Encoding::NativeJson;
    let config = HttpConfig { body, encoding, timeout, ..HttpConfig::of(&format!("http://{address}/in")) };
    Box::new(Http::new(config).unwrap())
}

impl Receiver for ToHttp {
    fn sender(&self) -> Box<dyn Sender> {
        http_sender(self.proxy.address, self.body)
    }
    fn claims(&self) -> Claims {
        self.got.lock().unwrap().clone()
    }
    fn proxy(&self) -> Option<&Proxy> {
        Some(&self.proxy)
    }
    fn moody(&self, one_in: u64) {
        self.server.mood.refuse_one_in(one_in);
    }
}

pub(crate) struct ToSpool {
    dir: tempfile::TempDir,
}

impl ToSpool {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }
}

/// A spool that rotates often.
pub(crate) fn spool_sender(dir: &Path) -> Box<dyn Sender> {
    Box::new(Spool::open(SpoolConfig { rotate_bytes: 100_000, ..SpoolConfig::of(dir) }).unwrap())
}

impl Receiver for ToSpool {
    fn sender(&self) -> Box<dyn Sender> {
        spool_sender(self.dir.path())
    }
    fn claims(&self) -> Claims {
        spooled(self.dir.path())
    }
    fn moody(&self, _: u64) {}
}

pub(crate) struct ToStream {
    got: Arc<Mutex<Vec<u8>>>,
    mood: Arc<Mood>,
}

impl ToStream {
    pub(crate) fn new() -> Self {
        Self { got: Arc::default(), mood: Arc::default() }
    }
}

/// Takes a batch whole or not at all: what a stream does with half of one nobody can undo.
struct Memory {
    got: Arc<Mutex<Vec<u8>>>,
    mood: Arc<Mood>,
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.mood.refuses() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.got.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Receiver for ToStream {
    fn sender(&self) -> Box<dyn Sender> {
        let memory = Memory { got: Arc::clone(&self.got), mood: Arc::clone(&self.mood) };
        Box::new(Stream::new(memory, Encoding::NativeJson))
    }
    fn claims(&self) -> Claims {
        events(&self.got.lock().unwrap())
    }
    fn moody(&self, one_in: u64) {
        self.mood.refuse_one_in(one_in);
    }
}
