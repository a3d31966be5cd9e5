//! How new the newest event of each source is, kept in the transaction that holds the event.
//!
//! It must never look into an event: the time is the component's column, read from the row.

use std::collections::BTreeMap;

use innertrail_logstore::row::RowRef;
use innertrail_logstore::{Layout, State, Transaction};

use crate::runtime::wit::transform::Routed;

/// Prefix of the checkpoint that holds it: microseconds UTC, eight bytes little endian.
pub(crate) const NEWEST: &str = "@newest/";

/// Column of the component that says when an event happened.
const COLUMN: &str = "it_time";

/// Watches the times of what goes into transactions.
#[derive(Debug, Default)]
pub(crate) struct Lag {
    column: Option<u8>,
    newest: BTreeMap<String, i64>,
}

impl Lag {
    /// Finds the column by name; a component without one has no lag.
    #[must_use]
    pub(crate) fn new(layout: &Layout) -> Self {
        let column = layout.position(COLUMN).and_then(|place| u8::try_from(place).ok());
        Self { column, newest: BTreeMap::new() }
    }

    /// Takes the newest time of a batch over, if it is newer than all before. The last record that has a time stands for
    /// the batch: sources give records about in the order of their times.
    pub(crate) fn see(&mut self, source: &str, routed: &Routed, txn: &mut Transaction) {
        let Some(time) = self.last_time(routed) else { return };
        if self.newest.get(source).is_some_and(|newest| *newest >= time) {
            return;
        }
        self.newest.insert(source.to_owned(), time);
        txn.checkpoint(&format!("{NEWEST}{source}"), &time.to_le_bytes());
    }

    fn last_time(&self, routed: &Routed) -> Option<i64> {
        let column = self.column?;
        let mut end = routed.data.len();
        for (place, _) in routed.entries.iter().enumerate().rev().take(8) {
            let start = place.checked_sub(1).map_or(0, |before| routed.entries[before].end as usize);
            let row = routed.data.get(start..end).and_then(|row| RowRef::parse(row).ok());
            end = start;
            if let Some(time) = row.as_ref().and_then(|row| row.column(column)) {
                return Some(i64::from_le_bytes(time.try_into().ok()?));
            }
        }
        None
    }
}

/// The newest event of each source, microseconds UTC.
#[must_use]
pub(crate) fn newest(state: &State) -> BTreeMap<String, i64> {
    let times = state.checkpoints.iter().filter_map(|(key, value)| {
        let time = i64::from_le_bytes(value.as_slice().try_into().ok()?);
        Some((key.strip_prefix(NEWEST)?.to_owned(), time))
    });
    times.collect()
}
