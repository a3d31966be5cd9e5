//! ACS3, the signature of the RPC services; here for `AssumeRole` of the Security Token Service and what ActionTrail
//! says of a trail.

use super::{hmac_sha256, lines, names, sha256_hex, sorted_query};
use crate::credentials::Keys;
use crate::{clock, encode};

/// What is signed besides the body.
pub(crate) struct Call<'a> {
    pub(crate) method: &'a str,
    pub(crate) host: &'a str,
    pub(crate) action: &'a str,
    pub(crate) version: &'a str,
    /// Un-encoded.
    pub(crate) query: &'a [(String, String)],
    /// Empty for none.
    pub(crate) content_type: &'a str,
    /// Used once.
    pub(crate) nonce: &'a str,
}

/// The headers of a signed request to `/`, host excepted.
pub(crate) fn sign(call: &Call<'_>, body: &[u8], keys: &Keys, seconds: i64) -> Vec<(String, String)> {
    let (date, hash) = (clock::rfc3339(seconds), sha256_hex(body));
    let mut headers = vec![
        ("x-acs-action", call.action),
        ("x-acs-content-sha256", &hash),
        ("x-acs-date", &date),
        ("x-acs-signature-nonce", call.nonce),
        ("x-acs-version", call.version),
    ];
    if !call.content_type.is_empty() {
        headers.push(("content-type", call.content_type));
    }
    if let Some(token) = &keys.token {
        headers.push(("x-acs-security-token", token.expose()));
    }
    let mut signed = headers.clone();
    signed.push(("host", call.host));
    signed.sort_unstable();
    let (query, list) = (sorted_query(call.query, false), names(&signed));
    let canonical = format!("{}\n/\n{query}\n{}\n{list}\n{hash}", call.method, lines(&signed));
    let text = format!("ACS3-HMAC-SHA256\n{}", sha256_hex(canonical.as_bytes()));
    let signature = encode::hex(&hmac_sha256(keys.secret.expose().as_bytes(), &text));
    let authorization =
        format!("ACS3-HMAC-SHA256 Credential={},SignedHeaders={list},Signature={signature}", keys.id.expose());
    headers.push(("authorization", &authorization));
    headers.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    /// The worked example of the documentation, "V3 request body & signature mechanism".
    #[test]
    fn the_documented_example_comes_out() {
        let keys = Keys {
            id: Secret::new("YourAccessKeyId".to_owned()),
            secret: Secret::new("YourAccessKeySecret".to_owned()),
            token: None,
            obtained_ms: 0,
            expires_ms: None,
        };
        let query = [
            ("ImageId".to_owned(), "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd".to_owned()),
            ("RegionId".to_owned(), "cn-shanghai".to_owned()),
        ];
        let call = Call {
            method: "POST",
            host: "ecs.cn-shanghai.aliyuncs.com",
            action: "RunInstances",
            version: "2014-05-26",
            query: &query,
            content_type: "",
            nonce: "3156853299f313e23d1673dc12e1703d",
        };
        let headers = sign(&call, b"", &keys, clock::parse_rfc3339("2023-10-26T10:22:32Z").unwrap() / 1000);
        assert_eq!(
            headers.last().unwrap().1,
            "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;x-acs-content-sha256;\
             x-acs-date;x-acs-signature-nonce;x-acs-version,\
             Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
        );
    }
}
