//! The server: takes connections, holds them to limits, and has calls worked on beside them.
//! It must never wait for a call on the threads that serve connections, or serve others than this machine without a token.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use innertrail_api::server::{Paced, ServerError, Tls, TlsFiles};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};

use crate::assets::Assets;
use crate::calls::{self, Weight};
use crate::guard::Names;
use crate::rooms::Rooms;
use crate::session::{LEAST, Sessions};
use crate::{Data, Problem, exchange};

/// Connections at a time; one more waits in the system's queue. A browser opens six.
const CONNECTIONS: usize = 256;
/// Bytes of a request line and its headers: a question stands in the address.
const HEAD_BYTES: usize = 64 << 10;
/// Headers of a request.
const HEADERS: usize = 100;
/// How long the handshake of TLS may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a client may take nothing of its answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause after the system refused a connection, which it does when files run out.
const REFUSED: Duration = Duration::from_millis(100);
/// Calls at a time, and those that wait: light ones, searches, SQL. SQL takes all cores by itself.
const LANES: [(usize, usize); 3] = [(4, 128), (4, 64), (3, 64)];

/// How it serves.
#[derive(Debug, Clone)]
pub struct Options {
    /// IP address and port; port 0 takes a free one.
    pub listen: String,
    /// What who looks has to give, at least 16 characters. Without, only an address of this machine alone is served.
    pub token: Option<String>,
    /// TLS.
    pub tls: Option<TlsFiles>,
    /// Serve without TLS on an address that others reach.
    pub plaintext: bool,
    /// Host names that it goes by, beside addresses and `localhost`.
    pub names: Vec<String>,
    /// How long a call may take.
    pub call_time: Duration,
    /// How long a head may take to come, and a connection may be idle.
    pub idle_time: Duration,
    /// How long calls that are under way may take when it stops.
    pub grace: Duration,
    /// Reads the clock, microseconds UTC.
    pub clock: fn() -> i64,
}

impl Options {
    /// The usual limits, without a token.
    #[must_use]
    pub fn new(listen: &str, clock: fn() -> i64) -> Self {
        Self {
            listen: listen.to_owned(),
            token: None,
            tls: None,
            plaintext: false,
            names: Vec::new(),
            call_time: Duration::from_secs(60),
            idle_time: Duration::from_secs(30),
            grace: Duration::from_secs(2),
            clock,
        }
    }
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConsoleError {
    /// The address cannot be had.
    #[error("cannot listen on {listen}: {source}; name another address")]
    Listen {
        /// The address.
        listen: String,
        /// The system's reason.
        source: io::Error,
    },
    /// Everybody who reaches it could look.
    #[error("{0} is not of this machine alone, and there is no token: say where one is with `token:`")]
    Open(SocketAddr),
    /// What is shown, and the token, would be readable on the way.
    #[error(
        "{0} is not of this machine alone, and there is no TLS: give `tls: {{certificate: …, key: …}}`, or say `plaintext: true` \
         when something in front does TLS"
    )]
    Plaintext(SocketAddr),
    /// It can be guessed.
    #[error("the token has fewer than {LEAST} characters; take one from `openssl rand -hex 16`")]
    Token,
    /// Certificate or key.
    #[error(transparent)]
    Tls(#[from] ServerError),
    /// No threads.
    #[error("cannot start the threads that serve: {0}; raise the limit of threads")]
    Threads(io::Error),
}

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) assets: Assets,
    pub(crate) names: Names,
    pub(crate) sessions: Sessions,
    pub(crate) rooms: Arc<Rooms>,
    pub(crate) work: Work,
    /// Whether it speaks TLS.
    pub(crate) secure: bool,
    /// Name of the session's cookie. Browsers keep cookies by name and not by port, so the port is in it.
    pub(crate) cookie: String,
    tls: Option<Tls>,
}

