//! A receiver of posted JSON, lines or an array, and a reader of spooled lines.
//! It must never claim what it has not answered for, nor answer before it has claimed.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;

use serde_json::Value;

/// What a receiver got, in order: every event in the form that all protocols share.
pub type Claims = Vec<Value>;

/// Keeps what was got before it is answered for.
pub type Keep = Arc<dyn Fn(Claims) + Send + Sync>;

/// Decides when a receiver is in the mood to refuse.
#[derive(Default)]
pub struct Mood {
    one_in: AtomicU64,
    count: AtomicU64,
}

impl Mood {
    /// About one answer in so many is a refusal from now on; 0: none.
    pub fn refuse_one_in(&self, one_in: u64) {
        self.one_in.store(one_in, Relaxed);
    }

    pub fn refuses(&self) -> bool {
        let one_in = self.one_in.load(Relaxed);
        // A multiplier without a pattern that batches could follow.
        one_in > 0
            && (self.count.fetch_add(1, Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33).is_multiple_of(one_in)
    }
}

/// One request after the other on each connection.
pub struct HttpServer {
    pub address: SocketAddr,
    pub mood: Arc<Mood>,
    stop: Arc<AtomicBool>,
}

impl HttpServer {
    pub fn new(keep: Keep) -> Self {
        Self::on(0, keep)
    }

    /// The same on this port; 0 for any that is free.
    pub fn on(port: u16, keep: Keep) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
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
pub fn request(stream: &TcpStream) -> io::Result<Vec<u8>> {
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
pub fn events(body: &[u8]) -> Claims {
    if body.starts_with(b"[") {
        return serde_json::from_slice(body).unwrap();
    }
    assert!(body.ends_with(b"\n"), "a broken line");
    body.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(|l| serde_json::from_slice(l).unwrap()).collect()
}

/// Every whole line of every file, in order of names. What a tailer would not take yet is not claimed.
pub fn spooled(dir: &Path) -> Claims {
    let mut paths: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "ndjson"));
    paths.sort();
    let whole = |bytes: Vec<u8>| bytes[..bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1)].to_vec();
    paths.iter().map(|path| whole(fs::read(path).unwrap())).filter(|b| !b.is_empty()).flat_map(|b| events(&b)).collect()
}
