//! How a Logstore, a shard or a bucket is doing: when it may be asked again after an error, and what to say meanwhile.
//!
//! Times are the host's, and the waits grow in a fixed way, so that a run can be replayed; the host adds what spreads
//! many of them apart. Nothing here ever gives up by itself.

use super::Cause;
use super::codes::{Class, Verdict};

/// First and longest wait after an error that goes away by itself, milliseconds.
const RETRY_MS: (i64, i64) = (200, 60_000);
/// The same for a quota.
const THROTTLE_MS: (i64, i64) = (1_000, 60_000);
/// The same for a pause.
const PAUSE_MS: (i64, i64) = (5_000, 300_000);
/// An error that goes away by itself and has not for so long is shown as a pause.
const PATIENCE_MS: i64 = 60_000;
/// Tries with new credentials, or after the host has learnt the time, before that is held not to help.
const MENDS: u32 = 3;
/// A session is young for so long.
const YOUNG_MS: i64 = 180_000;

/// What is wrong at the moment.
#[derive(Debug, Clone)]
struct Trouble {
    since_ms: i64,
    due_ms: i64,
    tries: u32,
    cause: Cause,
    why: String,
    /// Shown after so long, milliseconds.
    patience_ms: i64,
    fatal: bool,
    renew: bool,
}

/// How it is doing.
#[derive(Debug, Clone, Default)]
pub struct Health {
    trouble: Option<Trouble>,
    ever_well: bool,
}

impl Health {
    /// An answer came that was as it should be.
    pub fn well(&mut self) {
        self.trouble = None;
        self.ever_well = true;
    }

    /// Whether an answer ever was as it should be.
    pub fn ever_well(&self) -> bool {
        self.ever_well
    }

    /// Whether something is wrong.
    pub fn ails(&self) -> bool {
        self.trouble.is_some()
    }

    /// When it may be asked again.
    pub fn due_ms(&self) -> i64 {
        self.trouble.as_ref().map_or(i64::MIN, |t| t.due_ms)
    }

    /// Whether the next request needs new credentials.
    pub fn renew(&self) -> bool {
        self.trouble.as_ref().is_some_and(|t| t.renew)
    }

    /// Whether only another configuration helps, as far as anybody knows.
    pub fn is_fatal(&self) -> bool {
        self.trouble.as_ref().is_some_and(|t| t.fatal)
    }

    /// What to say of it.
    pub fn pause(&self, now_ms: i64) -> Option<(Cause, &str)> {
        let trouble = self.trouble.as_ref()?;
        (now_ms - trouble.since_ms >= trouble.patience_ms).then_some((trouble.cause, trouble.why.as_str()))
    }

    /// An error. `started_ms`: when the session began. `after_ms`: the provider's own wish when to come back.
    pub fn ill(&mut self, verdict: &Verdict, now_ms: i64, started_ms: i64, after_ms: Option<i64>) {
        let before = self.trouble.take();
        let tries = before.as_ref().map_or(0, |t| t.tries).saturating_add(1);
        let young = now_ms - started_ms < YOUNG_MS;
        let fatal = verdict.class == Class::Fatal || verdict.class == Class::Renew && tries >= MENDS;
        let (waits, cause, patience_ms) = match verdict.class {
            Class::Retry | Class::Relist => (RETRY_MS, Cause::Other, PATIENCE_MS),
            Class::Throttle => (THROTTLE_MS, Cause::Throttled, PATIENCE_MS),
            Class::Forbidden if young => (THROTTLE_MS, Cause::Overdue, YOUNG_MS),
            Class::Forbidden => (PAUSE_MS, Cause::Overdue, 0),
            Class::Renew if !fatal => (RETRY_MS, Cause::NotEntitled, PATIENCE_MS),
            Class::Clock if tries < MENDS => (RETRY_MS, Cause::Other, PATIENCE_MS),
            Class::Clock | Class::Gap | Class::Quarantine => (PAUSE_MS, Cause::Other, 0),
            Class::Pause(cause) => (PAUSE_MS, cause, 0),
            Class::Renew | Class::Fatal => (PAUSE_MS, Cause::NotEntitled, 0),
        };
        let (first, longest) = waits;
        let wait = first.saturating_mul(1 << (tries - 1).min(20)).min(longest);
        let wait = after_ms.map_or(wait, |after| wait.max(after.min(longest)));
        self.trouble = Some(Trouble {
            since_ms: before.as_ref().map_or(now_ms, |t| t.since_ms),
            due_ms: now_ms.saturating_add(wait),
            tries,
            cause,
            patience_ms,
            fatal,
            renew: verdict.class == Class::Renew,
            why: verdict.words.clone(),
        });
    }
}

