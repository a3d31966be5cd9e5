//! What is known of one event: what each room did with it, where it is kept, what proves it, and its columns.
//!
//! Must never take an event apart itself: the component does, set up as the last run had it.

use std::path::Path;

use anyhow::{Context as _, Result};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use innertrail_alerts::{RuleSet, Store as RuleStore, Verdict};
use innertrail_logstore::{Layout, Proof, Snapshot, Store, StoredRow, Value};
use innertrail_query::{Format, Limits, Query};
use serde_json::json;

use crate::alerting::stored::{Places, Row};
use crate::config::Config;
use crate::runtime::Transform;
use crate::runtime::wit::transform::{Batch, Codec, Frame, Provenance};
use crate::setup;
use crate::status::TRANSFORM;

/// The event with this id, in the dedicated Logstore or in quarantine.
///
/// # Errors
/// The Logstore's.
pub(crate) fn find(snapshot: &Snapshot, id: &str) -> Result<Option<(Store, StoredRow)>, innertrail_logstore::Error> {
    for store in [Store::Log, Store::Quarantine] {
        if let Some(row) = snapshot.find_by_key(store, id)? {
            return Ok(Some((store, row)));
        }
    }
    Ok(None)
}

/// Asks the component what each room does with the record.
///
/// # Errors
/// When the component fails on it.
pub(crate) fn rooms(transform: &mut Transform, row: &StoredRow) -> Result<serde_json::Value> {
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
    let told = transform.explain(&batch)?;
    let mut told: serde_json::Value = serde_json::from_str(&told).context("the component's answer is no JSON")?;
    Ok(told.get_mut(0).map(serde_json::Value::take).unwrap_or_default())
}

/// How the last run on this data directory had the transform set up; `None` when none said so.
pub(crate) fn last_setup(snapshot: &Snapshot) -> Option<&str> {
    snapshot.state().checkpoint(TRANSFORM).and_then(|json| std::str::from_utf8(json).ok())
}

/// The transform of the last run on this data directory, in a sandbox of its own.
///
/// # Errors
/// When the component cannot be loaded or opened.
pub(crate) fn last_transform(snapshot: &Snapshot, dir: &Path) -> Result<Transform> {
    let defaults = Config::default_for_quickstart(Some(snapshot.trail()), vec!["-".to_owned()], Some(dir.to_owned()))?;
    let component = setup::component(&defaults)?;
    let json = last_setup(snapshot).map_or_else(|| defaults.transform_json(), str::to_owned);
    Ok(Transform::open(&component, &json)?)
}

/// The rules that match a record, and those that nearly do, with what is in their way. Rules look at the dedicated Logstore and
/// the journal alone.
pub(crate) fn rules(set: &RuleSet, layout: &Layout, store: Store, row: &StoredRow) -> Vec<Verdict> {
    let store = match store {
        Store::Log => RuleStore::Log,
        Store::Journal => RuleStore::Journal,
        Store::Quarantine | Store::Passthrough => return Vec::new(),
    };
    let places = Places::new(layout);
    innertrail_alerts::explain(set, &Row { places: &places, row }.record(store))
}

/// What a run told of a record: the `alert_fired` entries of the journal that name it, the newest first.
///
/// # Errors
/// The query's.
pub(crate) fn fired(
    snapshot: &Snapshot,
    store: Store,
    row: &StoredRow,
) -> Result<serde_json::Value, innertrail_query::Error> {
    let search = format!("eventName: alert_fired and seq = {} and store: {store}", row.seq);
    let mut json = Vec::new();
    let result = Query::open(snapshot.clone(), Store::Journal, Limits::default())?.run(&search)?;
    // Writing into memory does not fail, and what a query finds is JSON.
    let _summary = result.write(Format::Json, &mut json);
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&json).unwrap_or_default();
    let entry = |row: &serde_json::Value| {
        let mut entry: serde_json::Value = serde_json::from_str(row["event"].as_str()?).ok()?;
        entry.as_object_mut()?.insert("entry".to_owned(), row["it_seq"].clone());
        Some(entry)
    };
    Ok(rows.iter().filter_map(entry).collect())
}

/// Where a record is kept, and whether it is sealed.
pub(crate) fn kept(snapshot: &Snapshot, store: Store, row: &StoredRow) -> serde_json::Value {
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

/// The proof after c2sp.org/tlog-proof@v1.
pub(crate) fn proof_text(proof: &Proof) -> String {
    let hashes: String = proof.hashes.iter().map(|hash| format!("{}\n", BASE64_STANDARD.encode(hash))).collect();
    format!("c2sp.org/tlog-proof@v1\nindex {}\n{hashes}\n{}", proof.index, proof.checkpoint)
}

/// A stored row's columns as JSON.
pub(crate) fn columns(layout: &Layout, row: &StoredRow) -> serde_json::Map<String, serde_json::Value> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_the_form_of_the_specification() {
        let proof = Proof { index: 7, hashes: vec![[0; 32], [255; 32]], checkpoint: "note\n".to_owned() };
        insta::assert_snapshot!(proof_text(&proof), @r"
        c2sp.org/tlog-proof@v1
        index 7
        AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
        //////////////////////////////////////////8=

        note
        ");
    }
}
