//! Headers by reference: a configuration names where a value is, never the value.
//! It must never show a value, not even in an error.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use ureq::http::{HeaderName, HeaderValue};

/// A file of a value is not longer, bytes.
const MAX: usize = 64 << 10;

/// Names that belong to the request itself.
const OURS: [&str; 6] =
    ["content-type", "content-encoding", "content-length", "transfer-encoding", "host", "user-agent"];

/// Where a header's value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// In this environment variable.
    Environment(String),
    /// In this file; white space around it is not part of it.
    File(PathBuf),
}

/// A header by reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Put before the value, such as `Bearer `.
    pub prefix: String,
    /// Where the value is.
    pub value: Reference,
}

/// Why a header cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// No name, or one of the request's own.
    #[error("`{0}` is no name for a header of an http sink")]
    Name(String),
    /// There is no value.
    #[error("the value of the header `{name}` cannot be had from {from}: {why}")]
    Value {
        /// The header.
        name: String,
        /// The variable or file.
        from: String,
        /// What is wrong.
        why: String,
    },
}

/// A value that is not shown.
pub(super) struct Value {
    /// With its prefix.
    whole: String,
    secret: String,
}

impl Value {
    pub(super) fn expose(&self) -> &str {
        &self.whole
    }

    /// Takes the value out of what a receiver said: some repeat it.
    pub(super) fn scrub(&self, text: &str) -> String {
        text.replace(&self.whole, "…").replace(&self.secret, "…")
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

/// Reads a file that only its owner can read.
fn from_file(path: &PathBuf) -> Result<String, String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path).map_err(|e| e.to_string())?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err("others than its owner can read it; run `chmod 600` on it".to_owned());
    }
    fs::read_to_string(path).map_err(|e| e.to_string())
}

fn read(header: &Header) -> Result<Value, HeaderError> {
    let name = header.name.to_ascii_lowercase();
    if HeaderName::from_bytes(name.as_bytes()).is_err() || OURS.contains(&name.as_str()) {
        return Err(HeaderError::Name(header.name.escape_debug().to_string()));
    }
    let (from, value) = match &header.value {
        Reference::Environment(variable) => {
            (format!("the variable {variable}"), std::env::var(variable).map_err(|_| "it is not set".to_owned()))
        }
        Reference::File(path) => (path.display().to_string(), from_file(path)),
    };
    let bad = |why: String| HeaderError::Value { name: header.name.clone(), from: from.clone(), why };
    let value = value.map_err(&bad)?;
    let value = value.trim();
    if value.is_empty() || value.len() > MAX {
        return Err(bad("it is empty or too long".to_owned()));
    }
    let whole = format!("{}{value}", header.prefix);
    HeaderValue::from_str(&whole).map_err(|_| bad("it holds characters that no header can".to_owned()))?;
    Ok(Value { whole, secret: value.to_owned() })
}
