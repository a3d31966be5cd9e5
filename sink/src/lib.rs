//! Sinks: what takes the records of the dedicated Logstore to agents and files, in order, at least once, from a position
//! of its own.
//! It must never hand on what is not durable, pass over a record that the receiver has not taken, or change one.

pub mod delivery;
pub mod encode;
mod exchange;
mod fields;
pub mod forward;
pub mod http;
pub mod otlp;
mod record;
mod reference;
mod refusal;
mod sender;
pub mod spool;
pub mod stdout;
mod trouble;
pub mod vector;

pub use record::{Batch, Record};
pub use reference::{Header, Reference, ReferenceError};
pub use sender::{Prepare, Refused, Sender};
pub use trouble::{Trouble, Troubles};
