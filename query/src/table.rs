//! The one table: the snapshot's segments, then its tail. It must never offer a way to insert, and never list a
//! directory: what the snapshot names is what is read.
//!
//! A table that a search narrowed reads of each segment only what its token index does not exclude. The index decides
//! what is read, the search's own filter which rows match, so an index that names too much, or is not there, changes
//! nothing but the time.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::memory::{DataSourceExec, MemorySourceConfig};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, DataFusionError, ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{CachedParquetFileReaderFactory, ParquetRowSelection};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::object_store::ObjectMeta;
use datafusion::object_store::path::Path as ObjectPath;
use datafusion::parquet::arrow::arrow_reader::RowSelection;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::union::UnionExec;
use innertrail_logstore::{SEQ, SegmentRef, Snapshot, Store};

use crate::Error;
use crate::search::Needs;

/// Segments and tail of one store as a table.
#[derive(Debug)]
pub(crate) struct LogTable {
    snapshot: Snapshot,
    store: Store,
    schema: SchemaRef,
    /// One for each segment of the snapshot.
    files: Arc<Vec<PartitionedFile>>,
    /// Built at the first scan, then shared.
    tail: Arc<OnceLock<Vec<RecordBatch>>>,
    /// What the rows that are wanted hold.
    needs: Needs,
}

impl LogTable {
    /// Names the files; opens none.
    pub(crate) fn new(snapshot: Snapshot, store: Store) -> Result<Self, Error> {
        let schema = snapshot.schema(store);
        let files: Vec<_> = snapshot.segments(store).iter().map(|s| file(s, &schema)).collect::<Result<_, _>>()?;
        let (files, tail) = (Arc::new(files), Arc::new(OnceLock::new()));
        Ok(Self { snapshot, store, schema, files, tail, needs: Needs::nothing() })
    }

    /// The same table for a reader who filters out every row without what `needs` says.
    pub(crate) fn narrowed(&self, needs: Needs) -> Self {
        Self {
            snapshot: self.snapshot.clone(),
            store: self.store,
            schema: Arc::clone(&self.schema),
            files: Arc::clone(&self.files),
            tail: Arc::clone(&self.tail),
            needs,
        }
    }

    /// The files to read, and whether all of their rows are among them.
    fn wanted_files(&self) -> (Vec<PartitionedFile>, bool) {
        let mut whole = true;
        let mut wanted = Vec::with_capacity(self.files.len());
        for (segment, file) in self.snapshot.segments(self.store).iter().zip(self.files.iter()) {
            match self.needs.rows(segment).and_then(|rows| selection(&rows, segment.rows)) {
                None => wanted.push(file.clone()),
                Some(selection) => {
                    whole = false;
                    if selection.selects_any() {
                        let mut file = file.clone().with_extension(ParquetRowSelection::new(selection));
                        file.statistics = file.statistics.map(|s| Arc::new(Arc::unwrap_or_clone(s).to_inexact()));
                        wanted.push(file);
                    }
                }
            }
        }
        (wanted, whole)
    }

    fn tail(&self) -> datafusion::error::Result<&[RecordBatch]> {
        if let Some(tail) = self.tail.get() {
            return Ok(tail);
        }
        let built = self.snapshot.tail(self.store).map_err(|e| DataFusionError::External(Box::new(e)))?;
        Ok(self.tail.get_or_init(|| built))
    }

