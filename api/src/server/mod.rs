//! The server: takes connections, holds them to limits, and takes each request from its first byte to its answer.
//!
//! Order for each request: head, signature, refusal, body, room. Nothing of a request is believed before its signature was checked,
//! and the body of a refused one is read only to be thrown away. It must never wait for a room on the threads that serve connections.

mod accept;
mod body;
mod budget;
mod counts;
mod exchange;
mod paced;
mod places;
mod reply;
mod tls;
mod work;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::watch;

use crate::attempts::Attempts;
use crate::auth::{Keyring, Window};
use crate::route::{Rooms, Router};
use crate::{Host, Names};
pub use body::decompressed;
use budget::Budget;
pub use counts::Counts;
pub use paced::Paced;
use places::Places;
pub use tls::Tls;
use work::Lanes;

/// Connections that are open at a time, unless the process may have fewer files.
pub const CONNECTIONS: usize = 16_384;
/// Files that are left to everything else in the process.
const OTHER_FILES: u64 = 512;
/// Requests of light work at a time, and those that wait for it.
const LIGHT: (usize, usize) = (8, 4096);
/// Searches at a time, and those that wait.
const HEAVY: (usize, usize) = (8, 256);
/// Bytes of all request bodies that are in memory.
const BODIES: usize = 64 << 20;
/// Bytes of all answers that are being sent.
const ANSWERS: usize = 256 << 20;

/// Where a certificate and its key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM: the certificate, and those between it and its authority.
    pub certificate: PathBuf,
    /// PEM: its private key.
    pub key: PathBuf,
}

/// How it serves.
#[derive(Debug, Clone)]
pub struct Options {
    /// IP address and port; port 0 takes a free one.
    pub listen: String,
    /// TLS. Without, anybody on the way can read what is read.
    pub tls: Option<TlsFiles>,
    /// Serve without TLS on an address that is not of this machine alone.
    pub plaintext: bool,
    /// Most connections.
    pub connections: usize,
    /// How long a call may take once its body is there. Log Service's searches end after 55 s.
    pub call_time: Duration,
    /// How long a head may take to come, and a connection may be idle.
    pub idle_time: Duration,
    /// How long calls that are under way may take when it stops.
    pub grace: Duration,
    /// Reads the clock, microseconds UTC.
    pub clock: fn() -> i64,
}

impl Options {
    /// The usual limits.
    #[must_use]
    pub fn new(listen: &str, clock: fn() -> i64) -> Self {
        Self {
            listen: listen.to_owned(),
            tls: None,
            plaintext: false,
            connections: CONNECTIONS,
            call_time: Duration::from_secs(60),
            idle_time: Duration::from_secs(30),
            grace: Duration::from_secs(10),
            clock,
        }
    }
}

/// What it serves.
pub struct Site {
    /// Names of project and Logstores.
    pub names: Names,
    /// Who may call.
    pub keys: Arc<Keyring>,
    /// What answers calls about records.
    pub rooms: Arc<dyn Rooms>,
    /// The process it is in.
    pub host: Arc<dyn Host>,
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The address cannot be had.
    #[error("cannot listen on {listen}: {source}; name another address")]
    Listen {
        /// The address.
        listen: String,
        /// The system's reason.
        source: io::Error,
    },
    /// It would be readable on the way.
    #[error(
        "{0} is not of this machine alone, and there is no TLS: keys' owners and what they read would be seen on the way. Give \
         `tls: {{certificate: …, key: …}}`, or say `plaintext: true` when something in front does TLS"
    )]
    Plaintext(SocketAddr),
    /// Certificate or key.
    #[error("cannot use {path} for TLS: {why}")]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// No threads.
    #[error("cannot start the threads that serve: {0}; raise the limit of threads")]
    Threads(io::Error),
}

/// What all connections share.
struct Shared {
    options: Options,
    router: Arc<Router>,
    keys: Arc<Keyring>,
    host: Arc<dyn Host>,
    window: Arc<Window>,
    attempts: Attempts,
    counts: Arc<Counts>,
    lanes: Lanes,
    bodies: Arc<Budget>,
    answers: Arc<Budget>,
    places: Arc<Places>,
    tls: Option<Tls>,
}

/// A bound address, and from [`Server::start`] on what serves it. Ends when it is dropped, once calls under way had their grace.
pub struct Server {
    listener: Option<TcpListener>,
    address: SocketAddr,
    options: Options,
    tls: Option<Tls>,
    counts: Arc<Counts>,
    limit: usize,
    stop: Option<watch::Sender<bool>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Takes the address, and reads the certificate.
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn bind(options: Options) -> Result<Self, ServerError> {
        let failed = |source| ServerError::Listen { listen: options.listen.clone(), source };
        let wanted: SocketAddr = options
            .listen
            .parse()
            .map_err(|_| failed(io::Error::new(io::ErrorKind::InvalidInput, "no IP address and port")))?;
        if options.tls.is_none() && !options.plaintext && !wanted.ip().is_loopback() {
            return Err(ServerError::Plaintext(wanted));
        }
        let listener = TcpListener::bind(wanted).map_err(failed)?;
        let address = listener.local_addr().and_then(|address| {
            listener.set_nonblocking(true)?;
            // The standard library asks for a queue of 128; a crowd of clients that connect at once needs more.
            rustix::net::listen(&listener, 4096)?;
            Ok(address)
        });
        let address = address.map_err(failed)?;
        let tls = options.tls.as_ref().map(Tls::open).transpose()?;
        let limit = options.connections.min(files_allow());
        let counts = Arc::default();
        Ok(Self { listener: Some(listener), address, options, tls, counts, limit, stop: None, thread: None })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Most connections it keeps open: what was asked for, or what the process may have.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.limit
    }

    /// What it counts.
    #[must_use]
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Begins to serve.
    ///
    /// # Errors
    /// [`ServerError::Threads`].
    pub fn start(&mut self, site: Site) -> Result<(), ServerError> {
        let Some(listener) = self.listener.take() else { return Ok(()) };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(LIGHT.0 + HEAVY.0 + 1)
            .thread_name("api")
            .enable_all()
            .build()
            .map_err(ServerError::Threads)?;
        let shared = Arc::new(Shared {
            router: Arc::new(Router::new(site.names, site.rooms, Arc::clone(&site.host))),
            keys: site.keys,
            host: site.host,
            window: Arc::default(),
            attempts: Attempts::default(),
            counts: Arc::clone(&self.counts),
            lanes: Lanes::new(LIGHT, HEAVY),
            bodies: Arc::new(Budget::new(BODIES)),
            answers: Arc::new(Budget::new(ANSWERS)),
            places: Arc::new(Places::new(self.limit)),
            tls: self.tls.take(),
            options: self.options.clone(),
        });
        let (stop, stopping) = watch::channel(false);
        let serve = move || {
            runtime.block_on(accept::serve(listener, shared, stopping));
            // A room that goes on beyond the grace is left to itself.
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name("api".to_owned()).spawn(serve).map_err(ServerError::Threads)?;
        (self.stop, self.thread) = (Some(stop), Some(thread));
        Ok(())
    }

    /// Takes no more connections, lets calls under way end within the grace, and comes back.
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _gone = stop.send(true);
        }
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Raises the number of files that the process may open to what it may ask for; how many are left for connections.
fn files_allow() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let files = current.unwrap_or(u64::MAX).saturating_sub(OTHER_FILES).max(64);
    usize::try_from(files).unwrap_or(usize::MAX)
}
