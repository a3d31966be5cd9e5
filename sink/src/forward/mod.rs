//! Fluent Forward v1: batches as PackedForward over TCP or TLS, to Fluentd, Fluent Bit, Vector and whatever else speaks it.
//! It must never call a batch delivered before the receiver has repeated the batch's own `chunk` in its `ack`.
//!
//! Every batch has a fresh `chunk`, a text, because Fluent Bit takes no other. The answer to it is awaited; anything else
//! ends the connection, and with it any answer that is late. An `ack` says what the receiver's own buffer is worth:
//! in Fluent Bit a batch survives a crash with `storage.type filesystem` alone.

mod connection;
mod handshake;
mod message;
mod tls;

use std::fmt;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};

use self::connection::{Connection, Ended};
use self::tls::Tls;
pub use self::tls::TlsConfig;
use crate::exchange::{Failed, beyond};
use crate::record::Batch;
use crate::reference::{Reference, ReferenceError};
use crate::sender::{Refused, Sender};
use crate::trouble::{self, Trouble};

/// Bytes of a message that are no entry: tag, options, lengths.
const FRAME: usize = 1_024;
/// The longest tag, bytes.
const MAX_TAG: usize = 256;

/// What proves to a receiver who sends, and to the sender who receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// Where the shared key is. It is read for every connection.
    pub shared_key: Reference,
    /// User and where the password is, where the receiver asks for them.
    pub user: Option<(String, Reference)>,
    /// What this side calls itself; the receiver must call itself otherwise.
    pub hostname: String,
}

/// Where to send, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardConfig {
    /// `host:port`, mostly port 24224.
    pub address: String,
    /// The tag that receivers route by. Default `innertrail`.
    pub tag: String,
    /// Whether entries are compressed (CompressedPackedForward). Default no: not every receiver reads it.
    pub gzip: bool,
    /// Default none: everything on the way can be read, and a shared key proves who is there, not who listens.
    pub tls: Option<TlsConfig>,
    /// The handshake that the receiver asks for. Default none.
    pub auth: Option<Auth>,
    /// Longest wait for a connection, name look-up not included. Default 10 s.
    pub connect_timeout: Duration,
    /// Longest wait for the answer. Default 60 s: a receiver answers when its buffer has the batch.
    pub read_timeout: Duration,
    /// Longest wait until a piece of the request is taken. Default 30 s.
    pub write_timeout: Duration,
    /// Longest message before compression, bytes; at least 4 KiB. Default 4 MiB: Fluent Bit's `buffer_max_size` is 6 MB.
    pub max_message: usize,
}

impl ForwardConfig {
    /// The defaults for an address.
    #[must_use]
    pub fn of(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            tag: "innertrail".to_owned(),
            gzip: false,
            tls: None,
            auth: None,
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(30),
            max_message: 4 << 20,
        }
    }
}

/// Why there is no sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForwardError {
    /// The address is none.
    #[error("the address `{0}` is not usable; write `host:port`, for example `127.0.0.1:24224`")]
    Address(String),
    /// The tag is none.
    #[error("the tag is empty or has more than 256 bytes")]
    Tag,
    /// A limit that holds no record, or that the format cannot hold.
    #[error("a message of at most {0} bytes cannot be; allow 4096 to 1073741824")]
    MaxMessage(usize),
    /// A wait of no time.
    #[error("every timeout must be longer than nothing")]
    Timeout,
    /// The name that the certificate must have is none.
    #[error("`{0}` is no name that a certificate can have; set `server_name`")]
    Name(String),
    /// No certificate authority is believed.
    #[error("no certificate authority: {0}; install the system's certificates, or name a PEM file in `ca_file`")]
    Authorities(String),
    /// A secret cannot be had.
    #[error("the shared key or the password: {0}")]
    Secret(#[from] ReferenceError),
}

/// One receiver.
pub struct Forward {
    config: ForwardConfig,
    tls: Option<Tls>,
    connection: Option<Connection>,
    /// Bytes of the last message.
    sent: u64,
    /// Whether there was no connection for it.
    unconnected: bool,
}

