//! OSS, signature version 4, in the header.
//!
//! Signed are `x-oss-*`, `content-type` and `content-md5`; the path is `/bucket/key` whatever the host looks like. The
//! body is not part of it (`UNSIGNED-PAYLOAD` is the only value the service documents); what is put is bound to the signature
//! by its `content-md5`.

use super::{Draft, V4, canonical_query, lines};
use crate::credentials::Keys;
use crate::{clock, encode};

const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

pub(super) fn sign(draft: &mut Draft<'_>, bucket: &str, region: &str, keys: &Keys, seconds: i64) {
    let stamp = clock::basic(seconds);
    draft.set("date", clock::http_date(seconds));
    draft.set("x-oss-date", stamp.clone());
    draft.set("x-oss-content-sha256", UNSIGNED.to_owned());
    if let Some(token) = &keys.token {
        draft.set("x-oss-security-token", token.expose().to_owned());
    }
    let signed = draft.kept(|n| n == "content-type" || n == "content-md5" || n.starts_with("x-oss-"));
    let canonical = format!(
        "{}\n{}\n{}\n{}\n\n{UNSIGNED}",
        draft.method,
        encode::path(&format!("/{bucket}{}", draft.path)),
        canonical_query(draft.query),
        lines(&signed)
    );
    let v4 = V4 { algorithm: "OSS4-HMAC-SHA256", product: "oss", region, stamp: &stamp };
    let signature = v4.signature(keys.secret.expose(), &canonical);
    let authorization =
        format!("OSS4-HMAC-SHA256 Credential={}/{},Signature={signature}", keys.id.expose(), v4.scope());
    draft.set("authorization", authorization);
}
