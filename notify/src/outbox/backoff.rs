//! How long to wait before a message is tried again.
//! It must never give up, and never let many channels that failed together come back together.

/// The first pause and the longest, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pauses {
    pub(crate) first: i64,
    pub(crate) longest: i64,
}

/// Doubles from the first pause to the longest, each shortened by up to a half at random.
#[derive(Debug)]
pub(crate) struct Backoff {
    failures: u32,
    random: u64,
}

impl Backoff {
    /// `seed` only spreads the pauses; any number will do.
    pub(crate) fn new(seed: u64) -> Self {
        Self { failures: 0, random: seed | 1 }
    }

    /// The pause after one more failure.
    pub(crate) fn next(&mut self, pauses: Pauses) -> i64 {
        let whole = pauses.first.saturating_mul(1 << self.failures.min(16)).min(pauses.longest).max(2);
        self.failures = self.failures.saturating_add(1);
        let half = whole / 2;
        half + i64::try_from(self.draw() >> 33).unwrap_or(0) % (whole - half + 1)
    }

    /// After a success.
    pub(crate) fn reset(&mut self) {
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

    #[test]
    fn pauses_double_up_to_the_longest_and_differ_between_channels() {
        let pauses = Pauses { first: 1_000, longest: 300_000 };
        for seed in [0, 1, 0x9e37_79b9_7f4a_7c15, u64::MAX] {
            let mut backoff = Backoff::new(seed);
            for failures in 0..40 {
                let whole = (1_000_i64 << failures.min(16)).min(300_000);
                let pause = backoff.next(pauses);
                assert!((whole / 2..=whole).contains(&pause), "{failures}: {pause} of {whole}");
            }
            backoff.reset();
            assert!(backoff.next(pauses) <= 1_000);
        }
        let fifth = |seed| {
            let mut backoff = Backoff::new(seed);
            (0..5).map(|_| backoff.next(pauses)).last()
        };
        assert_ne!(fifth(12_345), fifth(99_999));
    }
}
