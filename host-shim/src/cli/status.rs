//! `innertrail status`: what the Logstore counts, also while a run goes on.

use innertrail_logstore::Snapshot;

use super::args::{Format, StatusArgs};
use super::{Failure, Outcome, print};
use crate::status::Status;

pub(super) fn run(args: &StatusArgs) -> Outcome {
    let snapshot = Snapshot::open(&args.data.data_dir).map_err(|e| Failure::Usage(e.into()))?;
    let status = Status::new(snapshot.trail(), snapshot.state());
    match args.format {
        Format::Text => print(&status.text()),
        Format::Json => print(&serde_json::to_string_pretty(&status).map_err(|e| Failure::Runtime(e.into()))?),
    }
}
