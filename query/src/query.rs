//! The query engine over one snapshot of one store, and its limits.
//! It must never register anything but the one table: no files, no formats, no catalog of the host.

use std::sync::Arc;
use std::time::Duration;

use datafusion::execution::SessionStateDefaults;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use innertrail_logstore::{Snapshot, Store};

use crate::execute::{self, Workers};
use crate::names::{Schema, TABLE};
use crate::table::LogTable;
use crate::{Error, QueryResult};

/// The longest SQL text in bytes.
pub const MAX_SQL_BYTES: usize = 64 * 1024;
/// The most tokens of one SQL text; bounds how deep the engine recurses.
pub const MAX_SQL_TOKENS: usize = 4096;

/// What one query may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Wall clock from `run` to the last row taken.
    pub timeout: Duration,
    /// Rows of a result; more are cut off and [`QueryResult::truncated`] says so.
    pub max_rows: usize,
    /// Memory for sorting, grouping and joining, in bytes, over all queries of one [`Query`] at a time. The tail's
    /// rows and the pages being decoded come on top.
    pub memory_bytes: usize,
    /// Worker threads, at least 1.
    pub threads: usize,
}

impl Default for Limits {
    /// 30 s, 100,000 rows, 256 MiB, 2 threads.
    fn default() -> Self {
        Self { timeout: Duration::from_secs(30), max_rows: 100_000, memory_bytes: 256 * 1024 * 1024, threads: 2 }
    }
}

/// A store at one moment, ready for queries. Queries may run from several threads, also from inside an async runtime.
pub struct Query {
    context: SessionContext,
    schema: Arc<Schema>,
    workers: Arc<Workers>,
    limits: Limits,
}

impl std::fmt::Debug for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Query").field("schema", &self.schema).field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Query {
    /// Starts the worker threads. Reads no file yet.
    ///
    /// # Errors
    /// [`Error::Start`] without threads, [`Error::Path`] when a segment's path is not UTF-8.
    pub fn open(snapshot: Snapshot, store: Store, limits: Limits) -> Result<Self, Error> {
        let limits = Limits { threads: limits.threads.max(1), ..limits };
        let arrow = snapshot.schema(store);
        let logstore = format!("innertrail_{}", snapshot.trail());
        let schema = Arc::new(Schema::new(&arrow, [TABLE, store.name(), &logstore]));
        let table = LogTable::new(snapshot, store)?;
        let context = context(&limits).map_err(|e| Error::Internal { message: e.to_string() })?;
        let registered = context.register_table(TABLE, Arc::new(table));
        registered.map_err(|e| Error::Internal { message: e.to_string() })?;
        let workers = Arc::new(Workers::start(limits.threads).map_err(Error::Start)?);
        Ok(Self { context, schema, workers, limits })
    }

    /// Runs one query. Returns when the result's columns are known; the rows follow as they are taken.
    ///
    /// # Errors
    /// Any [`Error`] that is found before the first row; later ones come from the result.
    pub fn run(&self, sql: &str) -> Result<QueryResult, Error> {
        execute::start(&self.workers, self.context.clone(), Arc::clone(&self.schema), sql, self.limits)
    }
}

fn context(limits: &Limits) -> datafusion::error::Result<SessionContext> {
    let mut config = SessionConfig::new().with_target_partitions(limits.threads).with_information_schema(false);
    let options = config.options_mut();
    options.sql_parser.enable_ident_normalization = false;
    options.execution.parquet.pushdown_filters = true;
    options.execution.parquet.reorder_filters = true;
    // Formats and table factories are left out: there is nothing to COPY to and nothing to CREATE.
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime_env(limits)?)
        .with_expr_planners(SessionStateDefaults::default_expr_planners())
        .with_scalar_functions(SessionStateDefaults::default_scalar_functions())
        .with_higher_order_functions(SessionStateDefaults::default_higher_order_functions())
        .with_aggregate_functions(SessionStateDefaults::default_aggregate_functions())
        .with_window_functions(SessionStateDefaults::default_window_functions())
        .build();
    Ok(SessionContext::new_with_state(state))
}

fn runtime_env(limits: &Limits) -> datafusion::error::Result<Arc<RuntimeEnv>> {
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(GreedyMemoryPool::new(limits.memory_bytes)))
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
        .build_arc()
}
