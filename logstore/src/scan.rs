//! Reading segments: only the columns and the rows that are asked for.
//! It must never trust a segment: its rows must match its name, its columns the schema.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StringArray, new_null_array};
use arrow::datatypes::SchemaRef;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::PageIndexPolicy;

use crate::index::TokenIndex;
use crate::segment::SegmentRef;
use crate::stored::{self, StoredRow};
use crate::{Error, Layout};

type Reader = ParquetRecordBatchReaderBuilder<File>;

/// Rows that are decoded at once.
const READ_ROWS: usize = 4_096;

fn open(segment: &SegmentRef) -> Result<Reader, Error> {
    let file = File::open(&segment.path).map_err(|e| Error::read(&segment.path, e))?;
    let options =
        ArrowReaderOptions::new().with_skip_arrow_metadata(true).with_offset_index_policy(PageIndexPolicy::Optional);
    let reader = Reader::try_new_with_options(file, options).map_err(|e| Error::parquet(&segment.path, e))?;
    let rows = reader.metadata().file_metadata().num_rows();
    if u64::try_from(rows).ok() != Some(segment.rows) {
        return Err(Error::corrupt(&segment.path, 0, format!("its name says {} rows, it holds {rows}", segment.rows)));
    }
    Ok(reader)
}

fn build(reader: Reader, segment: &SegmentRef) -> Result<ParquetRecordBatchReader, Error> {
    reader.with_batch_size(READ_ROWS).build().map_err(|e| Error::parquet(&segment.path, e))
}

/// Place of a top-level column in the file.
fn leaf(reader: &Reader, name: &str) -> Option<usize> {
    reader.parquet_schema().columns().iter().position(|c| c.name() == name)
}

/// Batches of `schema` for `limit` rows from row `skip` of the segment on.
pub(crate) fn rows(
    segment: &SegmentRef,
    schema: &SchemaRef,
    skip: u64,
    limit: usize,
) -> Result<Vec<RecordBatch>, Error> {
    let skip = usize::try_from(skip).unwrap_or(usize::MAX);
    let reader = build(open(segment)?.with_offset(skip).with_limit(limit), segment)?;
    reader.map(|batch| conform(&batch.map_err(|e| Error::parquet(&segment.path, e.into()))?, schema, segment)).collect()
}

/// A segment that is read on and on: opened once, a batch decoded at a time. Memory: a batch, and the pages it is in.
pub(crate) struct SegmentRows {
    segment: SegmentRef,
    schema: SchemaRef,
    reader: ParquetRecordBatchReader,
    ready: std::vec::IntoIter<StoredRow>,
    next: u64,
}

impl std::fmt::Debug for SegmentRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SegmentRows({} at {})", self.segment.path.display(), self.next)
    }
}

impl SegmentRows {
    /// The rows of `segment` from the record `seq` on, decoded `batch` at a time.
    pub(crate) fn open(segment: &SegmentRef, schema: SchemaRef, seq: u64, batch: usize) -> Result<Self, Error> {
        let skip = usize::try_from(seq.saturating_sub(segment.first_seq)).unwrap_or(usize::MAX);
        let reader = open(segment)?.with_offset(skip).with_batch_size(batch).build();
        let reader = reader.map_err(|e| Error::parquet(&segment.path, e))?;
        Ok(Self { segment: segment.clone(), schema, reader, ready: Vec::new().into_iter(), next: seq })
    }

    /// Whether its next row is the record `seq` of this segment, with these columns.
    pub(crate) fn is_at(&self, segment: &SegmentRef, schema: &SchemaRef, seq: u64) -> bool {
        self.next == seq && self.segment == *segment && self.schema == *schema
    }

