//! What a log of a Logstore looks like from outside: names and texts.
//! It must never drop a field, and no field of a record may take the place of one that is worked out.
//!
//! An audit or insight event comes as ActionTrail delivers it: the record, byte for byte, in `event`. A platform event comes
//! flat, a field for each member of the record; what is no text there is JSON here. Beside them stand `__time__`,
//! `__topic__`, `__source__`, the tags and further fields of the record that brought the event, and the `it_…` columns.
//! Other stores have the record in `event` (the journal) or `raw`; bytes that are no UTF-8 come in Base64 as `raw_base64`.
//!
//! An event without a time of its own has the one at which it was received.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use innertrail_logstore::{Layout, RECEIVED, SEQ, Store, StoredRow, Value};

use super::members::members;
use crate::columns::{ENVELOPE, FAMILY, SOURCE, TIME, TOPIC, UNIX, moment};

/// Names and values, in order, no name twice.
pub(super) type Fields = Vec<(String, String)>;

/// The fields of a row.
pub(super) fn fields(row: &StoredRow, layout: &Layout, store: Store) -> Fields {
    let mut log = Log { fields: Vec::with_capacity(24), names: HashSet::with_capacity(24) };
    let column = |name: &str| layout.position(name).and_then(|at| row.column(u8::try_from(at).ok()?));
    let text = |name: &str| match column(name) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    };
    log.add(UNIX, seconds(row, column(UNIX), column(TIME)).to_string());
    log.add(SOURCE, text(SOURCE).unwrap_or_default());
    log.add(TOPIC, text(TOPIC).unwrap_or_default());
    log.add(SEQ, row.seq.to_string());
    log.add(RECEIVED, moment(row.received_us));
    let envelope = text(ENVELOPE).and_then(members);
    for (at, value) in row.columns() {
        let name = layout.columns.get(usize::from(at)).map_or("", |c| c.name.as_str());
        // What is lifted out of the event stands in it, and the envelope is taken apart below.
        if !name.starts_with("it_") || (name == ENVELOPE && envelope.is_some()) {
            continue;
        }
        log.add(name, shown(value));
    }
    for (name, value) in envelope.into_iter().flatten() {
        // In the event's place stands null.
        if !value.is_null() {
            log.add(name, value.plain());
        }
    }
    payload(row, store, text(FAMILY) == Some("platform"), &mut log);
    log.fields
}

fn payload(row: &StoredRow, store: Store, flat: bool, log: &mut Log) {
    let name = store.payload_column();
    match std::str::from_utf8(row.payload()) {
        Ok(text) => match members(text).filter(|_| flat) {
            Some(members) => members.into_iter().for_each(|(name, value)| log.add(name, value.plain())),
            None => log.add(name, text),
        },
        Err(_) => log.add(format!("{name}_base64"), STANDARD.encode(row.payload())),
    }
}

struct Log {
    fields: Fields,
    names: HashSet<String>,
}

impl Log {
    /// Adds a field, unless there is one of this name.
    fn add(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let name = name.into();
        if self.names.insert(name.clone()) {
            self.fields.push((name, value.into()));
        }
    }
}

/// A row's time, as searches take it.
fn seconds(row: &StoredRow, unix: Option<Value<'_>>, time: Option<Value<'_>>) -> i64 {
    match (time, unix) {
        (Some(Value::Timestamp(us)), _) => us.div_euclid(1_000_000),
        (_, Some(Value::Integer(seconds))) => seconds,
        _ => row.received_us.div_euclid(1_000_000),
    }
}

fn shown(value: Value<'_>) -> String {
    match value {
        Value::Text(text) => text.to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Timestamp(us) => moment(us),
    }
}
