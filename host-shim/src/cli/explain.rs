//! `innertrail explain`: the way of one event through every room, and where it is kept.

use std::io;
use std::path::Path;

use anyhow::anyhow;
use innertrail_logstore::{Layout, Snapshot, Store, StoredRow, Value};
use innertrail_query::terminal_safe;
use serde_json::json;

use super::args::{ExplainArgs, Format};
use super::{Failure, Outcome, json_safe, print};
use crate::config::Config;
use crate::runtime::Transform;
use crate::runtime::wit::transform::{Batch, Codec, Frame, Provenance};
use crate::setup;
use crate::status::TRANSFORM;

pub(super) fn run(args: &ExplainArgs) -> Outcome {
    let dir = &args.data.data_dir;
    let snapshot = Snapshot::open(dir).map_err(|e| Failure::Usage(e.into()))?;
    let Some((store, row)) = find(&snapshot, &args.event_id)? else {
        return Err(Failure::Runtime(anyhow!(
            "no event {} in {}: not in the Logstore, not in quarantine",
            terminal_safe(&args.event_id),
            dir.display()
        )));
    };
    let rooms = rooms(&snapshot, dir, &row)?;
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

fn find(snapshot: &Snapshot, id: &str) -> Result<Option<(Store, StoredRow)>, Failure> {
    for store in [Store::Log, Store::Quarantine] {
        let row = snapshot.find_by_key(store, id).map_err(|e| Failure::Runtime(e.into()))?;
        if let Some(row) = row {
            return Ok(Some((store, row)));
        }
    }
    Ok(None)
}

/// Asks the component itself, set up as the last run had it.
fn rooms(snapshot: &Snapshot, dir: &Path, row: &StoredRow) -> Result<serde_json::Value, Failure> {
    let mut transform = last_transform(snapshot, dir)?;
    let end = u32::try_from(row.payload().len()).unwrap_or(u32::MAX);
    let frames = [Frame { end, offset: 0, fault: None }];
    let batch = Batch {
        provenance: Provenance::OwnSource,
        source: "logstore",
        origin: "explain",
        codec: Codec::Actiontrail,
        data: row.payload(),
        frames: &frames,
        sealed: &[],
    };
    let told = transform.explain(&batch).map_err(|e| Failure::Runtime(e.into()))?;
    let mut told: serde_json::Value = serde_json::from_str(&told).map_err(io::Error::from)?;
    Ok(told.get_mut(0).map(serde_json::Value::take).unwrap_or_default())
}

/// The transform of the last run on this data directory, in a sandbox of its own.
pub(super) fn last_transform(snapshot: &Snapshot, dir: &Path) -> Result<Transform, Failure> {
    let defaults = Config::default_for_quickstart(Some(snapshot.trail()), vec!["-".to_owned()], Some(dir.to_owned()))?;
    let stored = snapshot.state().checkpoint(TRANSFORM).and_then(|json| std::str::from_utf8(json).ok());
    let component = setup::component(&defaults)?;
    let json = stored.map_or_else(|| defaults.transform_json(), str::to_owned);
    Transform::open(&component, &json).map_err(|e| Failure::Runtime(e.into()))
}

fn kept(snapshot: &Snapshot, store: Store, row: &StoredRow) -> serde_json::Value {
    let segment = snapshot.segments(store).iter().find(|s| (s.first_seq..s.end()).contains(&row.seq));
    json!({
        "store": store.name(),
        "it_seq": row.seq,
        "it_received_us": row.received_us,
        "segment": segment.map(|s| s.path.display().to_string()),
        "sealed": sealed(snapshot, store, row),
    })
}

/// What proves the record: its place in the store's tree, and the checkpoint of that tree.
fn sealed(snapshot: &Snapshot, store: Store, row: &StoredRow) -> String {
    let size = snapshot.end(store);
    match snapshot.inclusion_proof(store, row.seq) {
        Ok(proof) => format!(
            "record {} of {size} in the tree of {store}, {} hashes to the signed root; `innertrail verify` checks all",
            row.seq,
            proof.hashes.len()
        ),
        Err(error) => format!("not proven: {error}"),
    }
}

/// A stored row's columns as JSON.
pub(super) fn columns(layout: &Layout, row: &StoredRow) -> serde_json::Map<String, serde_json::Value> {
    let name = |position: u8| layout.columns.get(usize::from(position)).map(|c| c.name.clone());
    row.columns()
        .filter_map(|(position, value)| {
            let value = match value {
                Value::Text(text) => json!(text),
                Value::Integer(number) | Value::Timestamp(number) => json!(number),
            };
            Some((name(position)?, value))
        })
        .collect()
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
