//! Reads requests off a connection. It must never keep more of one than the limits below allow.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;

/// Most bytes of the request line and the headers.
const MOST_HEAD: usize = 64 * 1024;
/// Most bytes of a body; PutLogs allows 10 MB a request, the SDKs send up to 30.
const MOST_BODY: usize = 32 << 20;

/// One request as it was received.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// The method, as sent.
    pub(crate) method: String,
    /// The path with its percent signs resolved.
    pub(crate) path: String,
    /// The path exactly as received, without the query.
    pub(crate) raw_path: String,
    /// The query's pairs in the order received, percent signs resolved.
    pub(crate) query: Vec<(String, String)>,
    /// The headers in the order received, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: Vec<u8>,
    /// Whether the client wants the connection closed.
    pub(crate) close: bool,
}

impl Request {
    /// A header's value; the name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A parameter of the query; the first where it stands twice.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The host of the `Host` header without its port.
    pub(crate) fn host(&self) -> &str {
        let host = self.header("host").unwrap_or_default();
        host.rsplit_once(':').map_or(host, |(name, port)| if port.parse::<u16>().is_ok() { name } else { host })
    }
}

/// Why no request could be read.
pub(crate) enum Unreadable {
    /// The client closed the connection between two requests.
    Closed,
    /// The connection broke.
    Io(io::Error),
    /// What came is no request: a status and a sentence for the answer.
    Malformed(u16, String),
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn malformed<T>(status: u16, why: &str) -> Result<T, Unreadable> {
    Err(Unreadable::Malformed(status, why.to_owned()))
}

/// Reads one request after another from a connection.
pub(crate) struct Reader<'a> {
    stream: &'a TcpStream,
    buffer: Vec<u8>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(stream: &'a TcpStream) -> Self {
        Self { stream, buffer: Vec::with_capacity(4096) }
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut piece = [0; 16 * 1024];
        let count = self.stream.read(&mut piece)?;
        self.buffer.extend_from_slice(&piece[..count]);
        Ok(count)
    }

    /// The next request; `answer` takes the interim answer to `Expect: 100-continue`.
    pub(crate) fn next(&mut self, mut answer: &TcpStream) -> Result<Request, Unreadable> {
        let (mut request, head) = loop {
            if let Some(parsed) = parse_head(&self.buffer)? {
                break parsed;
            }
            if self.buffer.len() > MOST_HEAD {
                return malformed(431, "the request line and headers are longer than 64 KiB");
            }
            if self.fill()? == 0 {
                let between = self.buffer.is_empty();
                return if between { Err(Unreadable::Closed) } else { malformed(400, "the request breaks off") };
            }
        };
        self.buffer.drain(..head);
        let length = body_length(&request)?;
        if length > self.buffer.len() && request.header("expect").is_some() {
            answer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        while self.buffer.len() < length {
            if self.fill()? == 0 {
                return malformed(400, "the body is shorter than Content-Length");
            }
        }
        request.body = self.buffer.drain(..length).collect();
        Ok(request)
    }
}

fn body_length(request: &Request) -> Result<usize, Unreadable> {
    if request.header("transfer-encoding").is_some() {
        return malformed(411, "Content-Length does not exist in http header when it is necessary.");
    }
    let lengths: Vec<&str> =
        request.headers.iter().filter(|(name, _)| name == "content-length").map(|(_, v)| v.as_str()).collect();
    match lengths.as_slice() {
        [] => Ok(0),
        [length] => match length.parse::<usize>() {
            Ok(length) if length <= MOST_BODY => Ok(length),
            Ok(_) => malformed(413, "the body is longer than 32 MiB"),
            Err(_) => malformed(400, "Content-Length is no number"),
        },
        _ => malformed(400, "Content-Length stands twice"),
    }
}

fn parse_head(bytes: &[u8]) -> Result<Option<(Request, usize)>, Unreadable> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Request::new(&mut headers);
    let length = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return malformed(400, &format!("this is not HTTP/1.1: {error}")),
    };
    let (Some(method), Some(target)) = (parsed.method, parsed.path) else {
        return malformed(400, "the request line is not whole");
    };
    let mut request = Request { method: method.to_owned(), ..Request::default() };
    for header in parsed.headers.iter() {
        let Ok(value) = std::str::from_utf8(header.value) else { return malformed(400, "a header is not UTF-8") };
        request.headers.push((header.name.to_ascii_lowercase(), value.to_owned()));
    }
    split_target(&mut request, target)?;
    match request.headers.iter().filter(|(name, _)| name == "host").count() {
        1 => {}
        0 => return malformed(400, "Host does not exist in http header."),
        _ => return malformed(400, "the Host header stands twice"),
    }
    request.close = request.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    Ok(Some((request, length)))
}

/// Takes the origin form (`/a?b`) and the absolute form (`http://host/a?b`), which clients send to a proxy.
fn split_target(request: &mut Request, target: &str) -> Result<(), Unreadable> {
    let origin = match target.split_once("://") {
        Some(("http", rest)) => match rest.find(['/', '?']) {
            Some(at) => &rest[at..],
            None => "/",
        },
        _ if target.starts_with('/') => target,
        _ => return malformed(400, "the request target is neither a path nor an http address"),
    };
    let (path, query) = origin.split_once('?').unwrap_or((origin, ""));
    let path = if path.is_empty() { "/" } else { path };
    let Some(decoded) = decode_percent(path) else { return malformed(400, "the path is not percent-encoded UTF-8") };
    request.raw_path = path.to_owned();
    request.path = decoded;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        // A space is sent as %20 or, by form encoders, as a plus sign.
        let (Some(name), Some(value)) =
            (decode_percent(&name.replace('+', "%20")), decode_percent(&value.replace('+', "%20")))
        else {
            return malformed(400, "the query is not percent-encoded UTF-8");
        };
        request.query.push((name, value));
    }
    Ok(())
}

/// Resolves percent signs; nothing when one of them is not followed by two hexadecimal digits or the result is not UTF-8.
fn decode_percent(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            out.push((high * 16 + low) as u8);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}