    /// The next row, if it is no longer than `room`; `None` at the end, or when it is longer: it stays the next one.
    pub(crate) fn next(&mut self, layout: &Layout, room: usize) -> Result<Option<StoredRow>, Error> {
        if self.ready.as_slice().is_empty() {
            let Some(batch) = self.reader.next() else { return Ok(None) };
            let batch = batch.map_err(|e| Error::parquet(&self.segment.path, e.into()))?;
            let batch = conform(&batch, &self.schema, &self.segment)?;
            self.ready = stored::rows(&batch, layout).collect::<Vec<_>>().into_iter();
        }
        if self.ready.as_slice().first().is_some_and(|row| row.payload().len() > room) {
            return Ok(None);
        }
        let row = self.ready.next();
        self.next += u64::from(row.is_some());
        Ok(row)
    }
}

/// Orders the columns of a segment's batch as in `schema`, which may name none; columns added later are null.
///
/// # Errors
/// [`Error::Corrupt`] for a column that must be there and is missing or of another type.
pub fn conform(batch: &RecordBatch, schema: &SchemaRef, segment: &SegmentRef) -> Result<RecordBatch, Error> {
    let column = |field: &arrow::datatypes::FieldRef| -> Result<ArrayRef, Error> {
        match batch.column_by_name(field.name()) {
            Some(array) if array.data_type() == field.data_type() => Ok(Arc::clone(array)),
            None if field.is_nullable() => Ok(new_null_array(field.data_type(), batch.num_rows())),
            _ => Err(Error::corrupt(
                &segment.path,
                0,
                format!("the column `{}` is missing or of another type", field.name()),
            )),
        }
    };
    let columns = schema.fields().iter().map(column).collect::<Result<Vec<_>, _>>()?;
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &rows)?)
}

/// Calls `each` with every value of a text column. A segment older than the column has none.
pub(crate) fn each_text(segment: &SegmentRef, name: &str, mut each: impl FnMut(&[u8])) -> Result<(), Error> {
    let reader = open(segment)?;
    let Some(leaf) = leaf(&reader, name) else { return Ok(()) };
    let mask = ProjectionMask::leaves(reader.parquet_schema(), [leaf]);
    for batch in build(reader.with_projection(mask), segment)? {
        let batch = batch.map_err(|e| Error::parquet(&segment.path, e.into()))?;
        text_column(&batch, segment, name)?.iter().flatten().for_each(|text| each(text.as_bytes()));
    }
    Ok(())
}

/// The rows of the segment that may hold `text`, by its token index; all of them when it has none.
fn candidates(segment: &SegmentRef, text: &str) -> Result<Vec<Range<u64>>, Error> {
    let path = segment.index_path();
    let Some(index) = TokenIndex::open_if_there(&path)? else { return Ok(std::iter::once(0..segment.rows).collect()) };
    if index.rows() != segment.rows {
        let what = format!("it was made for {} rows, its segment has {}", index.rows(), segment.rows);
        return Err(Error::corrupt(&path, 0, what));
    }
    index.candidates(&[text])
}

/// Place in the segment of the first row whose text column `name` is `id`. The token index is asked before the
/// segment is opened, then the bloom filters; of what is left only pages of this one column are read.
///
/// The values of the column must be in the index: a part of the payload, or added to it by the writer.
pub(crate) fn find(segment: &SegmentRef, name: &str, id: &str) -> Result<Option<u64>, Error> {
    let ranges = candidates(segment, id)?;
    if ranges.is_empty() {
        return Ok(None);
    }
    let reader = open(segment)?;
    let Some(leaf) = leaf(&reader, name) else { return Ok(None) };
    let ranges = without(&reader, leaf, id, &ranges).map_err(|e| Error::parquet(&segment.path, e))?;
    if ranges.is_empty() {
        return Ok(None);
    }
    let mask = ProjectionMask::leaves(reader.parquet_schema(), [leaf]);
    let mut rows = ranges.iter().cloned().flatten();
    for batch in build(select(reader, segment, &ranges)?.with_projection(mask), segment)? {
        let batch = batch.map_err(|e| Error::parquet(&segment.path, e.into()))?;
        let texts = text_column(&batch, segment, name)?;
        if let Some(at) = texts.iter().position(|t| t == Some(id)) {
            return Ok(rows.nth(at));
        }
        rows.by_ref().take(batch.num_rows()).for_each(drop);
    }
    Ok(None)
}

