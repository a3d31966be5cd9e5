//! The one table: the snapshot's segments, then its tail. It must never offer a way to insert, and never list a
//! directory: what the snapshot names is what is read.

use std::sync::{Arc, OnceLock};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::memory::{DataSourceExec, MemorySourceConfig};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, DataFusionError, ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::object_store::ObjectMeta;
use datafusion::object_store::path::Path as ObjectPath;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::union::UnionExec;
use innertrail_logstore::{SEQ, SegmentRef, Snapshot, Store};

use crate::Error;

/// Segments and tail of one store as a table.
#[derive(Debug)]
pub(crate) struct LogTable {
    snapshot: Snapshot,
    store: Store,
    schema: SchemaRef,
    files: Vec<PartitionedFile>,
    /// Built at the first scan, then shared.
    tail: OnceLock<Vec<RecordBatch>>,
}

impl LogTable {
    /// Names the files; opens none.
    pub(crate) fn new(snapshot: Snapshot, store: Store) -> Result<Self, Error> {
        let schema = snapshot.schema(store);
        let files = snapshot.segments(store).iter().map(|s| file(s, &schema)).collect::<Result<_, _>>()?;
        Ok(Self { snapshot, store, schema, files, tail: OnceLock::new() })
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
        let groups = FileGroup::new(self.files.clone()).split_files(state.config().target_partitions());
        let config = FileScanConfigBuilder::new(url, Arc::new(source))
            .with_file_groups(groups)
            .with_statistics(statistics(&self.schema, first, rows))
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
        if !self.files.is_empty() {
            parts.push(self.scan_segments(state, projection, limit)?);
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
