//! Log Service, signature version 1: for regions and installations that do not know version 4.
//!
//! Query values are signed un-encoded, and empty ones keep their `=`.

use std::fmt::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use sha1::Sha1;

use super::sls4::{API_VERSION, is_extra};
use super::{Draft, lines};
use crate::credentials::Keys;
use crate::{clock, encode};

pub(super) fn sign(draft: &mut Draft<'_>, keys: &Keys, seconds: i64) {
    let date = clock::http_date(seconds);
    let md5 = match draft.body {
        [] => String::new(),
        body => encode::hex(&Md5::digest(body)).to_ascii_uppercase(),
    };
    draft.set_default("x-log-apiversion", API_VERSION);
    draft.set_default("x-log-bodyrawsize", &draft.body.len().to_string());
    draft.set("x-log-signaturemethod", "hmac-sha1".to_owned());
    draft.set("date", date.clone());
    if !md5.is_empty() {
        draft.set("content-md5", md5.clone());
    }
    if let Some(token) = &keys.token {
        draft.set("x-acs-security-token", token.expose().to_owned());
    }
    let kind = draft.header("content-type").unwrap_or_default();
    let text = format!(
        "{}\n{md5}\n{kind}\n{date}\n{}{}",
        draft.method,
        lines(&draft.kept(is_extra)),
        resource(draft.path, draft.query)
    );
    let mut mac =
        Hmac::<Sha1>::new_from_slice(keys.secret.expose().as_bytes()).expect("HMAC takes a key of any length");
    mac.update(text.as_bytes());
    let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
    draft.set("authorization", format!("LOG {}:{signature}", keys.id.expose()));
}

fn resource(path: &str, query: &[(String, String)]) -> String {
    let mut sorted: Vec<&(String, String)> = query.iter().collect();
    sorted.sort_unstable();
    let mut out = path.to_owned();
    for (at, (name, value)) in sorted.into_iter().enumerate() {
        let mark = if at == 0 { '?' } else { '&' };
        // Writing to a String cannot fail.
        let _ = write!(out, "{mark}{name}={value}");
    }
    out
}
