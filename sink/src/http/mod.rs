//! Posts batches to an HTTP endpoint: lines of JSON, or one JSON array.
//! It must never follow a redirect, show a header's value, or take any answer but a 2xx for yes.

mod answer;
mod header;

use std::io::{Read, Write};
use std::path::PathBuf;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use ureq::Agent;

pub use self::header::HeaderError;
use crate::encode::{Encoder, Encoding};
use crate::exchange;
use crate::record::Batch;
pub use crate::reference::Header;
use crate::sender::{Refused, Sender};
use crate::trouble::{self, Trouble};

/// Most bytes of an answer that are read, to keep the connection and to say what was wrong.
const ANSWER: u64 = 64 << 10;

/// What a request's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Body {
    /// A line a record, `application/x-ndjson`.
    #[default]
    Lines,
    /// One array, `application/json`.
    Array,
}

/// Where to post, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// `https://` or `http://`, without user and password.
    pub url: String,
    /// Default lines.
    pub body: Body,
    /// [`Encoding::NativeJson`] or [`Encoding::Json`], the default.
    pub encoding: Encoding,
    /// Whether bodies are compressed. Default yes.
    pub gzip: bool,
    /// Further headers: what authorises. Their values are read at the start and again after a 401 or 403.
    pub headers: Vec<Header>,
    /// Longest exchange. Default 60 s.
    pub timeout: Duration,
    /// Longest wait for a connection. Default 10 s.
    pub connect_timeout: Duration,
    /// A PEM file of further certificate authorities.
    pub ca_file: Option<PathBuf>,
    /// Longest body before compression, bytes. Default 4 MiB.
    pub max_request_bytes: usize,
}

impl HttpConfig {
    /// The defaults for a URL.
    #[must_use]
    pub fn of(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            body: Body::default(),
            encoding: Encoding::Json,
            gzip: true,
            headers: Vec::new(),
            timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(10),
            ca_file: None,
            max_request_bytes: 4 << 20,
        }
    }
}

/// Why there is no sender.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The URL is none that can be posted to. It is not repeated: it may hold a password.
    #[error("the url is not usable: {0}; write `https://host/path`, and put what authorises into `headers`")]
    Url(&'static str),
    /// Protobuf is no JSON.
    #[error("an http sink posts JSON; use native_json or json")]
    Encoding,
    /// A header cannot be used.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// No certificate authority is believed.
    #[error("no certificate authority: {0}; install the system's certificates, or name a PEM file in `ca_file`")]
    Authorities(String),
}

/// One endpoint. Connections are kept between requests.
pub struct Http {
    config: HttpConfig,
    /// Scheme, host and port: what messages name.
    shown: String,
    agent: Agent,
    headers: Vec<(String, header::Value)>,
    encoder: Encoder,
    /// Bytes of the last body.
    sent: u64,
    /// Whether there was no connection for it.
    unconnected: bool,
}

impl Http {
    /// Prepares requests; sends none.
    ///
    /// # Errors
    /// [`HttpError`].
    pub fn new(config: HttpConfig) -> Result<Self, HttpError> {
        if config.encoding == Encoding::Native {
            return Err(HttpError::Encoding);
        }
        let (_, shown) = exchange::address(&config.url).map_err(HttpError::Url)?;
        let headers = header::read_all(&config.headers)?;
        let secure = config.url.starts_with("https://");
        let agent = exchange::client(secure, config.ca_file.as_deref(), config.connect_timeout, config.timeout)
            .map_err(HttpError::Authorities)?;
        let encoder = Encoder::new(config.encoding);
        Ok(Self { config, shown, agent, headers, encoder, sent: 0, unconnected: false })
    }

    /// The body as it is sent, and its length before compression.
    fn body(&self, batch: &Batch<'_>) -> Result<(Vec<u8>, usize), Refused> {
        let array = self.config.body == Body::Array;
        let mut body = Vec::new();
        for record in batch.records {
            if array {
                body.push(if body.is_empty() { b'[' } else { b',' });
            }
            let written = self.encoder.append(batch, record, &mut body);
            written.map_err(|e| Refused::Never { why: e.to_string() })?;
            if !array {
                body.push(b'\n');
            }
        }
        if array {
            body.push(b']');
        }
        let len = body.len();
        if !self.config.gzip {
            return Ok((body, len));
        }
        let mut gzip = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
        // A vector takes every write; were it not so, the receiver would see it.
        let packed = gzip.write_all(&body).and_then(|()| gzip.finish());
        packed.map(|body| (body, len)).map_err(|e| Refused::Later { why: format!("gzip: {e}"), after: None })
    }

    /// Posts a body that had `len` bytes before compression.
    fn post(&mut self, body: &[u8], len: usize) -> Result<(), Refused> {
        let kind = if self.config.body == Body::Array { "application/json" } else { "application/x-ndjson" };
        let mut request = self.agent.post(&self.config.url).header("content-type", kind);
        if self.config.gzip {
            request = request.header("content-encoding", "gzip");
        }
        for (name, value) in &self.headers {
            request = request.header(name, value.expose());
        }
        match request.send(body) {
            Ok(response) => {
                let (parts, body) = response.into_parts();
                let mut text = Vec::new();
                // The status has decided; what is said beside it may be cut.
                let _read = body.into_reader().take(ANSWER).read_to_end(&mut text);
                let text = String::from_utf8_lossy(&text).into_owned();
                let text = self.headers.iter().fold(text, |text, (_, value)| value.scrub(&text));
                answer::judge(&self.shown, parts.status.as_u16(), &parts.headers, &text)
            }
            Err(error) => {
                self.unconnected = exchange::is_unconnected(&error);
                Err(exchange::beyond(self.config.max_request_bytes, len, exchange::failed(&self.shown, &error)))
            }
        }
    }
}

impl Sender for Http {
    fn send(&mut self, batch: &Batch<'_>) -> Result<(), Refused> {
        let (body, len) = self.body(batch)?;
        (self.sent, self.unconnected) = (body.len() as u64, false);
        let answer = self.post(&body, len);
        if answer.as_ref().is_err_and(answer::is_about_keys)
            && let Ok(fresh) = header::read_all(&self.config.headers)
        {
            self.headers = fresh;
        }
        answer
    }

    fn max_request_bytes(&self) -> usize {
        self.config.max_request_bytes
    }

    fn encoded_len(&self, batch: &Batch<'_>, at: usize) -> usize {
        batch.records.get(at).map_or(0, |record| self.encoder.len(batch, record) + 1)
    }

    fn body_bytes(&self) -> Option<u64> {
        Some(self.sent)
    }

    fn trouble(&self) -> Trouble {
        trouble::of_request(self.unconnected)
    }
}
