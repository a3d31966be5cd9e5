//! The server: connections, their limits, and the way of one request through judge and receiver.
//! It must never let who sends nothing, slowly or too much keep others waiting.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use innertrail_sink::vector::{Link, VectorConfig, VectorError};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use crate::Judge;
use crate::grpc::{self, Answer, MAX_MESSAGE, Status};
use crate::worker::{self, Job};

/// What agents may take of the gate.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at a time; more wait to be accepted. Default 64.
    pub connections: usize,
    /// Requests of one connection at a time. Default 32.
    pub streams: u32,
    /// Bytes of all requests together; what exceeds it is answered `RESOURCE_EXHAUSTED`, which Vector sends again.
    /// Default 256 MiB, and not less than one longest message.
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
    /// The receiver behind it.
    #[error(transparent)]
    To(#[from] VectorError),
    /// The system refused a thread or an event loop.
    #[error("cannot start the gate: {0}")]
    Start(std::io::Error),
}

/// A gate that listens and does not answer yet.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    to: VectorConfig,
    limits: Limits,
    judge: Box<dyn Judge>,
}

/// A gate that answers, until this is dropped. Who is cut off then sends again.
#[derive(Debug)]
pub struct Running {
    stop: Option<oneshot::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    /// Listens.
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn bind(
        listen: SocketAddr,
        to: VectorConfig,
        limits: Limits,
        judge: Box<dyn Judge>,
    ) -> Result<Self, ServerError> {
        let bad = |source| ServerError::Listen { listen, source };
        let listener = TcpListener::bind(listen).map_err(bad)?;
        listener.set_nonblocking(true).map_err(bad)?;
        let address = listener.local_addr().map_err(bad)?;
        Ok(Self { listener, address, to, limits, judge })
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
        let Self { listener, to, limits, mut judge, .. } = self;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
        let runtime = runtime.map_err(ServerError::Start)?;
        let (jobs, inbox) = channel();
        let memory = Arc::new(Semaphore::new(limits.memory.max(2 * MAX_MESSAGE) >> 10));
        let gate = {
            let _entered = runtime.enter();
            Arc::new(Gate { link: Link::new(&to)?, jobs, memory: Arc::clone(&memory), limits })
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let named = |name: &str| thread::Builder::new().name(name.to_owned());
        let worker = named("gate-judge").spawn(move || worker::work(&inbox, &memory, judge.as_mut()));
        let server = named("gate-server").spawn(move || {
            runtime.block_on(async move {
                tokio::select! { () = accept(listener, gate) => {}, _ = stopped => {} }
            });
        });
        let threads = vec![worker.map_err(ServerError::Start)?, server.map_err(ServerError::Start)?];
        Ok(Running { stop: Some(stop), threads })
    }
}

impl Running {
    /// Has it stop; does not wait for it.
    pub fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// Whether it has ended, and the judge has rested for the last time.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }
}

struct Gate {
    link: Link,
    jobs: Sender<Job>,
    memory: Arc<Semaphore>,
    limits: Limits,
}

async fn accept(listener: TcpListener, gate: Arc<Gate>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let places = Arc::new(Semaphore::new(gate.limits.connections));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, or the agent was gone at once.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let gate = Arc::clone(&gate);
        tokio::spawn(async move {
            connection(stream, gate).await;
            drop(place);
        });
    }
}

async fn connection(stream: TcpStream, gate: Arc<Gate>) {
    if timeout(gate.limits.handshake, preface(&stream)).await.is_err() {
        return;
    }
    let _without = stream.set_nodelay(true);
    let (streams, handshake) = (gate.limits.streams, gate.limits.handshake);
    let service = service_fn(move |request| answer(request, Arc::clone(&gate)));
    let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(streams)
        .max_header_list_size(16 << 10)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        // Who does not answer a ping is gone.
        .keep_alive_interval(handshake)
        .keep_alive_timeout(handshake);
    let _ended = builder.serve_connection(TokioIo::new(stream), service).await;
}

/// Waits for the bytes that every connection begins with; the library waits for them without limit.
async fn preface(stream: &TcpStream) {
    let mut start = [0; 24];
    while let Ok(1..24) = stream.peek(&mut start).await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn answer(request: Request<Incoming>, gate: Arc<Gate>) -> Result<Response<Answer>, std::convert::Infallible> {
    let is_grpc = request.headers().get(CONTENT_TYPE).is_some_and(|t| t.as_bytes().starts_with(b"application/grpc"));
    if request.method() != Method::POST {
        return Ok(grpc::no_grpc(StatusCode::METHOD_NOT_ALLOWED));
    }
    if !is_grpc {
        return Ok(grpc::no_grpc(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    Ok(grpc::answer(match request.uri().path() {
        "/vector.Vector/PushEvents" => push(request, &gate).await,
        "/vector.Vector/HealthCheck" => Ok(()),
        _ => Err(Status::unimplemented("the gate knows vector.Vector/PushEvents and HealthCheck alone")),
    }))
}

/// In, judged, out, and only then the answer.
async fn push(request: Request<Incoming>, gate: &Gate) -> Result<(), Status> {
    let encoding = request.headers().get("grpc-encoding").cloned();
    let arrived = timeout(gate.limits.arrival, body(request.into_body(), gate)).await;
    let (body, memory) = arrived.map_err(|_| Status::unavailable("the request did not arrive in time"))??;
    let (message, compression) = grpc::message(&body, encoding.as_ref())?;
    let (tell, told) = oneshot::channel();
    let gone = || Status::unavailable("the gate is about to end");
    gate.jobs.send(Job { message, compression, memory, answer: tell }).map_err(|_| gone())?;
    match told.await.map_err(|_| gone())?? {
        Some((left, _memory)) => Ok(gate.link.push(left).await?),
        None => Ok(()),
    }
}

/// The whole body, and the memory that it takes.
async fn body(mut body: Incoming, gate: &Gate) -> Result<(Bytes, OwnedSemaphorePermit), Status> {
    let exhausted = || Status::exhausted("too much is waiting at the gate");
    let mut memory = worker::take(&gate.memory, 1).ok_or_else(exhausted)?;
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Status::unavailable("the request broke off"))?;
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + data.len() > MAX_MESSAGE + 5 {
            return Err(Status::too_long());
        }
        let more = (whole.len() + data.len()).div_ceil(1 << 10).saturating_sub(memory.num_permits());
        memory.merge(worker::take(&gate.memory, more << 10).ok_or_else(exhausted)?);
        whole.extend_from_slice(&data);
    }
    Ok((whole.freeze(), memory))
}
