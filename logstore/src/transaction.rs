//! What one commit will write. It must never touch the disk.

use std::collections::BTreeMap;

use crate::frame::{MAX_PAYLOAD, Meta};
use crate::row::RowRef;
use crate::{Error, Layout, RowError, Store};

/// Longest checkpoint key or counter name in bytes.
const MAX_NAME: usize = 1_024;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) store: Store,
    pub(crate) consumed: u64,
    from: usize,
    to: usize,
}

/// Rows, checkpoints and counters that become durable together or not at all.
#[derive(Debug, Default)]
pub struct Transaction {
    rows: Vec<u8>,
    entries: Vec<Entry>,
    checkpoints: BTreeMap<String, Vec<u8>>,
    counters: BTreeMap<String, u64>,
}

impl Transaction {
    /// Adds a row. `consumed` is how many input bytes it accounts for. The row is checked at commit.
    pub fn push(&mut self, store: Store, row: &[u8], consumed: u64) {
        let from = self.rows.len();
        self.rows.extend_from_slice(row);
        self.entries.push(Entry { store, consumed, from, to: self.rows.len() });
    }

    /// Sets a checkpoint; the last value per key wins, an empty value deletes it.
    pub fn checkpoint(&mut self, key: &str, value: &[u8]) {
        self.checkpoints.insert(key.to_owned(), value.to_vec());
    }

    /// Adds to a named counter. Names that begin with a store's name and a dot, or with `duplicates.`, are
    /// reserved and refused at commit.
    pub fn count(&mut self, name: &str, delta: u64) {
        let counter = self.counters.entry(name.to_owned()).or_default();
        *counter = counter.saturating_add(delta);
    }

    /// Rows pushed so far.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.entries.len()
    }

    /// Bytes the rows take so far. Commit at about 1 MiB.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is nothing to commit: no row, no checkpoint, no counter.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.checkpoints.is_empty() && self.counters.is_empty()
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(crate) fn row(&self, entry: &Entry) -> &[u8] {
        self.rows.get(entry.from..entry.to).unwrap_or_default()
    }

    /// Payload bytes of the frame at most, duplicates included.
    pub(crate) fn frame_bytes(&self) -> usize {
        let names: usize = self.checkpoints.iter().map(|(k, v)| k.len() + v.len() + 8).sum();
        let counters: usize = self.counters.keys().map(|k| k.len() + 12).sum();
        self.rows.len() + 4 * self.entries.len() + names + counters + 1_024
    }

    /// Checks everything before the first byte is written.
    pub(crate) fn check(&self, layout: &Layout) -> Result<(), Error> {
        if self.frame_bytes() > MAX_PAYLOAD {
            let have = self.frame_bytes();
            return Err(Error::Transaction(format!(
                "it takes {have} bytes, at most {MAX_PAYLOAD} are possible; commit more often"
            )));
        }
        for name in self.checkpoints.keys().chain(self.counters.keys()) {
            if name.is_empty() || name.len() > MAX_NAME {
                return Err(Error::Transaction(format!(
                    "a checkpoint or counter needs a name of 1 to {MAX_NAME} bytes"
                )));
            }
        }
        if let Some(name) = self.counters.keys().find(|n| reserved(n)) {
            return Err(Error::Transaction(format!("the counter `{name}` is kept by the Logstore itself")));
        }
        for (index, entry) in self.entries.iter().enumerate() {
            let checked = RowRef::parse(self.row(entry)).and_then(|row| row.check(layout, entry.store));
            checked.map_err(|fault| RowError { index, store: entry.store, fault })?;
        }
        Ok(())
    }

    /// Checkpoints and the caller's counters, for the frame.
    pub(crate) fn into_meta(self) -> Meta {
        Meta { checkpoints: self.checkpoints.into_iter().collect(), counters: self.counters.into_iter().collect() }
    }
}

fn reserved(name: &str) -> bool {
    let first = name.split_once('.').map(|(first, _)| first);
    first.is_some_and(|f| f == "duplicates" || Store::ALL.iter().any(|s| s.name() == f))
}

/// What one commit added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Committed {
    /// Rows added to the dedicated Logstore.
    pub log: u64,
    /// Rows added to quarantine.
    pub quarantine: u64,
    /// Rows added to passthrough.
    pub passthrough: u64,
    /// Rows added to the journal.
    pub journal: u64,
    /// Rows for the dedicated Logstore that were dropped because their event id is already there.
    pub duplicates: u64,
    /// Sequence number that the first added row of the dedicated Logstore got (or the next would get).
    pub log_first_seq: u64,
}
