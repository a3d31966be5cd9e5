//! Vector's gRPC protocol: the way of one request through judge and receiver.
//! It must never answer for the receiver.

use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Method, Request as HttpRequest, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use innertrail_sink::vector::Link;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use crate::grpc::{self, Answer, Compression, MAX_MESSAGE, Status};
use crate::report::Report;
use crate::request::{self, Request};
use crate::server::{self, NoBody, Shared};
use crate::{Judge, worker};

struct Gate {
    link: Link,
    shared: Shared,
}

/// Serves for ever.
pub(crate) async fn serve(listener: TcpListener, link: Link, shared: Shared) {
    let gate = Arc::new(Gate { link, shared });
    let connections = gate.shared.limits.connections;
    server::accept(listener, connections, move |stream| connection(stream, Arc::clone(&gate))).await;
}

async fn connection(stream: TcpStream, gate: Arc<Gate>) {
    let limits = gate.shared.limits.clone();
    if timeout(limits.handshake, server::begins::<24>(&stream)).await.is_err() {
        return;
    }
    let service = service_fn(move |request| answer(request, Arc::clone(&gate)));
    let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(16 << 10)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        // Who does not answer a ping is gone.
        .keep_alive_interval(limits.handshake)
        .keep_alive_timeout(limits.handshake);
    let _ended = builder.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: HttpRequest<Incoming>, gate: Arc<Gate>) -> Result<Response<Answer>, Infallible> {
    let is_grpc = request.headers().get(CONTENT_TYPE).is_some_and(|t| t.as_bytes().starts_with(b"application/grpc"));
    if request.method() != Method::POST {
        return Ok(grpc::no_grpc(StatusCode::METHOD_NOT_ALLOWED));
    }
    if !is_grpc {
        return Ok(grpc::no_grpc(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    Ok(grpc::answer(match request.uri().path() {
        "/vector.Vector/PushEvents" => {
            let answer = push(request, &gate).await;
            gate.shared.report.told(grpc::told(&answer));
            answer
        }
        "/vector.Vector/HealthCheck" => Ok(()),
        _ => Err(Status::unimplemented("the gate knows vector.Vector/PushEvents and HealthCheck alone")),
    }))
}

/// In, judged, out, and only then the answer.
async fn push(request: HttpRequest<Incoming>, gate: &Gate) -> Result<(), Status> {
    let Shared { jobs, memory, limits, report } = &gate.shared;
    let encoding = request.headers().get("grpc-encoding").cloned();
    let arrived = timeout(limits.arrival, server::body(request.into_body(), memory, MAX_MESSAGE + 5)).await;
    let (body, held) = arrived.map_err(|_| Status::unavailable("the request did not arrive in time"))??;
    let (message, compression) = grpc::message(&body, encoding.as_ref())?;
    let (tell, told) = oneshot::channel();
    let gone = || Status::unavailable("the gate is about to end");
    let (memory, count) = (Arc::clone(memory), Arc::clone(report));
    let job = Box::new(move |judge: &mut dyn Judge| {
        if !tell.is_closed() {
            let _gone = tell.send(judged(message, compression, held, &memory, &count, judge));
        }
    });
    jobs.send(job).map_err(|_| gone())?;
    let Some(left) = told.await.map_err(|_| gone())?? else { return Ok(()) };
    let answer = gate.link.push(left.request).await;
    report.answered(left.events, &answer);
    drop(left.memory);
    Ok(answer?)
}

/// What is left of a request.
struct Left {
    request: Bytes,
    events: usize,
    memory: OwnedSemaphorePermit,
}

fn judged(
    message: Bytes,
    compression: Compression,
    held: OwnedSemaphorePermit,
    memory: &Arc<Semaphore>,
    report: &Report,
    judge: &mut dyn Judge,
) -> Result<Option<Left>, Status> {
    let message = grpc::decompress(message, compression)?;
    let held = if compression == Compression::None {
        held
    } else {
        drop(held);
        worker::take(memory, message.len()).ok_or(NoBody::Exhausted)?
    };
    let not_judged = |e: crate::NotJudged| Status::unavailable(&e);
    let request = match Request::cut(message) {
        Ok(request) => request,
        Err((why, message)) => {
            for batch in request::broken(&message) {
                worker::verdicts(judge, &batch, report).map_err(not_judged)?;
            }
            return Err(Status::invalid(&why));
        }
    };
    let mut verdicts = Vec::with_capacity(request.len());
    while verdicts.len() < request.len() {
        let batch = request.batch(verdicts.len());
        verdicts.extend(worker::verdicts(judge, &batch, report).map_err(not_judged)?);
    }
    let events = verdicts.iter().filter(|passes| **passes).count();
    Ok(request.passing(&verdicts).map(|request| Left { request, events, memory: held }))
}

impl From<NoBody> for Status {
    fn from(why: NoBody) -> Self {
        match why {
            NoBody::Exhausted => Self::exhausted("too much is waiting at the gate"),
            NoBody::BrokeOff => Self::unavailable("the request broke off"),
            NoBody::TooLong => Self::too_long(),
        }
    }
}
