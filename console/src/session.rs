//! Who may look: one token, sessions of browsers that gave it, and a limit on guesses.
//! It must never keep the token itself, or tell by the time it takes how much of a guess was right.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// How long a session lasts.
pub(crate) const LIFE: Duration = Duration::from_secs(12 * 3600);
/// Sessions at a time; the oldest ends for one more.
const SESSIONS: usize = 64;
/// Wrong tokens that one address may give in a [`WINDOW`].
const GUESSES: u32 = 10;
/// Wrong tokens of all addresses in a [`WINDOW`].
const ALL_GUESSES: u32 = 200;
/// How long guesses count.
const WINDOW: Duration = Duration::from_secs(60);
/// Characters of a token at least.
pub(crate) const LEAST: usize = 16;

/// What became of a token that was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Given {
    /// It is the one.
    Right,
    /// It is not.
    Wrong,
    /// Nothing was looked at: too many wrong ones came before.
    TooMany,
}

/// Sessions over one token; without a token everybody may look.
#[derive(Debug)]
pub(crate) struct Sessions {
    token: Option<[u8; 32]>,
    open: Mutex<HashMap<[u8; 32], Instant>>,
    guesses: Mutex<Guesses>,
}

#[derive(Debug)]
struct Guesses {
    since: Instant,
    all: u32,
    by: HashMap<IpAddr, u32>,
}

fn digest(text: &[u8]) -> [u8; 32] {
    Sha256::digest(text).into()
}

impl Sessions {
    /// Of this token.
    pub(crate) fn new(token: Option<&str>, now: Instant) -> Self {
        let guesses = Guesses { since: now, all: 0, by: HashMap::new() };
        let token = token.map(|token| digest(token.as_bytes()));
        Self { token, open: Mutex::default(), guesses: Mutex::new(guesses) }
    }

    /// Whether a token is wanted at all.
    pub(crate) fn wanted(&self) -> bool {
        self.token.is_some()
    }

    /// Holds a token against the one.
    pub(crate) fn given(&self, token: &[u8], from: IpAddr, now: Instant) -> Given {
        let Some(own) = &self.token else { return Given::Right };
        let mut guesses = self.guesses.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(guesses.since) >= WINDOW {
            *guesses = Guesses { since: now, all: 0, by: HashMap::new() };
        }
        let from = network(from);
        if guesses.all >= ALL_GUESSES || guesses.by.get(&from).is_some_and(|count| *count >= GUESSES) {
            return Given::TooMany;
        }
        // Of equal length, and of no use to who watches the clock.
        if bool::from(own.ct_eq(&digest(token))) {
            return Given::Right;
        }
        guesses.all += 1;
        *guesses.by.entry(from).or_default() += 1;
        Given::Wrong
    }

    /// Opens a session; its id, 128 random bits in hexadecimal. Only its digest is kept.
    pub(crate) fn open(&self, now: Instant) -> Result<String, getrandom::Error> {
        let mut random = [0; 16];
        getrandom::fill(&mut random)?;
        let id: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, since| now.saturating_duration_since(*since) < LIFE);
        if open.len() >= SESSIONS
            && let Some(oldest) = open.iter().min_by_key(|(_, since)| **since).map(|(id, _)| *id)
        {
            open.remove(&oldest);
        }
        open.insert(digest(id.as_bytes()), now);
        Ok(id)
    }

    /// Whether a session is open.
    pub(crate) fn is_open(&self, id: &str, now: Instant) -> bool {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(&digest(id.as_bytes())).is_some_and(|since| now.saturating_duration_since(*since) < LIFE)
    }

    /// Ends a session.
    pub(crate) fn close(&self, id: &str) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&digest(id.as_bytes()));
    }
}

/// Who has one IPv6 address has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const TOKEN: &str = "a token that is long enough";

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_session_opens_with_an_id_nobody_guesses_and_ends() {
        let now = Instant::now();
        let sessions = Sessions::new(Some(TOKEN), now);
        let (a, b) = (sessions.open(now).unwrap(), sessions.open(now).unwrap());
        assert_eq!((a.len(), a == b), (32, false));
        assert!(sessions.is_open(&a, now) && !sessions.is_open("", now) && !sessions.is_open(TOKEN, now));
        sessions.close(&a);
        assert!(!sessions.is_open(&a, now) && sessions.is_open(&b, now));
        assert!(!sessions.is_open(&b, now + LIFE));
        for _ in 0..SESSIONS {
            sessions.open(now + Duration::from_secs(1)).unwrap();
        }
        assert!(!sessions.is_open(&b, now + Duration::from_secs(1)), "the oldest makes room");
    }

    #[test]
    fn guesses_end_for_who_makes_them_and_for_all() {
        let now = Instant::now();
        let sessions = Sessions::new(Some(TOKEN), now);
        let give = |token: &str, from: &str, at| sessions.given(token.as_bytes(), address(from), at);
        for _ in 0..GUESSES {
            assert_eq!(give("a token that is long enougi", "192.0.2.1", now), Given::Wrong);
        }
        assert_eq!(give(TOKEN, "192.0.2.1", now), Given::TooMany);
        assert_eq!(give(TOKEN, "192.0.2.2", now), Given::Right);
        assert_eq!(give(TOKEN, "192.0.2.1", now + WINDOW), Given::Right);
        let sessions = Sessions::new(Some(TOKEN), now);
        for n in 0..ALL_GUESSES {
            assert_eq!(sessions.given(b"", address(&format!("2001:db8:{n:x}::1")), now), Given::Wrong);
        }
        assert_eq!(sessions.given(TOKEN.as_bytes(), address("198.51.100.1"), now), Given::TooMany);
        assert_eq!(Sessions::new(None, now).given(b"", address("::1"), now), Given::Right);
    }

    #[test]
    fn addresses_of_one_network_are_one() {
        assert_eq!(network(address("2001:db8::1")), network(address("2001:db8::ffff:1")));
        assert_ne!(network(address("2001:db8:0:1::1")), network(address("2001:db8::1")));
        assert_eq!(network(address("::ffff:192.0.2.1")), address("192.0.2.1"));
    }
}
