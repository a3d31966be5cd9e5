//! What a gRPC status means for the records of the request.
//! It must never take trouble on the way, or with the receiver, for a fault of the records.

use std::error::Error;
use std::time::Duration;

use tonic::{Code, Status};

use super::about_the_receiver;
use crate::sender::Refused;
use crate::trouble;

/// Characters of the receiver's message that are repeated.
const MESSAGE: usize = 200;

/// What became of the batch.
///
/// | status | |
/// |---|---|
/// | `UNAVAILABLE`, `RESOURCE_EXHAUSTED`, `INTERNAL` (a failed sink behind it), `ABORTED`, `DEADLINE_EXCEEDED`, no connection or a broken one | later |
/// | `UNAUTHENTICATED`, `PERMISSION_DENIED`, `NOT_FOUND`, `UNIMPLEMENTED`, `FAILED_PRECONDITION` | later: somebody must mend the configuration |
/// | `DATA_LOSS` (a sink behind it rejected), `INVALID_ARGUMENT`, `OUT_OF_RANGE`, others | never |
/// | `CANCELLED`, a reset stream, an answer without status | unclear: what a panic in Vector looks like |
pub(super) fn judge(address: &str, status: &Status) -> Refused {
    let message: String = status.message().chars().take(MESSAGE).collect();
    let why = format!("{address}: {:?}: {}", status.code(), message.escape_debug());
    let later = |after| Refused::Later { why: format!("{why}{}", root(status)), after };
    match status.code() {
        _ if was_reset(status) => Refused::Unclear {
            why: format!("{address}: it reset the request, as Vector does when it fails on an event{}", root(status)),
        },
        // The library's own words: the request did not come to its end.
        _ if status.source().is_some() => later(None),
        Code::Cancelled | Code::Unknown => Refused::Unclear { why },
        code if about_the_receiver(code) => later(pushback(status)),
        _ => Refused::Never { why },
    }
}

/// Whether the system says that there is no way to the receiver.
pub(super) fn is_unconnected(status: &Status) -> bool {
    let said = |e: &(dyn Error + 'static)| e.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    chain(status).filter_map(said).any(trouble::is_unconnected)
}

/// Whether the receiver ended this one request, and not the connection.
fn was_reset(status: &Status) -> bool {
    chain(status).any(|e| e.downcast_ref::<h2::Error>().is_some_and(|e| e.is_reset() && e.is_remote()))
}

/// The innermost cause, which is the one that says anything.
fn root(status: &Status) -> String {
    chain(status).last().map_or_else(String::new, |e| format!(" ({})", e.to_string().escape_debug()))
}

fn chain(status: &Status) -> impl Iterator<Item = &(dyn Error + 'static)> {
    let mut next = status.source();
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// When the receiver wants to be asked again, by gRPC's own convention.
fn pushback(status: &Status) -> Option<Duration> {
    let ms = status.metadata().get("grpc-retry-pushback-ms")?.to_str().ok()?;
    ms.parse().ok().map(Duration::from_millis)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn kind(refused: &Refused) -> &'static str {
        match refused {
            Refused::Later { .. } => "later",
            Refused::Closed { .. } => "closed",
            Refused::Never { .. } => "never",
            Refused::Unclear { .. } => "unclear",
        }
    }

    #[test]
    fn every_status_has_its_meaning() {
        let told: Vec<String> = (1..=16)
            .map(|code| {
                let code = Code::from_i32(code);
                format!("{code:?}: {}", kind(&judge("http://v", &Status::new(code, "why"))))
            })
            .collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
Cancelled: unclear
Unknown: unclear
InvalidArgument: never
DeadlineExceeded: later
NotFound: later
AlreadyExists: never
PermissionDenied: later
ResourceExhausted: later
FailedPrecondition: later
Aborted: later
OutOfRange: never
Unimplemented: later
Internal: later
Unavailable: later
DataLoss: never
Unauthenticated: later
"#);
    }

    #[test]
    fn a_reset_is_unclear_and_a_broken_connection_is_not() {
        let status = |e: h2::Error| Status::from_error(Box::new(std::io::Error::other(e)));
        // Made here, a reason is not a remote's reset; a server of the integration tests sends that one.
        assert_eq!(kind(&judge("", &status(h2::Reason::CANCEL.into()))), "later");
        let broken = Status::from_error(Box::new(std::io::Error::from(std::io::ErrorKind::ConnectionReset)));
        insta::assert_snapshot!(judge("http://v", &broken), @r#"http://v: Unknown: connection reset (connection reset)"#);
    }

    #[test]
    fn hostile_words_are_shown_harmless_and_short_and_wishes_are_heard() {
        let mut status = Status::new(Code::Unavailable, format!("\u{1b}[2J\n{}", "x".repeat(500)));
        status.metadata_mut().insert("grpc-retry-pushback-ms", "1500".parse().unwrap());
        let refused = judge("http://v", &status);
        assert!(refused.to_string().len() < 260 && !refused.to_string().contains('\u{1b}'), "{refused}");
        assert!(matches!(refused, Refused::Later { after: Some(after), .. } if after == Duration::from_millis(1_500)));
    }
}
