//! Everything that needs a receiver or the repository's fixtures. Servers listen on 127.0.0.1 and end with their test.
#![allow(clippy::unwrap_used)]

mod double;
mod fixture_records;
mod forward;
mod forward_double;
mod otlp;
mod otlp_double;
mod programs;
