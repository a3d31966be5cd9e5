//! Small servers for the tests: a handler gets each request and the raw connection, and may do with it what it likes.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use innertrail_fetch::{
    Client, ClientConfig, Clock, Credentials, CredentialsConfig, Endpoint, Environment, Provider, Request, RetryConfig,
    Signer, WireConfig,
};

pub(crate) const ID: &str = "LTAI-planted-key-id";
pub(crate) const SECRET: &str = "planted-secret-9f8e7d6c5b4a";
pub(crate) const TOKEN: &str = "CAIS+planted/security-token==";

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// The number of the connection, from 0.
    pub(crate) connection: usize,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

pub(crate) trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// What a handler is given to answer with.
pub(crate) struct Reply<'a> {
    pub(crate) stream: &'a mut dyn Stream,
    pub(crate) stopped: &'a AtomicBool,
}

impl Reply<'_> {
    /// Writes bytes as they are; false once the other side is gone or the test is over.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> bool {
        !self.stopped.load(Ordering::SeqCst) && self.stream.write_all(bytes).and_then(|()| self.stream.flush()).is_ok()
    }

    /// A whole answer; the connection stays.
    pub(crate) fn answer(&mut self, status: u16, headers: &[(&str, &str)], body: &[u8]) -> bool {
        let mut text = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        text += "\r\n";
        self.raw(&[text.as_bytes(), body].concat())
    }

    /// Says nothing until the other side goes or the test is over.
    pub(crate) fn silence(&mut self) -> bool {
        while !self.stopped.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(5));
        }
        false
    }
}

type Wrap = Arc<dyn Fn(TcpStream) -> Box<dyn Stream> + Send + Sync>;

/// A server; it ends with the value.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
    pub(crate) connections: Arc<AtomicUsize>,
    stopped: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Server {
    /// Plain HTTP. The handler says whether the connection stays.
    pub(crate) fn start(handler: impl Fn(&Seen, &mut Reply<'_>) -> bool + Send + Sync + 'static) -> Self {
        Self::wrapped(Arc::new(|stream| Box::new(stream)), handler)
    }

    pub(crate) fn wrapped(wrap: Wrap, handler: impl Fn(&Seen, &mut Reply<'_>) -> bool + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (connections, stopped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (handler, log, count, stop) =
            (Arc::new(handler), Arc::clone(&seen), Arc::clone(&connections), Arc::clone(&stopped));
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let number = count.fetch_add(1, Ordering::SeqCst);
                let (handler, log, stop, wrap) =
                    (Arc::clone(&handler), Arc::clone(&log), Arc::clone(&stop), Arc::clone(&wrap));
                thread::spawn(move || {
                    let mut stream = BufReader::new(wrap(stream));
                    while let Ok(Some(seen)) = read_request(&mut stream, number) {
                        log.lock().unwrap().push(seen.clone());
                        let mut reply = Reply { stream: stream.get_mut(), stopped: &stop };
                        if !handler(&seen, &mut reply) {
                            return;
                        }
                    }
                });
            }
        });
        Self { port, seen, connections, stopped, thread: Some(thread) }
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Reads head and body; `x-test-unread` leaves the body where it is.
fn read_request(stream: &mut BufReader<Box<dyn Stream>>, connection: usize) -> io::Result<Option<Seen>> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            None => break,
            Some((name, value)) => {
                headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
            }
        }
    }
    let length = headers.get("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
    let mut body = vec![0; if headers.contains_key("x-test-unread") { 0 } else { length }];
    stream.read_exact(&mut body)?;
    Ok(Some(Seen { method, target, headers, body, connection }))
}

pub(crate) fn environment() -> Environment {
    Environment::of([
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", ID),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", SECRET),
        ("ALIBABA_CLOUD_SECURITY_TOKEN", TOKEN),
    ])
}

pub(crate) fn credentials() -> Credentials {
    Credentials::new(CredentialsConfig::of(Provider::environment()), environment(), Clock::system()).unwrap()
}

/// Short waits, so that a test of them is short.
pub(crate) fn config() -> ClientConfig {
    ClientConfig {
        wire: WireConfig {
            connect_timeout_ms: 2_000,
            read_timeout_ms: 5_000,
            total_timeout_ms: 10_000,
            ..WireConfig::default()
        },
        retry: RetryConfig { tries: 3, first_pause_ms: 10, longest_pause_ms: 50, total_ms: 5_000 },
        ..ClientConfig::default()
    }
}

pub(crate) fn project(address: &str) -> Endpoint {
    let endpoint = Endpoint::sls("my-project", "http://logs.example").unwrap().with_region("cn-test");
    endpoint.with_address(address).unwrap()
}

pub(crate) fn client(server: &Server, config: ClientConfig) -> Client {
    client_of(project(&server.address()), config, credentials(), Clock::system())
}

pub(crate) fn client_of(endpoint: Endpoint, config: ClientConfig, credentials: Credentials, clock: Clock) -> Client {
    let endpoints = BTreeMap::from([("project".to_owned(), endpoint)]);
    Client::with(config, endpoints, credentials, &Environment::of::<&str, &str>([]), clock).unwrap()
}

pub(crate) fn get(path: &str) -> Request {
    Request {
        id: 1,
        endpoint: "project".to_owned(),
        signer: Signer::Sls4,
        method: "GET".to_owned(),
        path: path.to_owned(),
        query: vec![],
        headers: vec![],
        body: vec![],
        max_body: 1 << 20,
        retries: true,
    }
}