impl fmt::Debug for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forward").field("address", &self.config.address).finish_non_exhaustive()
    }
}

impl Forward {
    /// Prepares messages; connects to nobody.
    ///
    /// # Errors
    /// [`ForwardError`].
    pub fn new(config: ForwardConfig) -> Result<Self, ForwardError> {
        let port = config.address.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
        if port.and_then(|p| p.parse::<u16>().ok()).is_none() {
            return Err(ForwardError::Address(config.address.escape_debug().to_string()));
        }
        if config.tag.is_empty() || config.tag.len() > MAX_TAG {
            return Err(ForwardError::Tag);
        }
        if !(4 * FRAME..=1 << 30).contains(&config.max_message) {
            return Err(ForwardError::MaxMessage(config.max_message));
        }
        if [config.connect_timeout, config.read_timeout, config.write_timeout].contains(&Duration::ZERO) {
            return Err(ForwardError::Timeout);
        }
        if let Some(auth) = &config.auth {
            auth.shared_key.read()?;
            auth.user.as_ref().map(|(_, password)| password.read()).transpose()?;
        }
        let tls = config.tls.as_ref().map(|tls| Tls::new(tls, &config.address)).transpose()?;
        Ok(Self { config, tls, connection: None, sent: 0, unconnected: false })
    }

    /// The connection that is there, if the receiver has neither closed it nor said anything unasked; else a new one.
    fn connection(&mut self) -> Result<Connection, String> {
        match self.connection.take().filter(Connection::is_quiet) {
            Some(connection) => Ok(connection),
            None => {
                let mut connection = Connection::open(&self.config, self.tls.as_ref())?;
                if let Some(auth) = &self.config.auth {
                    handshake::run(&mut connection, auth)?;
                }
                Ok(connection)
            }
        }
    }

    fn exchange(&mut self, message: &[u8], chunk: &str) -> Result<(), Ended> {
        self.unconnected = true;
        let mut connection = self.connection()?;
        self.unconnected = false;
        connection.write(message)?;
        let answered = connection.read::<message::Ack>()?.0;
        if answered != chunk {
            let shown: String = answered.chars().take(80).collect();
            return Err(format!("the answer is to another chunk: `{}`", shown.escape_debug()).into());
        }
        self.connection = Some(connection);
        Ok(())
    }
}

/// A text that no other batch has.
fn chunk() -> Result<String, String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| format!("no randomness for a chunk: {e}"))?;
    Ok(BASE64_STANDARD.encode(bytes))
}

impl Sender for Forward {
    fn send(&mut self, batch: &Batch<'_>) -> Result<(), Refused> {
        self.unconnected = false;
        let packed = chunk().and_then(|chunk| {
            let (message, len) = message::packed(batch, &self.config.tag, &chunk, self.config.gzip)?;
            Ok((message, len, chunk))
        });
        let shown = |why: &str| format!("{}: {why}", self.config.address);
        let (message, len, chunk) = packed.map_err(|why| Refused::Later { why: shown(&why), after: None })?;
        self.sent = message.len() as u64;
        // The protocol has no word for a refusal: whatever is no `ack` may be one later.
        self.exchange(&message, &chunk).map_err(|ended| {
            let why = format!("{}: {}", self.config.address, ended.why);
            let refused = if ended.closed { Refused::Closed { why } } else { Refused::Later { why, after: None } };
            beyond(self.config.max_message, len, Failed { refused, reached: ended.reached })
        })
    }

    fn max_request_bytes(&self) -> usize {
        self.config.max_message - FRAME
    }

    fn encoded_len(&self, batch: &Batch<'_>, at: usize) -> usize {
        batch.records.get(at).map_or(0, |record| message::entry_len(batch.layout, record))
    }

    fn body_bytes(&self) -> Option<u64> {
        Some(self.sent)
    }

    fn trouble(&self) -> Trouble {
        trouble::of_request(self.unconnected)
    }
}
