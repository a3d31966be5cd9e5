//! Keeps keys until shortly before they expire, and lets one thread at a time fetch new ones.
//!
//! It must never give out keys that have expired, and never ask a failing service without a pause.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use serde::Serialize;

use super::{CredentialsError, Keys, Source};
use crate::clock::Clock;

/// Temporary keys are renewed so long before they expire, or at three quarters of their life if that is earlier.
const EARLY_MS: i64 = 15 * 60_000;
/// Keys without an expiry are looked up again this often; a rotated file or variable is seen by then.
const LOOK_AGAIN_MS: i64 = 60_000;
/// Keys that end within this time are not used any more: the request would arrive too late.
const LAST_MS: i64 = 5_000;
/// The pause after a first failure, doubled with each further one up to the longest.
const PAUSE_MS: i64 = 1_000;
const LONGEST_PAUSE_MS: i64 = 60_000;
/// The service refused keys: how soon after a fetch it is worth another.
const RENEW_PAUSE_MS: i64 = 5_000;

/// What may be known about credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The configured provider.
    pub provider: &'static str,
    /// Whether there are usable keys.
    pub usable: bool,
    /// Whether they carry a security token.
    pub temporary: bool,
    /// How long ago they were fetched, seconds.
    pub age_s: Option<i64>,
    /// In how many seconds they expire; below zero if they have.
    pub expires_in_s: Option<i64>,
    /// Fetches so far.
    pub fetches: u64,
    /// Fetches that failed.
    pub failures: u64,
    /// Why the last fetch failed, if it did.
    pub last_error: Option<String>,
}

pub(super) struct Cache {
    source: Box<dyn Source>,
    provider: &'static str,
    clock: Clock,
    state: Mutex<State>,
    done: Condvar,
}

#[derive(Default)]
struct State {
    keys: Option<Arc<Keys>>,
    fetching: bool,
    /// Not before then, after a failure.
    next_try_ms: i64,
    fetched_ms: i64,
    failed_in_a_row: u32,
    error: Option<CredentialsError>,
    fetches: u64,
    failures: u64,
}

