//! Sends to a Vector: its gRPC protocol, native events, one `PushEvents` a batch.
//! It must never send what makes Vector panic, and never take an answer for more than it says.
//!
//! `OK` means delivered where the receiving Vector's sinks have `acknowledgements.enabled: true`, and queued elsewhere.

mod answer;
mod socket;
mod tls;
mod wire;
mod written;

use std::time::Duration;

use bytes::Bytes;
use tonic::Code;
use tonic::client::Grpc;
use tonic::codec::CompressionEncoding;

use tonic::transport::{Channel, Endpoint};
use ureq::http::uri::PathAndQuery;

use self::socket::Connector;
pub use self::tls::Tls;
use self::wire::Raw;
use self::written::Writer;
use crate::record::Batch;
use crate::sender::{Prepare, Refused, Sender};
use crate::trouble::{self, Trouble};

/// The longest message a `vector` source takes by default, bytes, decompressed.
pub const MAX_MESSAGE: usize = 100 << 20;

const PUSH: &str = "/vector.Vector/PushEvents";
const HEALTH: &str = "/vector.Vector/HealthCheck";

/// How requests are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Not at all: least CPU, for a Vector on the same machine.
    #[default]
    None,
    /// gzip, level 6.
    Gzip,
    /// Zstandard, level 3: about as small as gzip at a fraction of the CPU. Needs a Vector that knows it.
    Zstd,
}

/// Which Vector, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VectorConfig {
    /// `http://host:port` of its `vector` source, or `https://host:port` where that has TLS.
    pub address: String,
    /// For `https://`: whom to believe and who we are. Default: the system's authorities, and no certificate of ours.
    pub tls: Tls,
    /// Default none.
    pub compression: Compression,
    /// Longest wait for an answer. With acknowledgements Vector answers only after its sinks have delivered. Default 60 s.
    pub deadline: Duration,
    /// Longest wait for a connection. Default 10 s.
    pub connect_timeout: Duration,
    /// Longest request, bytes before compression; at most [`MAX_MESSAGE`]. Default 8 MiB.
    pub max_request_bytes: usize,
}

impl VectorConfig {
    /// The defaults for an address.
    #[must_use]
    pub fn of(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            tls: Tls::default(),
            compression: Compression::default(),
            deadline: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(10),
            max_request_bytes: 8 << 20,
        }
    }
}

