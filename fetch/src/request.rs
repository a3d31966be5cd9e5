//! What the source room asks for and what it gets back. The types mirror `wit/source.wit` without depending on it.
//!
//! They must never name a host, a scheme, an address or a key: a request names one of the configured endpoints.

use serde::Serialize;

/// How a request is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signer {
    /// Not at all.
    None,
    /// Log Service, version 1: HMAC-SHA1 over method, MD5, type, date, `x-log-*` and the resource.
    Sls1,
    /// Log Service, version 4: HMAC-SHA256 with a key of the day and region.
    Sls4,
    /// OSS, version 4.
    Oss4,
    /// The RPC services, ActionTrail among them: ACS3. No component can ask for it.
    Acs3,
}

/// A request. Nothing in it is encoded or signed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Chosen by the asker, unique while in flight.
    pub id: u64,
    /// The name of a configured endpoint.
    pub endpoint: String,
    /// How to sign it.
    pub signer: Signer,
    /// `GET`, `HEAD`, and for Log Service `POST` and `PUT` where nothing is written to a Logstore.
    pub method: String,
    /// Un-encoded; begins with `/`.
    pub path: String,
    /// Un-encoded pairs.
    pub query: Vec<(String, String)>,
    /// Further headers. Those that the host makes (host, date, content hash, authorization, token) are refused.
    pub headers: Vec<(String, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
    /// The most response bytes wanted. A longer body is a failure, and is never held.
    pub max_body: u32,
    /// Whether the host may repeat the request by itself.
    pub retries: bool,
}

/// An answer, whatever its status, redirects excepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// When it was complete, milliseconds since the Unix epoch by the host's clock.
    pub now_ms: i64,
    /// The HTTP status.
    pub status: u16,
    /// Lower-case names, in the order of arrival.
    pub headers: Vec<(String, String)>,
    /// The bytes as they came, without any content decoding.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// No connection: refused, unreachable, or a proxy would not make one.
    Connect,
    /// No trust: certificate, name, version.
    Tls,
    /// The name has no address.
    Dns,
    /// Too slow: to connect, between two bytes, or in all.
    Timeout,
    /// The connection was cut.
    Reset,
    /// The body is longer than asked for.
    TooLarge,
    /// The answer is a redirect; none is followed.
    Redirect,
    /// There are no usable credentials.
    Credentials,
    /// What came is not HTTP/1.1, or has no visible end.
    Protocol,
    /// The request itself is not allowed: an unknown endpoint, a reserved header, a method that could write.
    Refused,
}

impl Fault {
    /// The name, as in the WIT contract.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Dns => "dns",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::TooLarge => "too-large",
            Self::Redirect => "redirect",
            Self::Credentials => "credentials",
            Self::Protocol => "protocol",
            Self::Refused => "refused",
        }
    }

    /// Whether the same request may well succeed a little later.
    pub(crate) fn passes(self) -> bool {
        matches!(self, Self::Connect | Self::Dns | Self::Timeout | Self::Reset)
    }
}

/// A request that has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", fault.as_str())]
pub struct Failure {
    /// When it was given up, milliseconds since the Unix epoch by the host's clock.
    pub now_ms: i64,
    /// The kind.
    pub fault: Fault,
    /// What happened, where, and what to do; never a credential.
    pub why: String,
    /// Body bytes that arrived on the last try.
    pub received: u64,
    /// What arrived of a wanted body before it was cut, for a ranged request to go on from. Filled only where the bytes
    /// are certain to begin where the request said: status 200 to a request without a range, or 206 whose
    /// `Content-Range` begins where the request's `Range` does.
    pub body: Vec<u8>,
}
