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
use datafusion::datasource::physical_plan::parquet::ParquetRowSelection;
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
use crate::files::{Footers, SegmentPath, SegmentReaders};
use crate::prune::{self, Columns, Spans};
use crate::search::{Needs, is_lifted};

/// Segments and tail of one store as a table.
#[derive(Debug)]
pub(crate) struct LogTable {
    snapshot: Snapshot,
    store: Store,
    schema: SchemaRef,
    columns: Columns,
    footers: Footers,
    /// One for each segment of the snapshot.
    files: Arc<Vec<KnownFile>>,
    /// Built at the first scan, then shared.
    tail: Arc<OnceLock<Vec<RecordBatch>>>,
    /// What the rows that are wanted hold.
    needs: Needs,
}

/// A segment, and what is known of it.
#[derive(Debug)]
struct KnownFile {
    path: SegmentPath,
    meta: ObjectMeta,
    named: Spans,
    /// Filled when a filter asks for it first.
    read: OnceLock<Spans>,
}

/// The segments that a scan reads.
struct Wanted {
    files: Vec<PartitionedFile>,
    /// Whether these are all rows of all segments.
    whole: bool,
}

impl LogTable {
    /// Names the files; opens none.
    pub(crate) fn new(snapshot: Snapshot, store: Store, footers: Footers) -> Result<Self, Error> {
        let schema = snapshot.schema(store);
        let columns = Columns::of(&schema);
        let files =
            snapshot.segments(store).iter().map(|s| KnownFile::new(s, &columns)).collect::<Result<Vec<_>, _>>()?;
        let (files, tail) = (Arc::new(files), Arc::new(OnceLock::new()));
        Ok(Self { snapshot, store, schema, columns, footers, files, tail, needs: Needs::nothing() })
    }

    /// The same table with a tail that is built already.
    pub(crate) fn with_tail(self, tail: Vec<RecordBatch>) -> Self {
        Self { tail: Arc::new(OnceLock::from(tail)), ..self }
    }

    /// The same table for a reader who filters out every row without what `needs` says.
    pub(crate) fn narrowed(&self, needs: Needs) -> Self {
        Self {
            snapshot: self.snapshot.clone(),
            store: self.store,
            schema: Arc::clone(&self.schema),
            columns: self.columns.clone(),
            footers: self.footers.clone(),
            files: Arc::clone(&self.files),
            tail: Arc::clone(&self.tail),
            needs,
        }
    }

    /// The segments that may hold rows for which all filters hold. The index is asked before footers are read that are
    /// not known yet: it costs a tenth.
    fn wanted(&self, state: &dyn Session, filters: &[Expr]) -> Wanted {
        let segments = self.snapshot.segments(self.store);
        let mut left: Vec<usize> = (0..segments.len()).collect();
        self.prune(state, filters, &mut left);
        let needs = self.needs.clone().and(&self.looked_up(filters));
        let mut chosen: Vec<(usize, Option<RowSelection>)> = Vec::with_capacity(left.len());
        for at in left {
            let selection =
                needs.rows(&segments[at]).and_then(|rows: Vec<Range<u64>>| selection(&rows, segments[at].rows));
            if selection.as_ref().is_none_or(RowSelection::selects_any) {
                chosen.push((at, selection));
            }
        }
        if prune::is_of_use(filters, &self.columns) {
            let mut left: Vec<usize> = chosen.iter().map(|(at, _)| *at).collect();
            left.iter().for_each(|&at| self.files[at].learn(&segments[at], &self.columns, &self.footers));
            self.prune(state, filters, &mut left);
            chosen.retain(|(at, _)| left.binary_search(at).is_ok());
        }
        let whole = chosen.len() == segments.len() && chosen.iter().all(|(_, selection)| selection.is_none());
        let files = chosen.into_iter().map(|(at, selection)| self.files[at].file(selection)).collect();
        Wanted { files, whole }
    }

    /// Takes out the segments that what is known of them excludes.
    fn prune(&self, state: &dyn Session, filters: &[Expr], left: &mut Vec<usize>) {
        let spans: Vec<&Spans> = left.iter().map(|&at| self.files[at].spans()).collect();
        if let Some(keep) = prune::prune(state, filters, &self.columns, &spans) {
            let mut keep = keep.into_iter();
            left.retain(|_| keep.next().unwrap_or(true));
        }
    }

    /// What rows hold whose ids are asked for. Only of these columns is it certain that the index has every value.
    fn looked_up(&self, filters: &[Expr]) -> Needs {
        let columns = &self.snapshot.layout().columns;
        Needs::of_filters(filters, &|name| is_lifted(name) && columns.iter().any(|c| c.bloom && c.name == name))
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
        wanted: Wanted,
        projection: Option<&Vec<usize>>,
        limit: Option<usize>,
    ) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
        let url = ObjectStoreUrl::local_filesystem();
        let source = ParquetSource::new(Arc::clone(&self.schema))
            .with_parquet_file_reader_factory(Arc::new(SegmentReaders(self.footers.clone())))
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
        let known = if wanted.whole { known } else { known.to_inexact() };
        let groups = FileGroup::new(wanted.files).split_files(state.config().target_partitions());
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
        let wanted = self.wanted(state, filters);
        if !wanted.files.is_empty() {
            parts.push(self.scan_segments(state, wanted, projection, limit)?);
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

impl KnownFile {
    fn new(segment: &SegmentRef, columns: &Columns) -> Result<Self, Error> {
        let bad = || Error::Path { path: segment.path.display().to_string() };
        let absolute = std::path::absolute(&segment.path).map_err(|_| bad())?;
        let location = ObjectPath::from_absolute_path(&absolute).map_err(|_| bad())?;
        // A segment never changes under its name, so its time of change says nothing and is not asked for.
        let last_modified = chrono::DateTime::UNIX_EPOCH;
        let meta = ObjectMeta { location, last_modified, size: segment.bytes, e_tag: None, version: None };
        let path = SegmentPath(absolute.into());
        Ok(Self { path, meta, named: columns.of_name(segment), read: OnceLock::new() })
    }

    fn spans(&self) -> &Spans {
        self.read.get().unwrap_or(&self.named)
    }

    /// Reads the footer. What cannot be read stays unknown here, and ends the query when its rows are read.
    fn learn(&self, segment: &SegmentRef, columns: &Columns, footers: &Footers) {
        if self.read.get().is_none()
            && let Ok(footer) = footers.of(&self.path.0, &self.meta)
        {
            self.read.get_or_init(|| columns.of_footer(segment, &footer));
        }
    }

    fn file(&self, selection: Option<RowSelection>) -> PartitionedFile {
        let file = PartitionedFile::new_from_meta(self.meta.clone()).with_extension(self.path.clone());
        match selection {
            Some(selection) => file.with_extension(ParquetRowSelection::new(selection)),
            None => file,
        }
    }
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
