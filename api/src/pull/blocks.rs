//! Blocks of records as Arrow batches: read once, kept for the next page and for other consumers, bounded in bytes.
//! It must never give a record whose sequence number is not the one that is asked for.
//!
//! Only the columns that a page needs are read of a segment. What is kept never changes: records are immutable, and a
//! block that still grows is read on from where it stopped. Memory: the limit, and beside it what is being read, which is
//! at the most a block or the part of it that one segment holds.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use innertrail_logstore::index::rows_in_ranges;
use innertrail_logstore::{Error, SEQ, Store};

use super::fields;
use super::view::View;

/// Most blocks that are kept, however small they are.
const MOST_BLOCKS: usize = 512;
/// A block that holds more is begun anew behind what was given out.
const MOST_RUN: usize = 16 << 20;

/// What is read of one block so far: records without a gap.
#[derive(Debug, Default)]
struct Run {
    from: u64,
    to: u64,
    batches: Vec<RecordBatch>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Slot {
    run: Arc<Mutex<Run>>,
    used: u64,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Slots {
    map: HashMap<(Store, u64), Slot>,
    clock: u64,
    bytes: usize,
}

/// The blocks that were read last.
#[derive(Debug)]
pub(crate) struct Blocks {
    slots: Mutex<Slots>,
    block: u64,
    most: usize,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change below is whole before the next thing that could panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Blocks {
    /// Keeps blocks of so many records in about `most` bytes.
    pub(crate) fn new(block: u64, most: usize) -> Self {
        Self { slots: Mutex::default(), block, most }
    }

    /// Batches of the records `range`, which lie in one block and are durable in `view`: all of them or the first few, but
    /// one at the least.
    pub(crate) fn read(&self, view: &View, store: Store, range: Range<u64>) -> Result<Vec<RecordBatch>, Error> {
        let key = (store, range.start / self.block);
        let run = self.slot(key);
        let mut run = lock(&run);
        // All that there is of the block: opening a segment for each small page would cost more than what it gives.
        let until = view.end(store).min((key.1 + 1).saturating_mul(self.block)).max(range.end);
        run.reach(view, store, range.start, until)?;
        let given = run.cut(&range);
        let bytes = run.bytes;
        drop(run);
        self.note(key, bytes);
        Ok(given)
    }

    fn slot(&self, key: (Store, u64)) -> Arc<Mutex<Run>> {
        let mut slots = lock(&self.slots);
        slots.clock += 1;
        let now = slots.clock;
        let slot = slots.map.entry(key).or_default();
        slot.used = now;
        Arc::clone(&slot.run)
    }

    /// Notes how large a block is, and lets go of those that were not used for longest.
    fn note(&self, key: (Store, u64), bytes: usize) {
        let mut slots = lock(&self.slots);
        if let Some(slot) = slots.map.get_mut(&key) {
            let before = std::mem::replace(&mut slot.bytes, bytes);
            slots.bytes = slots.bytes + bytes - before;
        }
        while slots.bytes > self.most || slots.map.len() > MOST_BLOCKS {
            let Some(oldest) = slots.map.iter().min_by_key(|(_, slot)| slot.used).map(|(key, _)| *key) else { return };
            let freed = slots.map.remove(&oldest).map_or(0, |slot| slot.bytes);
            slots.bytes -= freed;
        }
    }
}

impl Run {
    /// Reads on until the record `first` is there, and no further than `until`.
    fn reach(&mut self, view: &View, store: Store, first: u64, until: u64) -> Result<(), Error> {
        let away = !(self.from..=self.to).contains(&first);
        if away || (self.to == first && self.bytes > MOST_RUN) {
            *self = Self { from: first, to: first, ..Self::default() };
        }
        if self.to > first {
            return Ok(());
        }
        for batch in piece(view, store, self.to..until)? {
            check(view, store, &batch, self.to)?;
            self.to += batch.num_rows() as u64;
            self.bytes += batch.get_array_memory_size();
            self.batches.push(batch);
        }
        if self.to == first {
            return Err(corrupt(view, store, format!("record {first} is not there")));
        }
        Ok(())
    }

    /// What there is of a range whose first record is there.
    fn cut(&self, range: &Range<u64>) -> Vec<RecordBatch> {
        let (mut at, mut given) = (self.from, Vec::new());
        for batch in &self.batches {
            let rows = batch.num_rows() as u64;
            let (first, last) = (range.start.max(at), range.end.min(at + rows));
            if first < last {
                // Both lie within the batch, whose rows are counted in usize.
                given.push(batch.slice((first - at) as usize, (last - first) as usize));
            }
            at += rows;
        }
        given
    }
}

/// Records from the first of `range` on, from one segment or from the tail.
fn piece(view: &View, store: Store, range: Range<u64>) -> Result<Vec<RecordBatch>, Error> {
    let snapshot = &view.snapshot;
    let wanted = |name: &str| fields::is_wanted(store, name);
    let segments = snapshot.segments(store);
    match segments.get(segments.partition_point(|segment| segment.end() <= range.start)) {
        Some(segment) => {
            let rows = range.start - segment.first_seq..range.end.min(segment.end()) - segment.first_seq;
            rows_in_ranges(segment, &snapshot.layout().schema_of(store, &wanted), &[rows])
        }
        None => {
            let limit = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
            snapshot.tail_of(store, range.start, limit, &wanted)
        }
    }
}

/// Refuses a batch whose numbers are not dense from `first` on.
fn check(view: &View, store: Store, batch: &RecordBatch, first: u64) -> Result<(), Error> {
    let numbers = batch.column_by_name(SEQ).and_then(|column| column.as_primitive_opt::<Int64Type>());
    let dense =
        numbers.is_some_and(|n| n.values().iter().zip(first..).all(|(found, wanted)| found.cast_unsigned() == wanted));
    if dense {
        Ok(())
    } else {
        Err(corrupt(view, store, format!("record {first} and those behind it are not in order")))
    }
}

fn corrupt(view: &View, store: Store, what: String) -> Error {
    Error::Corrupt { path: view.snapshot.dir().join(store.name()), offset: 0, what }
}
