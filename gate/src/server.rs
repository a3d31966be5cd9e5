//! The server: its limits, its connections, and the two threads behind it.
//! It must never let who sends nothing, slowly or too much keep others waiting.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use innertrail_sink::otlp::{OtlpConfig, OtlpError, Relay};
use innertrail_sink::vector::{Link, VectorConfig, VectorError};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::grpc::MAX_MESSAGE;
use crate::report::{Counts, Report};
use crate::worker::{self, Job};
use crate::{Judge, otlp, vector};

/// What agents may take of the gate.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at a time; more wait to be accepted. Default 64.
    pub connections: usize,
    /// Requests of one connection at a time, where the protocol has several. Default 32.
    pub streams: u32,
    /// Bytes of all requests together; what exceeds it is answered so that the agent sends it again. Default 256 MiB, and
    /// not less than two longest messages.
    pub memory: usize,
    /// Longest time for the beginning of a connection. Default 10 s.
    pub handshake: Duration,
    /// Longest time that a request may take to arrive. Default 30 s.
    pub arrival: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            streams: 32,
            memory: 256 << 20,
            handshake: Duration::from_secs(10),
            arrival: Duration::from_secs(30),
        }
    }
}

/// The receiver behind a gate, and with it the gate's protocol.
#[derive(Debug, Clone)]
pub enum To {
    /// A `vector` source: Vector's gRPC protocol.
    Vector(VectorConfig),
    /// A receiver of OTLP/HTTP logs. Its profile bounds what the gate takes; its encoding and `gzip` are not used, because a
    /// request goes on as it came.
    Otlp(OtlpConfig),
}

impl From<VectorConfig> for To {
    fn from(config: VectorConfig) -> Self {
        Self::Vector(config)
    }
}

impl From<OtlpConfig> for To {
    fn from(config: OtlpConfig) -> Self {
        Self::Otlp(config)
    }
}

/// Why there is no gate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The address cannot be listened on.
    #[error("cannot listen on {listen}: {source}; end who does, or name another address")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The `vector` source behind it.
    #[error(transparent)]
    Vector(#[from] VectorError),
    /// The OTLP receiver behind it.
    #[error(transparent)]
    Otlp(#[from] OtlpError),
    /// The system refused a thread or an event loop.
    #[error("cannot start the gate: {0}")]
    Start(std::io::Error),
}

/// A gate that listens and does not answer yet.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    runtime: Runtime,
    behind: Behind,
    limits: Limits,
    judge: Box<dyn Judge>,
}

/// A gate that answers, until this is dropped. Who is cut off then sends again.
#[derive(Debug)]
pub struct Running {
    stop: Option<oneshot::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
    report: Arc<Report>,
}

/// The way to the receiver.
enum Behind {
    Vector(Link),
    Otlp(Relay),
}

impl Behind {
    /// Prepares it; no connection is made. Within the runtime that serves it.
    fn new(to: &To) -> Result<Self, ServerError> {
        Ok(match to {
            To::Vector(to) => Self::Vector(Link::new(to)?),
            To::Otlp(to) => Self::Otlp(Relay::new(to)?),
        })
    }
}

impl Server {
    /// Whether there is a way to such a receiver. Nobody is asked.
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn check(to: &To) -> Result<(), ServerError> {
        let runtime = event_loop()?;
        let _entered = runtime.enter();
        Behind::new(to).map(|_| ())
    }

    /// Listens.
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn bind(
        listen: SocketAddr,
        to: impl Into<To>,
        limits: Limits,
        judge: Box<dyn Judge>,
    ) -> Result<Self, ServerError> {
        let runtime = event_loop()?;
        let behind = {
            let _entered = runtime.enter();
            Behind::new(&to.into())?
        };
        let bad = |source| ServerError::Listen { listen, source };
        let listener = TcpListener::bind(listen).map_err(bad)?;
        listener.set_nonblocking(true).map_err(bad)?;
        let address = listener.local_addr().map_err(bad)?;
        Ok(Self { listener, address, runtime, behind, limits, judge })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Begins to answer, on two threads of its own.
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn start(self) -> Result<Running, ServerError> {
        let Self { listener, runtime, behind, limits, mut judge, .. } = self;
        let (jobs, inbox): (Sender<Job>, Receiver<Job>) = channel();
        let report = Arc::<Report>::default();
        let memory = Arc::new(Semaphore::new(limits.memory.max(2 * MAX_MESSAGE) >> 10));
        let shared = Shared { jobs, memory, limits, report: Arc::clone(&report) };
        let (stop, stopped) = oneshot::channel::<()>();
        let named = |name: &str| thread::Builder::new().name(name.to_owned());
        let worker = named("gate-judge").spawn(move || worker::work(&inbox, judge.as_mut()));
        let server = named("gate-server").spawn(move || {
            runtime.block_on(async move {
                let serving = async move {
                    match behind {
                        Behind::Vector(link) => vector::serve(listener, link, shared).await,
                        Behind::Otlp(relay) => otlp::serve(listener, relay, shared).await,
                    }
                };
                tokio::select! { () = serving => {}, _ = stopped => {} }
            });
            // A request that waits for the receiver is not waited for: the agent sends it again.
            runtime.shutdown_background();
        });
        let threads = vec![worker.map_err(ServerError::Start)?, server.map_err(ServerError::Start)?];
        Ok(Running { stop: Some(stop), threads, report })
    }
}

impl Running {
    /// Has it stop; does not wait for it.
    pub fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// Whether it has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// What it did so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.report.counts()
    }
}

fn event_loop() -> Result<Runtime, ServerError> {
    tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().map_err(ServerError::Start)
}

/// What all requests of a gate share.
pub(crate) struct Shared {
    pub(crate) jobs: Sender<Job>,
    pub(crate) memory: Arc<Semaphore>,
    pub(crate) limits: Limits,
    pub(crate) report: Arc<Report>,
}

/// Accepts connections for ever, as many at a time as there may be.
pub(crate) async fn accept<F: Future<Output = ()> + Send + 'static>(
    listener: TcpListener,
    connections: usize,
    serve: impl Fn(TcpStream) -> F,
) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let places = Arc::new(Semaphore::new(connections));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, or the agent was gone at once.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let _without = stream.set_nodelay(true);
        let served = serve(stream);
        tokio::spawn(async move {
            served.await;
            drop(place);
        });
    }
}

/// Waits for so many first bytes of a connection, which the libraries do without limit.
pub(crate) async fn begins<const N: usize>(stream: &TcpStream) {
    let mut start = [0; N];
    while let Ok(read) = stream.peek(&mut start).await {
        if read == 0 || read >= N {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Why a body did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoBody {
    /// Too much is waiting.
    Exhausted,
    /// The connection broke.
    BrokeOff,
    /// Longer than it may be.
    TooLong,
}

/// The whole body, and the memory that it takes.
pub(crate) async fn body(
    mut body: Incoming,
    memory: &Arc<Semaphore>,
    longest: usize,
) -> Result<(Bytes, OwnedSemaphorePermit), NoBody> {
    let mut held = worker::take(memory, 1).ok_or(NoBody::Exhausted)?;
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| NoBody::BrokeOff)?;
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + data.len() > longest {
            return Err(NoBody::TooLong);
        }
        let more = (whole.len() + data.len()).div_ceil(1 << 10).saturating_sub(held.num_permits());
        held.merge(worker::take(memory, more << 10).ok_or(NoBody::Exhausted)?);
        whole.extend_from_slice(&data);
    }
    Ok((whole.freeze(), held))
}
