//! Why a call has no answer. It must never show a secret, or a part of one.

use innertrail_api::search::Refusal;
use serde_json::json;

/// An answer that is no success; the body is `{"error", "message"}`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{status} {code}: {message}")]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// One word for programs.
    pub code: &'static str,
    /// What happened, where, and what to do.
    pub message: String,
}

impl Problem {
    /// Any status and code.
    #[must_use]
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// 400: a parameter that is none.
    #[must_use]
    pub fn parameter(message: impl Into<String>) -> Self {
        Self::new(400, "parameter", message)
    }

    /// 404.
    #[must_use]
    pub fn missing(message: impl Into<String>) -> Self {
        Self::new(404, "not_found", message)
    }

    /// 500: not the caller's fault.
    #[must_use]
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(500, "failed", message)
    }

    /// The body.
    #[must_use]
    pub(crate) fn json(&self) -> String {
        json!({"error": self.code, "message": self.message}).to_string()
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Search(message) => Self::new(400, "search", message),
            Refusal::Sql(message) => Self::new(400, "sql", message),
            Refusal::Writes(message) => Self::new(403, "read_only", message),
            Refusal::TooDear(message) => Self::new(400, "too_dear", message),
            Refusal::Failed(message) => Self::failed(message),
        }
    }
}
