//! Which fields a record has on the wire. The raw record must always be among them, byte for byte.
//!
//! What a consumer of the provider's own Logstore sees decides, as far as anybody has told it:
//!
//! - **Audit events**: topic `actiontrail_audit_event`, one field `event` with the record as text (`actiontrail.md` §3.2). Programs
//!   look at that topic before they parse `event`, so a record that came without one (from OSS, from a file) gets it.
//! - **Platform events**: not documented (`actiontrail.md` §10.1). The published sample has its fields side by side, all of them
//!   text, so they are given so, in the record's own order; `event` is the record itself beside them, because fields alone
//!   would not give its bytes back. Their topic is not documented either and is left as it came.
//! - **Insight events**: `event` alone.
//! - **What stood around the event** in the log that brought it (other fields, tags) comes back as fields and tags. What was around it
//!   otherwise (an EventBridge envelope) is one field, `it_envelope`.
//! - **Journal, quarantine, passthrough** are this software's own: `event`, or `raw`, and every column that is filled.
//!   Values in a page are text in most clients, and one that is not UTF-8 makes the Rust SDK refuse the whole page, so such
//!   bytes are given as `raw_base64` instead of `raw`.
//!
//! The time of a log is that of its event, or of its arrival where it has none. Tags of each group, which holds one record:
//! `__receive_time__` (arrival, seconds), `it_seq` (its leaf in the store's tree), `it_tree_size` (size of the tree that was
//! durable when the page was made, one that is signed: what a proof wants to know).

use std::borrow::Cow;

use arrow::array::{Array, AsArray, BinaryArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Int64Type, TimestampMicrosecondType};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use innertrail_logstore::{RECEIVED, SEQ, Store};

use super::members;
use super::wire::Log;
use crate::columns::{ENVELOPE, FAMILY, SOURCE, TIME, TOPIC, UNIX, moment};

/// The topic of the provider's audit events.
const AUDIT_TOPIC: &str = "actiontrail_audit_event";

const RECEIVE_TAG: &str = "__receive_time__";
const SEQ_TAG: &str = "it_seq";
const SIZE_TAG: &str = "it_tree_size";

/// Whether a page needs a column of a store.
pub(crate) fn is_wanted(store: Store, column: &str) -> bool {
    store != Store::Log
        || [SEQ, RECEIVED, TOPIC, SOURCE, UNIX, TIME, FAMILY, ENVELOPE].contains(&column)
        || column == store.payload_column()
}

enum Payload<'a> {
    Text(&'a StringArray),
    Bytes(&'a BinaryArray),
}

/// The records of a batch, as logs.
pub(crate) struct Records<'a> {
    store: Store,
    batch: &'a RecordBatch,
    seq: &'a [i64],
    received: &'a [i64],
    payload: Payload<'a>,
    topic: Option<&'a StringArray>,
    source: Option<&'a StringArray>,
    family: Option<&'a StringArray>,
    envelope: Option<&'a StringArray>,
    unix: Option<&'a arrow::array::Int64Array>,
    time: Option<&'a arrow::array::TimestampMicrosecondArray>,
}

impl<'a> Records<'a> {
    /// `None` when the batch lacks what every batch has.
    pub(crate) fn of(store: Store, batch: &'a RecordBatch) -> Option<Self> {
        let text = |name| batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
        let time = |name| batch.column_by_name(name).and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>());
        let whole = |name| batch.column_by_name(name).and_then(|c| c.as_primitive_opt::<Int64Type>());
        let column = batch.column_by_name(store.payload_column())?;
        let payload = match column.as_string_opt::<i32>() {
            Some(texts) => Payload::Text(texts),
            None => Payload::Bytes(column.as_binary_opt::<i32>()?),
        };
        Some(Self {
            store,
            batch,
            seq: whole(SEQ)?.values(),
            received: time(RECEIVED)?.values(),
            payload,
            topic: text(TOPIC),
            source: text(SOURCE),
            family: text(FAMILY),
            envelope: text(ENVELOPE),
            unix: whole(UNIX),
            time: time(TIME),
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.seq.len()
    }

    /// When a record arrived, microseconds UTC.
    pub(crate) fn received_us(&self, row: usize) -> i64 {
        self.received[row]
    }

    fn payload(&self, row: usize) -> &'a [u8] {
        match self.payload {
            Payload::Text(texts) => texts.value(row).as_bytes(),
            Payload::Bytes(bytes) => bytes.value(row),
        }
    }

