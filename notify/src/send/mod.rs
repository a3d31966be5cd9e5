//! Gets a message to a receiver, once, and says what became of it.
//! It must never repeat a message by itself, follow a redirect, read an answer without an end, or show a secret.

mod answer;
mod http;
mod roots;
mod smtp;
mod talk;
mod timed;

pub(crate) use self::answer::{Kind, Verdict};
pub(crate) use self::http::Http;
pub(crate) use self::smtp::Smtp;

/// Why there is no sender. It never repeats a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// The address is none.
    #[error("the address is not usable: {0}; write `https://host/path`")]
    Address(&'static str),
    /// Proxies, timeouts, authorities.
    #[error(transparent)]
    Wire(#[from] innertrail_fetch::ConfigError),
    /// No authority to believe.
    #[error("no certificate authority: {0}; install the system's certificates, or name a PEM file in `ca_file`")]
    Authorities(String),
    /// What cannot be a mail server, an address of mail, or a way to log in.
    #[error("{0}")]
    Mail(String),
}
