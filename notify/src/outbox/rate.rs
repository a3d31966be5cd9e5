//! How many messages in how long.
//! It must never let one more through than a limit says, judged by when messages arrive, also over a kill.
//!
//! A message arrives some time between its begin and its answer. So one is sent only when the answer of the message that it would
//! push out of the limit is older than the limit's period: then the receiver cannot see both within it. A message that was begun and
//! not answered when the process ended counts as answered at the next start.

use serde::{Deserialize, Serialize};

/// Most messages in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) count: usize,
    pub(crate) period_ms: i64,
}

/// A message: when it was begun and answered, milliseconds UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sent {
    pub(crate) begun: i64,
    pub(crate) answered: Option<i64>,
}

/// The messages that still count.
#[derive(Debug, Clone)]
pub(crate) struct Rate {
    limits: Vec<Limit>,
    /// In the order of their begin.
    sent: Vec<Sent>,
}

impl Rate {
    pub(crate) fn new(limits: &[Limit], mut sent: Vec<Sent>, now: i64) -> Self {
        for one in &mut sent {
            // A clock that went back would otherwise block the channel for as long as it went.
            one.answered = Some(one.answered.unwrap_or(now).min(now));
        }
        let mut rate = Self { limits: limits.to_vec(), sent };
        rate.forget();
        rate
    }

    /// When one more may be sent, at the earliest; the past if now.
    pub(crate) fn free_at(&self, now: i64) -> i64 {
        self.limits.iter().filter_map(|limit| Some(self.answer(limit.count)? + limit.period_ms)).max().unwrap_or(now)
    }

    /// How many more may be sent now under the longest limit.
    pub(crate) fn left(&self, now: i64) -> usize {
        let Some(limit) = self.limits.iter().max_by_key(|l| l.period_ms) else { return usize::MAX };
        let counts = |one: &&Sent| one.answered.is_none_or(|at| at > now - limit.period_ms);
        limit.count.saturating_sub(self.sent.iter().filter(counts).count())
    }

    /// When the `count`th last message was answered.
    fn answer(&self, count: usize) -> Option<i64> {
        let at = self.sent.len().checked_sub(count)?;
        self.sent.get(at)?.answered
    }

    pub(crate) fn begin(&mut self, now: i64) {
        self.sent.push(Sent { begun: now, answered: None });
        self.forget();
    }

    pub(crate) fn end(&mut self, now: i64) {
        if let Some(last) = self.sent.last_mut() {
            last.answered = Some(now);
        }
    }

    /// The clock was set back by so much.
    pub(crate) fn go_back(&mut self, ms: i64) {
        for one in &mut self.sent {
            one.begun -= ms;
            one.answered = one.answered.map(|at| at - ms);
        }
    }

    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.sent.clone()
    }

    /// Keeps as many as the largest limit counts.
    fn forget(&mut self) {
        let most = self.limits.iter().map(|l| l.count).max().unwrap_or(0);
        self.sent.drain(..self.sent.len().saturating_sub(most));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: [Limit; 2] = [Limit { count: 3, period_ms: 60_000 }, Limit { count: 1, period_ms: 1_000 }];

    #[test]
    fn the_limit_is_counted_from_answers_and_holds_over_a_restart() {
        let mut rate = Rate::new(&LIMITS, vec![], 0);
        for (begin, end) in [(0, 100), (1_100, 1_500), (2_500, 9_000)] {
            assert!(rate.free_at(begin) <= begin);
            rate.begin(begin);
            rate.end(end);
        }
        assert_eq!((rate.free_at(9_000), rate.left(9_000)), (60_100, 0));
        rate.begin(60_100);
        let again = Rate::new(&LIMITS, rate.sent(), 61_000);
        assert_eq!(again.free_at(61_000), 62_000, "what was on its way counts from the start");
        let back = Rate::new(&LIMITS, rate.sent(), 5);
        assert!(back.free_at(5) <= 60_005, "a clock that went back blocks for no longer than the period");
    }
}