    /// A record as a log. `size` is the tree's, as text.
    pub(crate) fn log(&self, row: usize, size: &'a str) -> Log<'a> {
        let (time, nanos) = self.time(row);
        let topic = value(self.topic, row).unwrap_or_default();
        let mut log = Log { time, nanos, topic, source: value(self.source, row).unwrap_or_default(), ..Log::default() };
        log.tags.reserve(3);
        let tag = |key: &'static str, number: i64| (Cow::Borrowed(key), Cow::Owned(number.to_string().into_bytes()));
        log.tags.push(tag(RECEIVE_TAG, self.received[row].div_euclid(1_000_000)));
        log.tags.push(tag(SEQ_TAG, self.seq[row]));
        log.tags.push((SIZE_TAG.into(), Cow::Borrowed(size.as_bytes())));
        if self.store == Store::Log {
            self.event(row, &mut log);
        } else {
            self.columns(row, &mut log);
        }
        log
    }

    /// Seconds and nanoseconds of the event; those of its arrival where it has none, or one before 1970 or after 2106.
    fn time(&self, row: usize) -> (u32, u32) {
        let fraction = |us: i64| us.rem_euclid(1_000_000) as u32 * 1_000;
        let us = self.time.filter(|times| times.is_valid(row)).map(|times| times.value(row));
        let seconds = match self.unix.filter(|times| times.is_valid(row)) {
            Some(times) => Some(times.value(row)),
            None => us.map(|us| us.div_euclid(1_000_000)),
        };
        match seconds.and_then(|seconds| u32::try_from(seconds).ok()) {
            Some(seconds) => (seconds, us.map_or(0, fraction)),
            None => {
                let received = self.received[row];
                (u32::try_from(received.div_euclid(1_000_000)).unwrap_or(0), fraction(received))
            }
        }
    }

    fn event(&self, row: usize, log: &mut Log<'a>) {
        let payload = self.payload(row);
        let family = value(self.family, row);
        log.contents.push(("event".into(), payload.into()));
        match family {
            Some("platform") => platform(payload, log),
            Some("audit") if log.topic.is_empty() => log.topic = AUDIT_TOPIC,
            _ => {}
        }
        if let Some(envelope) = value(self.envelope, row) {
            around(envelope, log);
        }
    }

    fn columns(&self, row: usize, log: &mut Log<'a>) {
        let (name, payload) = (self.store.payload_column(), self.payload(row));
        if std::str::from_utf8(payload).is_ok() {
            log.contents.push((name.into(), payload.into()));
        } else {
            let text = STANDARD.encode(payload).into_bytes();
            log.contents.push((format!("{name}_base64").into(), text.into()));
        }
        let schema = self.batch.schema_ref();
        for (field, column) in schema.fields().iter().zip(self.batch.columns()) {
            let key = field.name().as_str();
            if ![SEQ, RECEIVED, TOPIC, SOURCE, UNIX, name].contains(&key)
                && let Some(text) = text(column.as_ref(), row)
            {
                log.contents.push((Cow::Owned(key.to_owned()), text));
            }
        }
    }
}

fn value(column: Option<&StringArray>, row: usize) -> Option<&str> {
    column.filter(|column| column.is_valid(row)).map(|column| column.value(row))
}

/// A column's value as text; `None` when it is null.
fn text(column: &dyn Array, row: usize) -> Option<Cow<'_, [u8]>> {
    if column.is_null(row) {
        return None;
    }
    match column.data_type() {
        DataType::Utf8 => column.as_string_opt::<i32>().map(|texts| texts.value(row).as_bytes().into()),
        DataType::Int64 => column.as_primitive_opt::<Int64Type>().map(|n| n.value(row).to_string().into_bytes().into()),
        DataType::Timestamp(..) => {
            let us = column.as_primitive_opt::<TimestampMicrosecondType>()?.value(row);
            Some(moment(us).into_bytes().into())
        }
        _ => None,
    }
}

