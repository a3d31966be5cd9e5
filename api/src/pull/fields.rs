//! The records of a page, as logs: [`Record`] says what they are, this adds what a page says of each.
//! It must never read a column for nothing: most of what a pull costs is reading.
//!
//! Tags of each group, which holds one record: `__receive_time__` (arrival, seconds), `it_seq` (its leaf in the store's tree),
//! `it_tree_size` (size of the tree that was durable when the page was made, one that is signed: what a proof wants to know).

use std::borrow::Cow;

use arrow::array::{Array, AsArray, BinaryArray, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Int64Type, TimestampMicrosecondType};
use innertrail_logstore::{RECEIVED, SEQ, Store};

use super::wire::Log;
use crate::columns::{ENVELOPE, FAMILY, SOURCE, TIME, TOPIC, moment};
use crate::record::{Place, RECEIVE_TAG, Record, SEQ_TAG, SIZE_TAG, is_field};

/// Whether a page needs a column of a store.
pub(crate) fn is_wanted(store: Store, column: &str) -> bool {
    store != Store::Log
        || [SEQ, RECEIVED, TOPIC, SOURCE, TIME, FAMILY, ENVELOPE].contains(&column)
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
    time: Option<&'a TimestampMicrosecondArray>,
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

    fn record(&self, row: usize) -> Record<'a> {
        Record {
            store: self.store,
            family: value(self.family, row),
            topic: value(self.topic, row),
            envelope: value(self.envelope, row),
            payload: match self.payload {
                Payload::Text(texts) => texts.value(row).as_bytes(),
                Payload::Bytes(bytes) => bytes.value(row),
            },
            time_us: self.time.filter(|times| times.is_valid(row)).map(|times| times.value(row)),
            received_us: self.received[row],
        }
    }

    /// A record as a log. `size` is the tree's, as text.
    pub(crate) fn log(&self, row: usize, size: &'a str) -> Log<'a> {
        let record = self.record(row);
        let (time, nanos) = moment_of(&record);
        let (topic, source) = (record.topic(), value(self.source, row).unwrap_or_default());
        let mut log = Log { time, nanos, topic, source, ..Log::default() };
        log.tags.reserve(3);
        let tag = |key: &'static str, number: i64| (Cow::Borrowed(key), Cow::Owned(number.to_string().into_bytes()));
        log.tags.push(tag(RECEIVE_TAG, record.received_us.div_euclid(1_000_000)));
        log.tags.push(tag(SEQ_TAG, self.seq[row]));
        log.tags.push((SIZE_TAG.into(), Cow::Borrowed(size.as_bytes())));
        record.each(|place, name, text| {
            let into = if place == Place::Tag { &mut log.tags } else { &mut log.contents };
            into.push((name, bytes(text)));
        });
        if self.store != Store::Log {
            self.columns(row, &mut log);
        }
        log
    }

    fn columns(&self, row: usize, log: &mut Log<'a>) {
        let schema = self.batch.schema_ref();
        for (field, column) in schema.fields().iter().zip(self.batch.columns()) {
            let key = field.name().as_str();
            if is_field(self.store, key)
                && let Some(text) = text(column.as_ref(), row)
            {
                log.contents.push((Cow::Owned(key.to_owned()), text));
            }
        }
    }
}

/// Seconds and nanoseconds of a record's time; those of its arrival for one before 1970 or after 2106, which a page cannot say.
fn moment_of(record: &Record<'_>) -> (u32, u32) {
    let parts = |us: i64| (u32::try_from(us.div_euclid(1_000_000)), us.rem_euclid(1_000_000) as u32 * 1_000);
    let (seconds, nanos) = parts(record.time_us());
    match seconds {
        Ok(seconds) => (seconds, nanos),
        Err(_) => {
            let (seconds, nanos) = parts(record.received_us);
            (seconds.unwrap_or(0), nanos)
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

fn bytes(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => text.as_bytes().into(),
        Cow::Owned(text) => text.into_bytes().into(),
    }
}
