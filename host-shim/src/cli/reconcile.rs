//! `innertrail reconcile`: is a span of days complete, or what is missing?

use std::fmt::Write as _;
use std::io;

use anyhow::anyhow;
use innertrail_logstore::Snapshot;
use innertrail_query::terminal_safe;

use super::args::{Format, ReconcileArgs};
use super::{Failure, Outcome, json_safe, print};
use crate::config::Config;
use crate::exit;
use crate::reconcile::{Reconciliation, provider, reconcile};

pub(super) fn run(args: &ReconcileArgs) -> Outcome {
    if args.from > args.to {
        return Err(Failure::Usage(anyhow!("--from {} is after --to {}", args.from, args.to)));
    }
    let dir = &args.data.data_dir;
    Snapshot::open(dir).map_err(|e| Failure::Usage(e.into()))?;
    let config = args.config.as_deref().map(Config::load).transpose()?;
    let told = config.as_ref().and_then(|config| provider::ask(config, args.from, args.to));
    let found = reconcile(&|| Snapshot::open(dir), args.from, args.to, told.as_ref()).map_err(Failure::Runtime)?;
    match args.format {
        Format::Text => print(&text(&found))?,
        Format::Json => print(&json_safe(&serde_json::to_string_pretty(&found).map_err(io::Error::from)?))?,
    };
    Ok(if found.is_complete() { exit::OK } else { exit::FOUND })
}

fn text(found: &Reconciliation) -> String {
    let mut out = String::new();
    for day in &found.days {
        let promised = day.promised.map_or_else(
            || "nothing was promised".to_owned(),
            |p| format!("{} objects promised {} events, {} were found", p.objects, p.promised, p.found),
        );
        let _ = writeln!(out, "{}  {:<20} {promised}; {} are kept", day.day, terminal_safe(&day.source), day.kept);
    }
    for (place, delivered) in [("Log Service", found.delivered_to_sls), ("OSS", found.delivered_to_oss)] {
        let Some(delivered) = delivered else { continue };
        let (events, failed) = (delivered.events, delivered.failed);
        let _ = writeln!(out, "ActionTrail says: {events} events delivered to {place}, {failed} not");
    }
    for missing in &found.missing {
        let end = |at: &Option<String>| at.clone().unwrap_or_else(|| "unknown".to_owned());
        let (source, what) = (terminal_safe(&missing.source), terminal_safe(&missing.what));
        let _ = writeln!(out, "GAP  {source}, from {} to {}: {what}", end(&missing.from), end(&missing.to));
    }
    for unknown in &found.unknown {
        let _ = writeln!(out, "note: {unknown}");
    }
    if found.is_complete() {
        let _ = writeln!(out, "complete from {} to {}, as far as anything was promised", found.from, found.to);
    } else {
        let _ = writeln!(out, "NOT complete from {} to {}: {} gaps", found.from, found.to, found.missing.len());
    }
    out
}
