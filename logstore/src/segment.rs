//! Segments: their names, their order, and how they are written.
//! It must never change a segment that has its final name, and `data/` must hold nothing but Parquet.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use chrono::NaiveDate;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding as ParquetEncoding, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;
use sha2::{Digest as _, Sha256};

use crate::durable::{Disk, DiskFile, Part};
use crate::format::FORMAT;
use crate::layout::{Encoding, Kind, Layout, RECEIVED, SEQ};
use crate::rotate::Home;
use crate::{Error, Store};

/// Rows of one Parquet row group at most.
pub const ROW_GROUP_ROWS: usize = 32_768;
/// A page is closed once it is this long. It is looked at every `WRITE_ROWS` rows, so pages of events of
/// ordinary length stay below 1 MiB.
const PAGE_BYTES: usize = 512 * 1024;
const WRITE_ROWS: usize = 256;
/// Level 3 cost 1.5 µs more an event and made no smaller segments (`benches/ingest.rs`).
const ZSTD_LEVEL: i32 = 1;
const BLOOM_FALSE_POSITIVES: f64 = 0.01;

/// One immutable Parquet file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentRef {
    /// The file.
    pub path: PathBuf,
    /// Sequence number of its first row.
    pub first_seq: u64,
    /// Its rows; their sequence numbers are dense.
    pub rows: u64,
    /// The UTC day on which they were appended.
    pub day: NaiveDate,
    /// Size of the file in bytes.
    pub bytes: u64,
}

impl SegmentRef {
    /// Sequence number after its last row.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.first_seq.saturating_add(self.rows)
    }
}

/// The folder of a store's days.
pub(crate) fn data_dir(dir: &Path, store: Store) -> PathBuf {
    dir.join(store.name()).join("data")
}

/// The folder of one day.
pub(crate) fn day_dir(dir: &Path, store: Store, day: NaiveDate) -> PathBuf {
    data_dir(dir, store).join(format!("day={}", day.format("%Y-%m-%d")))
}

/// The name of a segment without its ending; the files beside it share it.
pub(crate) fn stem(first_seq: u64, rows: u64) -> String {
    format!("seg-{first_seq:016}-{rows}")
}

/// The file that names each record of a segment by two bytes of its leaf hash.
pub(crate) fn leaf_path(dir: &Path, store: Store, first_seq: u64, rows: u64) -> PathBuf {
    dir.join("seal/leaf").join(store.name()).join(format!("{}.leaf", stem(first_seq, rows)))
}

fn parse_name(name: &str) -> Option<(u64, u64)> {
    parse_stem(name.strip_suffix(".parquet")?)
}

/// First record and rows of what [`stem`] names.
pub(crate) fn parse_stem(stem: &str) -> Option<(u64, u64)> {
    let (first, rows) = stem.strip_prefix("seg-")?.split_once('-')?;
    Some((first.parse().ok()?, rows.parse().ok()?))
}

/// All segments of a store in sequence order. Files with other names are ignored.
pub(crate) fn list(dir: &Path, store: Store) -> Result<Vec<SegmentRef>, Error> {
    let mut found = Vec::new();
    for (name, path) in entries(&data_dir(dir, store))? {
        let day = name.strip_prefix("day=").and_then(|d| NaiveDate::parse_from_str(d, "%Y-%m-%d").ok());
        let Some(day) = day else { continue };
        for (name, path) in entries(&path)? {
            let Some((first_seq, rows)) = parse_name(&name) else { continue };
            match std::fs::metadata(&path) {
                Ok(meta) => found.push(SegmentRef { path, first_seq, rows, day, bytes: meta.len() }),
                // Dropped by retention between the listing and now.
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(Error::read(&path, e)),
            }
        }
    }
    found.sort_unstable_by_key(|s| (s.first_seq, s.rows));
    Ok(found)
}

fn entries(dir: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::read(dir, e)),
    };
    let mut out = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| Error::read(dir, e))?;
        if let Ok(name) = entry.file_name().into_string() {
            out.push((name, entry.path()));
        }
    }
    Ok(out)
}

