//! Runs a query on its own thread and hands the rows over through a short queue, so callers need no async runtime.
//! It must never block a worker thread of the engine on a slow reader, and never outlive its result's owner for long.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use datafusion::common::DataFusionError;
use datafusion::execution::context::SQLOptions;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::{DataFrame, SessionContext};
use futures::StreamExt;
use futures::future::{AbortHandle, AbortRegistration, Abortable};

use crate::functions;
use crate::names::Schema;
use crate::result::ResultColumn;
use crate::rewrite::{self, Dialect, Rewritten};
use crate::{Error, Limits, QueryResult};

/// Stack of a query's own thread: the engine plans by recursion over what [`crate::MAX_SQL_TOKENS`] lets through. Only
/// touched pages cost memory.
const QUERY_STACK: usize = 256 * 1024 * 1024;
const WORKER_STACK: usize = 32 * 1024 * 1024;
/// Batches that may wait for the reader.
const QUEUE: usize = 2;

/// The engine's threads.
#[derive(Debug)]
pub(crate) struct Workers(Option<tokio::runtime::Runtime>);

impl Workers {
    pub(crate) fn start(threads: usize) -> std::io::Result<Self> {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("query-worker")
            .thread_stack_size(WORKER_STACK)
            .enable_all()
            .build()
            .map(|runtime| Self(Some(runtime)))
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        // A plain drop would wait, and panic inside an async runtime of the caller.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// What the query's thread says.
enum Message {
    Columns(Vec<ResultColumn>, Option<u64>),
    Batch(RecordBatch),
    End { truncated: bool, looked_at: u64 },
    Failed(Error),
}

/// The caller's end of a running query. Dropping it cancels.
#[derive(Debug)]
pub(crate) struct Running {
    messages: Receiver<Message>,
    abort: AbortHandle,
    deadline: Instant,
    timeout: Duration,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Message")
    }
}

/// The next thing a running query has for its reader.
pub(crate) enum Next {
    Batch(RecordBatch),
    End { truncated: bool, looked_at: u64 },
}

impl Running {
    fn receive(&self) -> Result<Message, Error> {
        match self.messages.recv_timeout(self.deadline.saturating_duration_since(Instant::now())) {
            Ok(Message::Failed(error)) => Err(error),
            Ok(message) => Ok(message),
            Err(RecvTimeoutError::Timeout) => {
                self.abort.abort();
                Err(Error::Timeout { after: self.timeout })
            }
            Err(RecvTimeoutError::Disconnected) => Err(gone()),
        }
    }

    pub(crate) fn next(&self) -> Result<Next, Error> {
        match self.receive()? {
            Message::Batch(batch) => Ok(Next::Batch(batch)),
            Message::End { truncated, looked_at } => Ok(Next::End { truncated, looked_at }),
            Message::Columns(..) | Message::Failed(_) => Err(gone()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

fn gone() -> Error {
    Error::Internal { message: "its thread ended without a word".into() }
}

struct Job {
    context: SessionContext,
    schema: Arc<Schema>,
    sql: String,
    limits: Limits,
    dialect: Dialect,
    messages: SyncSender<Message>,
}

/// Starts a query and waits for its columns.
pub(crate) fn start(
    workers: &Arc<Workers>,
    context: SessionContext,
    schema: Arc<Schema>,
    sql: &str,
    limits: Limits,
    dialect: Dialect,
) -> Result<QueryResult, Error> {
    // Checked here, so that a text of any size costs nothing.
    rewrite::check_size(sql)?;
    let (messages, receiver) = sync_channel(QUEUE);
    let (abort, registration) = AbortHandle::new_pair();
    let now = Instant::now();
    // A timeout too far away to add is no timeout in practice: a year.
    let deadline = now.checked_add(limits.timeout).unwrap_or(now + Duration::from_secs(31_536_000));
    let running = Running { messages: receiver, abort, deadline, timeout: limits.timeout };
    let job = Job { context, schema, sql: sql.to_owned(), limits, dialect, messages };
    let workers = Arc::clone(workers);
    let thread = std::thread::Builder::new().name("query".into()).stack_size(QUERY_STACK);
    thread.spawn(move || run(&workers, job, registration)).map_err(Error::Start)?;
    match running.receive()? {
        Message::Columns(columns, limit) => Ok(QueryResult::new(columns, limit, running)),
        _ => Err(gone()),
    }
}

fn run(workers: &Workers, job: Job, registration: AbortRegistration) {
    let Some(runtime) = &workers.0 else { return };
    let messages = job.messages.clone();
    let done = runtime.block_on(Abortable::new(produce(job), registration));
    let last = match done {
        Ok(Ok((truncated, looked_at))) => Message::End { truncated, looked_at },
        Ok(Err(error)) => Message::Failed(error),
        // Cancelled: nobody listens.
        Err(_) => return,
    };
    // A reader that left early is no error.
    drop(messages.send(last));
}

/// Plans and runs; sends columns and rows; returns whether rows were cut off, and how many were looked at.
async fn produce(job: Job) -> Result<(bool, u64), Error> {
    let mut rewritten = rewrite::rewrite(&job.sql, &job.schema, job.dialect)?;
    let planned = plan(&job, &mut rewritten).await;
    let typed = |e: &DataFusionError| rewritten.explain(Error::from_engine(e, &rewritten, job.limits.memory_bytes));
    let frame = planned.map_err(|e| typed(&e))?;
    let names: Vec<String> = frame.schema().fields().iter().map(|f| f.name().clone()).collect();
    let names = rewritten.display_names(names);
    let types = frame.schema().fields().iter().map(|f| f.data_type().clone());
    let columns = names.into_iter().zip(types).map(|(name, data_type)| ResultColumn { name, data_type }).collect();
    // One row more than allowed tells whether there is more.
    let limited = frame.limit(0, Some(job.limits.max_rows.saturating_add(1))).map_err(|e| typed(&e))?;
    let task = Arc::new(limited.task_ctx());
    let plan = limited.create_physical_plan().await.map_err(|e| typed(&e))?;
    let mut stream = execute_stream(Arc::clone(&plan), task).map_err(|e| typed(&e))?;
    if job.messages.send(Message::Columns(columns, rewritten.limit())).is_err() {
        return Ok((false, 0));
    }
    let mut left = job.limits.max_rows;
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(|e| typed(&e))?;
        let truncated = batch.num_rows() > left;
        let batch = if truncated { batch.slice(0, left) } else { batch };
        left -= batch.num_rows();
        if batch.num_rows() > 0 && job.messages.send(Message::Batch(batch)).is_err() {
            return Ok((truncated, looked_at(&plan)));
        }
        if truncated {
            return Ok((true, looked_at(&plan)));
        }
    }
    Ok((false, looked_at(&plan)))
}

/// Rows that the plan's leaves handed out.
fn looked_at(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    let children = plan.children();
    if children.is_empty() {
        return plan.metrics().and_then(|m| m.output_rows()).map_or(0, |rows| rows as u64);
    }
    children.into_iter().map(looked_at).sum()
}

async fn plan(job: &Job, rewritten: &mut Rewritten) -> datafusion::error::Result<DataFrame> {
    let state = job.context.state();
    let plan = state.statement_to_plan(rewritten.take_statement()).await?;
    let read_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    read_only.verify_plan(&plan)?;
    let plan = functions::resolve_json_casts(plan)?;
    Ok(DataFrame::new(state, plan))
}
