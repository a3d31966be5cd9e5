//! What correlations remember: for each rule and key the seconds in which something was counted, and where it fired.
//!
//! A record is counted in its own second, whenever it arrives. A rule fires for a key in the *interval* of a second `s`
//! (time divided into pieces as long as the window, from the epoch on) as soon as the window `(s - span, s]` that ends
//! there holds enough. What is counted only grows, so the set of firings is a function of the set of records and not of
//! their order; each key fires at most once an interval.
//!
//! Late is a record that is older than the newest one of its rule by more than the lateness. It is not counted, because
//! what stood beside it is forgotten by then; that is said ([`RuleState::late`]). Nothing here reads a clock.

mod window;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::correlation::Correlation;
use crate::record::Record;
use window::Window;

/// Version of the form of a snapshot.
pub const STATE_VERSION: u32 = 1;

/// Longest value of a key that is kept, bytes; a longer one is cut and told apart by a digest.
const LONGEST_VALUE: usize = 256;

/// Bounds of what is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// How much later than the newest one a record may arrive and still count, seconds.
    pub lateness: u32,
    /// How far ahead of its arrival a record's time is believed, seconds. One further ahead counts in its own second, but
    /// makes nothing else late.
    pub ahead: u32,
    /// Most keys of a rule. Beyond it a sixteenth of them, those longest silent, is forgotten, and that is counted.
    pub keys: usize,
    /// Most entries of a key: seconds with something in them, times what is counted. Beyond it the oldest go.
    pub entries: usize,
}

impl Default for Bounds {
    /// An hour late, which is six times what ActionTrail's own limits page names; a quarter of an hour ahead.
    fn default() -> Self {
        Self { lateness: 3600, ahead: 900, keys: 10_000, entries: 20_000 }
    }
}

/// What all correlations remember; goes into a snapshot and comes out of it unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Version of its form.
    pub version: u32,
    /// Behind the last record that was taken, by store: `log`, `journal`.
    pub next: BTreeMap<String, u64>,
    /// By name of the rule.
    pub rules: BTreeMap<String, RuleState>,
}

/// What one correlation remembers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleState {
    /// Which form of the rule this is of. Another one begins anew.
    pub fingerprint: String,
    /// The newest second that was counted.
    pub newest: i64,
    /// Records that came too late to be counted.
    pub late: u64,
    /// Keys that were forgotten because there were too many.
    pub forgotten: u64,
    /// Entries that were forgotten because one key had too many.
    pub shortened: u64,
    /// When keys were looked through last: the newest second then.
    swept: i64,
    keys: BTreeMap<String, Window>,
}

/// That a correlation fired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reached {
    /// The key's values, in the order of `group-by`.
    pub(crate) key: Vec<String>,
    /// First second of the interval.
    pub(crate) interval: i64,
    /// First and last second of the window that held enough.
    pub(crate) window: (i64, i64),
}

impl RuleState {
    pub(crate) fn new(fingerprint: &str) -> Self {
        Self { fingerprint: fingerprint.to_owned(), newest: i64::MIN, swept: i64::MIN, ..Self::default() }
    }

    /// Keys that are remembered.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    /// Counts a record that one of the rule's base rules matched. `received_us`: when it was appended.
    pub(crate) fn count(
        &mut self,
        rule: &Correlation,
        record: &Record<'_>,
        received_us: i64,
        bounds: &Bounds,
    ) -> Vec<Reached> {
        let Some(time_us) = record.time_us() else { return Vec::new() };
        let second = time_us.div_euclid(1_000_000);
        let Some((key, token)) = key_and_token(rule, record) else { return Vec::new() };
        let believed = received_us.div_euclid(1_000_000).saturating_add(i64::from(bounds.ahead));
        self.newest = self.newest.max(second.min(believed));
        let (span, lateness) = (i64::from(rule.span), i64::from(bounds.lateness));
        if second < self.newest.saturating_sub(lateness) {
            self.late += 1;
            return Vec::new();
        }
        let joined = serde_json::json!(key).to_string();
        self.make_room(&joined, bounds);
        let window = self.keys.entry(joined).or_default();
        let reached = window.add(second, token, span, rule.threshold);
        self.shortened += window.shorten(self.newest.saturating_sub(lateness + span), bounds.entries);
        self.sweep(span, lateness);
        reached.into_iter().map(|(interval, window)| Reached { key: key.clone(), interval, window }).collect()
    }

    /// Forgets a sixteenth of the keys, those that were longest silent, when a new one finds no room.
    fn make_room(&mut self, key: &str, bounds: &Bounds) {
        if self.keys.len() < bounds.keys.max(1) || self.keys.contains_key(key) {
            return;
        }
        let mut ages: Vec<(i64, String)> =
            self.keys.iter().map(|(key, window)| (window.newest(), key.clone())).collect();
        ages.sort_unstable();
        for (_, key) in ages.iter().take((bounds.keys / 16).max(1)) {
            self.keys.remove(key);
            self.forgotten += 1;
        }
    }

    /// Once a window's length: forgets what no record that may still come can reach.
    fn sweep(&mut self, span: i64, lateness: i64) {
        if self.newest < self.swept.saturating_add(span) {
            return;
        }
        self.swept = self.newest;
        let horizon = self.newest.saturating_sub(lateness + span);
        self.keys.retain(|_, window| {
            window.forget(horizon, span);
            !window.is_empty()
        });
    }
}

/// The key's values and what is counted of a record. `None`: a record without the value that is counted.
fn key_and_token(rule: &Correlation, record: &Record<'_>) -> Option<(Vec<String>, u64)> {
    let key = rule.group_by.iter().map(|(_, field)| cut(field.texts(record).join(","))).collect();
    let token = match &rule.value {
        None => digest(&record.identity()),
        Some((_, field)) => digest(field.texts(record).first()?),
    };
    Some((key, token))
}

/// Eight bytes of SHA-256: nobody can make values that are taken for one another at will.
fn digest(text: &str) -> u64 {
    let bytes: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    u64::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]])
}

fn cut(text: String) -> String {
    if text.len() <= LONGEST_VALUE {
        return text;
    }
    let end = (0..=LONGEST_VALUE).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…{:016x}", &text[..end], digest(&text))
}
