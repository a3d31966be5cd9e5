//! `innertrail status`: what the Logstore counts and how it stands, also while a run goes on.

use innertrail_logstore::Snapshot;

use super::args::{Format, StatusArgs};
use super::{Failure, Outcome, json_safe, print};
use crate::clock;
use crate::status::Status;

pub(super) fn run(args: &StatusArgs) -> Outcome {
    let snapshot = Snapshot::open(&args.data.data_dir).map_err(|e| Failure::Usage(e.into()))?;
    let status = Status::of(&snapshot, clock::now_us()).map_err(|e| Failure::Runtime(e.into()))?;
    match args.format {
        Format::Text => print(&status.text()),
        Format::Json => {
            let json = serde_json::to_string_pretty(&status).map_err(|e| Failure::Runtime(e.into()))?;
            print(&json_safe(&json))
        }
    }
}
