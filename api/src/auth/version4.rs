//! Signature version 4: HMAC-SHA256 over the whole request, the body by its SHA-256, under a key for one day and region.
//!
//! The list of signed headers is implied, not sent. Host is verified exactly as it was received: the Python SDK signs it
//! without a port, others with one.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::claim::Scope;
use super::{ClaimedBody, date, hex, is_extra, keys::Key, not_matched, text};
use crate::{ApiError, Head};

/// All but RFC 3986's unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const TERMINATOR: &str = "aliyun_v4_request";

fn stamp(head: &Head) -> Result<Option<&str>, ApiError> {
    text(&head.headers, "x-log-date")
}

/// When it was signed, microseconds UTC.
pub(super) fn date(head: &Head) -> Result<i64, ApiError> {
    let Some(stamp) = stamp(head)? else {
        return Err(ApiError::new(400, "MissingDate", "x-log-date does not exist in http header"));
    };
    let form = || ApiError::new(400, "InvalidDateFormat", "x-log-date must have the form 20260102T030405Z");
    date::basic(stamp).ok_or_else(form)
}

/// Recomputes the signature; gives what is claimed of the body.
pub(super) fn verify(head: &Head, scope: &Scope<'_>, claimed: &[u8; 32], key: &Key) -> Result<ClaimedBody, ApiError> {
    let stamp = stamp(head)?.unwrap_or_default();
    let Some(hash) = text(&head.headers, "x-log-content-sha256")? else {
        return Err(ApiError::parameter("x-log-content-sha256 does not exist in http header"));
    };
    if !stamp.starts_with(scope.day) || scope.day.len() != 8 {
        return Err(not_matched());
    }
    let signing = signing_key(key.secret.expose(), scope);
    let matches = |path: &str| -> bool {
        let canonical = hex(&Sha256::digest(canonical(head, path, hash)));
        let text = format!("SLS4-HMAC-SHA256\n{stamp}\n{}/{}/sls/{TERMINATOR}\n{canonical}", scope.day, scope.region);
        hmac(&*signing, text.as_bytes()).as_slice().ct_eq(claimed.as_slice()).into()
    };
    // See version 1 about the path.
    if !matches(&head.raw_path) && !matches(&head.decoded_path) {
        return Err(not_matched());
    }
    Ok(ClaimedBody::Sha256(hash.to_owned()))
}

fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

fn signing_key(secret: &str, scope: &Scope<'_>) -> Zeroizing<[u8; 32]> {
    let first = Zeroizing::new(format!("aliyun_v4{secret}"));
    let mut key = Zeroizing::new(hmac(first.as_bytes(), scope.day.as_bytes()));
    for step in [scope.region, "sls", TERMINATOR] {
        *key = hmac(&*key, step.as_bytes());
    }
    key
}

fn canonical(head: &Head, path: &str, hash: &str) -> Vec<u8> {
    let mut signed: Vec<(&str, &[u8])> = head
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .filter(|(name, _)| matches!(*name, "content-type" | "host") || is_extra(name))
        .collect();
    signed.sort_unstable();
    let mut out = Vec::with_capacity(1024);
    for line in [head.method.as_str(), path, &query(head)] {
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
    for (name, value) in &signed {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        out.extend_from_slice(value.trim_ascii());
        out.push(b'\n');
    }
    out.push(b'\n');
    let names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
    out.extend_from_slice(names.join(";").as_bytes());
    out.push(b'\n');
    out.extend_from_slice(hash.as_bytes());
    out
}

/// Sorted, encoded, without `=` where the value is empty.
fn query(head: &Head) -> String {
    let mut pairs: Vec<(&str, &str)> = head.parameters.iter().collect();
    pairs.sort_unstable();
    let mut out = String::new();
    for (name, value) in pairs {
        let mark = if out.is_empty() { "" } else { "&" };
        let equals = if value.is_empty() { "" } else { "=" };
        // Writing to a String cannot fail.
        let (name, value) = (utf8_percent_encode(name, ENCODED), utf8_percent_encode(value, ENCODED));
        let _ = write!(out, "{mark}{name}{equals}{value}");
    }
    out
}
