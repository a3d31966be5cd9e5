//! Everything that needs a receiver or the repository's fixtures. Servers listen on 127.0.0.1 and end with their test.
#![allow(clippy::unwrap_used)]

mod double;
mod ecs_schema;
mod fixture_records;
mod forward;
mod forward_double;
mod ocsf_schema;
mod otlp;
mod otlp_double;
mod otlp_tls;
mod programs;
mod schemas;
