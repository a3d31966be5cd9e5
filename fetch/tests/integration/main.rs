//! The fetch room against servers that misbehave. One binary; each test starts its servers itself, on 127.0.0.1.
#![allow(clippy::unwrap_used)]

mod client;
mod credentials;
mod double;
mod hostile;
mod secrets;
mod tls;
mod upload;
