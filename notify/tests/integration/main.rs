//! Channels against strict servers on 127.0.0.1, with the clock of the test; Alertmanager's own program with the world's.
//! The servers judge by what the vendors document, in code of their own; nothing of the crate under test is in them.
#![allow(clippy::unwrap_used)]

mod alertmanager;
mod chats;
mod faults;
mod http_double;
mod real_alertmanager;
mod secrets;
mod smtp;
mod smtp_double;
mod support;
mod webhook;