/// The segments of a store that belong to a sealed state. What is below `kept` is left of a drop that was cut short,
/// what begins at `end` of a rotation that was cut short. Neither is part of the Logstore.
pub(crate) fn list_sealed(dir: &Path, store: Store, kept: u64, end: u64) -> Result<Vec<SegmentRef>, Error> {
    let mut segments = list(dir, store)?;
    segments.retain(|s| s.end() > kept && s.first_seq < end);
    check_dense(dir, store, &segments, kept, end)?;
    Ok(segments)
}

/// Checks that segments follow each other from the first record kept up to `end`.
fn check_dense(dir: &Path, store: Store, segments: &[SegmentRef], kept: u64, end: u64) -> Result<(), Error> {
    if let Some(first) = segments.first().filter(|s| s.first_seq != kept) {
        let (expected, found) = (kept, first.first_seq);
        return Err(Error::Gap { store, path: first.path.clone(), expected, found });
    }
    for pair in segments.windows(2) {
        if pair[0].end() != pair[1].first_seq {
            let (expected, found) = (pair[0].end(), pair[1].first_seq);
            return Err(Error::Gap { store, path: pair[1].path.clone(), expected, found });
        }
    }
    let found = segments.last().map_or(kept, SegmentRef::end);
    if found != end {
        let path = segments.last().map_or_else(|| data_dir(dir, store), |s| s.path.clone());
        return Err(Error::Gap { store, path, expected: end, found });
    }
    Ok(())
}

/// Writes one segment under a temporary name. Dropping it does nothing to the disk.
pub(crate) struct SegmentWriter {
    /// Before the writer, which writes what it has buffered when it is dropped.
    end: End,
    writer: ArrowWriter<LateFile>,
    tmp: PathBuf,
    /// First row.
    pub(crate) first_seq: u64,
    /// Rows written.
    pub(crate) rows: u64,
    /// Day of all its rows.
    pub(crate) day: NaiveDate,
}

impl SegmentWriter {
    /// The file comes with the first row group that is full, or with [`SegmentWriter::finish`].
    pub(crate) fn create(home: &Home, store: Store, first_seq: u64, day: NaiveDate) -> Result<Self, Error> {
        let tmp = home.dir.join("tmp").join(format!("{}-{first_seq:016}.parquet", store.name()));
        let end = End::default();
        let file = LateFile { disk: Arc::clone(&home.disk), tmp: tmp.clone(), file: None, course: Arc::clone(&end.0) };
        let properties = properties(&home.layout, store, first_seq).map_err(|e| Error::parquet(&tmp, e))?;
        let writer = ArrowWriter::try_new(file, home.layout.schema(store), Some(properties));
        Ok(Self { end, writer: writer.map_err(|e| Error::parquet(&tmp, e))?, tmp, first_seq, rows: 0, day })
    }

    /// The file's temporary name.
    pub(crate) fn tmp(&self) -> &Path {
        &self.tmp
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        self.writer.write(batch).map_err(|e| self.end.cause(&self.tmp, e))?;
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Finishes the file and makes it durable under its temporary name.
    pub(crate) fn finish(self) -> Result<Finished, Error> {
        let tmp = self.tmp;
        let mut file = self.writer.into_inner().map_err(|e| self.end.cause(&tmp, e))?;
        let sha256 = file.there().and_then(HashedFile::finish).map_err(|e| Error::write(&tmp, e))?;
        Ok(Finished { tmp, first_seq: self.first_seq, rows: self.rows, day: self.day, sha256 })
    }
}

/// A file whose content is hashed on its way to the disk.
pub(crate) struct HashedFile {
    file: Box<dyn DiskFile>,
    hash: Sha256,
}

impl HashedFile {
    pub(crate) fn new(file: Box<dyn DiskFile>) -> Self {
        Self { file, hash: Sha256::new() }
    }

