//! What one commit added to the stores, for who committed and for the counters in its frame.
//! It must never count a row that is not in the frame.

use crate::store::STORES;
use crate::{Committed, Store};

/// Counts the rows of one commit.
#[derive(Default)]
pub(crate) struct Tally {
    /// Rows that were added, by store.
    pub(crate) records: [u64; STORES],
    bytes: [u64; STORES],
    duplicates: (u64, u64),
}

impl Tally {
    pub(crate) fn add(&mut self, store: Store, consumed: u64) {
        self.records[store.place()] += 1;
        let bytes = &mut self.bytes[store.place()];
        *bytes = bytes.saturating_add(consumed);
    }

    pub(crate) fn duplicate(&mut self, consumed: u64) {
        self.duplicates.0 += 1;
        self.duplicates.1 = self.duplicates.1.saturating_add(consumed);
    }

    pub(crate) fn committed(&self, log_first_seq: u64) -> Committed {
        let [log, quarantine, passthrough, journal] = self.records;
        Committed { log, quarantine, passthrough, journal, duplicates: self.duplicates.0, log_first_seq }
    }

    /// Adds what was counted to the counters of the frame.
    pub(crate) fn count(&self, counters: &mut Vec<(String, u64)>) {
        let mut add = |name: &str, records: u64, bytes: u64| {
            if records > 0 {
                counters.push((format!("{name}.records"), records));
                counters.push((format!("{name}.bytes"), bytes));
            }
        };
        for store in Store::ALL {
            add(store.name(), self.records[store.place()], self.bytes[store.place()]);
        }
        add("duplicates", self.duplicates.0, self.duplicates.1);
    }
}
