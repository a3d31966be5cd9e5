//! SQL and search over one store of the dedicated Logstore: segments and the unsealed tail as one read-only table.
//! It must never write, and no other crate may build DataFusion: writing, recovery and verification do without SQL.
//!
//! Four locks keep it read-only: only one `SELECT`/`WITH` passes [`Query::run`], DataFusion's own options forbid
//! everything else, the table has no way in, and neither file formats nor other tables are registered.
//!
//! Names are found without regard to case (`EventName`, `"useridentity.type"`), with or without the prefix
//! `event.`, and `FROM log` may be left out. Log text is hostile: [`Format::Text`] shows what a terminal would
//! obey, and every limit of [`Limits`] ends a query with a typed [`Error`].
//!
//! ```no_run
//! use innertrail_logstore::{Snapshot, Store};
//! use innertrail_query::{Format, Limits, Query};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let snapshot = Snapshot::open(std::path::Path::new("/var/lib/innertrail"))?;
//! let query = Query::open(snapshot, Store::Log, Limits::default())?;
//! let result = query.run("SELECT eventName, count(1) AS n GROUP BY eventName ORDER BY n DESC")?;
//! let summary = result.write(Format::Text, &mut std::io::stdout())?;
//! eprintln!("{} rows", summary.rows);
//! # Ok(()) }
//! ```

mod cell;
mod error;
mod execute;
mod files;
mod functions;
pub mod live;
mod names;
mod outputs;
mod parse;
mod prune;
mod query;
mod render;
mod result;
mod rewrite;
pub mod search;
mod table;
mod tally;

pub use cell::Cell;
pub use error::{Error, WriteError};
pub use innertrail_search::Position;
pub use query::{Limits, MAX_SQL_BYTES, MAX_SQL_TOKENS, Query};
pub use render::{Format, terminal_safe};
pub use result::{QueryResult, ResultColumn, Summary};
pub use rewrite::Dialect;
pub use search::SearchFault;
