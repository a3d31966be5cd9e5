//! Counters and checkpoints: what the Logstore knows beside its rows.
//! It must never interpret a checkpoint: the bytes belong to the source.

use std::collections::BTreeMap;

use crate::Store;
use crate::frame::{Header, Meta};
use crate::store::STORES;

/// Counters and checkpoints as of one commit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// Named counters since the Logstore was made. The commit keeps `<store>.records`, `<store>.bytes`,
    /// `duplicates.records` and `duplicates.bytes`; the rest is the caller's. A counter stops at its maximum.
    pub counters: BTreeMap<String, u64>,
    /// Last value of each checkpoint.
    pub checkpoints: BTreeMap<String, Vec<u8>>,
    /// Sequence number of the next row, in the order of [`Store::ALL`].
    pub next_seq: [u64; STORES],
}

impl State {
    /// Value of a counter; a counter never touched is 0.
    #[must_use]
    pub fn counter(&self, name: &str) -> u64 {
        self.counters.get(name).copied().unwrap_or(0)
    }

    /// Value of a checkpoint.
    #[must_use]
    pub fn checkpoint(&self, key: &str) -> Option<&[u8]> {
        self.checkpoints.get(key).map(Vec::as_slice)
    }

    /// Sequence number that the next row of `store` gets; equals the rows ever appended to it.
    #[must_use]
    pub fn next(&self, store: Store) -> u64 {
        self.next_seq[store.place()]
    }

    /// Takes over one frame. `false` when the frame does not follow this state; then nothing has changed.
    pub(crate) fn apply(&mut self, header: &Header, meta: Meta) -> bool {
        let follows = Store::ALL.iter().all(|s| header.parts[s.place()].first_seq == self.next(*s));
        if !follows {
            return false;
        }
        for (next, part) in self.next_seq.iter_mut().zip(&header.parts) {
            *next = next.saturating_add(u64::from(part.rows));
        }
        for (key, value) in meta.checkpoints {
            if value.is_empty() {
                self.checkpoints.remove(&key);
            } else {
                self.checkpoints.insert(key, value);
            }
        }
        for (name, delta) in meta.counters {
            let counter = self.counters.entry(name).or_default();
            *counter = counter.saturating_add(delta);
        }
        true
    }
}
