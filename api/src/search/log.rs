//! What a log that was found looks like from outside: names and texts.
//! It must never drop a field, and no field of a record may take the place of one that is worked out.
//!
//! [`Record`] says what a record's fields, topic and time are, as it does for pages. Beside them stand `__time__`, `__topic__`,
//! `__source__`, when it arrived, its place, and the `it_…` columns, which are what an index adds.

use std::collections::HashSet;

use innertrail_logstore::{Layout, RECEIVED, SEQ, Store, StoredRow, Value};

use crate::columns::{ENVELOPE, FAMILY, SOURCE, TIME, TOPIC, UNIX, moment};
use crate::record::{Place, RECEIVE_TAG, Record, TAG, is_field};

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
    let time_us = match column(TIME) {
        Some(Value::Timestamp(us)) => Some(us),
        _ => None,
    };
    let (family, topic, envelope) = (text(FAMILY), text(TOPIC), text(ENVELOPE));
    let (payload, received_us) = (row.payload(), row.received_us);
    let record = Record { store, family, topic, envelope, payload, time_us, received_us };
    log.add(UNIX, record.time_us().div_euclid(1_000_000).to_string());
    log.add(SOURCE, text(SOURCE).unwrap_or_default());
    log.add(TOPIC, record.topic());
    log.add(SEQ, row.seq.to_string());
    log.add(RECEIVED, moment(received_us));
    log.add(format!("{TAG}{RECEIVE_TAG}"), received_us.div_euclid(1_000_000).to_string());
    for (at, value) in row.columns() {
        let name = layout.columns.get(usize::from(at)).map_or("", |c| c.name.as_str());
        if is_field(store, name) || (name.starts_with("it_") && name != ENVELOPE) {
            log.add(name, shown(value));
        }
    }
    record.each(|place, name, text| match place {
        Place::Field => log.add(name, text),
        Place::Tag => log.add(format!("{TAG}{name}"), text),
    });
    log.fields
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

fn shown(value: Value<'_>) -> String {
    match value {
        Value::Text(text) => text.to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Timestamp(us) => moment(us),
    }
}