/// A bound address, and from [`Server::start`] on what serves it. Ends when it is dropped.
pub struct Server {
    listener: Option<TcpListener>,
    address: SocketAddr,
    options: Options,
    tls: Option<Tls>,
    stop: Option<watch::Sender<bool>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Takes the address, and reads the certificate.
    ///
    /// # Errors
    /// [`ConsoleError`].
    pub fn bind(options: Options) -> Result<Self, ConsoleError> {
        let failed = |source| ConsoleError::Listen { listen: options.listen.clone(), source };
        let none = || failed(io::Error::new(io::ErrorKind::InvalidInput, "no IP address and port"));
        let wanted: SocketAddr = options.listen.parse().map_err(|_| none())?;
        if options.token.as_ref().is_some_and(|token| token.chars().count() < LEAST) {
            return Err(ConsoleError::Token);
        }
        if !wanted.ip().is_loopback() {
            if options.token.is_none() {
                return Err(ConsoleError::Open(wanted));
            }
            if options.tls.is_none() && !options.plaintext {
                return Err(ConsoleError::Plaintext(wanted));
            }
        }
        let listener = TcpListener::bind(wanted).map_err(failed)?;
        let address = listener.set_nonblocking(true).and_then(|()| listener.local_addr()).map_err(failed)?;
        let tls = options.tls.as_ref().map(Tls::open).transpose()?;
        Ok(Self { listener: Some(listener), address, options, tls, stop: None, thread: None })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to put into a browser.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}/", if self.options.tls.is_some() { "https" } else { "http" }, self.address)
    }

    /// Begins to serve.
    ///
    /// # Errors
    /// [`ConsoleError::Threads`].
    pub fn start(&mut self, data: Arc<dyn Data>) -> Result<(), ConsoleError> {
        let Some(listener) = self.listener.take() else { return Ok(()) };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .max_blocking_threads(LANES.iter().map(|lane| lane.0).sum::<usize>() + 1)
            .thread_name("console")
            .enable_all()
            .build()
            .map_err(ConsoleError::Threads)?;
        let secure = self.tls.is_some();
        let shared = Arc::new(Shared {
            assets: Assets::new(),
            names: Names::new(&self.options.names),
            sessions: Sessions::new(self.options.token.take().as_deref(), Instant::now()),
            rooms: Arc::new(calls::rooms(data, self.options.clock)),
            work: Work::new(LANES),
            secure,
            cookie: format!("{}innertrail-{}", if secure { "__Host-" } else { "" }, self.address.port()),
            tls: self.tls.take(),
            options: self.options.clone(),
        });
        let (stop, stopping) = watch::channel(false);
        // The first question opens the store, which takes a while where it is large: better before somebody looks.
        let rooms = Arc::clone(&shared.rooms);
        let _beside = runtime.spawn_blocking(move || calls::warm(&rooms));
        let serve = move || {
            runtime.block_on(serve(listener, shared, stopping));
            // A call that goes on beyond the grace is left to itself.
            runtime.shutdown_background();
        };
        let thread = thread::Builder::new().name("console".to_owned()).spawn(serve).map_err(ConsoleError::Threads)?;
        (self.stop, self.thread) = (Some(stop), Some(thread));
        Ok(())
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _gone = stop.send(true);
        }
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>, mut stopping: watch::Receiver<bool>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let taken = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        tokio::select! {
            _ = stopping.changed() => break,
            (place, taken) = taken => match (place, taken) {
                (Ok(place), Ok((stream, peer))) => {
                    let (shared, stopping) = (Arc::clone(&shared), stopping.clone());
                    tokio::spawn(async move {
                        connection(stream, peer.ip(), &shared, stopping).await;
                        drop(place);
                    });
                }
                _ => tokio::time::sleep(REFUSED).await,
            },
        }
    }
    drop(listener);
    let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
    let _over = tokio::time::timeout(shared.options.grace, places.acquire_many(all)).await;
}

async fn connection(stream: TcpStream, peer: IpAddr, shared: &Arc<Shared>, stopping: watch::Receiver<bool>) {
    let _only_slower = stream.set_nodelay(true);
    let Some(tls) = &shared.tls else { return http(stream, peer, shared, stopping).await };
    if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, tls.acceptor().accept(stream)).await {
        http(stream, peer, shared, stopping).await;
    }
}

async fn http<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    peer: IpAddr,
    shared: &Arc<Shared>,
    mut stopping: watch::Receiver<bool>,
) {
    let service = service_fn(|request| {
        let shared = Arc::clone(shared);
        async move { Ok::<_, Infallible>(exchange::answer(&shared, request, peer).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(shared.options.idle_time);
    builder.max_buf_size(HEAD_BYTES).max_headers(HEADERS);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(Paced::new(stream, PATIENCE)), service));
    let mut stops = false;
    loop {
        tokio::select! {
            // What goes wrong on a connection is its client's matter, and ends it.
            _ended = connection.as_mut() => return,
            _ = stopping.changed(), if !stops => {
                stops = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Calls under way: few at a time, the others wait, and who would wait too long is told so.
#[derive(Debug)]
pub(crate) struct Work([Lane; 3]);

#[derive(Debug)]
struct Lane {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    queue: usize,
}

/// One that waits. A browser that goes away ends its call at any moment, so what was taken is given back by the drop.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn take(lane: &'a Lane) -> Result<Self, Problem> {
        let waiting = Self(&lane.waiting);
        if lane.waiting.fetch_add(1, Ordering::Relaxed) < lane.queue {
            return Ok(waiting);
        }
        Err(Problem::new(503, "busy", "too many calls are waiting; try again in a moment"))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Work {
    fn new(lanes: [(usize, usize); 3]) -> Self {
        Self(lanes.map(|(places, queue)| Lane {
            places: Arc::new(Semaphore::new(places)),
            waiting: AtomicUsize::new(0),
            queue,
        }))
    }

    /// Has `work` done on a thread that may wait. What takes longer than `patience` goes on, but nobody waits for it.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        weight: Weight,
        patience: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let lane = match weight {
            Weight::Light => &self.0[0],
            Weight::Search => &self.0[1],
            Weight::Sql => &self.0[2],
        };
        let waiting = Waiting::take(lane)?;
        let done = async {
            let place = Arc::clone(&lane.places).acquire_owned().await;
            let place = place.map_err(|_| Problem::failed("the server is ending"))?;
            drop(waiting);
            let done = tokio::task::spawn_blocking(move || {
                let _place = place;
                work()
            });
            done.await.map_err(|_| Problem::failed("the call broke down on the server; its log says more"))
        };
        let done = tokio::time::timeout(patience, done).await;
        let late =
            || Problem::new(504, "late", format!("the call was not done after {} s; ask for less", patience.as_secs()));
        done.map_err(|_| late())?
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "server_tests.rs"]
mod tests;
