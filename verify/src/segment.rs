//! One segment: the hash of the file and the leaf hash of each of its records.
//! It must never let a damaged file end the process: what cannot be decoded is said, page by page.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};
use parquet::file::metadata::PageIndexPolicy;

use crate::disk::{Disk, Fault, hash_file};
use crate::tree::{Hash, leaf_hash};

/// Rows decoded at once.
const BATCH_ROWS: usize = 1_024;
/// Rows of the largest segment that is decoded; the writer makes them of 32,768.
const MAX_ROWS: u64 = 1 << 26;
/// The column of the sequence numbers.
const SEQ: &str = "it_seq";

/// The records of a segment, hashed.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    /// Leaf hash of each record; zeros where `broken` says so.
    pub(crate) leaves: Vec<Hash>,
    /// Places (from 0) of records that cannot be decoded.
    pub(crate) broken: Vec<Range<usize>>,
    /// Why the first of them cannot.
    pub(crate) reason: String,
    /// Bytes of all records.
    pub(crate) raw_bytes: u64,
    /// Place of the first record whose sequence number is not dense.
    pub(crate) sequence_fault: Option<usize>,
}

/// What reading a segment gave.
#[derive(Debug)]
pub(crate) struct Examined {
    /// SHA-256 of the file, or why there is none.
    pub(crate) sha256: Result<Hash, Fault>,
    /// Its records, or why there are none.
    pub(crate) decoded: Result<Decoded, String>,
}

/// Reads a segment. `payload` is the column of the records, `first` the first sequence number.
pub(crate) fn examine(disk: &Disk, path: &str, payload: &str, first: u64) -> Examined {
    let opened = disk.open(path).and_then(|mut file| Ok((hash_file(&mut file)?, file)));
    match opened {
        Ok((sha256, file)) => Examined { sha256: Ok(sha256), decoded: decode(&file, payload, first) },
        Err(fault) => Examined { sha256: Err(fault), decoded: Err("the file cannot be read".to_owned()) },
    }
}

/// Calls `each` with the texts of a column; a segment that was made before the column was has none.
pub(crate) fn each_text(disk: &Disk, path: &str, name: &str, mut each: impl FnMut(&[u8])) -> Result<(), String> {
    let file = disk.open(path).map_err(|fault| fault.to_string())?;
    guarded(|| {
        let metadata = metadata(&file)?;
        let Ok(leaf) = column(&metadata, name) else { return Ok(()) };
        let mask = ProjectionMask::leaves(metadata.parquet_schema(), [leaf]);
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
        for batch in builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().map_err(|e| e.to_string())? {
            let batch = batch.map_err(|e| e.to_string())?;
            let texts = batch.columns().first().and_then(|c| c.as_string_view_opt());
            let texts = texts.ok_or_else(|| format!("its column `{name}` is not text"))?;
            texts.iter().flatten().for_each(|text| each(text.as_bytes()));
        }
        Ok(())
    })
}

fn decode(file: &File, payload: &str, first: u64) -> Result<Decoded, String> {
    let whole = guarded(|| {
        let mut decoded = Decoded::default();
        read_into(&mut decoded, file, &[SEQ, payload], first, None)?;
        Ok(decoded)
    });
    whole.or_else(|reason| guarded(|| page_by_page(file, payload, first, &reason)))
}

/// A damaged file may run into a bug of the decoder; that is damage too, and not the end of the process.
fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("the Parquet decoder gave up on it".to_owned()))
}

fn metadata(file: &File) -> Result<ArrowReaderMetadata, String> {
    // The page index is not asked for in a batch: when only it is damaged, the records can still be read.
    let options = |index| {
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        options.with_page_index_policy(if index { PageIndexPolicy::Optional } else { PageIndexPolicy::Skip })
    };
    let with = guarded(|| ArrowReaderMetadata::load(file, options(true)).map_err(|e| e.to_string()));
    let metadata = with.or_else(|_| ArrowReaderMetadata::load(file, options(false)).map_err(|e| e.to_string()))?;
    let groups = metadata.metadata().row_groups().iter();
    let rows = groups.map(|g| u64::try_from(g.num_rows()).unwrap_or(u64::MAX)).fold(0, u64::saturating_add);
    if rows > MAX_ROWS { Err(format!("it says that it has {rows} rows")) } else { viewed(&metadata) }
}

/// The same, but texts and bytes are looked at where their page was unpacked to, and not copied from there.
fn viewed(metadata: &ArrowReaderMetadata) -> Result<ArrowReaderMetadata, String> {
    let view = |field: &Arc<Field>| match field.data_type() {
        DataType::Utf8 => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View)),
        DataType::Binary => Arc::new(field.as_ref().clone().with_data_type(DataType::BinaryView)),
        _ => Arc::clone(field),
    };
    let schema = Schema::new(metadata.schema().fields().iter().map(view).collect::<Vec<_>>());
    let options = ArrowReaderOptions::new().with_schema(Arc::new(schema));
    ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options).map_err(|e| e.to_string())
}

