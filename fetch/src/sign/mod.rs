//! The signatures: Log Service versions 1 and 4, OSS version 4, and the RPC services' ACS3.
//!
//! Written here because the ready-made ones cost more than they hold: the official `aliyun-log-sdk-sign` knows version 1
//! only and brings a second generation of hash crates; `reqsign-aliyun-oss` brings an asynchronous runtime's interfaces
//! and a second time library. `vectors.json` holds what Alibaba Cloud's own Python SDKs made of the same inputs.
//!
//! A signer must never send anything, and never let a secret out but as a signature.

pub(crate) mod acs3;
mod oss4;
mod sls1;
mod sls4;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::credentials::Keys;
use crate::encode;
use crate::endpoint::{Endpoint, Service};
use crate::error::ConfigError;
use crate::request::{Request, Signer};

/// A request on its way: what the component asked for, and the headers that the host adds.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) method: &'a str,
    /// The Host header as it will be sent.
    pub(crate) host: String,
    /// Un-encoded.
    pub(crate) path: &'a str,
    /// Un-encoded.
    pub(crate) query: &'a [(String, String)],
    /// Lower-case names.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: &'a [u8],
}

impl<'a> Draft<'a> {
    pub(crate) fn new(request: &'a Request, endpoint: &Endpoint) -> Self {
        let headers = request.headers.iter().map(|(k, v)| (k.to_ascii_lowercase(), v.trim().to_owned())).collect();
        let Request { method, path, query, body, .. } = request;
        Self { method, host: endpoint.authority(), path, query, headers, body }
    }

    pub(crate) fn set(&mut self, name: &str, value: String) {
        self.headers.push((name.to_owned(), value));
    }

    fn set_default(&mut self, name: &str, value: &str) {
        if self.header(name).is_none() {
            self.set(name, value.to_owned());
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The headers that `keep` names, sorted by name, host included where it is kept.
    fn kept(&self, keep: impl Fn(&str) -> bool) -> Vec<(&str, &str)> {
        let own = self.headers.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        let mut kept: Vec<_> = own.chain([("host", self.host.as_str())]).filter(|(name, _)| keep(name)).collect();
        kept.sort_unstable();
        kept
    }

    /// Path and query as they are sent.
    pub(crate) fn target(&self, bare: bool) -> String {
        let query = encode::query(self.query, bare);
        let path = encode::path(self.path);
        if query.is_empty() { path } else { format!("{path}?{query}") }
    }
}

/// Signs `draft` as of `seconds` since the Unix epoch.
///
/// # Errors
/// A V4 signature whose region nobody knows.
pub(crate) fn sign(
    draft: &mut Draft<'_>,
    signer: Signer,
    endpoint: &Endpoint,
    keys: &Keys,
    seconds: i64,
) -> Result<(), ConfigError> {
    match (signer, endpoint.service()) {
        (Signer::Sls1, _) => sls1::sign(draft, keys, seconds),
        (Signer::Sls4, _) => sls4::sign(draft, endpoint.required_region()?, keys, seconds),
        (Signer::Oss4, Service::Oss { bucket }) => {
            oss4::sign(draft, bucket, endpoint.required_region()?, keys, seconds);
        }
        (Signer::Acs3, Service::ActionTrail) => rpc(draft, keys, seconds)?,
        // The policy lets none through; an unsigned request gives nothing away.
        (Signer::Oss4 | Signer::Acs3, _) | (Signer::None, _) => {}
    }
    Ok(())
}

/// An RPC call: its action and version are headers already, and the signature makes all others.
fn rpc(draft: &mut Draft<'_>, keys: &Keys, seconds: i64) -> Result<(), ConfigError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|_| ConfigError::Bounds("the system gives no randomness to sign with"))?;
    let call = acs3::Call {
        method: draft.method,
        host: &draft.host,
        action: draft.header("x-acs-action").unwrap_or_default(),
        version: draft.header("x-acs-version").unwrap_or_default(),
        query: draft.query,
        content_type: "",
        nonce: &encode::hex(&random),
    };
    draft.headers = acs3::sign(&call, draft.body, keys, seconds);
    Ok(())
}

/// `name:value` lines.
fn lines(headers: &[(&str, &str)]) -> String {
    headers.iter().fold(String::new(), |out, (name, value)| out + name + ":" + value + "\n")
}

/// The names, separated by `;`.
fn names(headers: &[(&str, &str)]) -> String {
    headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";")
}

/// A query as V4 signs it: encoded, sorted, without `=` for empty values.
fn canonical_query(query: &[(String, String)]) -> String {
    sorted_query(query, true)
}

fn sorted_query(query: &[(String, String)], bare: bool) -> String {
    let mut sorted: Vec<(&str, &str)> = query.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    sorted.sort_unstable();
    encode::query(&sorted, bare)
}

fn sha256_hex(bytes: &[u8]) -> String {
    encode::hex(&Sha256::digest(bytes))
}

fn hmac_sha256(key: &[u8], text: &str) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

/// What both V4 signatures share: the chain of keys and the last step.
struct V4<'a> {
    algorithm: &'static str,
    product: &'static str,
    region: &'a str,
    /// `20260102T030405Z`.
    stamp: &'a str,
}

