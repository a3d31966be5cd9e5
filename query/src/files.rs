//! Segments as the engine reads them: bytes straight from the file, footers parsed once and kept.
//! It must never hand out the footer of another file, and never keep more footers than fit [`FOOTER_BYTES`].

use std::fs::File;
use std::future::ready;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{CachedParquetMetaData, ParquetFileReaderFactory};
use datafusion::execution::cache::cache_manager::{CachedFileMetadataEntry, FileMetadataCache};
use datafusion::execution::cache::default_cache::DefaultCache;
use datafusion::object_store::ObjectMeta;
use datafusion::parquet::arrow::arrow_reader::ArrowReaderOptions;
use datafusion::parquet::arrow::async_reader::AsyncFileReader;
use datafusion::parquet::errors::{ParquetError, Result};
use datafusion::parquet::file::metadata::{FileMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;

/// Memory for footers, in bytes: those of some 3,000 segments.
const FOOTER_BYTES: usize = 64 * 1024 * 1024;

/// Where a file is; goes along with it through the engine, which knows objects of a store only.
#[derive(Debug, Clone)]
pub(crate) struct SegmentPath(pub(crate) Arc<Path>);

/// Footers of segments, those asked for last.
#[derive(Debug, Clone)]
pub(crate) struct Footers(Arc<FileMetadataCache>);

impl Footers {
    /// Keeps none yet.
    pub(crate) fn new() -> Self {
        Self(Arc::new(DefaultCache::new(FOOTER_BYTES)))
    }

    /// The footer of a segment, without the page index. A segment never changes under its name.
    pub(crate) fn of(&self, path: &Path, meta: &ObjectMeta) -> Result<Arc<ParquetMetaData>> {
        if let Some(entry) = self.0.get(&meta.location).filter(|entry| entry.is_valid_for(meta))
            && let Some(known) = entry.file_metadata.as_any().downcast_ref::<CachedParquetMetaData>()
        {
            return Ok(Arc::clone(known.parquet_metadata()));
        }
        let footer = Arc::new(read(path).map_err(|e| named(path, &e))?);
        let entry = Arc::new(CachedParquetMetaData::new(Arc::clone(&footer)));
        self.0.put(&meta.location, CachedFileMetadataEntry::new(meta.clone(), entry));
        Ok(footer)
    }
}

fn read(path: &Path) -> Result<ParquetMetaData> {
    let reader = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Skip);
    let footer = reader.parse_and_finish(&File::open(path)?)?;
    // Without the Arrow schema that a writer leaves among the keys: every reader would parse it again, and it says no
    // more than the Parquet schema does.
    let about = footer.file_metadata();
    let about = FileMetaData::new(
        about.version(),
        about.num_rows(),
        None,
        None,
        about.schema_descr_ptr(),
        about.column_orders().cloned(),
    );
    Ok(ParquetMetaData::new(about, footer.row_groups().to_vec()))
}

fn named(path: &Path, error: &dyn std::fmt::Display) -> ParquetError {
    ParquetError::General(format!("{}: {error}", path.display()))
}

/// Opens segments for the engine.
#[derive(Debug)]
pub(crate) struct SegmentReaders(pub(crate) Footers);

impl ParquetFileReaderFactory for SegmentReaders {
    fn create_reader(
        &self,
        _: usize,
        file: PartitionedFile,
        _: Option<usize>,
        _: &ExecutionPlanMetricsSet,
    ) -> datafusion::error::Result<Box<dyn AsyncFileReader + Send>> {
        let path = file.extension::<SegmentPath>().map(|path| path.0.to_path_buf());
        // Every file of the table was made with one.
        let path = path.unwrap_or_else(|| PathBuf::from(file.object_meta.location.as_ref()));
        Ok(Box::new(SegmentReader { path, meta: file.object_meta, footers: self.0.clone(), file: None }))
    }
}

/// One segment, opened at its first byte. Reads block the worker: they are short, and mostly from the page cache.
struct SegmentReader {
    path: PathBuf,
    meta: ObjectMeta,
    footers: Footers,
    file: Option<File>,
}

impl SegmentReader {
    fn bytes(&mut self, range: &Range<u64>) -> Result<Bytes> {
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(File::open(&self.path).map_err(|e| named(&self.path, &e))?),
        };
        let outside = || named(&self.path, &format!("it has no bytes {range:?}, but {}", self.meta.size));
        let fits = range.start <= range.end && range.end <= self.meta.size;
        let length = fits.then(|| usize::try_from(range.end - range.start).ok()).flatten().ok_or_else(outside)?;
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, range.start).map_err(|e| named(&self.path, &e))?;
        Ok(bytes.into())
    }
}

impl AsyncFileReader for SegmentReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        ready(self.bytes(&range)).boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        ready(ranges.iter().map(|range| self.bytes(range)).collect()).boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        // The page index is read by the engine where it is of use.
        ready(self.footers.of(&self.path, &self.meta)).boxed()
    }
}
