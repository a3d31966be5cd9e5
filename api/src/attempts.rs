//! Writes that were refused, on their way to the journal: each for itself while there are few, as one sum when there are many,
//! so that nobody can fill the journal. It must never let anonymous attempts hide those made with a key.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::refuse::Surface;

/// Attempts in a minute that are told each for itself, of those with a key and of those without.
pub const EACH: u32 = 10;
/// Length of that minute, microseconds.
const MINUTE_US: i64 = 60_000_000;
/// Ways that a sum tells apart; the rest is one number.
const MOST_WAYS: usize = 32;

/// One write that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When, microseconds UTC.
    pub at_us: i64,
    /// The key that it was signed with; none for tracking, which is anonymous.
    pub key_id: Option<String>,
    /// What it would have written.
    pub surface: Surface,
    /// Where it came from.
    pub source: IpAddr,
    /// The request's id, as the client was told.
    pub request_id: String,
}

/// Many that were not told each for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum {
    /// When the first of them was.
    pub from_us: i64,
    /// When the last of them was.
    pub to_us: i64,
    /// How many.
    pub count: u64,
    /// Key, surface, how many; the most first.
    pub ways: Vec<(Option<String>, Surface, u64)>,
    /// Those that are in no way of these.
    pub others: u64,
}

/// What the journal is to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// One attempt.
    One(Attempt),
    /// The rest of a minute.
    Many(Sum),
}

#[derive(Debug, Default)]
struct Minute {
    begun_us: i64,
    told: [u32; 2],
    first_us: i64,
    last_us: i64,
    count: u64,
    ways: BTreeMap<(Option<String>, Surface), u64>,
    others: u64,
}

/// Counts attempts by the minute.
#[derive(Debug, Default)]
pub(crate) struct Attempts(Mutex<Minute>);

impl Attempts {
    /// Takes an attempt in; gives what is to be told now.
    pub(crate) fn note(&self, attempt: Attempt) -> Vec<Told> {
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out: Vec<Told> = minute.turn(attempt.at_us, false).into_iter().collect();
        let anonymous = usize::from(attempt.key_id.is_none());
        if let Some(told) = minute.told.get_mut(anonymous).filter(|told| **told < EACH) {
            *told += 1;
            out.push(Told::One(attempt));
            return out;
        }
        minute.add(attempt);
        out
    }

    /// What is to be told because its minute is over, or because all is with `at_once`.
    pub(crate) fn due(&self, now_us: i64, at_once: bool) -> Option<Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).turn(now_us, at_once)
    }
}

impl Minute {
    fn add(&mut self, attempt: Attempt) {
        if self.count == 0 {
            self.first_us = attempt.at_us;
        }
        self.count += 1;
        self.last_us = attempt.at_us;
        let way = (attempt.key_id, attempt.surface);
        let room = self.ways.len() < MOST_WAYS;
        match self.ways.get_mut(&way) {
            Some(count) => *count += 1,
            None if room => {
                self.ways.insert(way, 1);
            }
            None => self.others += 1,
        }
    }

    /// Begins a new minute when this one is over; also when the clock was set back.
    fn turn(&mut self, now_us: i64, at_once: bool) -> Option<Told> {
        if !at_once && (0..MINUTE_US).contains(&now_us.saturating_sub(self.begun_us)) {
            return None;
        }
        let old = std::mem::take(self);
        self.begun_us = now_us;
        if old.count == 0 {
            return None;
        }
        let mut ways: Vec<_> = old.ways.into_iter().map(|((key, surface), count)| (key, surface, count)).collect();
        ways.sort_by_key(|(_, _, count)| std::cmp::Reverse(*count));
        let (from_us, to_us, count, others) = (old.first_us, old.last_us, old.count, old.others);
        Some(Told::Many(Sum { from_us, to_us, count, ways, others }))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn attempt(key: Option<&str>, at_us: i64) -> Attempt {
        Attempt {
            at_us,
            key_id: key.map(str::to_owned),
            surface: Surface::PutLogs,
            source: Ipv4Addr::LOCALHOST.into(),
            request_id: format!("{at_us}"),
        }
    }

    /// A million attempts in a minute are eleven entries, and every one of them is counted.
    #[test]
    fn a_flood_is_a_few_entries_and_a_sum() {
        let attempts = Attempts::default();
        let mut told = Vec::new();
        for n in 0..1_000_000 {
            told.extend(attempts.note(attempt(Some("a"), 1_000_000_000 + n)));
        }
        assert_eq!(told.len(), EACH as usize);
        assert!(attempts.due(1_000_000_000 + MINUTE_US - 1, false).is_none());
        let sum = attempts.due(1_000_000_000 + MINUTE_US, false);
        assert!(matches!(sum, Some(Told::Many(sum)) if sum.count == 1_000_000 - u64::from(EACH) && sum.others == 0
            && sum.ways == [(Some("a".to_owned()), Surface::PutLogs, sum.count)]));
        assert!(attempts.due(i64::MAX, false).is_none());
    }

    #[test]
    fn anonymous_noise_hides_no_key() {
        let attempts = Attempts::default();
        for n in 0..1000 {
            attempts.note(attempt(None, 1_000_000_000 + n));
        }
        let told = attempts.note(attempt(Some("a"), 1_000_002_000));
        assert_eq!(told, [Told::One(attempt(Some("a"), 1_000_002_000))]);
    }

    #[test]
    fn ways_are_bounded_and_nothing_is_uncounted() {
        let attempts = Attempts::default();
        for n in 0..1000 {
            attempts.note(attempt(Some(&format!("k{n}")), 1_000_000_000 + n));
        }
        let Some(Told::Many(sum)) = attempts.due(1_000_000_000, true) else { panic!("nothing was summed up") };
        assert_eq!((sum.ways.len(), sum.others), (MOST_WAYS, 1000 - u64::from(EACH) - MOST_WAYS as u64));
        assert_eq!(sum.count, 1000 - u64::from(EACH));
    }
}