/// Why there is no sender.
#[derive(Debug, thiserror::Error)]
pub enum VectorError {
    /// The address is none.
    #[error("`{address}` is no address of a Vector: {why}; write `http://host:port` or `https://host:port`")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong.
        why: String,
    },
    /// A file of certificates or keys cannot be used.
    #[error("{path}: {why}")]
    Tls {
        /// The file, or what was to be set up.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// The system refused.
    #[error("no event loop for the connection to Vector: {0}")]
    Runtime(#[from] std::io::Error),
}

/// A connection to one Vector, made when it is first needed and again when it broke, for who has an event loop.
#[derive(Debug, Clone)]
pub struct Link {
    address: String,
    deadline: Duration,
    client: Grpc<Channel>,
    /// Whether there was no connection for the last call.
    unconnected: bool,
}

impl Link {
    /// Prepares a connection; makes none yet. Must be called within a tokio runtime with I/O and time, which serves it.
    ///
    /// # Errors
    /// [`VectorError`].
    pub fn new(config: &VectorConfig) -> Result<Self, VectorError> {
        let bad = |why: String| VectorError::Address { address: config.address.clone(), why };
        let secure = config.address.starts_with("https://");
        if !secure && !config.address.starts_with("http://") {
            return Err(bad("it begins neither with `http://` nor with `https://`".to_owned()));
        }
        if !secure && config.tls != Tls::default() {
            return Err(bad("it is not `https://`, but `tls` is set".to_owned()));
        }
        let endpoint = Endpoint::from_shared(config.address.clone()).map_err(|e| bad(e.to_string()))?;
        let endpoint = endpoint
            .user_agent(concat!("innertrail/", env!("CARGO_PKG_VERSION")))
            .map_err(|e| bad(e.to_string()))?
            .connect_timeout(config.connect_timeout);
        let endpoint = if secure { config.tls.apply(endpoint, config.connect_timeout)? } else { endpoint };
        let channel = endpoint.connect_with_connector_lazy(Connector);
        let client = match config.compression {
            Compression::None => Grpc::new(channel),
            Compression::Gzip => Grpc::new(channel).send_compressed(CompressionEncoding::Gzip),
            Compression::Zstd => Grpc::new(channel).send_compressed(CompressionEncoding::Zstd),
        };
        Ok(Self { address: config.address.clone(), deadline: config.deadline, client, unconnected: false })
    }

    /// Sends an encoded `PushEventsRequest`, whose events are known to be what Vector can decode.
    ///
    /// # Errors
    /// What became of it.
    pub async fn push(&self, request: Bytes) -> Result<(), Refused> {
        self.clone().call(PUSH, vec![request]).await.map(|_| ())
    }

    async fn call(&mut self, path: &'static str, message: Vec<Bytes>) -> Result<Bytes, Refused> {
        let Self { address, deadline, client, unconnected } = self;
        let size = message.iter().map(Bytes::len).sum();
        let call = async {
            let ready = client.ready().await;
            ready.map_err(|e| tonic::Status::from_error(Box::new(e)))?;
            let path = PathAndQuery::from_static(path);
            client.unary(tonic::Request::new(message), path, Raw { size }).await
        };
        let answer = tokio::time::timeout(*deadline, call).await;
        *unconnected = matches!(&answer, Ok(Err(status)) if answer::is_unconnected(status));
        match answer {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(answer::judge(address, &status)),
            Err(_) => Err(Refused::Later { why: format!("{address}: no answer within {deadline:?}"), after: None }),
        }
    }
}

/// A connection to one Vector that drives itself on the calling thread, so it must not be called from within an
/// asynchronous runtime.
#[derive(Debug)]
pub struct Vector {
    config: VectorConfig,
    runtime: tokio::runtime::Runtime,
    link: Link,
    writer: Writer,
    sent: u64,
    /// Whether it said that it serves since the connection last failed.
    healthy: bool,
}

impl Vector {
    /// Prepares a connection; makes none yet.
    ///
    /// # Errors
    /// [`VectorError`].
    pub fn new(config: VectorConfig) -> Result<Self, VectorError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let link = {
            // The channel's queue is served by a task of the runtime.
            let _entered = runtime.enter();
            Link::new(&config)?
        };
        Ok(Self { config, runtime, link, writer: Writer::default(), sent: 0, healthy: false })
    }

    /// Asks whether it serves, as Vector's own sink does at its start.
    ///
    /// # Errors
    /// [`Refused::Later`] when it does not, or cannot be reached.
    pub fn health(&mut self) -> Result<(), Refused> {
        let answer = self.call(HEALTH, Vec::new())?;
        // `status` is field 1; SERVING is 0, which protobuf leaves out.
        if matches!(&answer[..], [] | [8, 0]) {
            self.healthy = true;
            return Ok(());
        }
        Err(Refused::Later { why: format!("{}: it says that it is not serving", self.config.address), after: None })
    }

    fn call(&mut self, path: &'static str, message: Vec<Bytes>) -> Result<Bytes, Refused> {
        self.runtime.block_on(self.link.call(path, message))
    }
}

impl Sender for Vector {
    fn send(&mut self, batch: &Batch<'_>) -> Result<(), Refused> {
        let never = |why: String| Refused::Never { why };
        let request = self.writer.request(batch).map_err(|e| never(e.to_string()))?;
        let size = request.iter().map(Bytes::len).sum::<usize>();
        if size > MAX_MESSAGE {
            return Err(never(format!("{size} bytes are more than the {MAX_MESSAGE} that Vector takes")));
        }
        if !self.healthy {
            self.health()?;
        }
        self.sent = size as u64;
        self.call(PUSH, request).map(|_| ()).inspect_err(|refused| {
            self.healthy &= !matches!(refused, Refused::Later { .. });
        })
    }

    fn max_request_bytes(&self) -> usize {
        self.config.max_request_bytes.min(MAX_MESSAGE)
    }

    fn trouble(&self) -> Trouble {
        trouble::of_request(self.link.unconnected)
    }

    fn body_bytes(&self) -> Option<u64> {
        // What the library compresses on its way it does not count.
        (self.config.compression == Compression::None).then_some(self.sent)
    }

    fn encoded_len(&self, batch: &Batch<'_>, at: usize) -> usize {
        self.writer.len(batch, at)
    }

    fn prepare(&self) -> Option<Prepare> {
        Some(written::prepare())
    }
}

/// Codes that say something about the configuration or the receiver, and nothing about the records.
fn about_the_receiver(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable
            | Code::ResourceExhausted
            | Code::Internal
            | Code::Aborted
            | Code::DeadlineExceeded
            | Code::Unauthenticated
            | Code::PermissionDenied
            | Code::NotFound
            | Code::Unimplemented
            | Code::FailedPrecondition
    )
}
