//! The query engine over one snapshot of one store, and its limits.
//! It must never register anything but the one table: no files, no formats, no catalog of the host.

use std::sync::Arc;
use std::time::Duration;

use datafusion::catalog::TableProvider;
use datafusion::catalog::memory::MemoryCatalogProviderList;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::execution::SessionStateDefaults;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};
use innertrail_logstore::{Snapshot, Store};

use crate::execute::{self, Workers};
use crate::files::Footers;
use crate::functions;
use crate::names::{Schema, TABLE};
use crate::search::{self, Request};
use crate::table::LogTable;
use crate::tally::TallyRule;
use crate::{Dialect, Error, QueryResult, parse};

/// The longest text of a query in bytes, search and SQL together.
pub const MAX_SQL_BYTES: usize = innertrail_search::MAX_BYTES;
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

/// What queries need beside the table: threads, functions, memory.
pub(crate) struct Engine {
    /// Without a table.
    pub(crate) context: SessionContext,
    pub(crate) schema: Arc<Schema>,
    pub(crate) footers: Footers,
    workers: Arc<Workers>,
    limits: Limits,
}

/// A store at one moment, ready for queries. Queries may run from several threads, also from inside an async runtime.
pub struct Query {
    engine: Engine,
    table: Arc<LogTable>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("schema", &self.schema).field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Query").field("engine", &self.engine).finish_non_exhaustive()
    }
}

impl Engine {
    /// Starts the worker threads. Reads no file.
    pub(crate) fn new(snapshot: &Snapshot, store: Store, limits: Limits) -> Result<Self, Error> {
        let limits = Limits { threads: limits.threads.max(1), ..limits };
        let arrow = snapshot.schema(store);
        let logstore = format!("innertrail_{}", snapshot.trail());
        let schema = Arc::new(Schema::new(&arrow, [TABLE, store.name(), &logstore]));
        let footers = Footers::new();
        let tally = TallyRule::new(snapshot.layout(), &arrow, footers.clone());
        let context = context(&limits, tally).map_err(internal)?;
        functions::register(&context);
        let workers = Arc::new(Workers::start(limits.threads).map_err(Error::Start)?);
        Ok(Self { context, schema, footers, workers, limits })
    }

    /// Runs SQL with Log Service's habits over the rows of a table for which a condition holds.
    pub(crate) fn run(&self, table: &Arc<LogTable>, filter: Option<Expr>, sql: &str) -> Result<QueryResult, Error> {
        self.start(self.over(table, filter)?, sql, Dialect::LOG_SERVICE)
    }

    fn start(&self, context: SessionContext, sql: &str, dialect: Dialect) -> Result<QueryResult, Error> {
        execute::start(&self.workers, context, Arc::clone(&self.schema), sql, self.limits, dialect)
    }

    /// The same engine with a table that holds only rows for which a condition holds.
    fn over(&self, table: &Arc<LogTable>, filter: Option<Expr>) -> Result<SessionContext, Error> {
        let provider: Arc<dyn TableProvider> = match filter {
            None => Arc::clone(table) as _,
            Some(filter) => {
                let source = provider_as_source(Arc::clone(table) as _);
                let plan = LogicalPlanBuilder::scan(TABLE, source, None).and_then(|p| p.filter(filter)?.build());
                Arc::new(ViewTable::new(plan.map_err(internal)?, None))
            }
        };
        // A catalog of its own: other queries run at the same time and see another table.
        let state = SessionStateBuilder::new_from_existing(self.context.state())
            .with_catalog_list(Arc::new(MemoryCatalogProviderList::new()))
            .with_config(self.context.copied_config().with_create_default_catalog_and_schema(true))
            .build();
        let context = SessionContext::new_with_state(state);
        // The copy lists every function once a name, aliases too, and the engine's own may come last.
        functions::register(&context);
        context.register_table(TABLE, provider).map_err(internal)?;
        Ok(context)
    }
}

impl Query {
    /// Starts the worker threads. Reads no file yet.
    ///
    /// # Errors
    /// [`Error::Start`] without threads, [`Error::Path`] when a segment's path is not UTF-8.
    pub fn open(snapshot: Snapshot, store: Store, limits: Limits) -> Result<Self, Error> {
        let engine = Engine::new(&snapshot, store, limits)?;
        let table = Arc::new(LogTable::new(snapshot, store, engine.footers.clone())?);
        engine.context.register_table(TABLE, Arc::clone(&table) as _).map_err(internal)?;
        Ok(Self { engine, table })
    }

    /// Runs one query: SQL, `search`, or `search | SQL`; [`crate::search`] says what a search is. A text that begins
    /// with `SELECT` or `WITH` is SQL. Returns when the result's columns are known; the rows follow as they are taken.
    ///
    /// A search alone gives all columns, newest first, at most [`search::DEFAULT_LIMIT`] rows. SQL behind a `|` sees the
    /// rows that match and no others, whatever it does with them.
    ///
    /// # Errors
    /// Any [`Error`] that is found before the first row; later ones come from the result.
    pub fn run(&self, text: &str) -> Result<QueryResult, Error> {
        self.run_as(text, Dialect::default())
    }

    /// The same, with the habits of a dialect for SQL that stands alone; SQL behind a `|` has those of Log Service.
    ///
    /// # Errors
    /// As [`Query::run`], and [`Error::Plan`] for a `LIMIT` that the dialect does not take.
    pub fn run_as(&self, text: &str, dialect: Dialect) -> Result<QueryResult, Error> {
        // Checked here, so that a text of any size costs nothing.
        parse::check_size(text)?;
        match Request::of(text, &self.engine.schema)? {
            Request::Sql => self.engine.start(self.engine.context.clone(), text, dialect),
            Request::Search { search, sql, .. } => {
                let (filter, needs) = search::predicate(&search, &self.engine.schema, &self.table.schema())?;
                self.engine.run(&Arc::new(self.table.narrowed(needs)), Some(filter), &sql)
            }
        }
    }
}

fn internal(error: impl std::fmt::Display) -> Error {
    Error::Internal { message: error.to_string() }
}

fn context(limits: &Limits, tally: TallyRule) -> datafusion::error::Result<SessionContext> {
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
        .with_physical_optimizer_rule(Arc::new(tally))
        .build();
    Ok(SessionContext::new_with_state(state))
}

fn runtime_env(limits: &Limits) -> datafusion::error::Result<Arc<RuntimeEnv>> {
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(GreedyMemoryPool::new(limits.memory_bytes)))
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
        .build_arc()
}
