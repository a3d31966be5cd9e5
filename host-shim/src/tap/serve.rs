//! The thread that writes samples to whoever listens.
//!
//! Must never wait for a listener: one that does not read misses samples.

use std::io::{ErrorKind, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::{Copied, Told};

/// Listeners at a time. One that is gone keeps its place for up to two seconds, so there are more than anybody needs.
const MOST: usize = 64;
/// How long a listener or the end may wait to be noticed.
const LOOK: Duration = Duration::from_millis(100);
/// How often a sign of life is sent, which finds listeners that are gone.
const SIGN: Duration = Duration::from_secs(1);

pub(super) struct Serve {
    listener: UnixListener,
    inbox: Receiver<Copied>,
    listeners: Arc<AtomicUsize>,
    dropped: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    clients: Vec<Client>,
}

/// A listener, and what it has not taken yet of the last line.
struct Client {
    stream: UnixStream,
    rest: Vec<u8>,
    /// What had been dropped for everybody when it came.
    before: u64,
    /// Samples that it alone missed.
    missed: u64,
}

/// What became of a line.
enum Sent {
    Taken,
    Missed,
    Gone,
}

impl Serve {
    pub(super) fn new(
        listener: UnixListener,
        inbox: Receiver<Copied>,
        listeners: Arc<AtomicUsize>,
        dropped: Arc<AtomicU64>,
        stop: Arc<AtomicBool>,
    ) -> Self {
        Self { listener, inbox, listeners, dropped, stop, clients: Vec::new() }
    }

    pub(super) fn run(mut self) {
        let mut signed = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            self.accept();
            match self.inbox.recv_timeout(LOOK) {
                Ok(copied) => self.sample(copied),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if signed.elapsed() >= SIGN {
                signed = Instant::now();
                let dropped = self.dropped.load(Ordering::Relaxed);
                self.clients.retain_mut(|client| client.sign(dropped));
            }
        }
    }

    fn accept(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            if self.clients.len() < MOST && stream.set_nonblocking(true).is_ok() {
                let before = self.dropped.load(Ordering::Relaxed);
                let mut client = Client { stream, rest: Vec::new(), before, missed: 0 };
                if client.sign(before) {
                    self.clients.push(client);
                }
            }
        }
        self.listeners.store(self.clients.len(), Ordering::Relaxed);
    }

    fn sample(&mut self, copied: Copied) {
        let line = line(&Told::Sample(copied.sample()));
        self.clients.retain_mut(|client| match client.send(&line) {
            Sent::Taken => true,
            Sent::Missed => {
                client.missed += 1;
                true
            }
            Sent::Gone => false,
        });
    }
}

fn line(told: &Told) -> Vec<u8> {
    // Numbers and texts alone: it cannot fail, and an empty line would be passed over.
    let mut line = serde_json::to_vec(told).unwrap_or_default();
    line.push(b'\n');
    line
}

impl Client {
    /// Tells it what it was not given; `false` when it is gone.
    fn sign(&mut self, dropped: u64) -> bool {
        let told = Told::Dropped(dropped.saturating_sub(self.before) + self.missed);
        !matches!(self.send(&line(&told)), Sent::Gone)
    }

    fn send(&mut self, line: &[u8]) -> Sent {
        match self.flush() {
            Sent::Taken => {}
            other => return other,
        }
        self.rest.extend_from_slice(line);
        match self.flush() {
            Sent::Gone => Sent::Gone,
            _ => Sent::Taken,
        }
    }

    fn flush(&mut self) -> Sent {
        while !self.rest.is_empty() {
            match self.stream.write(&self.rest) {
                Ok(0) => return Sent::Gone,
                Ok(n) => drop(self.rest.drain(..n)),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Sent::Missed,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Sent::Gone,
            }
        }
        Sent::Taken
    }
}
