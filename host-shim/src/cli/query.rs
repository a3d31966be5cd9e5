//! `innertrail query`: one SELECT over a store, also while a run goes on.

use std::io::{self, BufWriter, Write};
use std::time::Duration;

use anyhow::anyhow;
use innertrail_logstore::Snapshot;
use innertrail_query::{Format, Limits, Query};

use super::args::{QueryArgs, QueryFormat};
use super::{Failure, Outcome};
use crate::exit;

pub(super) fn run(args: &QueryArgs) -> Outcome {
    let store = args.store.into();
    let format = match args.format {
        QueryFormat::Text => Format::Text,
        QueryFormat::Json => Format::Json,
        QueryFormat::Ndjson => Format::Ndjson,
        QueryFormat::Csv => Format::Csv,
    };
    let limits = Limits {
        timeout: Duration::from_secs(args.timeout_secs),
        max_rows: usize::try_from(args.max_rows).unwrap_or(usize::MAX),
        ..Limits::default()
    };
    let snapshot = Snapshot::open(&args.data.data_dir).map_err(|e| Failure::Usage(e.into()))?;
    let query = Query::open(snapshot, store, limits).map_err(|e| Failure::Runtime(e.into()))?;
    let result = query.run(&args.sql).map_err(failure)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let summary = result.write(format, &mut out).map_err(|e| match e {
        innertrail_query::WriteError::Output(e) => Failure::from(e),
        innertrail_query::WriteError::Query(e) => failure(e),
    })?;
    out.flush()?;
    if summary.truncated {
        let advice = "raise --max-rows, or narrow the query with WHERE or LIMIT";
        eprintln!("warning: cut after {} rows; {advice}", summary.rows);
    }
    Ok(exit::OK)
}

/// A query that cannot be run is the user's; one that fails on the way is not.
fn failure(error: innertrail_query::Error) -> Failure {
    use innertrail_query::Error as E;
    match error {
        E::Timeout { .. } | E::Memory { .. } | E::Segment { .. } | E::Start(_) | E::Internal { .. } => {
            Failure::Runtime(anyhow!(error))
        }
        _ => Failure::Usage(anyhow!(error)),
    }
}
