//! Requests and answers, as the contract has them. A request names an endpoint of the configuration, never a host.
//!
//! Plain data; nothing is decided here.

/// Most requests that a session may have open.
pub const MOST_OPEN: usize = 16;

/// How a request is to be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signer {
    /// Not at all.
    None,
    /// Log Service, version 1.
    Sls1,
    /// Log Service, version 4.
    Sls4,
    /// OSS, version 4.
    Oss4,
}

/// A name and a value.
pub type Pair = (String, String);

/// An HTTP request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// No other open request of the session has the same.
    pub id: u64,
    /// Which of the source's configured endpoints.
    pub endpoint: String,
    /// How to sign.
    pub signer: Signer,
    /// The host has to get new credentials before it signs.
    pub renew: bool,
    /// The method.
    pub method: &'static str,
    /// The path, not encoded.
    pub path: String,
    /// The query, not encoded.
    pub query: Vec<Pair>,
    /// Headers beside those that the host adds.
    pub headers: Vec<Pair>,
    /// The body.
    pub body: Vec<u8>,
    /// Most bytes of the answer's body.
    pub max_body: u32,
    /// Whether the host may repeat it by itself.
    pub retries: bool,
    /// What it is for, in words; named by [`super::Outcome::Abandoned`].
    pub about: String,
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Of which request.
    pub id: u64,
    /// When, milliseconds since the Unix epoch.
    pub now_ms: i64,
    /// The status code.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<Pair>,
    /// The body as it was sent.
    pub body: Vec<u8>,
}

/// Why there is no whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No connection.
    Connect,
    /// No TLS.
    Tls,
    /// The name could not be resolved.
    Dns,
    /// Too slow.
    Timeout,
    /// The connection ended before the answer did.
    Reset,
    /// The body is longer than `max_body`.
    TooLarge,
    /// The answer is a redirect.
    Redirect,
    /// No credentials.
    Credentials,
    /// The answer is not HTTP.
    Protocol,
    /// The host will not send it.
    Refused,
}

/// No whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Of which request.
    pub id: u64,
    /// When, milliseconds since the Unix epoch.
    pub now_ms: i64,
    /// Why.
    pub fault: Fault,
    /// The same in words.
    pub why: String,
    /// The status code, if the answer got so far; 0 otherwise.
    pub status: u16,
    /// The headers, if the answer got so far.
    pub headers: Vec<Pair>,
    /// What of the body arrived.
    pub body: Vec<u8>,
}

/// The value of a header; names are in lower case.
pub fn header<'a>(headers: &'a [Pair], name: &str) -> Option<&'a str> {
    headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
}
