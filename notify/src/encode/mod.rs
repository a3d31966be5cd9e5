//! Alerts to what a channel is sent: pure, no clock but the one handed in, no I/O.
//! It must never let a text of an alert become markup, a mention, a link or a header, exceed a channel's size, or leave an alert
//! out without saying so.

pub(crate) mod alertmanager;
pub(crate) mod dingtalk;
pub(crate) mod email;
pub(crate) mod feishu;
#[cfg(test)]
mod fixture;
pub(crate) mod slack;
mod text;
pub(crate) mod webhook;
pub(crate) mod wecom;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::alert::Alert;

/// Alerts that are one message, in the order of the journal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Batch<'a> {
    pub(crate) alerts: &'a [Alert],
    /// The hours within which they should have been told, where that was not possible.
    pub(crate) late_hours: Option<u32>,
    /// Nothing but what surely comes from us: the channel refused the message for what was in it.
    pub(crate) bare: bool,
    /// The message's id: the same when it is sent again.
    pub(crate) id: &'a str,
    /// Milliseconds UTC.
    pub(crate) now_ms: i64,
}

/// What is posted. It has no `Debug`: target and headers may hold keys.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// Appended to the address: further pairs of its query, encoded, without a beginning `?` or `&`.
    pub(crate) query: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// A message, and how many of the batch's alerts it tells.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Encoded<T> {
    pub(crate) what: T,
    /// Alerts from the first on that are told by this message, as text or as a number; one at least.
    pub(crate) covered: usize,
    /// Of these, alerts that are told as a number only.
    pub(crate) left_out: usize,
}

impl Request {
    /// A body of JSON.
    fn json(body: &serde_json::Value) -> Self {
        Self {
            query: String::new(),
            headers: vec![("content-type".to_owned(), "application/json; charset=utf-8".to_owned())],
            body: body.to_string().into_bytes(),
        }
    }
}

/// HMAC-SHA256.
fn hmac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    // Longer keys are hashed first, so every length is one.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
