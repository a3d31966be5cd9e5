//! The server of `/metrics` and `/health`: one thread, few connections, small requests, short waits.
//!
//! Must never answer anything else, take a body, or wait for the pipeline.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{Semaphore, oneshot};

use super::{Board, exposition, families};

/// Connections at a time; one more waits in the system's queue.
const CONNECTIONS: usize = 16;
/// Bytes of a request line and its headers.
const HEAD_BYTES: usize = 16 << 10;
/// Headers of a request.
const HEADERS: usize = 64;
/// How long a head may take to come.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long a connection may live: one that drips its answer must not keep a place. It has one request.
const LIFE: Duration = Duration::from_secs(30);
/// Pause after the system refused a connection, which it does when files run out.
const REFUSED: Duration = Duration::from_millis(200);

/// Why nothing listens.
#[derive(Debug, thiserror::Error)]
#[error("metrics.listen: cannot listen on {listen}: {source}; name another address, or remove `metrics`")]
pub struct ListenError {
    listen: String,
    source: io::Error,
}

/// A bound address, and from [`Server::start`] on the thread that serves it. Ends when it is dropped.
#[derive(Debug)]
pub struct Server {
    listener: Option<TcpListener>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Takes the address.
    ///
    /// # Errors
    /// [`ListenError`].
    pub fn bind(listen: &str) -> Result<Self, ListenError> {
        let bound = TcpListener::bind(listen).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok((listener.local_addr()?, listener))
        });
        let (address, listener) = bound.map_err(|source| ListenError { listen: listen.to_owned(), source })?;
        Ok(Self { listener: Some(listener), address, stop: None, thread: None })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Begins to serve what the pipeline puts on the board.
    pub(crate) fn start(&mut self, board: Arc<Board>) -> io::Result<()> {
        let Some(listener) = self.listener.take() else { return Ok(()) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("metrics".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, board) => {}
                    _ = stopped => {}
                }
            });
        })?;
        (self.stop, self.thread) = (Some(stop), Some(thread));
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

async fn serve(listener: TcpListener, board: Arc<Board>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(REFUSED).await;
            continue;
        };
        let board = Arc::clone(&board);
        tokio::spawn(async move {
            let _place = place;
            let service = service_fn(|request| {
                let answer = answer(&request, &board);
                async { Ok::<_, Infallible>(answer) }
            });
            let mut http = http1::Builder::new();
            http.keep_alive(false).timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
            http.max_buf_size(HEAD_BYTES).max_headers(HEADERS);
            // What goes wrong on a connection is its client's matter, and ends it.
            let connection = pin!(http.serve_connection(TokioIo::new(stream), service));
            let _ended = tokio::time::timeout(LIFE, connection).await;
        });
    }
}

fn answer(request: &Request<Incoming>, board: &Board) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    if !matches!(path, "/metrics" | "/health") {
        return text(StatusCode::NOT_FOUND, "there is /metrics and /health\n".to_owned(), "text/plain");
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD\n".to_owned(), "text/plain");
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    match (path, board.is_alive()) {
        ("/metrics", _) => text(StatusCode::OK, families::text(board), exposition::CONTENT_TYPE),
        (_, true) => text(StatusCode::OK, "ok\n".to_owned(), "text/plain"),
        (_, false) => {
            let told = format!("the pipeline has not turned for {} s\n", board.still().as_secs());
            text(StatusCode::SERVICE_UNAVAILABLE, told, "text/plain")
        }
    }
}

fn text(status: StatusCode, body: String, content_type: &'static str) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}
