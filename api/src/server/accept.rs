//! Takes connections and serves each until it ends, is idle too long, has to make room, or the server stops.
//! It must never let one connection take more than its limits, and never end a call under way before the grace is over.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::Shared;
use super::exchange;
use super::paced::Paced;
use super::places::Place;

/// Bytes of a request line and its headers; as much again may have been read before it is noticed. A search in a query string may be
/// long.
const HEAD_BYTES: usize = 32 << 10;
/// Headers of a request.
const HEADERS: usize = 100;
/// How long the handshake of TLS may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a client may take nothing of its answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause after the system refused a connection, which it does when files run out.
const REFUSED: Duration = Duration::from_millis(100);
/// How often sums of refused writes are looked at.
const SUMS: Duration = Duration::from_secs(5);

pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>, mut stopping: watch::Receiver<bool>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let (alive, mut all_gone) = tokio::sync::mpsc::channel::<Infallible>(1);
    let mut sums = tokio::time::interval(SUMS);
    loop {
        tokio::select! {
            _ = stopping.changed() => break,
            _ = sums.tick() => tell_sums(&shared, false),
            taken = listener.accept() => match taken {
                Ok((stream, peer)) => take(stream, peer, &shared, &stopping, alive.clone()),
                Err(_) => tokio::time::sleep(REFUSED).await,
            },
        }
    }
    drop((listener, alive));
    let _over = tokio::time::timeout(shared.options.grace, all_gone.recv()).await;
    tell_sums(&shared, true);
}

fn tell_sums(shared: &Shared, at_once: bool) {
    if let Some(told) = shared.attempts.due((shared.options.clock)(), at_once) {
        shared.host.refused(told);
    }
}

fn take(
    stream: TcpStream,
    peer: SocketAddr,
    shared: &Arc<Shared>,
    stopping: &watch::Receiver<bool>,
    alive: tokio::sync::mpsc::Sender<Infallible>,
) {
    // All places at work: nothing is left but to close.
    let Some((place, for_another)) = shared.places.take() else { return };
    if for_another {
        shared.counts.evict();
    }
    let (shared, stopping) = (Arc::clone(shared), stopping.clone());
    tokio::spawn(async move {
        let _alive = alive;
        shared.counts.opened();
        connection(stream, peer, &shared, &Arc::new(place), stopping).await;
        shared.counts.closed();
    });
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    shared: &Arc<Shared>,
    place: &Arc<Place>,
    mut stopping: watch::Receiver<bool>,
) {
    let _only_slower = stream.set_nodelay(true);
    let mut first = [0];
    // Buffers are made for who says something: a silent connection costs little more than its socket.
    tokio::select! {
        first = stream.peek(&mut first) => if !first.is_ok_and(|bytes| bytes > 0) { return },
        () = tokio::time::sleep(shared.options.idle_time) => return,
        () = place.evicted() => return,
        _ = stopping.changed() => return,
    }
    Box::pin(speak(stream, peer, shared, place, stopping)).await;
}

async fn speak(
    stream: TcpStream,
    peer: SocketAddr,
    shared: &Arc<Shared>,
    place: &Arc<Place>,
    mut stopping: watch::Receiver<bool>,
) {
    let Some(tls) = &shared.tls else { return http(stream, peer, shared, place, stopping).await };
    let handshake = tokio::time::timeout(HANDSHAKE, tls.acceptor().accept(stream));
    let stream = tokio::select! {
        done = handshake => match done { Ok(Ok(stream)) => stream, _ => return },
        () = place.evicted() => return,
        _ = stopping.changed() => return,
    };
    http(stream, peer, shared, place, stopping).await;
}

async fn http<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    peer: SocketAddr,
    shared: &Arc<Shared>,
    place: &Arc<Place>,
    mut stopping: watch::Receiver<bool>,
) {
    let service = service_fn(|request| {
        let (shared, place) = (Arc::clone(shared), Arc::clone(place));
        async move {
            place.busy();
            let response = exchange::answer(&shared, request, peer.ip()).await;
            place.idle();
            Ok::<_, Infallible>(response)
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(shared.options.idle_time);
    builder.max_buf_size(HEAD_BYTES).max_headers(HEADERS).half_close(true);
    let io = TokioIo::new(Paced::new(stream, PATIENCE));
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut stops = false;
    loop {
        tokio::select! {
            // What goes wrong on a connection is its client's matter, and ends it.
            _ended = connection.as_mut() => return,
            () = place.evicted() => return,
            _ = stopping.changed(), if !stops => {
                stops = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
