//! One connection to a receiver, with or without TLS: bounded waits, bounded answers.
//! It must never be used again after anything on it has gone wrong: the answer to one batch would pass for the next one's.

use std::io::{self, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use rustls::{ClientConnection, StreamOwned};
use serde::de::DeserializeOwned;

use super::ForwardConfig;
use super::tls::Tls;
use crate::exchange::is_closed;

/// Most bytes of an answer: an `ack` has some 40, a HELO some 200.
const MAX_ANSWER: u64 = 4 << 10;

/// What ended an exchange.
pub(super) struct Ended {
    pub(super) why: String,
    /// There was a connection.
    pub(super) reached: bool,
    /// The receiver closed it.
    pub(super) closed: bool,
}

impl From<String> for Ended {
    fn from(why: String) -> Self {
        Self { why, reached: false, closed: false }
    }
}

impl Ended {
    fn of(what: &str, error: &io::Error) -> Self {
        Self { why: format!("{what}: {}", reason(error)), reached: true, closed: is_closed(error.kind()) }
    }
}

pub(super) struct Connection {
    stream: BufReader<Stream>,
    read_timeout: Duration,
}

/// A socket whose exchanges end at a moment, however slowly the bytes come.
struct Deadline {
    socket: TcpStream,
    until: Instant,
}

impl Read for Deadline {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.socket.set_read_timeout(Some(left))?;
        self.socket.read(buffer)
    }
}

impl Write for Deadline {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

enum Stream {
    Plain(Deadline),
    Tls(Box<StreamOwned<ClientConnection, Deadline>>),
}

impl Stream {
    fn deadline(&mut self) -> &mut Deadline {
        match self {
            Self::Plain(deadline) => deadline,
            Self::Tls(stream) => &mut stream.sock,
        }
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(deadline) => &deadline.socket,
            Self::Tls(stream) => &stream.sock.socket,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(deadline) => deadline.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Connection {
    /// Connects to the first of the host's addresses that answers.
    pub(super) fn open(config: &ForwardConfig, tls: Option<&Tls>) -> Result<Self, String> {
        let addresses = config.address.to_socket_addrs().map_err(|e| format!("the name has no address: {e}"))?;
        let mut failed = "the name has no address".to_owned();
        for address in addresses {
            match TcpStream::connect_timeout(&address, config.connect_timeout) {
                Ok(socket) => return Self::of(socket, config, tls).map_err(|e| e.to_string()),
                Err(e) => failed = format!("no connection: {}", reason(&e)),
            }
        }
        Err(failed)
    }

    fn of(socket: TcpStream, config: &ForwardConfig, tls: Option<&Tls>) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        socket.set_write_timeout(Some(config.write_timeout))?;
        let deadline = Deadline { socket, until: Instant::now() };
        let stream = match tls {
            None => Stream::Plain(deadline),
            Some(tls) => Stream::Tls(Box::new(StreamOwned::new(tls.session()?, deadline))),
        };
        Ok(Self { stream: BufReader::with_capacity(512, stream), read_timeout: config.read_timeout })
    }

    /// Whether the receiver still holds its end and has said nothing since the last answer.
    pub(super) fn is_quiet(&self) -> bool {
        let socket = self.stream.get_ref().socket();
        if !self.stream.buffer().is_empty() || socket.set_nonblocking(true).is_err() {
            return false;
        }
        let waits = matches!(socket.peek(&mut [0]), Err(e) if e.kind() == io::ErrorKind::WouldBlock);
        socket.set_nonblocking(false).is_ok() && waits
    }

    pub(super) fn write(&mut self, message: &[u8]) -> Result<(), Ended> {
        // Within the first write TLS reads too: its handshake is under the same limit as an answer.
        self.begin();
        let written = match self.stream.get_mut() {
            Stream::Plain(deadline) => deadline.write_all(message),
            Stream::Tls(stream) => stream.write_all(message).and_then(|()| stream.flush()),
        };
        written.map_err(|e| Ended::of("the message was not taken", &e))
    }

    fn begin(&mut self) {
        self.stream.get_mut().deadline().until = Instant::now() + self.read_timeout;
    }

    /// Reads one MessagePack value.
    pub(super) fn read<T: DeserializeOwned>(&mut self) -> Result<T, Ended> {
        self.begin();
        let mut limited = (&mut self.stream).take(MAX_ANSWER);
        let read = T::deserialize(&mut rmp_serde::Deserializer::new(&mut limited));
        let spent = limited.limit() == 0;
        read.map_err(|e| match e {
            _ if spent => format!("the answer is longer than {MAX_ANSWER} bytes").into(),
            rmp_serde::decode::Error::InvalidMarkerRead(e) | rmp_serde::decode::Error::InvalidDataRead(e) => {
                Ended::of("no answer", &e)
            }
            other => format!("the answer is none: {}", other.to_string().escape_debug()).into(),
        })
    }
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "not in time".to_owned(),
        io::ErrorKind::UnexpectedEof => "the receiver closed the connection".to_owned(),
        _ => error.to_string(),
    }
}
