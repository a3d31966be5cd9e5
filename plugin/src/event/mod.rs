//! The event value model and the encodings of it that log agents speak.
//! Never does I/O, reads a clock or draws randomness, and never panics on bad input.

mod json_reader;
mod json_writer;
mod proto;
pub(crate) mod special;

#[cfg(test)]
pub(crate) mod strategies;

pub mod columns;
pub mod json;
pub mod native;
pub mod native_json;
pub mod row;
pub mod value;

pub use json_reader::{DecodeError, DecodeReason, DecodeSettings};
pub(crate) use json_writer::{write_json_bytes, write_json_integer};
pub use value::{EncodeError, LogEvent, Metadata, NestingLimit, Value};

/// What an agent's event is when it is not a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OtherKind {
    /// A metric.
    Metric,
    /// A trace (span).
    Trace,
}

/// An event that is not a log, kept as the bytes it came in so that it can be passed on untouched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotLog {
    /// Metric or trace.
    pub kind: OtherKind,
    /// The encoded event, verbatim, envelope included, in the encoding it was read from.
    pub raw: Vec<u8>,
}

/// One decoded event.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// A log event.
    Log(LogEvent),
    /// A metric or trace, undecoded.
    NotLog(NotLog),
}
