//! How much a tap shows, until when, and what it did not show: no reader must take a sample for everything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::super::args::TapArgs;

/// How often people are told of what is not shown, while it grows.
const TELL: Duration = Duration::from_secs(10);

/// How much may be shown, until when, and what was not.
pub(super) struct Pace {
    /// Records in an interval.
    pub(super) limit: u32,
    interval: Duration,
    begun: Instant,
    used: u32,
    left: Option<u64>,
    until: Option<Instant>,
    stop: Arc<AtomicBool>,
    tally: Tally,
    told: (Instant, Tally),
}

/// What became of the records that came by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tally {
    shown: u64,
    /// Not of the component, or not what `--where` wants.
    unwanted: u64,
    /// Over `--limit`. Before the Logstore these are frames, of which nobody has looked at the records.
    over: u64,
    /// Frames that the run did not give.
    not_given: u64,
}

impl Pace {
    pub(super) fn new(args: &TapArgs, stop: Arc<AtomicBool>) -> Self {
        let begun = Instant::now();
        let until = args.seconds.map(|seconds| begun + Duration::from_secs(seconds));
        let interval = Duration::from_millis(args.interval.into());
        let tally = Tally::default();
        let told = (begun, tally);
        Self { limit: args.limit, interval, begun, used: 0, left: args.count, until, stop, tally, told }
    }

    pub(super) fn is_over(&self) -> bool {
        let late = self.until.is_some_and(|until| Instant::now() >= until);
        late || self.left == Some(0) || self.stop.load(Ordering::Relaxed)
    }

    /// Whether nothing more may be shown now.
    pub(super) fn is_spent(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.begun) >= self.interval {
            (self.begun, self.used) = (now, 0);
        }
        self.used >= self.limit || self.left == Some(0)
    }

    /// Whether one more may be shown now; it counts as shown then, and as left out otherwise.
    pub(super) fn admit(&mut self, now: Instant) -> bool {
        if self.is_spent(now) {
            self.over(1);
            return false;
        }
        self.used += 1;
        self.left = self.left.map(|left| left - 1);
        self.tally.shown += 1;
        true
    }

    /// So many were not wanted.
    pub(super) fn unwanted(&mut self, count: u64) {
        self.tally.unwanted += count;
    }

    /// So many were over the limit. What comes after the last record that was asked for does not count.
    pub(super) fn over(&mut self, count: u64) {
        if self.left != Some(0) {
            self.tally.over += count;
        }
    }

    /// What the run says that it did not give, in all.
    pub(super) fn not_given(&mut self, frames: u64) {
        self.tally.not_given = frames;
    }

    /// Says now and then, on standard error, what is not shown.
    pub(super) fn tell(&mut self, now: Instant) {
        let grown = (self.tally.over, self.tally.not_given) != (self.told.1.over, self.told.1.not_given);
        if grown && now.saturating_duration_since(self.told.0) >= TELL {
            self.told = (now, self.tally);
            eprintln!("note: so far {}", self.tally.text());
        }
    }

    /// The last word.
    pub(super) fn end(&self) {
        eprintln!("note: {}", self.tally.text());
    }
}

impl Tally {
    fn text(&self) -> String {
        let mut text = format!("{} shown", self.shown);
        for (count, what) in [
            (self.unwanted, "not asked for"),
            (self.over, "left out over --limit"),
            (self.not_given, "not given by the run: it gives a sample, or this tap read too slowly"),
        ] {
            if count > 0 {
                text += &format!(", {count} {what}");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_shown_is_counted_by_its_cause() {
        let now = Instant::now();
        let tally = Tally::default();
        let mut pace = Pace {
            limit: 2,
            interval: Duration::from_millis(500),
            begun: now,
            used: 0,
            left: Some(3),
            until: None,
            stop: Arc::default(),
            tally,
            told: (now, tally),
        };
        assert_eq!(pace.tally.text(), "0 shown");
        assert_eq!((0..5).filter(|_| pace.admit(now)).count(), 2);
        pace.unwanted(7);
        pace.not_given(40);
        assert!(pace.admit(now + Duration::from_millis(600)));
        // What was asked for is there.
        assert!(!pace.admit(now + Duration::from_millis(700)) && pace.is_over());
        insta::assert_snapshot!(pace.tally.text(), @"3 shown, 7 not asked for, 3 left out over --limit, 40 not given by the run: it gives a sample, or this tap read too slowly");
    }
}
