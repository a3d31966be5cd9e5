//! `innertrail proof`: that one event is in the dedicated Logstore, as a text that others can check.

use innertrail_logstore::{Snapshot, Store};
use innertrail_query::terminal_safe;

use super::args::ProofArgs;
use super::{Failure, Outcome, print};
use crate::explain::proof_text;

pub(super) fn run(args: &ProofArgs) -> Outcome {
    let dir = &args.data.data_dir;
    let snapshot = Snapshot::open(dir).map_err(|e| Failure::Usage(e.into()))?;
    let runtime = |e: innertrail_logstore::Error| Failure::Runtime(e.into());
    let Some(row) = snapshot.find_by_key(Store::Log, &args.event_id).map_err(runtime)? else {
        let (id, dir) = (terminal_safe(&args.event_id), dir.display());
        return Err(Failure::Runtime(anyhow::anyhow!("no event {id} in the dedicated Logstore of {dir}")));
    };
    print(&proof_text(&snapshot.inclusion_proof(Store::Log, row.seq).map_err(runtime)?))
}
