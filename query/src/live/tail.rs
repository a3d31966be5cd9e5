//! The tail as batches, of which only the new rows are built when the log has grown.
//! It must never show a row twice, nor one that a segment of the same snapshot has.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use innertrail_logstore::{RECEIVED, Snapshot, Store};

use super::times::{self, Ends, TIME};
use crate::Error;

/// Rows from which on a batch is left as it is.
const FULL: usize = 4_096;

/// Some rows of the tail.
#[derive(Debug)]
pub(super) struct TailBatch {
    pub(super) first_seq: u64,
    pub(super) rows: RecordBatch,
    pub(super) times: Arc<[i64]>,
    pub(super) ends: Ends,
}

/// The tail of one snapshot.
#[derive(Debug, Clone)]
pub(super) struct Tail {
    from: u64,
    end: u64,
    pub(super) batches: Vec<Arc<TailBatch>>,
}

impl Tail {
    /// Builds all of it.
    pub(super) fn read(snapshot: &Snapshot, store: Store) -> Result<Self, Error> {
        let from = snapshot.tail_from(store);
        Self { from, end: from, batches: Vec::new() }.grown(snapshot, store)
    }

    /// The tail of a later snapshot.
    pub(super) fn grown(&self, snapshot: &Snapshot, store: Store) -> Result<Self, Error> {
        let (from, end) = (snapshot.tail_from(store), snapshot.end(store));
        if from < self.from || end < self.end {
            return Self::read(snapshot, store);
        }
        let known = self.end.max(from);
        let schema = snapshot.schema(store);
        let mut batches = self.batches.iter().filter_map(|b| behind(b, from).transpose()).collect::<Result<_, _>>()?;
        if known < end {
            let mut seq = known;
            for rows in snapshot.scan_batches(store, known, usize::MAX)? {
                let count = rows.num_rows() as u64;
                add(&mut batches, TailBatch::new(seq, rows)?, &schema)?;
                seq += count;
            }
        }
        Ok(Self { from, end, batches })
    }

    /// The rows alone.
    pub(super) fn rows(&self) -> Vec<RecordBatch> {
        self.batches.iter().map(|b| b.rows.clone()).collect()
    }
}

impl TailBatch {
    fn new(first_seq: u64, rows: RecordBatch) -> Result<Self, Error> {
        let columns = times::of_columns(rows.column_by_name(TIME), rows.column_by_name(RECEIVED));
        let lacks = || Error::Internal { message: "the tail has no column of times".into() };
        let times: Arc<[i64]> = columns.ok_or_else(lacks)?.into();
        let ends = Ends::of(times.iter().copied()).ok_or_else(lacks)?;
        Ok(Self { first_seq, rows, times, ends })
    }

    fn end(&self) -> u64 {
        self.first_seq + self.rows.num_rows() as u64
    }
}

/// What is left of a batch from a row on.
fn behind(batch: &Arc<TailBatch>, from: u64) -> Result<Option<Arc<TailBatch>>, Error> {
    if batch.first_seq >= from {
        return Ok(Some(Arc::clone(batch)));
    }
    if batch.end() <= from {
        return Ok(None);
    }
    let skip = usize::try_from(from - batch.first_seq).unwrap_or(usize::MAX).min(batch.rows.num_rows());
    let rows = batch.rows.slice(skip, batch.rows.num_rows() - skip);
    Ok(Some(Arc::new(TailBatch::new(from, rows)?)))
}

/// Adds a batch. Small ones are put together, each row at most as often as a number has bits.
fn add(batches: &mut Vec<Arc<TailBatch>>, batch: TailBatch, schema: &SchemaRef) -> Result<(), Error> {
    let mut batch = batch;
    while let Some(last) = batches.last() {
        let (before, own) = (last.rows.num_rows(), batch.rows.num_rows());
        if before >= FULL || before > 2 * own || before + own > FULL || last.end() != batch.first_seq {
            break;
        }
        let both = concat_batches(schema, [&last.rows, &batch.rows]);
        let both = both.map_err(|e| Error::Internal { message: e.to_string() })?;
        batch = TailBatch::new(last.first_seq, both)?;
        batches.pop();
    }
    batches.push(Arc::new(batch));
    Ok(())
}
