//! The integration tests: one binary, one module a subject. They run the real component and the real executable.
//!
//! One binary because each one links DataFusion, which takes longer than running it.
#![allow(missing_docs, clippy::unwrap_used)]

mod agents;
mod alerts;
mod api;
mod charts;
mod cloud;
mod component;
mod console;
mod crash;
mod disk_full;
mod faults;
mod fixtures;
mod gate;
mod harness;
mod lifecycle;
mod metrics;
mod refusals;
mod run;
mod scale_out;
mod sinks;
mod tail;
mod tap;