    fn scan_segments(
        &self,
        state: &dyn Session,
        (wanted, whole): (Vec<PartitionedFile>, bool),
        projection: Option<&Vec<usize>>,
        limit: Option<usize>,
    ) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
        let url = ObjectStoreUrl::local_filesystem();
        let files = state.runtime_env().object_store(&url)?;
        let metadata = state.runtime_env().cache_manager.get_file_metadata_cache();
        let source = ParquetSource::new(Arc::clone(&self.schema))
            .with_parquet_file_reader_factory(Arc::new(CachedParquetFileReaderFactory::new(files, metadata)))
            .with_enable_page_index(true)
            .with_bloom_filter_on_read(true)
            .with_pushdown_filters(true)
            .with_reorder_filters(true);
        let (first, rows) = self
            .snapshot
            .segments(self.store)
            .iter()
            .fold((u64::MAX, 0), |(first, rows), s| (first.min(s.first_seq), rows + s.rows));
        let known = statistics(&self.schema, first, rows);
        let known = if whole { known } else { known.to_inexact() };
        let groups = FileGroup::new(wanted).split_files(state.config().target_partitions());
        let config = FileScanConfigBuilder::new(url, Arc::new(source))
            .with_file_groups(groups)
            .with_statistics(known)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

#[async_trait]
impl TableProvider for LogTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
        // Filters come again as physical expressions, which the Parquet source takes for pruning and decoding. A
        // limit below a filter would cut rows that the filter still wants.
        let limit = limit.filter(|_| filters.is_empty());
        let mut parts: Vec<Arc<dyn ExecutionPlan>> = Vec::with_capacity(2);
        let (wanted, whole) = self.wanted_files();
        if !wanted.is_empty() {
            parts.push(self.scan_segments(state, (wanted, whole), projection, limit)?);
        }
        let tail = self.tail()?;
        if !tail.is_empty() || parts.is_empty() {
            let tail = MemorySourceConfig::try_new(&[tail.to_vec()], Arc::clone(&self.schema), projection.cloned())?;
            parts.push(DataSourceExec::from_data_source(tail.with_limit(limit)));
        }
        UnionExec::try_new(parts)
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> datafusion::error::Result<Vec<TableProviderFilterPushDown>> {
        // Inexact: the tail does not filter, so the engine keeps its own filter where it is needed.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}

/// The rows as a selection over a whole segment. `None` when that is all of it, or does not fit it.
fn selection(rows: &[Range<u64>], total: u64) -> Option<RowSelection> {
    let total = usize::try_from(total).ok()?;
    let within = |r: &Range<u64>| {
        let (start, end) = (usize::try_from(r.start).ok()?, usize::try_from(r.end).ok()?);
        (start <= end && end <= total).then_some(start..end)
    };
    let rows: Vec<Range<usize>> = rows.iter().map(within).collect::<Option<_>>()?;
    let whole = rows.iter().map(Range::len).sum::<usize>() == total;
    (!whole).then(|| RowSelection::from_consecutive_ranges(rows.into_iter(), total))
}

fn file(segment: &SegmentRef, schema: &SchemaRef) -> Result<PartitionedFile, Error> {
    let bad = || Error::Path { path: segment.path.display().to_string() };
    let absolute = std::path::absolute(&segment.path).map_err(|_| bad())?;
    let location = ObjectPath::from_absolute_path(&absolute).map_err(|_| bad())?;
    // A segment never changes under its name, so its time of change says nothing and is not asked for.
    let last_modified = chrono::DateTime::UNIX_EPOCH;
    let meta = ObjectMeta { location, last_modified, size: segment.bytes, e_tag: None, version: None };
    let known = statistics(schema, segment.first_seq, segment.rows);
    Ok(PartitionedFile::new_from_meta(meta).with_statistics(Arc::new(known)))
}

/// What the segments' names tell: rows, and the range of the sequence number.
fn statistics(schema: &SchemaRef, first_seq: u64, rows: u64) -> Statistics {
    let mut known = Statistics::new_unknown(schema);
    known.num_rows = usize::try_from(rows).map_or(Precision::Absent, Precision::Exact);
    let seq = |n: u64| i64::try_from(n).map_or(Precision::Absent, |n| Precision::Exact(ScalarValue::Int64(Some(n))));
    if let (Ok(at), Some(last)) = (schema.index_of(SEQ), first_seq.checked_add(rows.saturating_sub(1))) {
        known.column_statistics[at] = ColumnStatistics {
            null_count: Precision::Exact(0),
            min_value: seq(first_seq),
            max_value: seq(last),
            ..ColumnStatistics::new_unknown()
        };
    }
    known
}