impl V4<'_> {
    fn scope(&self) -> String {
        format!("{}/{}/{}/aliyun_v4_request", &self.stamp[..8], self.region, self.product)
    }

    fn signature(&self, secret: &str, canonical: &str) -> String {
        let first = zeroize::Zeroizing::new(format!("aliyun_v4{secret}"));
        let steps = [&self.stamp[..8], self.region, self.product, "aliyun_v4_request"];
        let mut key = zeroize::Zeroizing::new(hmac_sha256(first.as_bytes(), steps[0]));
        for step in &steps[1..] {
            *key = hmac_sha256(&*key, step);
        }
        let hash = sha256_hex(canonical.as_bytes());
        encode::hex(&hmac_sha256(&*key, &format!("{}\n{}\n{}\n{hash}", self.algorithm, self.stamp, self.scope())))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::secret::Secret;

    #[derive(Deserialize)]
    struct Vectors {
        id: String,
        secret: String,
        token: String,
        at: i64,
        sls4: Vec<Case>,
        sls1: Vec<Case>,
        oss4: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        name: String,
        method: String,
        path: String,
        query: Vec<(String, String)>,
        headers: Vec<(String, String)>,
        body: String,
        token: bool,
        authorization: String,
    }

    fn signed(case: &Case, signer: Signer, endpoint: &Endpoint, v: &Vectors) -> Vec<(String, String)> {
        let request = Request {
            id: 0,
            endpoint: String::new(),
            signer,
            method: case.method.clone(),
            path: case.path.clone(),
            query: case.query.clone(),
            headers: case.headers.clone(),
            body: case.body.clone().into_bytes(),
            max_body: 0,
            retries: false,
        };
        let keys = Keys {
            id: Secret::new(v.id.clone()),
            secret: Secret::new(v.secret.clone()),
            token: case.token.then(|| Secret::new(v.token.clone())),
            obtained_ms: 0,
            expires_ms: None,
        };
        let mut draft = Draft::new(&request, endpoint);
        sign(&mut draft, signer, endpoint, &keys, v.at).unwrap();
        draft.headers
    }

    /// What the official SDKs made of the same inputs (`aliyun-log-python-sdk` 0.9.52, `alibabacloud-oss-v2` 1.4.1).
    #[test]
    fn every_signature_is_the_official_sdks() {
        let vectors: Vectors = serde_json::from_str(include_str!("vectors.json")).unwrap();
        let sls = Endpoint::sls("trail-project", "cn-hangzhou.log.aliyuncs.com").unwrap();
        let oss = Endpoint::oss("trail-bucket", "oss-cn-hangzhou.aliyuncs.com").unwrap();
        let domain = Endpoint::oss_domain("trail-bucket", "audit.example.com").unwrap().with_region("cn-hangzhou");
        let all = [
            (Signer::Sls4, &sls, &vectors.sls4),
            (Signer::Sls1, &sls, &vectors.sls1),
            (Signer::Oss4, &oss, &vectors.oss4),
            (Signer::Oss4, &domain, &vectors.oss4),
        ];
        for (signer, endpoint, cases) in all {
            assert_eq!(cases.len(), 12);
            for case in cases {
                let headers = signed(case, signer, endpoint, &vectors);
                let made = &headers.iter().find(|(n, _)| n == "authorization").unwrap().1;
                assert_eq!(made, &case.authorization, "{signer:?} {} token {}", case.name, case.token);
                assert_eq!(headers.iter().any(|(_, v)| *v == vectors.token), case.token);
                assert!(!headers.iter().any(|(_, v)| v.contains(&vectors.secret)));
            }
        }
    }

    #[test]
    fn a_signature_without_its_region_is_a_configuration_error() {
        let vectors: Vectors = serde_json::from_str(include_str!("vectors.json")).unwrap();
        let sls = Endpoint::sls("trail-project", "logs.example").unwrap();
        let keys = Keys {
            id: Secret::new(String::new()),
            secret: Secret::new(String::new()),
            token: None,
            obtained_ms: 0,
            expires_ms: None,
        };
        let mut draft = Draft { method: "GET", host: String::new(), path: "/", query: &[], headers: vec![], body: b"" };
        assert!(sign(&mut draft, Signer::Sls4, &sls, &keys, vectors.at).unwrap_err().to_string().contains("region"));
        assert!(sign(&mut draft, Signer::Sls1, &sls, &keys, vectors.at).is_ok());
    }
}
