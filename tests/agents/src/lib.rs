//! Doubles of the receivers that log agents have, and a network between: one set for the sinks' tests and for those of
//! the executable.
//!
//! Must never be lenient: what the real receiver refuses or panics on, its double refuses. They listen on 127.0.0.1 alone.
// It is made of tests' code: what breaks it has to be seen at once, and its names are explained where they are not plain.
#![allow(missing_docs, clippy::unwrap_used, clippy::missing_panics_doc)]

pub mod contract;
pub mod discard;
pub mod double;
pub mod forward_double;
pub mod http_double;
mod layout;
pub mod ledger;
pub mod otlp_double;
pub mod proxy;
pub mod rows;

pub use layout::layout;
