//! What a refusal of the bucket means: whose turn it is. The causes are those of sources, told in the same words.
//!
//! The codes are those of `plugin/src/source/codes/codes.tsv`; what cannot be told is `other`. Must never show a refusal as it
//! came: it is a stranger's text.

use innertrail_fetch::{Failure, Fault, Response};
use innertrail_query::terminal_safe;

use crate::lifecycle::sources::Cause;

/// Most characters of a refusal's message that are kept.
const MOST: usize = 300;

/// Why something was not copied now. It is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    /// Whose turn it is.
    pub(super) cause: Cause,
    /// The same in words, with the refusal's own.
    pub(super) why: String,
}

impl Trouble {
    pub(super) fn other(why: impl Into<String>) -> Self {
        Self { cause: Cause::Other, why: why.into() }
    }

    /// There is no answer.
    pub(super) fn unanswered(failure: &Failure) -> Self {
        let about = match failure.fault {
            Fault::Credentials => "there are no credentials for the bucket",
            _ => "the bucket does not answer",
        };
        Self::other(format!("{about}: {}", terminal_safe(&failure.why)))
    }

    /// An answer that is no success.
    pub(super) fn refused(answer: &Response) -> Self {
        let (code, message) = said(&answer.body);
        let (cause, about) = meaning(answer.status, &code, &message);
        let told = match code.is_empty() {
            true => format!("status {} without a reason", answer.status),
            false => format!("status {}, {}: {}", answer.status, terminal_safe(&code), terminal_safe(&message)),
        };
        Self { cause, why: format!("{about} ({told})") }
    }
}

/// The service's own code for a refusal; empty where there is none.
pub(super) fn code(answer: &Response) -> String {
    said(&answer.body).0
}

fn meaning(status: u16, code: &str, message: &str) -> (Cause, &'static str) {
    match code {
        "UserDisable" | "AbnormalBucketOwnerStatus" | "KmsInDebt" | "KmsInDebtOverdue" => {
            (Cause::Overdue, "the bucket's account has been stopped, as a rule for an unpaid bill")
        }
        "AccessDenied" if message.to_ascii_lowercase().contains("specified endpoint") => {
            (Cause::Other, "the bucket is of another region: set that region's endpoint")
        }
        "AccessDenied" => (Cause::NotEntitled, "the credentials have no right to put objects there"),
        "NoSuchBucket" => (Cause::SourceGone, "the bucket is not there"),
        "BucketDisable" => (Cause::Other, "the bucket has been disabled for reasons of security; ask the provider"),
        "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidSecurityToken" | "SecurityTokenExpired" => {
            (Cause::Other, "the access key, its secret or its token is not valid")
        }
        "RequestTimeTooSkewed" => (Cause::Other, "the clocks are more than 15 minutes apart"),
        "InvalidDigest" => (Cause::Other, "the service received other bytes than were sent"),
        _ if status == 429 || code.contains("LimitExceeded") => (Cause::Throttled, "the service asks for patience"),
        _ if status >= 500 => (Cause::Other, "the service fails"),
        _ => (Cause::Other, "the service refuses"),
    }
}

fn said(body: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(body);
    let element = |name: &str| {
        let inner = text.split_once(&format!("<{name}>")).and_then(|(_, rest)| rest.split_once(&format!("</{name}>")));
        inner.map_or_else(String::new, |(inner, _)| inner.trim().chars().take(MOST).collect())
    };
    (element("Code"), element("Message"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, code: &str, message: &str) -> Trouble {
        let body = format!("<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>");
        Trouble::refused(&Response { now_ms: 0, status, headers: vec![], body: body.into_bytes() })
    }

    #[test]
    fn the_states_of_an_account_are_told_apart() {
        assert_eq!(refused(403, "UserDisable", "").cause, Cause::Overdue);
        assert_eq!(refused(403, "AbnormalBucketOwnerStatus", "").cause, Cause::Overdue);
        assert_eq!(refused(403, "AccessDenied", "You have no right").cause, Cause::NotEntitled);
        assert_eq!(refused(403, "AccessDenied", "use the specified endpoint").cause, Cause::Other);
        assert_eq!(refused(404, "NoSuchBucket", "").cause, Cause::SourceGone);
        assert_eq!(refused(503, "UploadTrafficRateLimitExceeded", "").cause, Cause::Throttled);
        assert_eq!(refused(429, "", "").cause, Cause::Throttled);
        assert_eq!(refused(502, "", "").cause, Cause::Other);
    }

    #[test]
    fn a_strangers_words_are_harmless_and_bounded() {
        let told = refused(403, "Access\u{1b}[2JDenied", &"x".repeat(100_000)).why;
        assert!(!told.contains('\u{1b}') && told.len() < 1_000, "{told}");
        let page = Response { now_ms: 0, status: 502, headers: vec![], body: b"<html>Bad gateway</html>".to_vec() };
        assert_eq!(Trouble::refused(&page).why, "the service fails (status 502 without a reason)");
    }
}
