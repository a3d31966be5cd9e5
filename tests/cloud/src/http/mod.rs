//! A small HTTP/1.1 server on threads, made so that it can misbehave to the byte: it writes what a [`Reply`] says, cut,
//! dripping, endless or not HTTP at all. It must never listen anywhere but on the loopback address, and never outlive
//! its [`Server`].

mod reply;
mod request;

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

pub(crate) use reply::{Delivery, Reply};
pub(crate) use request::Request;

use request::{Reader, Unreadable};

/// What stands behind a listening socket.
pub(crate) trait Service: Send + Sync + 'static {
    /// The answer to a request.
    fn reply(&self, request: &Request) -> Reply;

    /// The answer to something that is no request: a status and a sentence.
    fn malformed(&self, status: u16, why: &str) -> Reply;
}

/// A lock that a panicking test thread cannot spoil for the others.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends every wait of a server at once.
#[derive(Default)]
pub(crate) struct Stop {
    told: AtomicBool,
    guard: Mutex<()>,
    wake: Condvar,
}

impl Stop {
    fn tell(&self) {
        self.told.store(true, Ordering::SeqCst);
        drop(lock(&self.guard));
        self.wake.notify_all();
    }

    /// Whether the server is to end.
    pub(crate) fn told(&self) -> bool {
        self.told.load(Ordering::SeqCst)
    }

    /// Waits for `time`; true when the server is to end before that.
    pub(crate) fn wait(&self, time: Duration) -> bool {
        let guard = lock(&self.guard);
        let (_guard, _) =
            self.wake.wait_timeout_while(guard, time, |()| !self.told()).unwrap_or_else(PoisonError::into_inner);
        self.told()
    }
}

/// What all threads of a server share.
struct Shared {
    service: Arc<dyn Service>,
    stop: Stop,
    open: Mutex<HashMap<u64, TcpStream>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    accepted: AtomicU64,
}

/// A listening server; dropping it closes every connection and joins every thread.
pub(crate) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on 127.0.0.1; port 0 takes a free one.
    pub(crate) fn start(service: Arc<dyn Service>, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            service,
            stop: Stop::default(),
            open: Mutex::default(),
            threads: Mutex::default(),
            accepted: AtomicU64::new(0),
        });
        let for_thread = Arc::clone(&shared);
        let acceptor = std::thread::Builder::new()
            .name("double-accept".to_owned())
            .spawn(move || accept(&listener, &for_thread))?;
        Ok(Self { address, shared, acceptor: Some(acceptor) })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections accepted since the start.
    pub(crate) fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.tell();
        // The acceptor sits in `accept`: a connection of our own wakes it.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        for stream in lock(&self.shared.open).values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        let threads = std::mem::take(&mut *lock(&self.shared.threads));
        for thread in threads {
            let _ = thread.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.stop.told() {
            return;
        }
        let Ok(stream) = stream else { continue };
        let number = shared.accepted.fetch_add(1, Ordering::Relaxed);
        let _ = stream.set_nodelay(true);
        let Ok(copy) = stream.try_clone() else { continue };
        lock(&shared.open).insert(number, copy);
        let for_thread = Arc::clone(shared);
        let spawned = std::thread::Builder::new().name(format!("double-{number}")).spawn(move || {
            let _ = serve(&stream, &for_thread);
            // No shutdown here: it would turn a reset into an orderly end. The last copy to go closes the connection.
            lock(&for_thread.open).remove(&number);
        });
        let mut threads = lock(&shared.threads);
        threads.retain(|thread| !thread.is_finished());
        threads.extend(spawned);
    }
}

/// Answers requests on one connection until either side is done with it.
fn serve(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    let mut reader = Reader::new(stream);
    loop {
        let request = match reader.next(stream) {
            Ok(request) => request,
            Err(Unreadable::Closed) => return Ok(()),
            Err(Unreadable::Io(error)) => return Err(error),
            Err(Unreadable::Malformed(status, why)) => {
                let reply = shared.service.malformed(status, &why);
                reply.write(stream, false, &shared.stop)?;
                return drain(stream);
            }
        };
        let reply = shared.service.reply(&request);
        let keep = reply.write(stream, request.method == "HEAD", &shared.stop)?;
        if !keep || request.close || shared.stop.told() {
            return Ok(());
        }
    }
}

/// Reads away some of what still comes: closing with bytes unread would reset the connection and take the answer along.
fn drain(mut stream: &TcpStream) -> io::Result<()> {
    use std::io::Read as _;
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(Duration::from_millis(200)))?;
    let mut piece = [0; 16 * 1024];
    for _ in 0..1024 {
        if stream.read(&mut piece)? == 0 {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    struct Echo;

    impl Service for Echo {
        fn reply(&self, request: &Request) -> Reply {
            Reply::new(200).with_body(format!(
                "{} {} {:?} {}",
                request.method,
                request.path,
                request.query,
                request.body.len()
            ))
        }

        fn malformed(&self, status: u16, why: &str) -> Reply {
            Reply::new(status).with_body(why.to_owned())
        }
    }

    fn say(address: SocketAddr, text: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn requests_in_origin_and_absolute_form_are_told_apart_and_pipelined_ones_answered_in_order() {
        let server = Server::start(Arc::new(Echo), 0).unwrap();
        let answer = say(
            server.address(),
            "GET /a%20b?x=1&y=a%2Fb&z HTTP/1.1\r\nHost: p.example\r\n\r\n\
             POST http://p.example:80/c HTTP/1.1\r\nHost: p.example\r\nContent-Length: 3\r\n\r\nabc",
        );
        assert!(answer.contains("GET /a b [(\"x\", \"1\"), (\"y\", \"a/b\"), (\"z\", \"\")] 0"), "{answer}");
        assert!(answer.contains("POST /c [] 3"), "{answer}");
    }

    #[test]
    fn what_is_no_request_is_answered_and_the_connection_closed() {
        let server = Server::start(Arc::new(Echo), 0).unwrap();
        assert!(say(server.address(), "NONSENSE\r\n\r\n").starts_with("HTTP/1.1 400 "));
        assert!(say(server.address(), "GET / HTTP/1.1\r\n\r\n").contains("Host"));
        let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        assert!(say(server.address(), chunked).starts_with("HTTP/1.1 411 "));
        let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(100_000));
        assert!(say(server.address(), &long).starts_with("HTTP/1.1 431 "));
    }

    #[test]
    fn dropping_the_server_ends_idle_connections_and_frees_the_port() {
        let server = Server::start(Arc::new(Echo), 0).unwrap();
        let address = server.address();
        let mut idle = TcpStream::connect(address).unwrap();
        while server.accepted() == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        drop(server);
        assert_eq!(idle.read(&mut [0; 8]).unwrap_or(0), 0);
        assert!(TcpStream::connect(address).is_err());
    }
}
