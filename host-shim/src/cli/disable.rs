//! `innertrail disable`: nothing is appended any more; what is there stays until it expires.

use super::args::DisableArgs;
use super::{Failure, Outcome, print};
use crate::clock;
use crate::journal::{Entry, Kind};
use crate::lifecycle;

pub(super) fn run(args: &DisableArgs) -> Outcome {
    let (dir, now) = (&args.data.data_dir, clock::now_us());
    let changed = lifecycle::change(dir, "disable", now, |state| {
        let was = state.disable(now);
        let entry = was.then(|| Entry::new(Kind::Disabled, "disable", now).with("reason", args.reason.clone()));
        Ok((was, entry.into_iter().collect()))
    })
    .map_err(Failure::from)?;
    let kept = changed.state.retention.told();
    let stays =
        format!("what it holds stays until it expires (kept for {kept}), and `innertrail enable` enables it again");
    print(&match changed.value {
        true => format!("disabled; {stays}"),
        false => format!("it was disabled already; {stays}"),
    })
}