/// The fields of a platform event, side by side.
fn platform<'a>(payload: &'a [u8], log: &mut Log<'a>) {
    let Some(found) = std::str::from_utf8(payload).ok().and_then(members::of) else { return };
    log.contents.reserve(found.len());
    for (key, value) in found {
        spread(key, value, log);
    }
}

/// What stood around an event: the rest of the log that brought it, or an envelope of another kind.
fn around<'a>(envelope: &'a str, log: &mut Log<'a>) {
    let whole = |log: &mut Log<'a>| log.contents.push((ENVELOPE.into(), envelope.as_bytes().into()));
    let Some(found) = members::of(envelope) else { return whole(log) };
    let is_log = found.iter().any(|(key, _)| [UNIX, TOPIC, SOURCE].contains(&&**key));
    if !is_log || !found.iter().any(|(key, value)| key == "event" && value == "null") {
        return whole(log);
    }
    for (key, value) in found {
        spread(key, value, log);
    }
}

/// A member of a log: a tag, a field, or what the log says in another place already.
fn spread<'a>(key: Cow<'a, str>, value: Cow<'a, str>, log: &mut Log<'a>) {
    if [UNIX, "__time_ns_part__", TOPIC, SOURCE, "event"].contains(&&*key) {
        return;
    }
    let value = bytes(value);
    match key.strip_prefix("__tag__:") {
        // Arrival here is not arrival there, and a tag of ours that came in is not ours.
        Some(tag) if [RECEIVE_TAG, SEQ_TAG, SIZE_TAG].contains(&tag) => {}
        Some(tag) => log.tags.push((Cow::Owned(tag.to_owned()), value)),
        None => log.contents.push((key, value)),
    }
}

fn bytes(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => text.as_bytes().into(),
        Cow::Owned(text) => text.into_bytes().into(),
    }
}

/// For tests of what is beside the encoding.
#[cfg(test)]
pub(crate) fn keys<'a>(pairs: &'a [super::wire::Pair<'_>]) -> Vec<(&'a str, Cow<'a, str>)> {
    pairs.iter().map(|(key, value)| (key.as_ref(), String::from_utf8_lossy(value))).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_event_has_its_fields_side_by_side() {
        let raw = r#"{"EventID":"p-1","__topic__":"t","__tag__:host":"h","__tag__:it_seq":"9","EventName":"Set \"Quota\"","EventAdditionalDetail":"{\"a\":1}","n":1.50,"o":{"k": [null, 1]},"none":null,"yes":true,"event":"x"}"#;
        let mut log = Log::default();
        platform(raw.as_bytes(), &mut log);
        let wanted = [
            ("EventID", "p-1"),
            ("EventName", "Set \"Quota\""),
            ("EventAdditionalDetail", "{\"a\":1}"),
            ("n", "1.5"),
            ("o", r#"{"k":[null,1]}"#),
            ("none", "null"),
            ("yes", "true"),
        ];
        assert_eq!(keys(&log.contents), wanted.map(|(k, v)| (k, v.into())));
        assert_eq!(keys(&log.tags), [("host", "h".into())]);
        let mut none = Log::default();
        for broken in ["[]", "{", "\"x\"", "{\"a\":1}x"] {
            platform(broken.as_bytes(), &mut none);
        }
        assert!(none.contents.is_empty());
    }

    #[test]
    fn what_stood_around_an_event_comes_back() {
        let text = r#"{"__time__":1,"__topic__":"t","__source__":"s","__tag__:__receive_time__":"5","__tag__:pack":"p","event":null,"owner_id":"1"}"#;
        let mut log = Log::default();
        around(text, &mut log);
        assert_eq!(
            (keys(&log.contents), keys(&log.tags)),
            (vec![("owner_id", "1".into())], vec![("pack", "p".into())])
        );
        for other in [r#"{"specversion":"1.0","data":null}"#, r#"{"__time__":1,"data":null}"#, "{broken"] {
            let mut log = Log::default();
            around(other, &mut log);
            assert_eq!(keys(&log.contents), [(ENVELOPE, other.into())]);
        }
    }
}
