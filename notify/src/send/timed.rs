//! A connection with one end in time for everything: a server that drips cannot hold it.
//! It must never wait longer than its end.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// A connection that is over at a time.
#[derive(Debug)]
pub(super) struct Timed {
    socket: TcpStream,
    end: Instant,
}

impl Timed {
    /// Connects to the first address that answers.
    pub(super) fn connect(host: &str, port: u16, whole: Duration) -> io::Result<Self> {
        let end = Instant::now() + whole;
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address; check its spelling");
        for address in (host, port).to_socket_addrs()? {
            let left = left(end)?.min(Duration::from_secs(10));
            match TcpStream::connect_timeout(&address, left) {
                Ok(socket) => {
                    socket.set_nodelay(true)?;
                    return Ok(Self { socket, end });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

fn left(end: Instant) -> io::Result<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::Error::new(io::ErrorKind::TimedOut, "not done in time")) } else { Ok(left) }
}

/// A socket's own end of patience has another name.
fn named(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::Error::new(io::ErrorKind::TimedOut, "not done in time"),
        _ => error,
    }
}

impl Read for Timed {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(left(self.end)?))?;
        self.socket.read(buf).map_err(named)
    }
}

impl Write for Timed {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(left(self.end)?))?;
        self.socket.write(buf).map_err(named)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}
