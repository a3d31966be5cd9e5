//! Reading parts of segments: times of a row group, rows that match, rows in full.
//! It must never decode more than the columns and pages that are asked for, and never trust a segment: its rows must
//! match its name.

use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection,
};
use datafusion::parquet::file::metadata::{PageIndexPolicy, ParquetMetaDataReader};
use innertrail_logstore::{RECEIVED, SegmentRef};

use super::cache::Cache;
use super::times::{self, Group, TIME};
use crate::Error;

/// Memory for footers with the places of pages, in bytes.
const FOOTER_BYTES: usize = 32 * 1024 * 1024;
/// Memory for times of row groups: those of some four million rows.
const TIME_BYTES: usize = 32 * 1024 * 1024;
/// Rows that are decoded at once where only some columns are read.
const NARROW_ROWS: usize = 4_096;

type Builder = ParquetRecordBatchReaderBuilder<File>;

/// Segments, and what is kept of them.
#[derive(Debug)]
pub(super) struct Segments {
    footers: Cache<u64, ArrowReaderMetadata>,
    times: Cache<(u64, usize), [i64]>,
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Segment { message: format!("{}: {error}", path.display()) }
}

impl Segments {
    pub(super) fn new() -> Self {
        Self { footers: Cache::new(FOOTER_BYTES), times: Cache::new(TIME_BYTES) }
    }

    fn footer(&self, segment: &SegmentRef, file: &File) -> Result<Arc<ArrowReaderMetadata>, Error> {
        if let Some(known) = self.footers.get(&segment.first_seq) {
            return Ok(known);
        }
        let bad = |e| failed(&segment.path, &e);
        let reader = ParquetMetaDataReader::new().with_offset_index_policy(PageIndexPolicy::Optional);
        let footer = reader.parse_and_finish(file).map_err(bad)?;
        let rows = footer.file_metadata().num_rows();
        if u64::try_from(rows).ok() != Some(segment.rows) {
            return Err(failed(&segment.path, &format!("its name says {} rows, it holds {rows}", segment.rows)));
        }
        let bytes = footer.memory_size();
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let known = Arc::new(ArrowReaderMetadata::try_new(Arc::new(footer), options).map_err(bad)?);
        self.footers.put(segment.first_seq, Arc::clone(&known), bytes);
        Ok(known)
    }

    /// The row groups of a segment.
    pub(super) fn groups(&self, segment: &SegmentRef) -> Result<Vec<Group>, Error> {
        let file = File::open(&segment.path).map_err(|e| failed(&segment.path, &e))?;
        Ok(times::groups(self.footer(segment, &file)?.metadata()))
    }

    /// A reader of some columns of one row group, or of the whole segment.
    fn reader(
        &self,
        segment: &SegmentRef,
        group: Option<usize>,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Builder, Error> {
        let file = File::open(&segment.path).map_err(|e| failed(&segment.path, &e))?;
        let footer = self.footer(segment, &file)?;
        let builder = Builder::new_with_metadata(file, footer.as_ref().clone());
        let builder = match group {
            Some(group) => builder.with_row_groups(vec![group]),
            None => builder,
        };
        let leaves = builder.parquet_schema().columns();
        let wanted: Vec<usize> = (0..leaves.len()).filter(|&at| wanted(leaves[at].name())).collect();
        let mask = ProjectionMask::leaves(builder.parquet_schema(), wanted);
        Ok(builder.with_projection(mask))
    }

    /// The time of each row of a row group.
    pub(super) fn times(&self, segment: &SegmentRef, group: &Group) -> Result<Arc<[i64]>, Error> {
        let key = (segment.first_seq, group.number);
        if let Some(known) = self.times.get(&key) {
            return Ok(known);
        }
        let reader =
            self.reader(segment, Some(group.number), |name| name == TIME || (name == RECEIVED && !group.timed))?;
        let mut all = Vec::with_capacity(NARROW_ROWS);
        for batch in build(reader.with_batch_size(NARROW_ROWS), segment)? {
            let batch = batch.map_err(|e| failed(&segment.path, &e))?;
            let (time, received) = (batch.column_by_name(TIME), batch.column_by_name(RECEIVED));
            let some = times::of_columns(time, received);
            all.extend(
                some.ok_or_else(|| failed(&segment.path, &"its columns of times are missing or of another type"))?,
            );
        }
        if all.len() as u64 != group.rows.end - group.rows.start {
            return Err(failed(&segment.path, &"a row group has another number of rows than its footer says"));
        }
        let bytes = 8 * all.len();
        let all: Arc<[i64]> = all.into();
        self.times.put(key, Arc::clone(&all), bytes);
        Ok(all)
    }

    /// Some rows of a row group, counted from its first: `schema`'s columns of them, in batches.
    pub(super) fn narrow(
        &self,
        segment: &SegmentRef,
        group: &Group,
        rows: &[Range<usize>],
        schema: &SchemaRef,
    ) -> Result<Vec<RecordBatch>, Error> {
        let reader = self.reader(segment, Some(group.number), |name| schema.field_with_name(name).is_ok())?;
        let total = usize::try_from(group.rows.end - group.rows.start).unwrap_or(usize::MAX);
        let selection = RowSelection::from_consecutive_ranges(rows.iter().cloned(), total);
        let batches = build(reader.with_row_selection(selection).with_batch_size(NARROW_ROWS), segment)?;
        batches.map(|batch| conform(&batch.map_err(|e| failed(&segment.path, &e))?, schema, segment)).collect()
    }

    /// Some rows of a segment, counted from its first, in order: each batch of all columns goes to `each` until that
    /// says stop.
    pub(super) fn full(
        &self,
        segment: &SegmentRef,
        rows: impl Iterator<Item = Range<usize>>,
        schema: &SchemaRef,
        batch_rows: usize,
        mut each: impl FnMut(RecordBatch) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let reader = self.reader(segment, None, |_| true)?;
        let total = usize::try_from(segment.rows).unwrap_or(usize::MAX);
        let reader = reader.with_row_selection(RowSelection::from_consecutive_ranges(rows, total));
        for batch in build(reader.with_batch_size(batch_rows), segment)? {
            if !each(conform(&batch.map_err(|e| failed(&segment.path, &e))?, schema, segment)?)? {
                break;
            }
        }
        Ok(())
    }
}

fn build(builder: Builder, segment: &SegmentRef) -> Result<ParquetRecordBatchReader, Error> {
    builder.build().map_err(|e| failed(&segment.path, &e))
}

/// The columns of a file as in `schema`; those added later are null.
fn conform(batch: &RecordBatch, schema: &SchemaRef, segment: &SegmentRef) -> Result<RecordBatch, Error> {
    innertrail_logstore::conform(batch, schema, segment).map_err(|e| Error::Segment { message: e.to_string() })
}
