//! Headers by reference: a configuration names where a value is, never the value.
//! It must never show a value, not even in an error.

use std::fmt;

use ureq::http::{HeaderName, HeaderValue};
use zeroize::Zeroizing;

use crate::reference::{Header, ReferenceError, Secret};

/// Names that belong to the request itself.
const OURS: [&str; 6] =
    ["content-type", "content-encoding", "content-length", "transfer-encoding", "host", "user-agent"];

/// Why a header cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// No name, or one of the request's own.
    #[error("`{0}` is no name for a header of an http sink")]
    Name(String),
    /// There is no value.
    #[error("the value of the header `{name}` cannot be had: {why}")]
    Value {
        /// The header.
        name: String,
        /// Where it was to be, and what is wrong.
        why: ReferenceError,
    },
    /// It cannot stand in a header.
    #[error("the value of the header `{0}` holds characters that no header can")]
    Characters(String),
}

/// A value that is not shown.
pub(super) struct Value {
    /// With its prefix.
    whole: Zeroizing<String>,
    secret: Secret,
}

impl Value {
    pub(super) fn expose(&self) -> &str {
        &self.whole
    }

    /// Takes the value out of what a receiver said: some repeat it.
    pub(super) fn scrub(&self, text: &str) -> String {
        text.replace(self.whole.as_str(), "…").replace(self.secret.expose(), "…")
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

pub(super) fn read_all(headers: &[Header]) -> Result<Vec<(String, Value)>, HeaderError> {
    headers.iter().map(|header| Ok((header.name.clone(), read(header)?))).collect()
}

fn read(header: &Header) -> Result<Value, HeaderError> {
    let shown = || header.name.escape_debug().to_string();
    let name = header.name.to_ascii_lowercase();
    if HeaderName::from_bytes(name.as_bytes()).is_err() || OURS.contains(&name.as_str()) {
        return Err(HeaderError::Name(shown()));
    }
    let secret = header.value.read().map_err(|why| HeaderError::Value { name: shown(), why })?;
    let whole = Zeroizing::new(format!("{}{}", header.prefix, secret.expose()));
    HeaderValue::from_str(&whole).map_err(|_| HeaderError::Characters(shown()))?;
    Ok(Value { whole, secret })
}
