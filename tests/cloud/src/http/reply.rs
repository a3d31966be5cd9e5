//! An answer and the way it is delivered. It must never misbehave unless its [`Delivery`] says so.

use std::io::{self, IoSlice, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use super::Stop;

/// How an answer goes over the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// As HTTP wants it.
    #[default]
    Whole,
    /// The connection is closed after so many bytes of the body.
    CutAt(usize),
    /// The connection is reset before the first byte.
    Reset,
    /// The first `pieces` pieces of the body come one at a time with a pause, the rest at once.
    Drip { bytes: usize, pause: Duration, pieces: usize },
    /// After the body comes padding without an end; after `most` bytes of it the connection is closed.
    Endless { announced: Option<u64>, pad: u8, most: u64 },
    /// These bytes instead of an answer.
    Raw(Vec<u8>),
}

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// The status.
    pub(crate) status: u16,
    /// The headers, without Content-Length.
    pub(crate) headers: Vec<(String, String)>,
    /// The body, shared with the caches it may come from.
    pub(crate) body: Arc<Vec<u8>>,
    /// The part of `body` that is sent.
    pub(crate) range: std::ops::Range<usize>,
    /// How it is sent.
    pub(crate) delivery: Delivery,
}

impl Reply {
    pub(crate) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Arc::default(), range: 0..0, delivery: Delivery::Whole }
    }

    #[must_use]
    pub(crate) fn with_body(self, body: impl Into<Vec<u8>>) -> Self {
        self.with_shared(Arc::new(body.into()))
    }

    #[must_use]
    pub(crate) fn with_shared(mut self, body: Arc<Vec<u8>>) -> Self {
        self.range = 0..body.len();
        self.body = body;
        self
    }

    #[must_use]
    pub(crate) fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Replaces a header, or adds it.
    pub(crate) fn set_header(&mut self, name: &str, value: impl Into<String>) {
        self.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.into()));
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The bytes that are sent as the body.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.body.get(self.range.clone()).unwrap_or_default()
    }

    fn head(&self, framing: &str) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status)).into_bytes();
        for (name, value) in &self.headers {
            head.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        head.extend_from_slice(framing.as_bytes());
        head.extend_from_slice(b"\r\n");
        head
    }

    /// Writes it; false when the connection is to be closed after it. `head_only`: it answers a HEAD request.
    pub(crate) fn write(&self, stream: &TcpStream, head_only: bool, stop: &Stop) -> io::Result<bool> {
        let body: &[u8] = if head_only { &[] } else { self.bytes() };
        let bodiless = self.status == 204 || self.status == 304;
        let length = if bodiless { String::new() } else { format!("Content-Length: {}\r\n", self.bytes().len()) };
        match &self.delivery {
            Delivery::Whole => write_both(stream, &self.head(&length), body).map(|()| true),
            Delivery::CutAt(at) => {
                write_both(stream, &self.head(&length), &body[..(*at).min(body.len())]).map(|()| false)
            }
            Delivery::Reset => {
                rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO))?;
                // With nothing lingering, closing sends a reset.
                Err(io::Error::from(io::ErrorKind::ConnectionReset))
            }
            Delivery::Drip { bytes, pause, pieces } => {
                write_both(stream, &self.head(&length), &[])?;
                drip(stream, body, *bytes, *pause, *pieces, stop)
            }
            Delivery::Endless { announced, pad, most } => self.endless(stream, body, *announced, *pad, *most, stop),
            Delivery::Raw(bytes) => write_both(stream, bytes, &[]).map(|()| false),
        }
    }

    fn endless(
        &self,
        mut stream: &TcpStream,
        body: &[u8],
        announced: Option<u64>,
        pad: u8,
        most: u64,
        stop: &Stop,
    ) -> io::Result<bool> {
        let framing = match announced {
            Some(length) => format!("Content-Length: {length}\r\n"),
            None => "Transfer-Encoding: chunked\r\n".to_owned(),
        };
        stream.write_all(&self.head(&framing))?;
        let padding = vec![pad; 64 * 1024];
        let mut sent = 0;
        let mut piece = body;
        while sent < most && !stop.told() {
            if announced.is_none() && !piece.is_empty() {
                stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes())?;
            }
            stream.write_all(piece)?;
            if announced.is_none() && !piece.is_empty() {
                stream.write_all(b"\r\n")?;
            }
            sent += piece.len() as u64;
            piece = &padding;
        }
        Ok(false)
    }
}

fn drip(
    mut stream: &TcpStream,
    body: &[u8],
    bytes: usize,
    pause: Duration,
    pieces: usize,
    stop: &Stop,
) -> io::Result<bool> {
    let mut left = body;
    for _ in 0..pieces {
        let (piece, rest) = left.split_at(bytes.max(1).min(left.len()));
        stream.write_all(piece)?;
        left = rest;
        if left.is_empty() {
            break;
        }
        if stop.wait(pause) {
            return Ok(false);
        }
    }
    stream.write_all(left).map(|()| true)
}

/// Head and body in as few system calls as the kernel takes.
fn write_both(mut stream: &TcpStream, head: &[u8], body: &[u8]) -> io::Result<()> {
    let (mut head, mut body) = (head, body);
    while !head.is_empty() {
        let count = stream.write_vectored(&[IoSlice::new(head), IoSlice::new(body)])?;
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        let of_head = count.min(head.len());
        head = &head[of_head..];
        body = &body[count - of_head..];
    }
    stream.write_all(body)
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        206 => "Partial Content",
        302 => "Found",
        307 => "Temporary Redirect",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Payload Too Large",
        416 => "Requested Range Not Satisfiable",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "Unknown",
    }
}
