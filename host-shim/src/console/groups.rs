//! Consumer groups as they stand in their files: those of sinks and `tail`, and those of the API.
//!
//! Must never take a lease, move a position, or fail because one file cannot be read.

use std::fs;
use std::path::Path;

use innertrail_logstore::consumer::Groups;
use innertrail_logstore::{Snapshot, Store};
use serde_json::{Value, json};

use crate::clock;

/// Longest file of a group of the API that is read, bytes.
const LONGEST: u64 = 4 << 20;

/// Both kinds: `own` and `api`.
pub(super) fn all(dir: &Path, snapshot: &Snapshot) -> anyhow::Result<Value> {
    Ok(json!({"own": own(dir, snapshot)?, "api": of_the_api(dir)}))
}

fn own(dir: &Path, snapshot: &Snapshot) -> anyhow::Result<Vec<Value>> {
    let groups = Groups::open(dir)?;
    let now_us = clock::now_us();
    let told = |name: &String| match groups.get(name) {
        Ok(group) => {
            let held = group.owner.as_ref().filter(|owner| owner.holds(group.options.timeout_us, now_us));
            let position = group.cursor.map(innertrail_logstore::consumer::Cursor::seq);
            let end = snapshot.end(group.store);
            json!({"name": name, "store": group.store.name(), "position": position, "end": end,
                "behind": end.saturating_sub(position.unwrap_or_else(|| snapshot.first_kept(group.store))),
                "updated_us": group.updated_us, "updated_by": group.updated_by,
                "consumer": held.map(|owner| &owner.consumer), "heartbeat_us": held.map(|owner| owner.heartbeat_us)})
        }
        Err(error) => json!({"name": name, "why": error.to_string()}),
    };
    Ok(groups.names()?.iter().map(told).collect())
}

fn of_the_api(dir: &Path) -> Vec<Value> {
    let mut found = Vec::new();
    for store in Store::ALL {
        let Ok(files) = fs::read_dir(dir.join("consumers/sls").join(store.name())) else { continue };
        let mut paths: Vec<_> = files.filter_map(Result::ok).map(|file| file.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
        paths.sort();
        found.extend(paths.iter().map(|path| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            group(path).map_or_else(
                || json!({"name": name, "store": store.name(), "why": "its file cannot be read"}),
                |group| {
                    json!({"name": group["name"], "store": store.name(), "timeout_secs": group["timeout_secs"],
                    "order": group["order"], "checkpoints": group["checkpoints"]})
                },
            )
        }));
    }
    found
}

fn group(path: &Path) -> Option<Value> {
    if fs::metadata(path).ok()?.len() > LONGEST {
        return None;
    }
    let mut file: Value = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    Some(file["group"].take()).filter(Value::is_object)
}
