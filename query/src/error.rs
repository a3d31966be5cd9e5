//! What may go wrong with a query, in words that say where and what to do.
//! It must never panic on an error of the engine, and never show one without its meaning.

use std::fmt;
use std::time::Duration;

use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;

use crate::rewrite::Rewritten;
use innertrail_search::{Position, SearchFault};

/// ` at line 1, column 2`, or nothing.
struct At(Option<Position>);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |at| write!(f, " at {at}"))
    }
}

/// `: did you mean x?`, or another advice.
struct Hint<'a>(Option<&'a str>);

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(name) => write!(f, "; did you mean \"{name}\"?"),
            None => f.write_str("; `SELECT * FROM log LIMIT 1` shows the columns"),
        }
    }
}

/// Why there is no result, or why it ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing but blanks and comments.
    #[error("the query is empty; write for example: SELECT count(1) FROM log, or * for everything")]
    Empty,
    /// Longer, or deeper nested, than the engine takes.
    #[error("the query is too large: {what}; split it, or join against a shorter list")]
    TooLarge {
        /// Which bound was passed.
        what: String,
    },
    /// Not SQL.
    #[error("syntax error{}: {message}", At(*at))]
    Syntax {
        /// What was expected and found.
        message: String,
        /// Where.
        at: Option<Position>,
    },
    /// Not a search, or not one over this table. [`innertrail_search`] has the grammar.
    #[error("search error at {at}: {fault}")]
    Search {
        /// What is wrong, and what to write instead.
        fault: SearchFault,
        /// Where.
        at: Position,
    },
    /// A statement that is not a query. The Logstore is never changed through SQL.
    #[error("{statement} is refused{}: the Logstore is read-only and takes one SELECT or WITH query", At(*at))]
    Refused {
        /// The statement, in capitals.
        statement: String,
        /// Where.
        at: Option<Position>,
    },
    /// More than one statement.
    #[error("a second statement begins{}; send one query at a time", At(*at))]
    SeveralStatements {
        /// Where the first one ended.
        at: Option<Position>,
    },
    /// A table that does not exist here.
    #[error("unknown table \"{name}\"{}; the tables are: {}", At(*at), known.join(", "))]
    UnknownTable {
        /// As written.
        name: String,
        /// Where.
        at: Option<Position>,
        /// What may stand there.
        known: Vec<String>,
    },
    /// A column that does not exist.
    #[error("unknown column \"{name}\"{}{}", At(*at), Hint(suggestion.as_deref()))]
    UnknownColumn {
        /// As written.
        name: String,
        /// Where.
        at: Option<Position>,
        /// The nearest name that exists.
        suggestion: Option<String>,
    },
    /// Good SQL that makes no sense here, or that the engine cannot do.
    #[error("the query cannot be planned: {message}")]
    Plan {
        /// The engine's words.
        message: String,
    },
    /// The wall clock ran out.
    #[error("the query was stopped after {} s; narrow it, for example to a range of it_time, or raise the timeout", after.as_secs_f64())]
    Timeout {
        /// The limit.
        after: Duration,
    },
    /// The memory limit was reached. Nothing is spilled to disk.
    #[error(
        "the query needs more than {limit_bytes} bytes of memory; group by fewer values, select fewer columns or add LIMIT"
    )]
    Memory {
        /// The limit.
        limit_bytes: usize,
        /// Which operator asked for how much.
        detail: String,
    },
    /// Failed on a value: a division by zero, a bad cast.
    #[error("the query failed: {message}")]
    Execution {
        /// The engine's words.
        message: String,
    },
    /// A segment could not be read: gone by retention, or damaged.
    #[error("a segment could not be read: {message}; run the query again, and if it stays, `innertrail verify`")]
    Segment {
        /// Which file and why.
        message: String,
    },
    /// A path that the engine cannot name.
    #[error(
        "the segment path {path:?} cannot be opened by the query engine; use a data directory whose path is plain UTF-8"
    )]
    Path {
        /// The path, lossy.
        path: String,
    },
    /// The Logstore said no.
    #[error(transparent)]
    Logstore(#[from] innertrail_logstore::Error),
    /// No threads.
    #[error("the query threads could not be started: {0}; look at the limits for processes and memory")]
    Start(#[source] std::io::Error),
    /// A defect of this program or of the engine.
    #[error("the query engine stopped unexpectedly: {message}; this is a defect, please report the query")]
    Internal {
        /// What is known.
        message: String,
    },
}

/// Why a result could not be written out.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The query failed after the first rows.
    #[error(transparent)]
    Query(#[from] Error),
    /// The receiver did not take the text.
    #[error("the result could not be written: {0}")]
    Output(#[from] std::io::Error),
}

impl From<innertrail_search::Error> for Error {
    fn from(error: innertrail_search::Error) -> Self {
        match error {
            innertrail_search::Error::Fault { fault, at } => Self::Search { fault, at },
            innertrail_search::Error::TooLarge { bytes } => {
                Self::TooLarge { what: format!("{bytes} bytes, at most {} are taken", innertrail_search::MAX_BYTES) }
            }
        }
    }
}

impl Error {
    /// Gives an error of the engine its type. `rewritten` knows the names and where they stand.
    pub(crate) fn from_engine(error: &DataFusionError, rewritten: &Rewritten, limit_bytes: usize) -> Self {
        let root = error.find_root();
        let message = || first_line(&root.strip_backtrace());
        match root {
            DataFusionError::SchemaError(schema, _) => match schema.as_ref() {
                SchemaError::FieldNotFound { field, valid_fields } => {
                    rewritten.unknown_column(field.name(), valid_fields.iter().map(|f| f.name.clone()))
                }
                _ => Self::Plan { message: message() },
            },
            DataFusionError::ResourcesExhausted(detail) => Self::Memory { limit_bytes, detail: first_line(detail) },
            DataFusionError::ObjectStore(_) | DataFusionError::ParquetError(_) | DataFusionError::IoError(_) => {
                Self::Segment { message: message() }
            }
            DataFusionError::Plan(_)
            | DataFusionError::NotImplemented(_)
            | DataFusionError::Configuration(_)
            | DataFusionError::SQL(..) => Self::Plan { message: message() },
            DataFusionError::Internal(_) | DataFusionError::ExecutionJoin(_) => Self::Internal { message: message() },
            DataFusionError::External(inner) => match inner.downcast_ref::<innertrail_logstore::Error>() {
                Some(e) => Self::Segment { message: e.to_string() },
                None => Self::Execution { message: message() },
            },
            _ => Self::Execution { message: message() },
        }
    }
}

/// The engine appends advice for its developers after the first line.
fn first_line(message: &str) -> String {
    let line = message.lines().find(|l| !l.trim().is_empty()).unwrap_or_default();
    let line = line.strip_prefix("Error during planning: ").unwrap_or(line);
    line.trim_end().to_owned()
}
