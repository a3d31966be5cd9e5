//! What a call is refused with: status, code and message, as clients of Log Service read them.
//! A refused write must never be a 5xx, a quota, or hold the word that clients take for "try again" (`sls-api.md` §4.2).

/// An answer that is no success. The body is `{"errorCode","errorMessage"}`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{status} {code}: {message}")]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// Log Service's code.
    pub code: &'static str,
    /// What happened, where, and what to do.
    pub message: String,
}

impl ApiError {
    /// Any status and code.
    #[must_use]
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// 400 `ParameterInvalid`.
    #[must_use]
    pub fn parameter(message: impl Into<String>) -> Self {
        Self::new(400, "ParameterInvalid", message)
    }

    /// 403 `PermissionDenied`: the key's role does not allow the call. Log Service says 401 `Unauthorized`, which makes clients that
    /// renew their credentials sleep and repeat.
    #[must_use]
    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(403, "PermissionDenied", message)
    }

    /// 404 `LogStoreNotExist`.
    #[must_use]
    pub fn no_logstore(name: &str) -> Self {
        Self::new(404, "LogStoreNotExist", format!("logstore {name} does not exist"))
    }

    /// 404 `ShardNotExist`.
    #[must_use]
    pub fn no_shard(shard: &str) -> Self {
        Self::new(404, "ShardNotExist", format!("shard {shard} does not exist"))
    }

    /// 400 `InvalidCursor`.
    #[must_use]
    pub fn cursor(message: impl Into<String>) -> Self {
        Self::new(400, "InvalidCursor", message)
    }

    /// 500 `InternalServerError`: clients send the call again.
    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "InternalServerError", message)
    }
}
