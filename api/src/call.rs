//! A request whose sender is known.
//! It must never be made of a request whose signature was not checked; its texts are hostile all the same.

use bytes::Bytes;
use hyper::{HeaderMap, Method};

/// What a key may do. Each role may also do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Reads: metadata, records, searches.
    Reader,
    /// Makes and moves consumer groups.
    Consumer,
    /// Lengthens the retention.
    Administrator,
}

/// Who sends a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The access key's id. Never its secret.
    pub key_id: String,
    /// What it may do.
    pub role: Role,
}

/// The parameters of a request, decoded, in the order they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Parameters of decoded pairs.
    #[must_use]
    pub fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// The first value of this name. A parameter without a value is an empty text.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The same, where an empty text counts as none: clients send parameters they have no value for.
    #[must_use]
    pub fn given(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// All pairs.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// A request whose signature was checked.
#[derive(Debug, Clone)]
pub struct Call {
    /// Method.
    pub method: Method,
    /// The path's parts, percent-decoded, without empty ones at the ends.
    pub path: Vec<String>,
    /// The query's parameters.
    pub parameters: Parameters,
    /// Headers as they came.
    pub headers: HeaderMap,
    /// The body, decompressed. Empty for calls that are refused.
    pub body: Bytes,
    /// Who sends it.
    pub access: Access,
    /// 24 hex digits; in the answer and in the journal.
    pub request_id: String,
    /// When it was received, microseconds UTC.
    pub now_us: i64,
}
