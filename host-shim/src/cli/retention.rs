//! `innertrail retention`: show, set, apply.
//!
//! Must never shorten at once, and never without being forced to.

use std::path::Path;

use innertrail_logstore::Snapshot;
use serde_json::json;

use super::args::{Format, RetentionArgs, RetentionCommand, RetentionSetArgs};
use super::enable::told;
use super::{Failure, Outcome, json_safe, print};
use crate::clock;
use crate::journal::Entry;
use crate::lifecycle::retention::{Change, Profile, Wish, days_told};
use crate::lifecycle::told::{Life, retention_lines};
use crate::lifecycle::{self, Drop, LifecycleError, State, retention_entry};

pub(super) fn run(command: &RetentionCommand) -> Outcome {
    match command {
        RetentionCommand::Show(args) => show(args),
        RetentionCommand::Set(args) => set(args),
        RetentionCommand::Apply(args) => apply(args),
    }
}

/// The lifecycle of a Logstore that is only read.
pub(super) fn read(dir: &Path) -> Result<State, Failure> {
    let snapshot = Snapshot::open(dir).map_err(|e| Failure::Usage(e.into()))?;
    let state = State::read(snapshot.state())?;
    state.ok_or_else(|| Failure::from(LifecycleError::NeverEnabled(dir.to_owned())))
}

fn show(args: &RetentionArgs) -> Outcome {
    let dir = &args.data.data_dir;
    let state = read(dir)?;
    // What is due is told as it would be once a shortening whose time has come counts.
    let mut settled = state.clone();
    settled.retention.settle(clock::now_us());
    let due = lifecycle::planned(&settled, dir, clock::now_us()).map_err(|e| Failure::Runtime(e.into()))?;
    if args.format == Format::Json {
        let life = Life::new(&state);
        let due: Vec<_> = due.iter().map(due_json).collect();
        let told = json!({
            "retention_days": life.retention_days,
            "retention_pending": life.retention_pending,
            "holds": life.holds,
            "due": due,
        });
        return print(&json_safe(&told.to_string()));
    }
    let mut out: String = retention_lines(&state).iter().map(|(name, value)| format!("{name:<22}{value}\n")).collect();
    for drop in &due {
        let (store, days) = (drop.store, drop.days.len());
        out += &format!(
            "{:<22}{days} days of {store}, {} records, {} bytes\n",
            "due to be dropped", drop.rows, drop.bytes
        );
    }
    print(&out)
}

fn due_json(drop: &Drop) -> serde_json::Value {
    let days: Vec<String> = drop.days.iter().map(ToString::to_string).collect();
    json!({
        "store": drop.store.name(),
        "days": days,
        "records": drop.rows,
        "bytes": drop.bytes,
        "first_kept": drop.first_kept,
    })
}

fn set(args: &RetentionSetArgs) -> Outcome {
    let (dir, now) = (&args.data.data_dir, clock::now_us());
    let days = args.days.or(args.profile.map(Profile::days));
    let Some(days) = days else { return Err(Failure::Usage(anyhow::anyhow!("give DAYS or --profile"))) };
    let wish = Wish { days, grace_hours: args.grace, forced: args.force_retention };
    let changed = lifecycle::change(dir, "retention", now, |state| {
        let old = state.retention.days;
        let change = state.retention.set(wish, now)?;
        let entry = entry(old, change, state, now);
        Ok(((old, change), entry.into_iter().collect()))
    })?;
    let (old, change) = changed.value;
    print(&format!("records are kept for {}", told(old, change, &days_told(changed.state.retention.days))))
}

fn entry(old: u32, change: Change, state: &State, now_us: i64) -> Option<Entry> {
    let entry = || retention_entry(old, &state.retention, "retention", now_us);
    match change {
        Change::Same | Change::Kept => None,
        Change::Cancelled { days } => Some(entry().with("cancelled_days", days)),
        Change::Longer { .. } | Change::Shorter { .. } => Some(entry()),
    }
}

fn apply(args: &RetentionArgs) -> Outcome {
    let dir = &args.data.data_dir;
    let dropped = lifecycle::apply(dir, "retention", clock::now_us())?;
    if args.format == Format::Json {
        let dropped: Vec<_> = dropped
            .iter()
            .map(|dropped| {
                let days: Vec<String> = dropped.retired.days.iter().map(ToString::to_string).collect();
                json!({
                    "store": dropped.store.name(),
                    "days": days,
                    "records": dropped.retired.rows,
                    "bytes": dropped.retired.bytes,
                    "first_kept": dropped.retired.first_kept,
                })
            })
            .collect();
        return print(&json!({ "dropped": dropped }).to_string());
    }
    if dropped.is_empty() {
        return print("nothing is too old");
    }
    print(&dropped.iter().map(|dropped| format!("{}\n", dropped.told())).collect::<String>())
}
