//! `innertrail explain`: the way of one event through every room, and where it is kept.

use std::io;

use anyhow::anyhow;
use innertrail_logstore::Snapshot;
use innertrail_query::terminal_safe;
use serde_json::json;

use super::args::{ExplainArgs, Format};
use super::{Failure, Outcome, json_safe, print};
use crate::explain::{columns, find, kept, rooms};

pub(super) fn run(args: &ExplainArgs) -> Outcome {
    let dir = &args.data.data_dir;
    let snapshot = Snapshot::open(dir).map_err(|e| Failure::Usage(e.into()))?;
    let Some((store, row)) = find(&snapshot, &args.event_id).map_err(|e| Failure::Runtime(e.into()))? else {
        return Err(Failure::Runtime(anyhow!(
            "no event {} in {}: not in the Logstore, not in quarantine",
            terminal_safe(&args.event_id),
            dir.display()
        )));
    };
    let mut transform = super::last_transform(&snapshot, dir)?;
    let rooms = rooms(&mut transform, &row).map_err(Failure::Runtime)?;
    let told = json!({
        "eventId": args.event_id,
        "rooms": rooms,
        "kept": kept(&snapshot, store, &row),
        "columns": columns(snapshot.layout(), &row),
    });
    match args.format {
        Format::Json => print(&json_safe(&serde_json::to_string_pretty(&told).map_err(io::Error::from)?)),
        Format::Text => print(&text(&told)),
    }
}

fn text(told: &serde_json::Value) -> String {
    let mut out = String::new();
    for part in ["rooms", "kept", "columns"] {
        let Some(rooms) = told[part].as_object() else { continue };
        out += &format!("{part}\n");
        for (name, value) in rooms {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            out += &format!("  {name:<28} {}\n", terminal_safe(&value));
        }
    }
    out
}
