//! The host shim: gives the component I/O, keeps what it produced, and connects it to log agents.
//!
//! Rooms: [`config`] and [`cli`] on the outside; [`runtime`] runs the component, [`fetch`] reads files for it,
//! [`pipeline`] is the one file that wires them to the Logstore. Nothing here may parse an event: that is the
//! component's, and stays in its sandbox.

mod accounting;
pub mod agents;
pub mod alerting;
mod allocator;
mod api;
mod channels;
mod charts;
mod checked_file;
pub mod cli;
pub mod clock;
pub mod config;
mod console;
pub mod doctor;
pub mod exit;
mod explain;
pub mod fetch;
pub mod gate;
mod hex;
pub mod journal;
mod lag;
pub mod layout;
pub mod ledger;
pub mod lifecycle;
pub mod metrics;
mod mirror;
mod notice;
pub mod pipeline;
pub mod policy;
pub mod reconcile;
pub mod rehearsal;
mod running;
pub mod runtime;
pub mod seal_mark;
pub mod setup;
mod sink;
pub mod status;
mod tap;