    /// Makes the file read-only and durable; its SHA-256.
    pub(crate) fn finish(&mut self) -> std::io::Result<[u8; 32]> {
        self.file.flush()?;
        self.file.seal()?;
        Ok(self.hash.finalize_reset().into())
    }
}

impl Write for HashedFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// How it goes with a [`LateFile`].
#[derive(Default)]
enum Course {
    #[default]
    Open,
    /// Nothing is done to it any more. With what the disk said, if that is why and until it is told.
    Over(Option<std::io::Error>),
}

/// Dropping it ends a [`LateFile`].
#[derive(Default)]
struct End(Arc<Mutex<Course>>);

impl End {
    /// What the disk said, which Parquet makes a text of; otherwise what Parquet said.
    fn cause(&self, tmp: &Path, e: parquet::errors::ParquetError) -> Error {
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Course::Over(said) => said.take().map_or_else(|| Error::parquet(tmp, e), |said| Error::write(tmp, said)),
            Course::Open => Error::parquet(tmp, e),
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Course::Over(None);
    }
}

/// A file that is created when there is something to write to it, and left alone after a failure: the buffer above it
/// keeps what was not taken, and would try that again on its own end.
struct LateFile {
    disk: Arc<dyn Disk>,
    tmp: PathBuf,
    file: Option<HashedFile>,
    course: Arc<Mutex<Course>>,
}

impl LateFile {
    fn there(&mut self) -> std::io::Result<&mut HashedFile> {
        match &mut self.file {
            Some(file) => Ok(file),
            none => Ok(none.insert(HashedFile::new(self.disk.create(Part::Segment, &self.tmp)?))),
        }
    }
}

impl Write for LateFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let course = Arc::clone(&self.course);
        let mut course = course.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*course, Course::Open) {
            return Err(std::io::Error::other("the file was given up"));
        }
        self.there().and_then(|file| file.write(bytes)).map_err(|e| {
            let kind = e.kind();
            if kind != ErrorKind::Interrupted {
                *course = Course::Over(Some(e));
            }
            kind.into()
        })
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.file.as_mut().map_or(Ok(()), HashedFile::flush)
    }
}

/// A durable segment that still has its temporary name.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) tmp: PathBuf,
    pub(crate) first_seq: u64,
    pub(crate) rows: u64,
    pub(crate) day: NaiveDate,
    pub(crate) sha256: [u8; 32],
}

fn properties(
    layout: &Layout,
    store: Store,
    first_seq: u64,
) -> Result<WriterProperties, parquet::errors::ParquetError> {
    let payload = ColumnPath::from(store.payload_column());
    let mut builder = WriterProperties::builder()
        .set_created_by("innertrail".to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_data_page_size_limit(PAGE_BYTES)
        .set_write_batch_size(WRITE_ROWS)
        .set_key_value_metadata(Some(vec![
            KeyValue::new("innertrail.format".to_owned(), FORMAT.to_string()),
            KeyValue::new("innertrail.store".to_owned(), store.name().to_owned()),
            KeyValue::new("innertrail.first_seq".to_owned(), first_seq.to_string()),
        ]))
        .set_column_dictionary_enabled(payload.clone(), false)
        .set_column_statistics_enabled(payload, EnabledStatistics::None);
    for name in [SEQ, RECEIVED] {
        builder = delta(builder, ColumnPath::from(name), ParquetEncoding::DELTA_BINARY_PACKED);
    }
    for column in &layout.columns {
        let path = ColumnPath::new(vec![column.name.clone()]);
        builder = match (column.encoding, column.kind) {
            (Encoding::Dictionary, _) => builder.set_column_dictionary_enabled(path.clone(), true),
            (Encoding::Plain, _) => builder.set_column_dictionary_enabled(path.clone(), false),
            (Encoding::Delta, Kind::Text) => delta(builder, path.clone(), ParquetEncoding::DELTA_BYTE_ARRAY),
            (Encoding::Delta, _) => delta(builder, path.clone(), ParquetEncoding::DELTA_BINARY_PACKED),
        };
        if column.kind == Kind::Text {
            // Nobody here reads the least and greatest text of a page, and finding them costs a tenth of all writing.
            builder = builder.set_column_statistics_enabled(path.clone(), EnabledStatistics::None);
        }
        if column.bloom {
            builder = builder
                .set_column_bloom_filter_enabled(path.clone(), true)
                .set_column_bloom_filter_fpp(path.clone(), BLOOM_FALSE_POSITIVES)
                .set_column_bloom_filter_max_ndv(path, ROW_GROUP_ROWS as u64);
        }
    }
    Ok(builder.build())
}

fn delta(builder: WriterPropertiesBuilder, path: ColumnPath, encoding: ParquetEncoding) -> WriterPropertiesBuilder {
    builder.set_column_dictionary_enabled(path.clone(), false).set_column_encoding(path, encoding)
}
