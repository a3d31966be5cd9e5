//! What a call is answered with.
//! It must never hold a header name that is not lower case: a client matches them exactly (`sls-api.md` §1.4).

use bytes::Bytes;
use serde::Serialize;

use crate::ApiError;

/// A good answer: always 200, because clients take 201 and 204 for failures (`sls-api.md` §1.5).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Names in lower case, without content type, request id and server.
    pub headers: Vec<(&'static str, String)>,
    /// Media type of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// A body of JSON.
    ///
    /// # Errors
    /// [`ApiError`] `InternalServerError` when the value has no form in JSON.
    pub fn json(value: &impl Serialize) -> Result<Self, ApiError> {
        let body = serde_json::to_vec(value).map_err(|e| ApiError::internal(format!("an answer has no JSON: {e}")))?;
        Ok(Self { headers: Vec::new(), content_type: "application/json", body: body.into() })
    }

    /// No body.
    #[must_use]
    pub fn empty() -> Self {
        Self { content_type: "application/json", ..Self::default() }
    }

    /// The same with another header.
    #[must_use]
    #[allow(clippy::needless_pass_by_value)] // Callers give numbers and texts that they have no further use for.
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }
}
