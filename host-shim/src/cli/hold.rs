//! `innertrail hold`: set, release and list legal holds.

use serde_json::json;

use super::args::{Format, HoldArgs, HoldCommand, HoldSetArgs, RetentionArgs};
use super::{Outcome, json_safe, print, retention};
use crate::clock;
use crate::journal::{Entry, Kind};
use crate::lifecycle::hold::{Day, Hold};
use crate::lifecycle::told::{Life, hold_lines};
use crate::lifecycle::{self};

pub(super) fn run(command: &HoldCommand) -> Outcome {
    match command {
        HoldCommand::Set(args) => set(args),
        HoldCommand::Release(args) => release(args),
        HoldCommand::List(args) => list(args),
    }
}

fn entry(kind: Kind, name: &str, hold: &Hold, now_us: i64) -> Entry {
    let day = |day: Option<Day>| day.map(String::from);
    Entry::new(kind, "hold", now_us)
        .with("name", name)
        .with("reason", hold.reason.as_str())
        .with("from", day(hold.from))
        .with("to", day(hold.to))
}

fn set(args: &HoldSetArgs) -> Outcome {
    let now = clock::now_us();
    let reason = args.reason.trim().to_owned();
    let hold = Hold { reason, from: args.from.map(Day), to: args.to.map(Day), set_us: now };
    let days = hold.days_told();
    lifecycle::change(&args.data.data_dir, "hold", now, |state| {
        let entry = entry(Kind::HoldSet, &args.name, &hold, now);
        state.hold(&args.name, hold)?;
        Ok(((), vec![entry]))
    })?;
    print(&format!("hold {} is set: {days} stay until it is released", args.name))
}

fn release(args: &HoldArgs) -> Outcome {
    let now = clock::now_us();
    let changed = lifecycle::change(&args.data.data_dir, "hold", now, |state| {
        let hold = state.release(&args.name)?;
        Ok(((), vec![entry(Kind::HoldReleased, &args.name, &hold, now)]))
    })?;
    let kept = changed.state.retention.told();
    print(&format!(
        "hold {} is released; records are kept for {kept} again, where no other hold covers them",
        args.name
    ))
}

fn list(args: &RetentionArgs) -> Outcome {
    let state = retention::read(&args.data.data_dir)?;
    if args.format == Format::Json {
        return print(&json_safe(&json!({ "holds": Life::new(&state).holds }).to_string()));
    }
    if state.holds.is_empty() {
        return print("no hold is set");
    }
    print(&hold_lines(&state).iter().map(|(name, value)| format!("{name:<22}{value}\n")).collect::<String>())
}
