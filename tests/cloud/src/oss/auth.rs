//! Lets requests of the OSS double in, or says why not. Version 1 is refused: the service takes it neither for accounts
//! opened since March 2025 nor for buckets made since September 2025.

use super::Inner;
use crate::clock::parse_basic_date;
use crate::fault::Op;
use crate::front::{Front, Judged, Refusal};
use crate::http::Request;
use crate::keys::{Key, Right, Validity};
use crate::sign::{Claim4, equal, oss4, sha256_hex};

fn refuse<T>(status: u16, code: &'static str, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(status, code, message))
}

impl Inner {
    /// The key that a request was signed with; `region` is the bucket's, where there is such a bucket.
    pub(super) fn authenticate(
        &self,
        request: &Request,
        bucket: &str,
        region: Option<&str>,
        judged: &Judged,
    ) -> Result<Key, Refusal> {
        let Some(authorization) = request.header("authorization") else {
            return refuse(403, "AccessDenied", "Anonymous access is forbidden for this operation.");
        };
        if authorization.starts_with("OSS ") || authorization.starts_with("OSS2 ") {
            return refuse(403, "AccessDenied", "Only signatures of version 4 are accepted here.");
        }
        let Some(claim) = Claim4::read(authorization, "OSS4-HMAC-SHA256") else {
            return refuse(400, "InvalidArgument", "The Authorization header is no signature of version 4.");
        };
        check_date(request, &claim, judged)?;
        check_body(request)?;
        let key = match self.front.keys.find(&claim.key) {
            None => {
                return refuse(
                    403,
                    "InvalidAccessKeyId",
                    "The OSS Access Key Id you provided does not exist in our records.",
                );
            }
            Some(key) if key.validity == Validity::Revoked => {
                return refuse(
                    403,
                    "InvalidAccessKeyId",
                    "The OSS Access Key Id you provided does not exist in our records.",
                );
            }
            Some(key) if key.validity == Validity::Disabled => {
                return refuse(403, "InvalidAccessKeyId", "The OSS Access Key Id you provided is disabled.");
            }
            Some(key) => key,
        };
        let scope_fits = claim.scope.product == "oss" && region.is_none_or(|region| region == claim.scope.region);
        let additional_fit = claim.additional.is_sorted()
            && claim.additional.iter().all(|name| *name == name.to_ascii_lowercase() && request.header(name).is_some());
        let (expected, canonical) = oss4(request, bucket, &claim, &key.secret);
        if !(scope_fits && additional_fit && equal(&expected, &claim.signature)) {
            let message = format!(
                "The request signature we calculated does not match the signature you provided. Check your key and \
                 signing method. The server signed {canonical:?}."
            );
            return refuse(403, "SignatureDoesNotMatch", message);
        }
        match (key.token.as_deref(), request.header("x-oss-security-token")) {
            (None, Some(_)) => refuse(403, "SecurityTokenNotSupported", "This key takes no security token."),
            (Some(_), None) => refuse(403, "InvalidAccessKeyId", "The security token is missing."),
            (Some(own), Some(sent)) if own != sent => {
                refuse(403, "InvalidSecurityToken", "The security token you provided is invalid.")
            }
            _ if key.validity == Validity::Expired => {
                refuse(403, "SecurityTokenExpired", "The security token you provided has expired.")
            }
            _ => Ok(key),
        }
    }
}

fn check_date(request: &Request, claim: &Claim4, judged: &Judged) -> Result<(), Refusal> {
    let spelled = request.header("x-oss-date").unwrap_or_default();
    let Some(date) = parse_basic_date(spelled) else {
        return refuse(403, "AccessDenied", "OSS authentication requires a valid Date.");
    };
    if Front::skewed(date, judged) {
        let message = "The difference between the request time and the current time is too large.";
        return refuse(403, "RequestTimeTooSkewed", message);
    }
    if !spelled.starts_with(&claim.scope.day) {
        return refuse(400, "InvalidArgument", "The day of the credential's scope is not that of x-oss-date.");
    }
    Ok(())
}

fn check_body(request: &Request) -> Result<(), Refusal> {
    match request.header("x-oss-content-sha256") {
        Some("UNSIGNED-PAYLOAD") => {}
        Some(hash) if hash == sha256_hex(&request.body) => {}
        _ => return refuse(400, "InvalidArgument", "x-oss-content-sha256 is neither UNSIGNED-PAYLOAD nor the body's."),
    }
    Ok(())
}

/// Refuses what the key's policy does not allow.
pub(super) fn authorise(key: &Key, op: Op) -> Result<(), Refusal> {
    let right = match op {
        Op::PutObject => Right::Write,
        Op::DeleteObject => Right::Delete,
        _ => Right::Read,
    };
    if key.rights.contains(&right) {
        return Ok(());
    }
    refuse(403, "AccessDenied", "You have no right to access this object because of bucket acl.")
}
