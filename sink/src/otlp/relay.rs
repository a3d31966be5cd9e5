//! Passes a request of OTLP/HTTP on as it came, and the receiver's answer back: for the gate, which sits between the two.
//! It must never follow a redirect, change a body, or say of an answer that it means more than it says.

use std::sync::{PoisonError, RwLock};
use std::time::SystemTime;

use super::agent::Agent;
use super::answer::{self, Body};
use super::{Encoding, OtlpConfig, OtlpError};
use crate::sender::Refused;

/// An answer of the receiver, with what it means for the records.
#[derive(Debug)]
pub struct Passed {
    /// The status.
    pub status: u16,
    /// `content-type`, where there is one.
    pub content_type: Option<String>,
    /// `retry-after`, where there is one.
    pub retry_after: Option<String>,
    /// The body, where it came whole and is no longer than an honest one; else empty.
    pub body: Vec<u8>,
    /// What it means, judged as for a sink.
    pub meaning: Result<(), Refused>,
}

/// A way to one receiver, for requests of somebody else. Connections are kept between requests.
#[derive(Debug)]
pub struct Relay {
    agent: RwLock<Agent>,
    max_body: usize,
}

impl Relay {
    /// Prepares requests; sends none. Encoding and `gzip` of the configuration are not used.
    ///
    /// # Errors
    /// [`OtlpError`].
    pub fn new(config: &OtlpConfig) -> Result<Self, OtlpError> {
        let max_body = config.max_body.unwrap_or_else(|| config.profile.max_body());
        Ok(Self { agent: RwLock::new(Agent::new(config)?), max_body })
    }

    /// The longest body that the receiver takes, before compression, bytes.
    #[must_use]
    pub fn max_body(&self) -> usize {
        self.max_body
    }

    /// Sends a body and waits for the answer. Blocks the thread.
    ///
    /// # Errors
    /// [`Refused::Later`] or [`Refused::Closed`] when there is no answer.
    pub fn pass(&self, encoding: Encoding, gzip: bool, body: &[u8]) -> Result<Passed, Refused> {
        let (answer, shown) = {
            let agent = self.agent.read().unwrap_or_else(PoisonError::into_inner);
            (agent.post(encoding, gzip, body)?, agent.shown().to_owned())
        };
        if matches!(answer.status, 401 | 403) {
            self.agent.write().unwrap_or_else(PoisonError::into_inner).renew_headers();
        }
        let header = |name| answer.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(Passed {
            status: answer.status,
            content_type: header("content-type"),
            retry_after: header("retry-after"),
            meaning: answer::judge(&shown, &answer, SystemTime::now()),
            body: match answer.body {
                Body::Whole(body) => body,
                Body::TooLong(_) | Body::Cut(..) => Vec::new(),
            },
        })
    }
}
