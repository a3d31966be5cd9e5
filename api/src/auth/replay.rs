//! The replay window: a call that changes state is carried out once, however often the same signed request arrives.
//!
//! Who sends it again gets the answer of the first time: an SDK whose answer was lost loses nothing, and somebody who
//! recorded the request changes nothing with it. Calls that only read are not held here, because SDKs repeat them as they
//! are. What is remembered does not survive a restart, and is forgotten when the request's own date has run out.
//! It must never forget a request that would still be let in, to make room for another.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use crate::{Answer, ApiError};

/// Requests that are remembered at a time. With dates that are right, one is remembered for 15 minutes: 145 a second.
const MOST: usize = 131_072;
/// Longest body of an answer that is kept to be given again, bytes. What changes state is answered shortly.
const LONGEST_ANSWER: usize = 4096;

type Fingerprint = [u8; 16];
type Outcome = Result<Answer, ApiError>;

#[derive(Debug)]
struct Entry {
    until_us: i64,
    /// None while it is carried out.
    outcome: Option<Arc<Outcome>>,
}

#[derive(Debug, Default)]
struct Inner {
    seen: HashMap<Fingerprint, Entry>,
    ends: BTreeSet<(i64, Fingerprint)>,
}

/// Requests that were seen.
#[derive(Debug)]
pub struct Window {
    inner: Mutex<Inner>,
    most: usize,
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Seen {
    /// It was not seen before: carry it out, and tell the ticket.
    New(Ticket),
    /// It was, and was answered so.
    Before(Arc<Outcome>),
    /// It was, and is being carried out.
    Now,
    /// There is no room to remember it.
    Full,
}

/// A request that is carried out. Dropped without an answer, it counts as never seen.
#[derive(Debug)]
pub struct Ticket {
    window: Arc<Window>,
    fingerprint: Fingerprint,
}

impl Default for Window {
    fn default() -> Self {
        Self::holding(MOST)
    }
}

impl Window {
    fn holding(most: usize) -> Self {
        Self { inner: Mutex::default(), most }
    }

    /// Looks whether a request was seen, and remembers it.
    #[must_use]
    pub fn look(self: &Arc<Self>, fingerprint: Fingerprint, valid_until_us: i64, now_us: i64) -> Seen {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.forget_before(now_us);
        if let Some(entry) = inner.seen.get(&fingerprint) {
            return entry.outcome.clone().map_or(Seen::Now, Seen::Before);
        }
        if inner.seen.len() >= self.most {
            return Seen::Full;
        }
        inner.seen.insert(fingerprint, Entry { until_us: valid_until_us, outcome: None });
        inner.ends.insert((valid_until_us, fingerprint));
        Seen::New(Ticket { window: Arc::clone(self), fingerprint })
    }
}

impl Inner {
    fn forget_before(&mut self, now_us: i64) {
        while let Some((until_us, fingerprint)) = self.ends.first().copied().filter(|(until, _)| *until < now_us) {
            self.ends.remove(&(until_us, fingerprint));
            self.seen.remove(&fingerprint);
        }
    }
}

impl Ticket {
    /// What it was answered with. A failure of the server is forgotten: the same request is to be tried again.
    pub fn done(self, outcome: &Outcome) {
        if outcome.as_ref().is_err_and(|error| error.status >= 500) {
            return;
        }
        let kept = match outcome {
            Ok(answer) if answer.body.len() > LONGEST_ANSWER => Err(ApiError::parameter(
                "this request was carried out before; its answer was too long to be kept. Sign it anew",
            )),
            other => other.clone(),
        };
        let mut inner = self.window.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = inner.seen.get_mut(&self.fingerprint) {
            entry.outcome = Some(Arc::new(kept));
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut inner = self.window.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let open =
            inner.seen.get(&self.fingerprint).filter(|entry| entry.outcome.is_none()).map(|entry| entry.until_us);
        if let Some(until_us) = open {
            inner.ends.remove(&(until_us, self.fingerprint));
            inner.seen.remove(&self.fingerprint);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(seen: Seen) -> Ticket {
        match seen {
            Seen::New(ticket) => ticket,
            other => panic!("seen: {other:?}"),
        }
    }

    #[test]
    fn the_second_time_has_the_first_answer_and_a_failure_is_tried_again() {
        let window = Arc::new(Window::default());
        let first = ticket(window.look([1; 16], 100, 10));
        assert!(matches!(window.look([1; 16], 100, 11), Seen::Now));
        let answer = Ok(Answer::empty().with("x-log-count", 1));
        first.done(&answer);
        assert!(matches!(window.look([1; 16], 100, 100), Seen::Before(outcome) if *outcome == answer));
        let refused = Err(ApiError::parameter("no"));
        ticket(window.look([2; 16], 100, 11)).done(&refused);
        assert!(matches!(window.look([2; 16], 100, 12), Seen::Before(outcome) if *outcome == refused));
        ticket(window.look([3; 16], 100, 11)).done(&Err(ApiError::internal("broken")));
        drop(ticket(window.look([3; 16], 100, 12)));
        drop(ticket(window.look([3; 16], 100, 13)));
    }

    #[test]
    fn nothing_is_forgotten_before_its_time_and_memory_is_bounded() {
        let window = Arc::new(Window::holding(3));
        for n in 0..3 {
            ticket(window.look([n; 16], 100 + i64::from(n), 0)).done(&Ok(Answer::empty()));
        }
        assert!(matches!(window.look([9; 16], 500, 100), Seen::Full));
        assert!(matches!(window.look([0; 16], 100, 100), Seen::Before(_)));
        ticket(window.look([9; 16], 500, 101)).done(&Ok(Answer::empty()));
        let inner = window.inner.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!((inner.seen.len(), inner.ends.len()), (3, 3));
    }

    #[test]
    fn long_answers_are_not_kept() {
        let window = Arc::new(Window::default());
        let long = Answer { body: vec![0; LONGEST_ANSWER + 1].into(), ..Answer::empty() };
        ticket(window.look([1; 16], 100, 10)).done(&Ok(long));
        assert!(matches!(window.look([1; 16], 100, 11), Seen::Before(outcome) if outcome.is_err()));
    }
}
