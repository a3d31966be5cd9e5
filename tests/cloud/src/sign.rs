//! The three request signatures, computed from a request as it was received: SLS version 1 and 4, OSS version 4. Written
//! from the public descriptions for these doubles alone; it must never share a line with the product's signers.

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::http::Request;

/// The text after which the keys of version 4 are derived.
const TERMINATOR: &str = "aliyun_v4_request";

/// Hexadecimal digits of bytes, lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The SHA-256 of bytes in lower-case hexadecimal digits.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The MD5 of bytes.
pub(crate) fn md5(bytes: &[u8]) -> [u8; 16] {
    Md5::digest(bytes).into()
}

fn hmac_sha256(key: &[u8], text: &[u8]) -> [u8; 32] {
    // An HMAC takes keys of any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

fn hmac_sha1(key: &[u8], text: &[u8]) -> [u8; 20] {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// Compares without telling by its duration where two texts differ.
pub(crate) fn equal(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |sum, (x, y)| sum | (x ^ y)) == 0
}

/// Percent-encodes all but RFC 3986's unreserved characters (and, where asked, the slash).
pub(crate) fn encode_percent(text: &str, keep_slash: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || (keep_slash && byte == b'/') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// The scope of a version 4 signature: what its key is derived from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    /// `yyyymmdd`.
    pub(crate) day: String,
    /// The region, e.g. `cn-hangzhou`.
    pub(crate) region: String,
    /// `sls` or `oss`.
    pub(crate) product: String,
}

impl Scope {
    fn text(&self) -> String {
        format!("{}/{}/{}/{TERMINATOR}", self.day, self.region, self.product)
    }

    fn sign(&self, secret: &str, text: &str) -> String {
        let seed = format!("aliyun_v4{secret}");
        let key = [self.day.as_str(), &self.region, &self.product, TERMINATOR]
            .iter()
            .fold(seed.into_bytes(), |key, part| hmac_sha256(&key, part.as_bytes()).to_vec());
        hex(&hmac_sha256(&key, text.as_bytes()))
    }
}

/// What the Authorization header of a version 4 request says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim4 {
    /// The access key's id.
    pub(crate) key: String,
    /// The scope.
    pub(crate) scope: Scope,
    /// Headers signed beyond the usual ones (OSS only).
    pub(crate) additional: Vec<String>,
    /// The signature.
    pub(crate) signature: String,
}

impl Claim4 {
    /// Reads `<algorithm> Credential=a/b/c/d/e,AdditionalHeaders=x;y,Signature=z`; the parts stand in any order.
    pub(crate) fn read(header: &str, algorithm: &str) -> Option<Self> {
        let parts = header.strip_prefix(algorithm)?.strip_prefix(' ')?;
        let (mut credential, mut additional, mut signature) = (None, Vec::new(), None);
        for part in parts.split(',') {
            match part.trim().split_once('=')? {
                ("Credential", value) => credential = Some(value),
                ("Signature", value) => signature = Some(value.to_owned()),
                ("AdditionalHeaders", value) => additional = value.split(';').map(str::to_owned).collect(),
                _ => return None,
            }
        }
        let [key, day, region, product, TERMINATOR] = credential?.split('/').collect::<Vec<_>>()[..] else {
            return None;
        };
        let scope = Scope { day: day.to_owned(), region: region.to_owned(), product: product.to_owned() };
        Some(Self { key: key.to_owned(), scope, additional, signature: signature? })
    }
}

