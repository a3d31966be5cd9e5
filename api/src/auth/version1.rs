//! Signature version 1: HMAC-SHA1 over a text that names the body by its MD5 alone. Every SDK's default, and the only one of
//! some. Prefer version 4.
//!
//! Traps that real clients set: the Python SDK adds `x-log-date` after it has signed, so that header is not in the block of
//! headers, but is the date where it stands; `x-log-meta-*` is not signed; query values are signed un-encoded.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;

use super::{ClaimedBody, date, is_extra, keys::Key, not_matched, text};
use crate::{ApiError, Head};

const DATE: &str = "x-log-date";

fn spelled_date(head: &Head) -> Result<Option<&str>, ApiError> {
    Ok(text(&head.headers, DATE)?.or(text(&head.headers, "date")?))
}

/// When it was signed, microseconds UTC.
pub(super) fn date(head: &Head) -> Result<i64, ApiError> {
    let Some(spelled) = spelled_date(head)? else {
        return Err(ApiError::new(400, "MissingDate", "Date does not exist in http header"));
    };
    date::http(spelled).ok_or_else(|| ApiError::new(400, "InvalidDateFormat", "Date must follow RFC822"))
}

/// Recomputes the signature; gives what is claimed of the body.
pub(super) fn verify(head: &Head, claimed: &[u8; 20], key: &Key) -> Result<ClaimedBody, ApiError> {
    match text(&head.headers, "x-log-signaturemethod")? {
        Some("hmac-sha1") => {}
        None => {
            let message = "x-log-signaturemethod does not exist in http header";
            return Err(ApiError::new(400, "MissingSignatureMethod", message));
        }
        Some(_) => {
            let message = "x-log-signaturemethod must be hmac-sha1";
            return Err(ApiError::new(400, "InvalidSignatureMethod", message));
        }
    }
    // Whether the path is signed as it was sent or decoded is nowhere documented; they differ for odd names only.
    let paths = [head.raw_path.as_str(), head.decoded_path.as_str()];
    let matches = |path: &&str| -> Result<bool, ApiError> {
        let made = sign(&signed_text(head, path)?, key);
        Ok(made.as_slice().ct_eq(claimed.as_slice()).into())
    };
    if !matches(&paths[0])? && !matches(&paths[1])? {
        return Err(not_matched());
    }
    Ok(ClaimedBody::Md5(text(&head.headers, "content-md5")?.filter(|md5| !md5.is_empty()).map(str::to_owned)))
}

fn sign(text: &[u8], key: &Key) -> [u8; 20] {
    let mut mac = Hmac::<Sha1>::new_from_slice(key.secret.expose().as_bytes()).expect("HMAC takes a key of any length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

fn signed_text(head: &Head, path: &str) -> Result<Vec<u8>, ApiError> {
    let header = |name| head.headers.get(name).map_or(&b""[..], |value| value.as_bytes());
    let date = spelled_date(head)?.unwrap_or_default();
    let mut out = Vec::with_capacity(512);
    for line in [head.method.as_str().as_bytes(), header("content-md5"), header("content-type"), date.as_bytes()] {
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    let mut extra: Vec<(&str, &[u8])> = head
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .filter(|(name, _)| is_extra(name) && *name != DATE)
        .collect();
    extra.sort_unstable();
    for (name, value) in extra {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        out.extend_from_slice(value.trim_ascii());
        out.push(b'\n');
    }
    out.extend_from_slice(path.as_bytes());
    let mut pairs: Vec<(&str, &str)> = head.parameters.iter().collect();
    pairs.sort_unstable();
    for (at, (name, value)) in pairs.into_iter().enumerate() {
        out.push(if at == 0 { b'?' } else { b'&' });
        for part in [name, "=", value] {
            out.extend_from_slice(part.as_bytes());
        }
    }
    Ok(out)
}
