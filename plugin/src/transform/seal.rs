//! Seal marks on events that come back from an agent: what they claim, and whether the event agrees with itself.
//!
//! A mark is `it_seal: "v1.<index>.<64 hex digits>"` beside the raw event in `event`. The key and the check stay with
//! the host. Here it must never be enough that the raw event is genuine: the fields lifted beside it, which sinks use,
//! have to agree with it.

use super::batch::Claim;
use super::encode;
use crate::classify::classify;
use crate::decode::raw_event::RawEvent;
use crate::decode::{Decoder, scan::MAX_DEPTH};

/// What an event claims, if it bears a mark at all.
pub(super) fn claim(event: &RawEvent<'_>, place: u32) -> Option<Claim> {
    let seal = event.text_of(event.seal)?;
    let canonical = raw_event(event)?.into_bytes();
    let (index, mark) = parse(&seal).unwrap_or_default();
    Some(Claim { event: place, index, mark, canonical })
}

/// `v1.<index>.<hex>`.
fn parse(seal: &str) -> Option<(u64, Vec<u8>)> {
    let (index, hex) = seal.strip_prefix("v1.")?.split_once('.')?;
    let digits: Option<Vec<u32>> = hex.chars().map(|c| c.to_digit(16)).collect();
    let mark = digits?.chunks(2).map(|pair| pair.iter().fold(0u8, |sum, d| sum << 4 | *d as u8)).collect();
    Some((index.parse().ok()?, mark))
}

/// The raw event in the field `event`.
fn raw_event(event: &RawEvent<'_>) -> Option<String> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(event.bytes).ok()?;
    object.get("event")?.as_str().map(str::to_owned)
}

/// Whether every field that innertrail writes beside the raw event is what the raw event says.
pub(super) fn agrees(event: &RawEvent<'_>, decoder: &Decoder) -> bool {
    let Ok(outer) = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(event.bytes) else {
        return false;
    };
    let Some(raw) = outer.get("event").and_then(|e| e.as_str()) else { return false };
    let Some(inner) = Decoder { max_depth: MAX_DEPTH, ..decoder.clone() }.again(raw.as_bytes(), None) else {
        return false;
    };
    let mut written = Vec::new();
    encode::native_json(&classify(inner), &mut written);
    let Ok(serde_json::Value::Object(mut written)) = serde_json::from_slice(&written) else { return false };
    let Some(serde_json::Value::Object(fields)) = written.remove("log") else { return false };
    outer.iter().all(|(key, value)| match fields.get(key) {
        Some(own) => own == value,
        None => !innertrails_own(key),
    })
}

/// Names that only innertrail gives; what others add beside them is theirs.
fn innertrails_own(key: &str) -> bool {
    const POSITION: [&str; 4] = ["it_seal", "it_seq", "it_received", "it_origin"];
    crate::event::columns::COLUMNS.iter().any(|c| c.name == key) && !POSITION.contains(&key)
        || key.starts_with("it_") && !POSITION.contains(&key)
}
