//! Whether a request is tried again, and when.
//!
//! It must never try for ever: tries and time are bounded, and what is left goes up to who asked.

use std::time::{Duration, Instant};

use super::config::RetryConfig;
use crate::clock::{self, Clock};

/// The tries of one request.
pub(super) struct Effort<'a> {
    config: &'a RetryConfig,
    allowed: bool,
    tries: u32,
    started: Instant,
}

impl<'a> Effort<'a> {
    pub(super) fn new(config: &'a RetryConfig, allowed: bool) -> Self {
        Self { config, allowed, tries: 0, started: Instant::now() }
    }

    /// The pause before the next try, if there may be one. `asked` is what the server asked for.
    pub(super) fn pause(&mut self, asked: Option<Duration>) -> Option<Duration> {
        self.tries += 1;
        if !self.allowed || self.tries >= self.config.tries {
            return None;
        }
        let doubled = self.config.first_pause_ms.saturating_mul(1 << (self.tries - 1).min(20));
        let own = jittered(doubled.min(self.config.longest_pause_ms));
        let pause = asked.map_or(own, |asked| asked.max(own));
        let end = self.started.elapsed().checked_add(pause)?;
        (end <= Duration::from_millis(self.config.total_ms)).then_some(pause)
    }
}

/// Between half of it and all of it, so that many who were cut at once do not return at once.
fn jittered(ms: u64) -> Duration {
    let mut random = [0; 4];
    // Without randomness there is no jitter, which is no reason to fail.
    let share = getrandom::fill(&mut random).map_or(u32::MAX, |()| u32::from_le_bytes(random));
    let half = ms / 2;
    Duration::from_millis(half + ((ms - half) as u128 * u128::from(share) / u128::from(u32::MAX)) as u64)
}

/// `Retry-After`: seconds or a date.
pub(super) fn retry_after(text: &str, clock: &Clock) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(u64::from(seconds)));
    }
    let wait = clock::parse_http_date(text)?.saturating_sub(clock.now_ms());
    Some(Duration::from_millis(u64::try_from(wait).unwrap_or(0)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn config() -> RetryConfig {
        RetryConfig { tries: 4, first_pause_ms: 100, longest_pause_ms: 250, total_ms: 10_000 }
    }

    #[test]
    fn pauses_double_to_a_limit_with_jitter_and_end() {
        let config = config();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..50 {
            let mut effort = Effort::new(&config, true);
            for (low, high) in [(50, 100), (100, 200), (125, 250)] {
                let pause = effort.pause(None).unwrap().as_millis();
                assert!((low..=high).contains(&pause), "{pause} is not within {low}..={high}");
                seen.insert(pause);
            }
            assert_eq!(effort.pause(None), None);
        }
        assert!(seen.len() > 20, "there is no jitter: {seen:?}");
        assert_eq!(Effort::new(&config, false).pause(None), None);
    }

    #[test]
    fn a_server_may_ask_for_longer_but_not_beyond_the_total() {
        let config = config();
        let asked = |s| Effort::new(&config, true).pause(Some(Duration::from_secs(s)));
        assert_eq!(asked(9), Some(Duration::from_secs(9)));
        assert_eq!(asked(11), None);
        assert_eq!(asked(u64::MAX), None);
        assert!(asked(0).unwrap() >= Duration::from_millis(50), "zero does not switch the pause off");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let clock = Clock::from_fn(|| 1_767_323_045_000);
        let secs = |text: &str| retry_after(text, &clock).map(|d| d.as_secs());
        assert_eq!(secs(" 7 "), Some(7));
        assert_eq!(secs("Fri, 02 Jan 2026 03:04:15 GMT"), Some(10));
        assert_eq!(secs("Fri, 02 Jan 2026 03:04:00 GMT"), Some(0));
        assert_eq!((secs("-1"), secs("soon"), secs("99999999999999")), (None, None, None));
    }
}
