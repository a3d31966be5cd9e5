//! The two things that a temporary key has beside its secret: a token, and an end. It must never let a request in that has
//! another token, or none, or comes after the end; and what it says of a token must never hold one.
//!
//! Codes are those that Log Service has for the keys of STS: clients with a refresher of credentials take new ones on them.

use subtle::ConstantTimeEq;

use super::keys::Key;
use super::text;
use crate::{ApiError, Head};

const TOKEN: &str = "x-acs-security-token";

/// Looks at the token of a request whose signature is right.
///
/// # Errors
/// 401 `SecurityTokenExpired`, 401 `InvalidSecurityToken`.
pub(super) fn check(head: &Head, key: &Key, now_us: i64) -> Result<(), ApiError> {
    // Clients without a token may send an empty one.
    let sent = text(&head.headers, TOKEN)?.filter(|token| !token.is_empty());
    let message = match (&key.session, sent) {
        (None, None) => return Ok(()),
        (Some(session), _) if now_us >= session.until_us => {
            let message =
                "the time of this temporary key is over; make a new one with `innertrail keys add --valid-for`";
            return Err(ApiError::new(401, "SecurityTokenExpired", message));
        }
        (Some(session), Some(sent)) => {
            if session.token.expose().as_bytes().ct_eq(sent.as_bytes()).into() {
                return Ok(());
            }
            "the security token is not the one of this access key"
        }
        (Some(_), None) => "this is a temporary key: give the client its security token, too",
        (None, Some(_)) => "this access key has no security token; give the client none",
    };
    Err(ApiError::new(401, "InvalidSecurityToken", message))
}