/// `Retry-After` in milliseconds, where it is a number of seconds.
pub fn retry_after_ms(headers: &[super::http::Pair]) -> Option<i64> {
    let seconds: u32 = super::http::header(headers, "retry-after")?.trim().parse().ok()?;
    Some(i64::from(seconds) * 1000)
}

/// What a request without a whole answer calls for.
pub fn fault(failure: &super::http::Failure) -> Verdict {
    use super::http::Fault as F;
    let class = match failure.fault {
        F::Connect | F::Tls | F::Dns | F::Timeout | F::Reset | F::Protocol | F::TooLarge => Class::Retry,
        F::Redirect => Class::Pause(Cause::Other),
        F::Credentials | F::Refused => Class::Fatal,
    };
    let about = match failure.fault {
        F::Connect => "no connection",
        F::Tls => "no TLS; check the endpoint and the trusted certificates",
        F::Dns => "the endpoint's name cannot be resolved",
        F::Timeout => "no answer in time",
        F::Reset => "the connection broke",
        F::Protocol => "the answer is not HTTP",
        F::TooLarge => "the answer is longer than asked for",
        F::Redirect => "the answer points elsewhere, which is never followed; check the endpoint",
        F::Credentials => "there are no valid credentials; see the source's credentials",
        F::Refused => "the host does not send such a request",
    };
    Verdict { class, code: String::new(), words: format!("{about}: {}", super::codes::short(&failure.why)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(class: Class) -> Verdict {
        Verdict { class, code: String::new(), words: format!("{class:?}") }
    }

    /// The waits of so many errors in a row, and what is shown at the last of them.
    fn course(class: Class, errors: usize, started_ms: i64) -> (Vec<i64>, Option<Cause>) {
        let (mut health, mut now, mut waits) = (Health::default(), 1_000_000, Vec::new());
        for _ in 0..errors {
            health.ill(&verdict(class), now, started_ms, None);
            waits.push(health.due_ms() - now);
            now = health.due_ms();
        }
        let last = now - waits.last().copied().unwrap_or(0);
        (waits, health.pause(last).map(|(cause, _)| cause))
    }

    #[test]
    fn waits_double_to_a_bound() {
        assert_eq!(course(Class::Retry, 4, 0), (vec![200, 400, 800, 1600], None));
        assert_eq!(course(Class::Throttle, 3, 0).0, [1000, 2000, 4000]);
        assert_eq!(course(Class::Pause(Cause::Overdue), 8, 0).0.last(), Some(&300_000));
        assert_eq!(course(Class::Retry, 40, 0).0.last(), Some(&60_000));
    }

    #[test]
    fn what_lasts_is_shown() {
        assert_eq!(course(Class::Retry, 20, 0).1, Some(Cause::Other));
        assert_eq!(course(Class::Throttle, 20, 0).1, Some(Cause::Throttled));
        assert_eq!(course(Class::Pause(Cause::SourceGone), 1, 0).1, Some(Cause::SourceGone));
    }

    #[test]
    fn a_young_session_waits_for_a_project_that_is_forbidden() {
        assert_eq!(course(Class::Forbidden, 1, 1_000_000 - 10).1, None);
        assert_eq!(course(Class::Forbidden, 1, 1_000_000 - YOUNG_MS).1, Some(Cause::Overdue));
    }

    #[test]
    fn new_credentials_and_the_time_are_tried_before_it_is_told() {
        let mut health = Health::default();
        for expected in [false, false, true] {
            health.ill(&verdict(Class::Renew), 0, 0, None);
            assert_eq!((health.is_fatal(), health.renew()), (expected, true));
        }
        assert_eq!(course(Class::Clock, 2, 0).1, None);
        assert_eq!(course(Class::Clock, 3, 0).1, Some(Cause::Other));
    }

    #[test]
    fn the_provider_may_ask_for_patience_but_not_for_ever() {
        let mut health = Health::default();
        health.ill(&verdict(Class::Throttle), 0, 0, Some(7_000));
        assert_eq!(health.due_ms(), 7_000);
        health.ill(&verdict(Class::Throttle), 0, 0, Some(i64::MAX));
        assert_eq!(health.due_ms(), 60_000);
        health.well();
        assert!(!health.ails() && health.ever_well());
    }
}
