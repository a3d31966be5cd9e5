//! The gate for agents as a server: Vector's gRPC protocol or OTLP/HTTP in, judged, and out again to the receiver behind
//! the gate.
//! It must never answer that a request was taken before what was refused of it is durable and what was not is taken by the
//! receiver, and never change an event that passes.
//!
//! Who judges is behind [`Judge`]: this crate knows neither rules nor keys nor where the refused are kept.

mod grpc;
mod otlp;
mod report;
mod request;
mod server;
mod vector;
mod worker;

pub use report::Counts;
pub use request::{Batch, Broken, Frame};
pub use server::{Limits, Running, Server, ServerError, To};

/// Nothing of the batch counts as judged; the agent is told to send it again.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotJudged(pub String);

/// Decides which events may pass.
pub trait Judge: Send {
    /// One verdict a frame, in order: whether it passes. Returns only when everything that does not is durable.
    ///
    /// # Errors
    /// [`NotJudged`]: the agent sends the whole request again.
    fn judge(&mut self, batch: &Batch) -> Result<Vec<bool>, NotJudged>;
}
