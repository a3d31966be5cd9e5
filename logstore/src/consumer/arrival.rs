//! Finding a place by the time of arrival.
//! It must never pass over a record that arrived at or after the time, even where a clock was set back.
//!
//! Segments of earlier days are passed over by their folder, those of the same day by the statistics in their footer;
//! the first that can hold such a record is read, of it the one column.

use std::fs::File;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use chrono::DateTime;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::statistics::Statistics;

use crate::layout::RECEIVED;
use crate::{Error, SegmentRef, Snapshot, Store};

type Builder = ParquetRecordBatchReaderBuilder<File>;

/// Sequence number of the first record received at or after `from_us`. `None` when there is none.
pub(crate) fn first_received(snapshot: &Snapshot, store: Store, from_us: i64) -> Result<Option<u64>, Error> {
    let day = DateTime::from_timestamp_micros(from_us).map(|t| t.date_naive());
    for segment in snapshot.segments(store) {
        // A segment holds one day only.
        if day.is_some_and(|day| segment.day < day) {
            continue;
        }
        if let Some(at) = in_segment(segment, from_us)? {
            return Ok(Some(segment.first_seq + at));
        }
    }
    let mut seq = snapshot.tail_from(store);
    for batch in snapshot.tail(store)? {
        if let Some(at) = position(&batch, 1, from_us) {
            return Ok(Some(seq + at));
        }
        seq += batch.num_rows() as u64;
    }
    Ok(None)
}

fn position(batch: &RecordBatch, column: usize, from_us: i64) -> Option<u64> {
    let times = batch.column(column).as_primitive_opt::<TimestampMicrosecondType>()?;
    times.values().iter().position(|t| *t >= from_us).map(|at| at as u64)
}

fn in_segment(segment: &SegmentRef, from_us: i64) -> Result<Option<u64>, Error> {
    let file = File::open(&segment.path).map_err(|e| Error::read(&segment.path, e))?;
    let reader = Builder::try_new(file).map_err(|e| Error::parquet(&segment.path, e))?;
    let leaf = reader.parquet_schema().columns().iter().position(|c| c.name() == RECEIVED);
    let leaf = leaf.ok_or_else(|| Error::corrupt(&segment.path, 0, format!("the column `{RECEIVED}` is missing")))?;
    if newest(&reader, leaf).is_some_and(|newest| newest < from_us) {
        return Ok(None);
    }
    let mask = ProjectionMask::leaves(reader.parquet_schema(), [leaf]);
    let reader = reader.with_projection(mask).build().map_err(|e| Error::parquet(&segment.path, e))?;
    let mut before = 0;
    for batch in reader {
        let batch = batch.map_err(|e| Error::parquet(&segment.path, e.into()))?;
        if let Some(at) = position(&batch, 0, from_us) {
            return Ok(Some(before + at));
        }
        before += batch.num_rows() as u64;
    }
    Ok(None)
}

/// The latest arrival in a segment by its footer; `None` when the footer does not say.
fn newest(reader: &Builder, leaf: usize) -> Option<i64> {
    let groups = reader.metadata().row_groups().iter();
    let newest = groups.map(|group| match group.column(leaf).statistics() {
        Some(Statistics::Int64(statistics)) => statistics.max_opt().copied(),
        _ => None,
    });
    newest.collect::<Option<Vec<i64>>>()?.into_iter().max()
}