/// What is left of `ranges` without the row groups whose bloom filter excludes `id`.
fn without(reader: &Reader, leaf: usize, id: &str, ranges: &[Range<u64>]) -> Result<Vec<Range<u64>>, ParquetError> {
    let mut left = Vec::new();
    let mut start = 0;
    for group in 0..reader.metadata().num_row_groups() {
        let end = start + u64::try_from(reader.metadata().row_group(group).num_rows()).unwrap_or(0);
        let within = |r: &Range<u64>| r.start.max(start)..r.end.min(end);
        let inside: Vec<_> = ranges.iter().map(within).filter(|r| !r.is_empty()).collect();
        if !inside.is_empty() {
            let bloom = reader.get_row_group_column_bloom_filter(group, leaf)?;
            if bloom.is_none_or(|b| b.check(id)) {
                left.extend(inside);
            }
        }
        start = end;
    }
    Ok(left)
}

/// Restricts a reader to rows, so that pages without any of them are not decoded.
fn select(reader: Reader, segment: &SegmentRef, ranges: &[Range<u64>]) -> Result<Reader, Error> {
    let mut end = 0;
    let mut rows = Vec::with_capacity(ranges.len());
    for range in ranges {
        if range.start < end || range.end > segment.rows || range.start > range.end {
            let what = format!("rows {range:?} of {} are out of order or outside", segment.rows);
            return Err(Error::corrupt(&segment.path, 0, what));
        }
        end = range.end;
        // Rows fit the name of the segment, and the segment fits the memory map of a 64-bit machine.
        let (Ok(start), Ok(end)) = (usize::try_from(range.start), usize::try_from(range.end)) else { continue };
        rows.push(start..end);
    }
    let total = usize::try_from(segment.rows).unwrap_or(usize::MAX);
    Ok(reader.with_row_selection(RowSelection::from_consecutive_ranges(rows.into_iter(), total)))
}

/// Batches of `schema` with the rows of the segment in `ranges`: counted from its first row, in order, apart from
/// each other, as [`TokenIndex::candidates`] yields them. Pages of other rows are not decoded, nor are columns that
/// `schema` leaves out. Not every row holds what was sought: look for it in `event` alone first, then read the rows
/// that hold it in full. That costs half of reading every column.
///
/// # Errors
/// [`Error::Parquet`], [`Error::Corrupt`] (also for ranges outside of the segment), [`Error::Arrow`], I/O.
pub fn rows_in_ranges(
    segment: &SegmentRef,
    schema: &SchemaRef,
    ranges: &[Range<u64>],
) -> Result<Vec<RecordBatch>, Error> {
    if ranges.is_empty() {
        return Ok(Vec::new());
    }
    let reader = select(open(segment)?, segment, ranges)?;
    let columns = reader.parquet_schema().columns();
    let wanted: Vec<_> = (0..columns.len()).filter(|&c| schema.field_with_name(columns[c].name()).is_ok()).collect();
    let mask = ProjectionMask::leaves(reader.parquet_schema(), wanted);
    let reader = build(reader.with_projection(mask), segment)?;
    reader.map(|batch| conform(&batch.map_err(|e| Error::parquet(&segment.path, e.into()))?, schema, segment)).collect()
}

fn text_column<'a>(batch: &'a RecordBatch, segment: &SegmentRef, name: &str) -> Result<&'a StringArray, Error> {
    let texts = batch.columns().first().and_then(|c| c.as_string_opt::<i32>());
    texts.ok_or_else(|| Error::corrupt(&segment.path, 0, format!("the column `{name}` is not text")))
}
