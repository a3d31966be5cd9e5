//! Lets a request in, or says why not: signature, date, key. It must never let one in whose signature it did not
//! recompute, and never show a secret.
//!
//! A signature covers what the request claims about its body: MD5 in version 1, SHA-256 in version 4. So it is checked
//! before the body is read, and [`Admitted::body`] holds the received bytes against the claim. A call that is refused never
//! gets that far: its sender is known, its body is not.

mod claim;
mod date;
mod keyfile;
mod keyring;
mod keys;
mod replay;
mod session;
mod version1;
mod version4;

use hyper::HeaderMap;
use md5::{Digest, Md5};
use sha2::Sha256;

pub use keyfile::{Change, ChangeKind, Content, FILE, KeyFile, KeyFileError};
pub use keyring::Keyring;
pub use keys::{Key, LONGEST_US, Secret, Session, role_name, role_of};
pub use replay::{Seen, Ticket, Window};

use crate::{Access, ApiError, Head};
use claim::Claim;

/// How far a request's date may lie from now, either way: 15 minutes, in microseconds.
pub const SKEW_US: i64 = 15 * 60 * 1_000_000;

/// The one version of the interface.
const API_VERSION: &str = "0.6.0";

/// A request whose signature is right.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// Who sends it.
    pub access: Access,
    /// The signature with its key, as one number; the same request has the same.
    pub fingerprint: [u8; 16],
    /// Until when the same request would be let in again, microseconds UTC.
    pub valid_until_us: i64,
    body: ClaimedBody,
}

/// What a request says of its body, under its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ClaimedBody {
    /// Hexadecimal MD5; none for a body that is empty.
    Md5(Option<String>),
    /// Hexadecimal SHA-256.
    Sha256(String),
}

impl Admitted {
    /// Holds the body as it was received against what was signed.
    ///
    /// # Errors
    /// 400 `ParameterInvalid`: it is another one.
    pub fn body(&self, received: &[u8]) -> Result<(), ApiError> {
        let (name, holds) = match &self.body {
            ClaimedBody::Md5(None) => ("content-md5", received.is_empty()),
            ClaimedBody::Md5(Some(claimed)) => {
                ("content-md5", claimed.eq_ignore_ascii_case(&hex(&Md5::digest(received))))
            }
            ClaimedBody::Sha256(claimed) => {
                ("x-log-content-sha256", claimed.eq_ignore_ascii_case(&hex(&Sha256::digest(received))))
            }
        };
        if holds {
            return Ok(());
        }
        Err(ApiError::parameter(format!(
            "{name} is not that of the {} bytes that were received as body",
            received.len()
        )))
    }
}

/// Checks the signature of a request.
///
/// # Errors
/// 400 when something is missing or has no form, or when the date is more than [`SKEW_US`] off (`RequestTimeExpired`); 401
/// `InvalidAccessKeyId`, `SignatureNotMatch`, and, for a temporary key, `SecurityTokenExpired` and `InvalidSecurityToken`; 500 when the keys cannot be read.
pub fn admit(head: &Head, keys: &Keyring, now_us: i64) -> Result<Admitted, ApiError> {
    once(&head.headers)?;
    match text(&head.headers, "x-log-apiversion")? {
        Some(API_VERSION) => {}
        None => return Err(ApiError::new(400, "MissingAPIVersion", "x-log-apiversion does not exist in http header")),
        Some(_) => {
            return Err(ApiError::new(400, "InvalidAPIVersion", format!("x-log-apiversion must be {API_VERSION}")));
        }
    }
    let claim = Claim::read(text(&head.headers, "authorization")?)?;
    let at_us = match claim {
        Claim::One { .. } => version1::date(head)?,
        Claim::Four { .. } => version4::date(head)?,
    };
    if at_us.abs_diff(now_us) > SKEW_US.unsigned_abs() {
        let message = format!(
            "the request's date is {} s off the server's, {} are allowed; set the clock of the client right",
            at_us.abs_diff(now_us) / 1_000_000,
            SKEW_US / 1_000_000
        );
        return Err(ApiError::new(400, "RequestTimeExpired", message));
    }
    let key = keys.find(claim.key_id(), now_us)?;
    let Some(key) = key else {
        let message = "there is no such access key id; `innertrail keys list` shows those that there are";
        return Err(ApiError::new(401, "InvalidAccessKeyId", message));
    };
    let body = match &claim {
        Claim::One { signature, .. } => version1::verify(head, signature, &key)?,
        Claim::Four { scope, signature, .. } => version4::verify(head, scope, signature, &key)?,
    };
    session::check(head, &key, now_us)?;
    let access = Access { key_id: key.id.clone(), role: key.role };
    let valid_until_us = at_us.saturating_add(SKEW_US);
    Ok(Admitted { access, fingerprint: claim.fingerprint(), valid_until_us, body })
}

/// What a signature covers may stand in a request once: with two of a name, signer and verifier may mean different ones.
fn once(headers: &HeaderMap) -> Result<(), ApiError> {
    for name in headers.keys() {
        if is_signed(name.as_str()) && headers.get_all(name).iter().nth(1).is_some() {
            return Err(ApiError::parameter(format!("the header {name} stands in the request more than once")));
        }
    }
    Ok(())
}

fn is_signed(name: &str) -> bool {
    matches!(name, "authorization" | "host" | "date" | "content-type" | "content-md5") || is_extra(name)
}

/// `x-log-*` and `x-acs-*`, which both versions sign; `x-log-meta-*` belongs to the object interface and is not signed.
fn is_extra(name: &str) -> bool {
    name.starts_with("x-acs-") || (name.starts_with("x-log-") && !name.starts_with("x-log-meta-"))
}

/// A header's text.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, ApiError> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = value.to_str().map_err(|_| ApiError::parameter(format!("the header {name} is no ASCII text")))?;
    Ok(Some(text))
}

fn not_matched() -> ApiError {
    let message = "the signature is not what this key makes of the request; look at the secret, at the host name and port that \
                   the client signs, and at proxies that change requests";
    ApiError::new(401, "SignatureNotMatch", message)
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        for nibble in [byte >> 4, byte & 15] {
            out.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
        out
    })
}

#[cfg(test)]
#[path = "../auth_tests.rs"]
#[allow(clippy::unwrap_used)]
mod tests;
