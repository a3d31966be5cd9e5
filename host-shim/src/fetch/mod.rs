//! The fetch room: carries out what the source room asks for. Files are read here; the network is `innertrail-fetch`, which
//! [`cloud`] sets up from the options of a source.
//!
//! It never decides what to read, and never interprets a byte of it.

pub mod cloud;
mod files;

pub use files::{Files, Found, list};