/// Decodes the rows `only`, or all, and adds them.
fn read_into(
    decoded: &mut Decoded,
    file: &File,
    columns: &[&str],
    first: u64,
    only: Option<Range<usize>>,
) -> Result<(), String> {
    let mut file = file.try_clone().map_err(|e| e.to_string())?;
    file.seek(SeekFrom::Start(0)).map_err(|e| e.to_string())?;
    let metadata = metadata(&file)?;
    let leaves = columns.iter().map(|name| column(&metadata, name)).collect::<Result<Vec<_>, _>>()?;
    let mask = ProjectionMask::leaves(metadata.parquet_schema(), leaves);
    let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
    builder = builder.with_projection(mask).with_batch_size(BATCH_ROWS);
    if let Some(rows) = only {
        let selected = vec![RowSelector::skip(rows.start), RowSelector::select(rows.len())];
        builder = builder.with_row_selection(RowSelection::from(selected));
    }
    for batch in builder.build().map_err(|e| e.to_string())? {
        add(decoded, &batch.map_err(|e| e.to_string())?, columns, first)?;
        if decoded.leaves.len() as u64 > MAX_ROWS {
            return Err("it has more rows than it says".to_owned());
        }
    }
    Ok(())
}

fn column(metadata: &ArrowReaderMetadata, name: &str) -> Result<usize, String> {
    let mut columns = metadata.parquet_schema().columns().iter();
    columns.position(|c| c.path().parts() == [name]).ok_or_else(|| format!("it has no column `{name}`"))
}

fn add(decoded: &mut Decoded, batch: &RecordBatch, columns: &[&str], first: u64) -> Result<(), String> {
    let find = |name: &str| batch.column_by_name(name).ok_or_else(|| format!("it has no column `{name}`"));
    if columns.contains(&SEQ) {
        let seq = find(SEQ)?.as_primitive_opt::<Int64Type>().ok_or("its sequence numbers are no numbers")?;
        let start = first.saturating_add(decoded.leaves.len() as u64);
        let dense = |i: usize| !seq.is_null(i) && seq.value(i).cast_unsigned() == start.saturating_add(i as u64);
        let fault = (0..seq.len()).find(|i| !dense(*i)).map(|i| decoded.leaves.len() + i);
        decoded.sequence_fault = decoded.sequence_fault.or(fault);
    }
    let payload = find(columns[columns.len() - 1])?;
    let mut take = |record: Option<&[u8]>| {
        let record = record.ok_or("a record is null")?;
        decoded.raw_bytes += record.len() as u64;
        decoded.leaves.push(leaf_hash(record));
        Ok::<(), String>(())
    };
    if let Some(texts) = payload.as_string_view_opt() {
        return texts.iter().try_for_each(|text| take(text.map(str::as_bytes)));
    }
    let bytes = payload.as_binary_view_opt().ok_or("its records are neither text nor bytes")?;
    bytes.iter().try_for_each(take)
}

/// The records of the pages that can be decoded. Fails when the file does not say where its pages are.
fn page_by_page(file: &File, payload: &str, first: u64, reason: &str) -> Result<Decoded, String> {
    let pages = pages(&metadata(file).map_err(|_| reason.to_owned())?, payload);
    let mut decoded = Decoded { reason: reason.to_owned(), ..Decoded::default() };
    for page in pages.ok_or_else(|| reason.to_owned())? {
        let mut part = Decoded::default();
        let read = guarded(|| read_into(&mut part, file, &[payload], first, Some(page.clone())));
        if read.is_ok() && part.leaves.len() == page.len() {
            decoded.leaves.append(&mut part.leaves);
            decoded.raw_bytes += part.raw_bytes;
        } else {
            decoded.leaves.resize(page.end, Hash::default());
            decoded.broken.push(page);
        }
    }
    Ok(decoded)
}

/// The rows of each page of a column, in order and without gaps.
fn pages(metadata: &ArrowReaderMetadata, name: &str) -> Option<Vec<Range<usize>>> {
    let column = column(metadata, name).ok()?;
    let index = metadata.metadata().offset_index();
    let (mut pages, mut start) = (Vec::new(), 0usize);
    for (number, group) in metadata.metadata().row_groups().iter().enumerate() {
        let end = start.checked_add(usize::try_from(group.num_rows()).ok()?)?;
        let locations = index.and_then(|i| i.get(number)?.get(column)).map(|c| c.page_locations().as_slice());
        let mut starts = vec![start];
        for page in locations.unwrap_or_default().iter().skip(1) {
            starts.push(start.checked_add(usize::try_from(page.first_row_index).ok()?)?);
        }
        starts.push(end);
        for pair in starts.windows(2) {
            if pair[0] > pair[1] {
                return None;
            }
            pages.push(pair[0]..pair[1]);
        }
        start = end;
    }
    Some(pages)
}
