//! OTLP/HTTP: batches as `ExportLogsServiceRequest`, protobuf or JSON, to any receiver of OpenTelemetry logs.
//! It must never follow a redirect, show a header's value, or take an answer for yes that rejects a record.
//!
//! A record becomes one log record: the event's time and the time it was appended, a severity by outcome, the raw event
//! as body, every column as attribute under its own name with `it_seq` and `it_seal`. A receiver's 200 means that it took
//! the batch, which is not that it kept it: Rotel answers 200 from memory, Vector with `acknowledgements` after delivery.

mod agent;
mod answer;
mod json;
mod protobuf;
mod relay;
mod request;

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;

use self::agent::Agent;
pub use self::relay::{Passed, Relay};
use self::request::Shared;
use crate::exchange;
use crate::record::Batch;
pub use crate::reference::Header;
use crate::reference::ReferenceError;
use crate::sender::{Refused, Sender};
use crate::trouble::{self, Trouble};

/// Bytes of a request that are no record: resource, scope, lengths.
const FRAME: usize = 1_024;

/// Bytes that the head of a request may have where it counts with the body.
const HEAD: usize = 16 << 10;

/// How requests are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// `application/x-protobuf`.
    #[default]
    Protobuf,
    /// `application/json`, OTLP's own mapping.
    Json,
}

/// What the receiver is, as far as its limit on bodies goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// The OpenTelemetry Collector's default: 20 MiB.
    #[default]
    Collector,
    /// LoongCollector's `service_http_server` without a `MaxBodySize` of its own: 64 KiB.
    LoongCollector,
    /// Rotel: 4 MiB.
    Rotel,
    /// Fluent Bit's `opentelemetry` input without a `buffer_max_size` of its own: 4 MiB, the request's head included.
    FluentBit,
}

impl Profile {
    /// The longest body before compression, bytes.
    #[must_use]
    pub fn max_body(self) -> usize {
        match self {
            Self::Collector => 20 << 20,
            Self::LoongCollector => 64 << 10,
            Self::Rotel => 4 << 20,
            Self::FluentBit => (4 << 20) - HEAD,
        }
    }
}

/// Where to send, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtlpConfig {
    /// `https://` or `http://`, without user and password. Without a path it is `/v1/logs`.
    pub url: String,
    /// Default protobuf.
    pub encoding: Encoding,
    /// Whether bodies are compressed. Default yes.
    pub gzip: bool,
    /// Further headers.
    pub headers: Vec<Header>,
    /// Longest exchange. Default 60 s.
    pub timeout: Duration,
    /// Longest wait for a connection. Default 10 s.
    pub connect_timeout: Duration,
    /// A PEM file of further certificate authorities.
    pub ca_file: Option<PathBuf>,
    /// The receiver's limit on bodies.
    pub profile: Profile,
    /// Longest body before compression, bytes, where the receiver's limit is another one; at least 4 KiB.
    pub max_body: Option<usize>,
}

impl OtlpConfig {
    /// The defaults for a URL.
    #[must_use]
    pub fn of(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            encoding: Encoding::default(),
            gzip: true,
            headers: Vec::new(),
            timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(10),
            ca_file: None,
            profile: Profile::default(),
            max_body: None,
        }
    }
}

/// Why there is no sender.
#[derive(Debug, thiserror::Error)]
pub enum OtlpError {
    /// The URL cannot be sent to. It is not repeated: it may hold a password.
    #[error("the url is not usable: {0}; write `https://host:4318`, and put what authorises into `headers`")]
    Url(&'static str),
    /// A header cannot be sent.
    #[error("the header {0} cannot be sent: {1}")]
    Header(String, &'static str),
    /// The value of a header cannot be had.
    #[error("the header {0}: {1}")]
    Value(String, ReferenceError),
    /// No certificate authority is believed.
    #[error("no certificate authority: {0}; install the system's certificates, or name a PEM file in `ca_file`")]
    Authorities(String),
    /// A limit that holds no record.
    #[error("a body of at most {0} bytes holds no record; allow at least 4096")]
    MaxBody(usize),
}

/// One receiver. Connections are kept between requests.
#[derive(Debug)]
pub struct Otlp {
    agent: Agent,
    encoding: Encoding,
    gzip: bool,
    max_body: usize,
    /// Bytes of the last body.
    sent: u64,
}

impl Otlp {
    /// Prepares requests; sends none.
    ///
    /// # Errors
    /// [`OtlpError`].
    pub fn new(config: &OtlpConfig) -> Result<Self, OtlpError> {
        let max_body = config.max_body.unwrap_or_else(|| config.profile.max_body());
        if max_body < 4 * FRAME {
            return Err(OtlpError::MaxBody(max_body));
        }
        Ok(Self { agent: Agent::new(config)?, encoding: config.encoding, gzip: config.gzip, max_body, sent: 0 })
    }

    /// The body as it is sent, and its length before compression.
    fn body(&self, batch: &Batch<'_>) -> Result<(Vec<u8>, usize), Refused> {
        let shared = Shared::of(batch);
        let body = match self.encoding {
            Encoding::Protobuf => protobuf::request(batch, &shared),
            Encoding::Json => json::request(batch, &shared),
        };
        let len = body.len();
        if !self.gzip {
            return Ok((body, len));
        }
        let mut gzip = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
        // A vector takes every write; were it not so, nothing would be sent.
        let packed = gzip.write_all(&body).and_then(|()| gzip.finish());
        packed.map(|body| (body, len)).map_err(|e| Refused::Later { why: format!("gzip: {e}"), after: None })
    }
}

impl Sender for Otlp {
    fn send(&mut self, batch: &Batch<'_>) -> Result<(), Refused> {
        let (body, len) = self.body(batch)?;
        self.sent = body.len() as u64;
        let answer =
            self.agent.post(self.encoding, self.gzip, &body).map_err(|e| exchange::beyond(self.max_body, len, e))?;
        if matches!(answer.status, 401 | 403) {
            self.agent.renew_headers();
        }
        answer::judge(self.agent.shown(), &answer, SystemTime::now())
    }

    fn max_request_bytes(&self) -> usize {
        self.max_body - FRAME
    }

    fn encoded_len(&self, batch: &Batch<'_>, at: usize) -> usize {
        batch.records.get(at).map_or(0, |record| match self.encoding {
            Encoding::Protobuf => protobuf::record_len(batch.layout, record),
            Encoding::Json => json::record_len(batch.layout, record),
        })
    }

    fn body_bytes(&self) -> Option<u64> {
        Some(self.sent)
    }

    fn trouble(&self) -> Trouble {
        trouble::of_request(self.agent.was_unconnected())
    }
}
