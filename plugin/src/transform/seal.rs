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
    let index = event.text_of(event.seal).and_then(|seal| parse(&seal)).map(|(index, _)| index);
    event.duplicate_keys == 0
        && outer.iter().all(|(key, value)| match (fields.get(key), key.as_str()) {
            (Some(own), _) => own == value,
            (None, "it_seal") => true,
            (None, "it_seq") => value.as_u64() == index,
            (None, other) => !stands_for_ours(other),
        })
}

/// A name that a reader may take for one of innertrail's own: the same without regard to case, or the parent of one,
/// as `userIdentity` is of `userIdentity.userName`. What else an agent adds is its own.
fn stands_for_ours(key: &str) -> bool {
    let key = key.to_lowercase();
    key.starts_with("it_")
        || key.starts_with("__")
        || key == "event"
        || crate::event::columns::COLUMNS.iter().any(|column| {
            let name = column.name.to_lowercase();
            name == key || name.strip_prefix(&key).is_some_and(|rest| rest.starts_with('.'))
        })
}