/// SLS version 1: base64 of HMAC-SHA1. The second text is what was signed.
///
/// `x-log-date` takes the place of Date where it stands, and is not itself signed: the Python SDK adds it afterwards.
pub(crate) fn sls1(request: &Request, secret: &str) -> (String, String) {
    let header = |name| request.header(name).unwrap_or_default();
    let date = request.header("x-log-date").unwrap_or_else(|| header("date"));
    let mut text = format!("{}\n{}\n{}\n{date}\n", request.method, header("content-md5"), header("content-type"));
    let mut signed: Vec<(&str, &str)> = request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| name.starts_with("x-log-") || name.starts_with("x-acs-"))
        .filter(|(name, _)| *name != "x-log-date" && !name.starts_with("x-log-meta-"))
        .collect();
    signed.sort_unstable();
    for (name, value) in signed {
        text.push_str(&format!("{name}:{}\n", value.trim()));
    }
    text.push_str(&request.path);
    let mut query = request.query.clone();
    query.sort();
    let pairs: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    if !pairs.is_empty() {
        text.push_str(&format!("?{}", pairs.join("&")));
    }
    (base64_of(&hmac_sha1(secret.as_bytes(), text.as_bytes())), text)
}

/// Base64 with padding.
pub(crate) fn base64_of(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn canonical_query(request: &Request, encode_names: bool) -> String {
    let mut pairs: Vec<(String, String)> = request
        .query
        .iter()
        .map(|(name, value)| {
            let name = if encode_names { encode_percent(name, false) } else { name.clone() };
            (name, encode_percent(value, false))
        })
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs
        .into_iter()
        .map(|(name, value)| if value.is_empty() { name } else { format!("{name}={value}") })
        .collect();
    pairs.join("&")
}

/// The lines `name:value` of the headers that `signed` picks, sorted, and their names.
fn canonical_headers(request: &Request, signed: impl Fn(&str) -> bool) -> (String, Vec<String>) {
    let mut picked: Vec<(&str, &str)> = request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.trim()))
        .filter(|(name, _)| signed(name))
        .collect();
    picked.sort_unstable();
    let lines = picked.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    (lines, picked.into_iter().map(|(name, _)| name.to_owned()).collect())
}

/// SLS version 4: hexadecimal HMAC-SHA256. The second text is the canonical request. `path` is the path as the signer
/// saw it: clients differ in whether they sign it encoded.
pub(crate) fn sls4(request: &Request, path: &str, scope: &Scope, secret: &str) -> (String, String) {
    let (lines, names) = canonical_headers(request, |name| {
        name == "content-type" || name == "host" || name.starts_with("x-log-") || name.starts_with("x-acs-")
    });
    let canonical = format!(
        "{}\n{path}\n{}\n{lines}\n{}\n{}",
        request.method,
        canonical_query(request, false),
        names.join(";"),
        request.header("x-log-content-sha256").unwrap_or_default()
    );
    let date = request.header("x-log-date").unwrap_or_default();
    let text = format!("SLS4-HMAC-SHA256\n{date}\n{}\n{}", scope.text(), sha256_hex(canonical.as_bytes()));
    (scope.sign(secret, &text), canonical)
}

/// OSS version 4: hexadecimal HMAC-SHA256. The second text is the canonical request. `bucket` is empty for the service.
pub(crate) fn oss4(request: &Request, bucket: &str, claim: &Claim4, secret: &str) -> (String, String) {
    let resource = if bucket.is_empty() { request.path.clone() } else { format!("/{bucket}{}", request.path) };
    let (lines, _) = canonical_headers(request, |name| {
        name == "content-type"
            || name == "content-md5"
            || name.starts_with("x-oss-")
            || claim.additional.iter().any(|additional| additional == name)
    });
    let canonical = format!(
        "{}\n{}\n{}\n{lines}\n{}\n{}",
        request.method,
        encode_percent(&resource, true),
        canonical_query(request, true),
        claim.additional.join(";"),
        request.header("x-oss-content-sha256").unwrap_or_default()
    );
    let date = request.header("x-oss-date").unwrap_or_default();
    let text = format!("OSS4-HMAC-SHA256\n{date}\n{}\n{}", claim.scope.text(), sha256_hex(canonical.as_bytes()));
    (claim.scope.sign(secret, &text), canonical)
}

#[cfg(test)]
#[path = "sign_tests.rs"]
mod tests;
