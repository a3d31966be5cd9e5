//! How many requests go at once and a second.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The gate that every try passes: places for so many at once, a bucket of tokens for so many a second, and a switch that
/// lets nobody through any more.
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
    places: u32,
    per_second: u32,
}

struct State {
    taken: u32,
    /// In thousandths.
    tokens: u64,
    filled: Instant,
    closed: bool,
}

/// A place; given back when dropped.
pub(super) struct Place<'a>(&'a Gate);

impl Gate {
    pub(super) fn new(places: u32, per_second: u32) -> Self {
        let tokens = u64::from(per_second) * 1000;
        let state = Mutex::new(State { taken: 0, tokens, filled: Instant::now(), closed: false });
        Self { state, changed: Condvar::new(), places, per_second }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a place; none once closed.
    pub(super) fn place(&self) -> Option<Place<'_>> {
        let mut state = self.lock();
        while !state.closed && state.taken >= self.places {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            return None;
        }
        state.taken += 1;
        Some(Place(self))
    }

    /// Waits for a token; false once closed.
    pub(super) fn token(&self) -> bool {
        loop {
            let mut state = self.lock();
            if self.per_second == 0 || state.closed {
                return !state.closed;
            }
            let most = u64::from(self.per_second) * 1000;
            let micros = u64::try_from(state.filled.elapsed().as_micros()).unwrap_or(u64::MAX);
            let new = micros.saturating_mul(u64::from(self.per_second)) / 1000;
            if new > 0 {
                state.tokens = state.tokens.saturating_add(new).min(most);
                state.filled = Instant::now();
            }
            if state.tokens >= 1000 {
                state.tokens -= 1000;
                return true;
            }
            let wait = (1000 - state.tokens) * 1000 / u64::from(self.per_second) + 1;
            drop(state);
            if !self.rest(Duration::from_micros(wait)) {
                return false;
            }
        }
    }

    /// Sleeps; false once closed, which ends it early.
    pub(super) fn rest(&self, pause: Duration) -> bool {
        let end = Instant::now() + pause;
        let mut state = self.lock();
        while !state.closed {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.lock().taken -= 1;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn tokens_come_at_the_rate_and_a_second_may_go_at_once() {
        let gate = Gate::new(1, 50);
        let started = Instant::now();
        for _ in 0..50 {
            assert!(gate.token());
        }
        assert!(started.elapsed() < Duration::from_millis(500), "a second's worth waited");
        for _ in 0..10 {
            assert!(gate.token());
        }
        assert!(started.elapsed() >= Duration::from_millis(190), "ten more take a fifth of a second");
        assert!(Gate::new(1, 0).token());
    }

    #[test]
    fn closing_ends_every_wait() {
        let gate = Gate::new(1, 1);
        let place = gate.place().unwrap();
        assert!(gate.token());
        thread::scope(|s| {
            let waits = [
                s.spawn(|| gate.rest(Duration::from_secs(60))),
                s.spawn(|| gate.place().is_some()),
                s.spawn(|| (0..100).all(|_| gate.token())),
            ];
            thread::sleep(Duration::from_millis(20));
            gate.close();
            for wait in waits {
                assert!(!wait.join().unwrap());
            }
        });
        drop(place);
        assert!(gate.is_closed() && gate.place().is_none());
    }
}
