//! One receiver for each protocol, with what it claims to have got.
//! It must never claim what it has not answered for, nor answer before it has claimed.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use innertrail_sink::Sender;
use innertrail_sink::encode::Encoding;
use innertrail_sink::http::{Body, Http, HttpConfig};
use innertrail_sink::spool::{Spool, SpoolConfig};
use innertrail_sink::stdout::Stream;
use innertrail_sink::vector::{Compression, Vector, VectorConfig};

use crate::contract::{Answer, Contract};
use crate::oracle::{Claims, shared_form};
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

/// Decides when a receiver is in the mood to refuse.
#[derive(Default)]
pub(crate) struct Mood {
    one_in: AtomicU64,
    count: AtomicU64,
}

impl Mood {
    fn refuses(&self) -> bool {
        let one_in = self.one_in.load(Relaxed);
        // A multiplier without a pattern that batches could follow.
        one_in > 0
            && (self.count.fetch_add(1, Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33).is_multiple_of(one_in)
    }
}

type Got = Arc<Mutex<Claims>>;
/// Keeps what was got before it is answered for.
pub(crate) type Keep = Arc<dyn Fn(Claims) + Send + Sync>;

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
        self.mood.one_in.store(one_in, Relaxed);
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
        self.server.mood.one_in.store(one_in, Relaxed);
    }
}

/// One request after the other on each connection.
pub(crate) struct HttpServer {
    pub(crate) address: SocketAddr,
    mood: Arc<Mood>,
    stop: Arc<AtomicBool>,
}

impl HttpServer {
    pub(crate) fn new(keep: Keep) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (mood, stop) = (Arc::<Mood>::default(), Arc::<AtomicBool>::default());
        let shared = (keep, Arc::clone(&mood), Arc::clone(&stop));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (keep, mood, stop) = shared.clone();
                if stop.load(Relaxed) {
                    return;
                }
                thread::spawn(move || while exchange(stream.as_ref().unwrap(), &keep, &mood).is_ok() {});
            }
        });
        Self { address, mood, stop }
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        let _woken = TcpStream::connect(self.address);
    }
}

fn exchange(stream: &TcpStream, keep: &Keep, mood: &Mood) -> io::Result<()> {
    let body = request(stream)?;
    let refused = mood.refuses();
    if !refused {
        keep(events(&body));
    }
    let status = if refused { "503 Service Unavailable\r\nretry-after: 0" } else { "200 OK" };
    let mut stream = stream;
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n")
}

/// The decompressed body of one request.
pub(crate) fn request(stream: &TcpStream) -> io::Result<Vec<u8>> {
    let mut reader = BufReader::new(stream);
    let (mut length, mut gzip) = (0, false);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        gzip |= line == "content-encoding: gzip";
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    if gzip {
        let mut plain = vec![];
        flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut plain)?;
        body = plain;
    }
    Ok(body)
}

/// The events of an array, or of lines.
pub(crate) fn events(body: &[u8]) -> Claims {
    if body.starts_with(b"[") {
        return serde_json::from_slice(body).unwrap();
    }
    assert!(body.ends_with(b"\n"), "a broken line");
    body.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(|l| serde_json::from_slice(l).unwrap()).collect()
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

/// Every whole line of every file, in order of names. What a tailer would not take yet is not claimed.
pub(crate) fn spooled(dir: &Path) -> Claims {
    let mut paths: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "ndjson"));
    paths.sort();
    let whole = |bytes: Vec<u8>| bytes[..bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1)].to_vec();
    paths.iter().map(|path| whole(fs::read(path).unwrap())).filter(|b| !b.is_empty()).flat_map(|b| events(&b)).collect()
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
        self.mood.one_in.store(one_in, Relaxed);
    }
}
