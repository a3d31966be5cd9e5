//! A server that speaks Vector's gRPC protocol by its contract: `PushEvents`, `HealthCheck`, gzip and zstd, statuses, resets.
//! It must never accept what Vector would panic on: that is checked with the plugin's own codec.

use std::convert::Infallible;
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Bytes, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use innertrail_plugin::event::{Item, LogEvent, NestingLimit, native, native_json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

/// What the server says to a request.
#[derive(Debug, Clone)]
pub enum Answer {
    Ok,
    /// A gRPC status.
    Status(u32, &'static str),
    /// The stream is reset.
    Reset,
    /// The handler panics, as Vector's does on what it cannot decode.
    Panic,
    /// The answer comes so much later.
    After(Duration),
    /// HTTP 200 and no status at all.
    Nothing,
}

/// What it does with each request: the decoded logs come in, the answer goes out.
pub type Handler = Arc<dyn Fn(Vec<LogEvent>) -> Answer + Send + Sync>;

pub struct Contract {
    pub address: SocketAddr,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Contract {
    pub fn serve(handler: Handler) -> Self {
        Self::on(0, handler, None)
    }

    /// The same on this port; 0 for any that is free.
    pub fn on(port: u16, handler: Handler, tls: Option<TlsAcceptor>) -> Self {
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (told, address) = mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
                listener.set_nonblocking(true).unwrap();
                told.send(listener.local_addr().unwrap()).unwrap();
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                tokio::select! { () = accept(listener, handler, tls) => {}, _ = stopped => {} }
            });
        });
        Self { address: address.recv().unwrap(), stop: Some(stop), thread: Some(thread) }
    }

    /// The same behind TLS.
    pub fn with(handler: Handler, tls: Option<TlsAcceptor>) -> Self {
        Self::on(0, handler, tls)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Contract {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ended = self.thread.take().unwrap().join();
    }
}

async fn accept(listener: tokio::net::TcpListener, handler: Handler, tls: Option<TlsAcceptor>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (handler, tls) = (Arc::clone(&handler), tls.clone());
        tokio::spawn(async move {
            match tls {
                None => connection(stream, handler).await,
                // Who does not believe us, or whom we do not, is gone.
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        connection(stream, handler).await;
                    }
                }
            }
        });
    }
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, handler: Handler) {
    let service = service_fn(move |request| answer(request, Arc::clone(&handler)));
    let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    let _ended = builder.serve_connection(TokioIo::new(stream), service).await;
}

/// A body of one message and its trailers.
pub(crate) struct Grpc {
    data: Option<Bytes>,
    trailers: Option<hyper::HeaderMap>,
}

impl hyper::body::Body for Grpc {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = match self.data.take() {
            Some(data) => Some(Frame::data(data)),
            None => self.trailers.take().map(Frame::trailers),
        };
        std::task::Poll::Ready(frame.map(Ok))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

async fn answer(request: Request<Incoming>, handler: Handler) -> Result<Response<Grpc>, std::io::Error> {
    let path = request.uri().path().to_owned();
    let encoding = request.headers().get("grpc-encoding").map(|v| v.to_str().unwrap().to_owned());
    assert_eq!(request.headers()["content-type"], "application/grpc");
    assert_eq!(request.headers()["te"], "trailers");
    let body = request.into_body().collect().await.map_err(std::io::Error::other)?.to_bytes();
    let message = unframed(&body, encoding.as_deref());
    if path == "/vector.Vector/HealthCheck" {
        assert!(message.is_empty());
        return Ok(grpc(Some(b""), Some((0, ""))));
    }
    assert_eq!(path, "/vector.Vector/PushEvents");
    assert!(message.len() <= 100 << 20, "Vector takes no more");
    let events: Vec<LogEvent> = native::split_push_request(&message)
        .unwrap()
        .iter()
        .map(|wrapper| match native::decode_wrapper(wrapper) {
            Ok((Item::Log(event), 0)) => event,
            other => panic!("Vector would panic on or lose: {other:?}"),
        })
        .collect();
    match handler(events) {
        Answer::Ok => Ok(grpc(Some(b""), Some((0, "")))),
        Answer::Status(code, message) => Ok(grpc(None, Some((code, message)))),
        Answer::After(pause) => {
            tokio::time::sleep(pause).await;
            Ok(grpc(Some(b""), Some((0, ""))))
        }
        Answer::Nothing => Ok(grpc(None, None)),
        Answer::Panic => panic!("on purpose"),
        Answer::Reset => Err(std::io::Error::other("reset")),
    }
}

/// An answer of at most one message, and its trailers.
pub(crate) fn grpc(message: Option<&[u8]>, status: Option<(u32, &str)>) -> Response<Grpc> {
    let data = message.map(|m| [&[0, 0, 0, 0, u8::try_from(m.len()).unwrap()], m].concat().into());
    let trailers = status.map(|(code, text)| {
        let mut map = hyper::HeaderMap::new();
        map.insert("grpc-status", code.into());
        map.insert("grpc-message", text.parse().unwrap());
        map
    });
    Response::builder().header("content-type", "application/grpc").body(Grpc { data, trailers }).unwrap()
}

/// The one message of a request: flag, length, bytes.
fn unframed(body: &[u8], encoding: Option<&str>) -> Vec<u8> {
    let (head, message) = body.split_at(5);
    assert_eq!(u32::from_be_bytes(head[1..].try_into().unwrap()) as usize, message.len(), "one message a request");
    match (head[0], encoding) {
        (0, _) => message.to_vec(),
        (1, Some("gzip")) => {
            let mut out = vec![];
            flate2::read::GzDecoder::new(message).read_to_end(&mut out).unwrap();
            out
        }
        (1, Some("zstd")) => zstd::decode_all(message).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// The form that all protocols share, of an event that came as protobuf.
pub fn shared_form(event: &LogEvent) -> serde_json::Value {
    let mut json = vec![];
    native_json::encode(event, NestingLimit::VECTOR, &mut json).unwrap();
    serde_json::from_slice(&json).unwrap()
}