impl Cache {
    pub(super) fn new(source: Box<dyn Source>, provider: &'static str, clock: Clock) -> Self {
        Self { source, provider, clock, state: Mutex::default(), done: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Usable keys; renewed in the background while the old ones still serve, else on the way.
    pub(super) fn get(this: &Arc<Self>) -> Result<Arc<Keys>, CredentialsError> {
        let now = this.clock.now_ms();
        let mut state = this.lock();
        if let Some(keys) = state.keys.clone().filter(|k| serves(k, now)) {
            if now >= due(&keys) && !state.fetching && !state.rests(now) {
                state.fetching = true;
                drop(state);
                this.fetch_in_background();
            }
            return Ok(keys);
        }
        if state.rests(now)
            && !state.fetching
            && let Some(error) = &state.error
        {
            return Err(error.clone());
        }
        this.fetch(state)
    }

    /// After the service refused `used`: others if there are any.
    pub(super) fn renew(this: &Arc<Self>, used: &Arc<Keys>) -> Result<Arc<Keys>, CredentialsError> {
        let now = this.clock.now_ms();
        let state = this.lock();
        if let Some(keys) = &state.keys
            && !keys.same(used)
            && serves(keys, now)
        {
            return Ok(Arc::clone(keys));
        }
        // The clock may have been set back; then no pause holds.
        let rested = now.saturating_sub(state.fetched_ms);
        if !state.fetching && ((0..RENEW_PAUSE_MS).contains(&rested) || state.rests(now)) {
            return Ok(Arc::clone(used));
        }
        this.fetch(state)
    }

    /// New keys now.
    pub(super) fn refresh(this: &Arc<Self>) -> Result<Arc<Keys>, CredentialsError> {
        this.fetch(this.lock())
    }

    /// Fetches, or waits for the thread that does.
    fn fetch<'a>(&'a self, mut state: MutexGuard<'a, State>) -> Result<Arc<Keys>, CredentialsError> {
        if state.fetching {
            while state.fetching {
                state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            return state.outcome(self.clock.now_ms());
        }
        state.fetching = true;
        drop(state);
        self.fetch_alone()
    }

    fn fetch_in_background(self: &Arc<Self>) {
        let this = Arc::clone(self);
        let started = thread::Builder::new().name("credentials".to_owned()).spawn(move || this.fetch_alone());
        if started.is_err() {
            // No thread to be had: the next caller tries again.
            self.lock().fetching = false;
            self.done.notify_all();
        }
    }

    /// Fetches; `fetching` is set by the caller and cleared here, whatever happens.
    fn fetch_alone(&self) -> Result<Arc<Keys>, CredentialsError> {
        let fetched = catch_unwind(AssertUnwindSafe(|| self.source.fetch())).unwrap_or_else(|_| {
            Err(CredentialsError::Service { service: "credentials", why: "the provider broke down".to_owned() })
        });
        let now = self.clock.now_ms();
        let mut state = self.lock();
        state.fetching = false;
        state.fetches += 1;
        match fetched {
            Ok(keys) => state.accept(keys, now),
            Err(error) => state.fail(error, now),
        }
        let outcome = state.outcome(now);
        drop(state);
        self.done.notify_all();
        outcome
    }

    pub(super) fn report(&self) -> Report {
        let now = self.clock.now_ms();
        let state = self.lock();
        let keys = state.keys.as_deref();
        Report {
            provider: self.provider,
            usable: keys.is_some_and(|k| serves(k, now)),
            temporary: keys.is_some_and(|k| k.token.is_some()),
            age_s: keys.map(|k| now.saturating_sub(k.obtained_ms) / 1000),
            expires_in_s: keys.and_then(|k| k.expires_ms).map(|e| e.saturating_sub(now) / 1000),
            fetches: state.fetches,
            failures: state.failures,
            last_error: state.error.as_ref().map(ToString::to_string),
        }
    }
}

impl State {
    fn accept(&mut self, keys: Keys, now: i64) {
        if !serves(&keys, now) {
            let why = "the credentials have expired already; check this machine's clock, or renew them".to_owned();
            return self.fail(CredentialsError::Service { service: "credentials", why }, now);
        }
        (self.fetched_ms, self.next_try_ms, self.failed_in_a_row, self.error) = (now, 0, 0, None);
        self.keys = Some(Arc::new(keys));
    }

    fn fail(&mut self, error: CredentialsError, now: i64) {
        let pause = PAUSE_MS.saturating_mul(1 << self.failed_in_a_row.min(10)).min(LONGEST_PAUSE_MS);
        self.failures += 1;
        self.failed_in_a_row += 1;
        (self.next_try_ms, self.error) = (now.saturating_add(pause), Some(error));
    }

    /// Whether the pause after a failure is still on. One that looks longer than any is made by a clock set back.
    fn rests(&self, now: i64) -> bool {
        (1..=LONGEST_PAUSE_MS).contains(&self.next_try_ms.saturating_sub(now))
    }

    /// What a fetch that has just ended means for who waited for it.
    fn outcome(&self, now: i64) -> Result<Arc<Keys>, CredentialsError> {
        match (&self.error, &self.keys) {
            (Some(error), _) => Err(error.clone()),
            (None, Some(keys)) if serves(keys, now) => Ok(Arc::clone(keys)),
            (None, _) => Err(CredentialsError::Service {
                service: "credentials",
                why: "the provider gave none that are still valid".to_owned(),
            }),
        }
    }
}

fn serves(keys: &Keys, now: i64) -> bool {
    keys.expires_ms.is_none_or(|end| now < end.saturating_sub(LAST_MS))
}

/// From when on new ones are fetched.
fn due(keys: &Keys) -> i64 {
    match keys.expires_ms {
        None => keys.obtained_ms.saturating_add(LOOK_AGAIN_MS),
        Some(end) => {
            let life = end.saturating_sub(keys.obtained_ms);
            end.saturating_sub(EARLY_MS.min(life / 4))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
    use std::time::{Duration, Instant};

    use super::*;
    use crate::secret::Secret;

    /// Gives `id-1`, `id-2` … each for an hour; fails while `broken`.
    struct Counting {
        clock: Clock,
        made: Arc<AtomicU64>,
        broken: Arc<AtomicI64>,
        slow: Duration,
    }

    impl Source for Counting {
        fn fetch(&self) -> Result<Keys, CredentialsError> {
            thread::sleep(self.slow);
            let n = self.made.fetch_add(1, Ordering::SeqCst) + 1;
            match self.broken.load(Ordering::SeqCst) {
                0 => {}
                1 => return Err(CredentialsError::Chain("broken".to_owned())),
                _ => panic!("on purpose"),
            }
            let now = self.clock.now_ms();
            Ok(Keys {
                id: Secret::new(format!("id-{n}")),
                secret: Secret::new(String::new()),
                token: None,
                obtained_ms: now,
                expires_ms: Some(now + 3_600_000),
            })
        }
    }

    struct Fixture {
        cache: Arc<Cache>,
        now: Arc<AtomicI64>,
        made: Arc<AtomicU64>,
        broken: Arc<AtomicI64>,
    }

    fn fixture(slow_ms: u64) -> Fixture {
        let now = Arc::new(AtomicI64::new(1_767_323_045_000));
        let (made, broken) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicI64::new(0)));
        let (read, clock_made, clock_broken) = (Arc::clone(&now), Arc::clone(&made), Arc::clone(&broken));
        let clock = Clock::from_fn(move || read.load(Ordering::SeqCst));
        let slow = Duration::from_millis(slow_ms);
        let source = Counting { clock: clock.clone(), made: clock_made, broken: clock_broken, slow };
        Fixture { cache: Arc::new(Cache::new(Box::new(source), "counting", clock)), now, made, broken }
    }

    fn id(cache: &Arc<Cache>) -> Result<String, CredentialsError> {
        Cache::get(cache).map(|k| k.id.expose().to_owned())
    }

    fn until(condition: impl Fn() -> bool) {
        let end = Instant::now() + Duration::from_secs(5);
        while !condition() {
            assert!(Instant::now() < end, "waited in vain");
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn many_threads_cause_one_fetch() {
        let f = fixture(50);
        let ids: Vec<String> = thread::scope(|s| {
            let threads: Vec<_> = (0..8).map(|_| s.spawn(|| id(&f.cache).unwrap())).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert_eq!(ids, vec!["id-1"; 8]);
        assert_eq!(f.made.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn due_keys_serve_while_new_ones_are_fetched_and_expired_ones_never() {
        let f = fixture(0);
        assert_eq!(id(&f.cache).unwrap(), "id-1");
        f.now.fetch_add(3_600_000 - EARLY_MS - 1, Ordering::SeqCst);
        assert_eq!(id(&f.cache).unwrap(), "id-1");
        assert_eq!(f.made.load(Ordering::SeqCst), 1);
        f.now.fetch_add(1, Ordering::SeqCst);
        assert_eq!(id(&f.cache).unwrap(), "id-1", "still good for a while");
        until(|| f.cache.report().fetches == 2);
        assert_eq!(id(&f.cache).unwrap(), "id-2");
        // The service is gone: the old ones serve to their end, then there is an error, not an expired key.
        f.broken.store(1, Ordering::SeqCst);
        f.now.fetch_add(3_600_000 - LAST_MS - 1, Ordering::SeqCst);
        assert_eq!(id(&f.cache).unwrap(), "id-2");
        until(|| f.cache.report().failures == 1);
        f.now.fetch_add(1, Ordering::SeqCst);
        assert!(id(&f.cache).is_err());
    }

    #[test]
    fn a_failing_service_is_asked_less_and_less_often() {
        let f = fixture(0);
        f.broken.store(1, Ordering::SeqCst);
        for _ in 0..600 {
            assert!(id(&f.cache).is_err());
            f.now.fetch_add(1_000, Ordering::SeqCst);
        }
        // Within ten minutes: after 0, 1, 3, 7, 15, 31, 63 s, then each minute.
        assert_eq!(f.made.load(Ordering::SeqCst), 15);
        f.broken.store(0, Ordering::SeqCst);
        f.now.fetch_add(LONGEST_PAUSE_MS, Ordering::SeqCst);
        assert_eq!(id(&f.cache).unwrap(), "id-16");
        assert_eq!(f.cache.report().last_error, None);
    }

    #[test]
    fn refused_keys_are_renewed_once_and_not_by_every_request() {
        let f = fixture(0);
        let used = Cache::get(&f.cache).unwrap();
        assert!(Cache::renew(&f.cache, &used).unwrap().same(&used), "they are brand-new");
        f.now.fetch_add(RENEW_PAUSE_MS, Ordering::SeqCst);
        assert_eq!(Cache::renew(&f.cache, &used).unwrap().id.expose(), "id-2");
        assert_eq!(Cache::renew(&f.cache, &used).unwrap().id.expose(), "id-2", "somebody else already did");
        assert_eq!(f.made.load(Ordering::SeqCst), 2);
        f.now.fetch_sub(10_000_000, Ordering::SeqCst);
        let other = Cache::get(&f.cache).unwrap();
        assert_eq!(Cache::renew(&f.cache, &other).unwrap().id.expose(), "id-3", "a clock set back locks nobody out");
    }

    #[test]
    fn a_provider_that_panics_is_an_error_and_not_a_deadlock() {
        let f = fixture(0);
        f.broken.store(2, Ordering::SeqCst);
        assert!(id(&f.cache).unwrap_err().to_string().contains("broke down"));
        f.broken.store(0, Ordering::SeqCst);
        f.now.fetch_add(LONGEST_PAUSE_MS, Ordering::SeqCst);
        assert_eq!(id(&f.cache).unwrap(), "id-2");
    }
}
