//! A TCP proxy that does to a connection what networks do: delay, slowness, resets, half-closing, refusing.
//! It must never change a byte that it passes on.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What happens to connections from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    Fair,
    /// Every piece comes so many milliseconds later.
    Slow(u64),
    /// So many bytes a second each way.
    Narrow(u64),
    /// Both sides are reset after so many bytes of either way.
    Reset(u64),
    /// The way to the receiver is closed after so many bytes, the other stays open; an answer never comes.
    HalfClose(u64),
    /// New connections are closed at once.
    Refuse,
}

#[derive(Clone)]
pub struct Proxy {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    target: Mutex<SocketAddr>,
    weather: Mutex<Weather>,
    /// Connections of earlier weather end when this moves on.
    season: AtomicU64,
    stop: AtomicBool,
    pub faults: AtomicU64,
}

impl Proxy {
    pub fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            target: Mutex::new(target),
            weather: Mutex::new(Weather::Fair),
            season: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            faults: AtomicU64::new(0),
        });
        let for_thread = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming() {
                if for_thread.stop.load(Relaxed) {
                    return;
                }
                if let Ok(client) = client {
                    let shared = Arc::clone(&for_thread);
                    thread::spawn(move || connection(&shared, client));
                }
            }
        });
        Self { address, shared }
    }

    pub fn retarget(&self, target: SocketAddr) {
        *self.shared.target.lock().unwrap() = target;
    }

    /// Changes the weather for new connections, and for those that are open.
    pub fn weather(&self, weather: Weather) {
        *self.shared.weather.lock().unwrap() = weather;
        self.shared.season.fetch_add(1, Relaxed);
    }

    /// Connections that were broken on purpose.
    pub fn faults(&self) -> u64 {
        self.shared.faults.load(Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The last handle: the thread has one, this one, and those of open connections.
        if Arc::strong_count(&self.shared) <= 2 {
            self.shared.stop.store(true, Relaxed);
            let _woken = TcpStream::connect(self.address);
        }
    }
}

/// Ends a connection so that the peer sees a reset, not an end.
fn reset(stream: &TcpStream) {
    let linger = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
    linger.unwrap();
    let _closed = stream.shutdown(Shutdown::Both);
}

fn connection(shared: &Arc<Shared>, client: TcpStream) {
    let target = *shared.target.lock().unwrap();
    let weather = *shared.weather.lock().unwrap();
    if weather == Weather::Refuse {
        shared.faults.fetch_add(1, Relaxed);
        return reset(&client);
    }
    let Ok(server) = TcpStream::connect(target) else { return reset(&client) };
    for stream in [&client, &server] {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    }
    let (a, b) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let shared_up = Arc::clone(shared);
    let total = Arc::new(AtomicU64::new(0));
    let total_up = Arc::clone(&total);
    let up = thread::spawn(move || pump(&shared_up, a, b, &total_up, true));
    pump(shared, server, client, &total, false);
    let _ended = up.join();
}

fn pump(shared: &Shared, mut from: TcpStream, mut to: TcpStream, total: &AtomicU64, up: bool) {
    let mut buffer = vec![0; 16 << 10];
    let mut season = shared.season.load(Relaxed);
    while !shared.stop.load(Relaxed) {
        let weather = *shared.weather.lock().unwrap();
        if shared.season.swap(shared.season.load(Relaxed), Relaxed) != season {
            season = shared.season.load(Relaxed);
            total.store(0, Relaxed);
        }
        let room =
            if let Weather::Narrow(rate) = weather { (rate / 100).clamp(1, 16 << 10) as usize } else { buffer.len() };
        let count = match from.read(&mut buffer[..room]) {
            Ok(0) => break,
            Ok(count) => count,
            Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => continue,
            Err(_) => break,
        };
        let so_far = total.fetch_add(count as u64, Relaxed) + count as u64;
        match weather {
            Weather::Slow(ms) => thread::sleep(Duration::from_millis(ms)),
            Weather::Narrow(rate) => thread::sleep(Duration::from_secs_f64(count as f64 / rate as f64)),
            Weather::Reset(after) if so_far > after => {
                shared.faults.fetch_add(1, Relaxed);
                reset(&from);
                return reset(&to);
            }
            Weather::HalfClose(after) if so_far > after && up => {
                shared.faults.fetch_add(1, Relaxed);
                break;
            }
            _ => {}
        }
        if to.write_all(&buffer[..count]).is_err() {
            return reset(&from);
        }
    }
    let _closed = to.shutdown(Shutdown::Write);
}
