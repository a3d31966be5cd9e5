//! Log Service, signature version 4.
//!
//! The list of signed headers is implied, not sent: `content-type`, `host`, `x-log-*`, `x-acs-*`.

use super::{Draft, V4, canonical_query, lines, names, sha256_hex};
use crate::clock;
use crate::credentials::Keys;

/// The API version every request names.
pub(super) const API_VERSION: &str = "0.6.0";

pub(super) fn sign(draft: &mut Draft<'_>, region: &str, keys: &Keys, seconds: i64) {
    let stamp = clock::basic(seconds);
    let hash = sha256_hex(draft.body);
    draft.set_default("x-log-apiversion", API_VERSION);
    draft.set_default("x-log-bodyrawsize", &draft.body.len().to_string());
    draft.set("x-log-date", stamp.clone());
    draft.set("x-log-content-sha256", hash.clone());
    if let Some(token) = &keys.token {
        draft.set("x-acs-security-token", token.expose().to_owned());
    }
    let signed = draft.kept(|n| n == "content-type" || n == "host" || is_extra(n));
    let canonical = format!(
        "{}\n{}\n{}\n{}\n{}\n{hash}",
        draft.method,
        draft.path,
        canonical_query(draft.query),
        lines(&signed),
        names(&signed)
    );
    let v4 = V4 { algorithm: "SLS4-HMAC-SHA256", product: "sls", region, stamp: &stamp };
    let signature = v4.signature(keys.secret.expose(), &canonical);
    let authorization =
        format!("SLS4-HMAC-SHA256 Credential={}/{},Signature={signature}", keys.id.expose(), v4.scope());
    draft.set("authorization", authorization);
}

/// `x-log-meta-*` belongs to the object API and is not signed.
pub(super) fn is_extra(name: &str) -> bool {
    name.starts_with("x-acs-") || (name.starts_with("x-log-") && !name.starts_with("x-log-meta-"))
}
