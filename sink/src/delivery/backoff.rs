//! How long to wait before the next try.
//! It must never give up, and never let many sinks that failed together come back together.

use std::time::Duration;

/// The longest pause that a receiver may ask for.
const ASKED: Duration = Duration::from_secs(3_600);

/// Doubles from the first pause to the longest, each shortened by up to a half at random.
#[derive(Debug)]
pub(super) struct Backoff {
    pauses: (Duration, Duration),
    failures: u32,
    random: u64,
}

impl Backoff {
    /// `seed` only spreads the pauses; any number will do.
    pub(super) fn new(pauses: (Duration, Duration), seed: u64) -> Self {
        Self { pauses, failures: 0, random: seed | 1 }
    }

    /// The pause after one more failure; as long as the receiver asked for, up to an hour.
    pub(super) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let (first, longest) = self.pauses;
        let whole = first.saturating_mul(1 << self.failures.min(16)).min(longest);
        self.failures = self.failures.saturating_add(1);
        let half = whole / 2;
        let part = u32::try_from(self.draw() >> 33).unwrap_or(0);
        let pause = half + half.mul_f64(f64::from(part) / f64::from(1u32 << 31));
        pause.max(asked.unwrap_or_default().min(ASKED))
    }

    /// After a success.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// xorshift64: nothing depends on its quality.
    fn draw(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(200);
    const LONGEST: Duration = Duration::from_secs(60);

    #[test]
    fn pauses_double_up_to_a_minute_and_differ_between_sinks() {
        for seed in [0, 1, 0x9e37_79b9_7f4a_7c15, u64::MAX] {
            let mut backoff = Backoff::new((FIRST, LONGEST), seed);
            for failures in 0..40 {
                let whole = Duration::from_millis(200 << failures.min(16)).min(LONGEST);
                let pause = backoff.next(None);
                assert!(pause >= whole / 2 && pause <= whole, "{failures}: {pause:?} of {whole:?}");
            }
            backoff.reset();
            assert!(backoff.next(None) <= FIRST);
        }
        let third = |seed| {
            (0..3).map(|_| 0).fold((Backoff::new((FIRST, LONGEST), seed), Duration::ZERO), |(mut b, _), _: u8| {
                let pause = b.next(None);
                (b, pause)
            })
        };
        assert_ne!(third(12_345).1, third(99_999).1);
    }

    #[test]
    fn what_the_receiver_asks_for_is_kept_within_an_hour() {
        let mut backoff = Backoff::new((FIRST, LONGEST), 7);
        assert_eq!(backoff.next(Some(Duration::from_secs(90))), Duration::from_secs(90));
        assert_eq!(backoff.next(Some(Duration::MAX)), ASKED);
    }
}
