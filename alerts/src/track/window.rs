//! One key's memory: which seconds hold what, and in which intervals it fired.
//! It must never forget an interval that a record could still fire in.

use std::collections::{BTreeSet, HashSet};

use serde::{Deserialize, Serialize};

/// Seconds with what was counted in them, and intervals that fired.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Window {
    #[serde(rename = "e")]
    entries: BTreeSet<(i64, u64)>,
    #[serde(rename = "f")]
    fired: BTreeSet<i64>,
}

impl Window {
    pub(super) fn newest(&self) -> i64 {
        self.entries.last().map_or(i64::MIN, |(second, _)| *second)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.fired.is_empty()
    }

    /// Counts one thing in a second, and gives the intervals that fire by it with the window that was full.
    pub(super) fn add(&mut self, second: i64, token: u64, span: i64, threshold: u32) -> Vec<(i64, (i64, i64))> {
        let enough = usize::try_from(threshold).unwrap_or(usize::MAX);
        // A second that is full by itself fires in every window that reaches it; more of it tells nothing.
        if self.entries.range((second, u64::MIN)..=(second, u64::MAX)).take(enough).count() < enough {
            self.entries.insert((second, token));
        }
        let mut reached = Vec::new();
        // Only windows that end within a span from here on have the new second in them: two intervals at the most.
        let first = second.div_euclid(span);
        for interval in [first, first + 1] {
            if self.fired.contains(&interval) {
                continue;
            }
            let (from, to) = (second.max(interval * span), (second + span).min((interval + 1) * span));
            if let Some(end) = self.full(from, to, span, enough) {
                self.fired.insert(interval);
                reached.push((interval * span, (end - span + 1, end)));
            }
        }
        reached
    }

    /// The first second in `[from, to)` with something in it whose window holds enough.
    fn full(&self, from: i64, to: i64, span: i64, enough: usize) -> Option<i64> {
        let mut last = None;
        for (end, _) in self.entries.range((from, u64::MIN)..(to, u64::MIN)) {
            if last.replace(*end) == Some(*end) {
                continue;
            }
            let mut seen = HashSet::new();
            let window = (end - span + 1, u64::MIN)..=(*end, u64::MAX);
            if self.entries.range(window).rev().any(|(_, token)| seen.insert(*token) && seen.len() >= enough) {
                return Some(*end);
            }
        }
        None
    }

    /// Forgets entries up to `horizon`, and more of the oldest when there are too many; gives how many those were.
    pub(super) fn shorten(&mut self, horizon: i64, most: usize) -> u64 {
        while self.entries.first().is_some_and(|(second, _)| *second <= horizon) {
            self.entries.pop_first();
        }
        let mut shortened = 0;
        while self.entries.len() > most.max(1) {
            self.entries.pop_first();
            shortened += 1;
        }
        shortened
    }

    /// Forgets entries up to `horizon`, and intervals that end before it.
    pub(super) fn forget(&mut self, horizon: i64, span: i64) {
        self.shorten(horizon, usize::MAX);
        self.fired.retain(|interval| (interval + 1).saturating_mul(span) > horizon);
    }
}
