//! Vector's `event.Log` in protobuf, written straight from the record's columns.
//! It must never write other bytes than the event model does for [`log_event`], nor a moment that no calendar has.
//!
//! Values are texts, integers, one moment and nulls at the top of the log: there is no float that could be NaN and no
//! nesting. The moment is checked.

use std::collections::BTreeMap;
use std::ops::Range;

use innertrail_plugin::event::{LogEvent, Value};

use super::members::{Members, Of};
use super::{EncodeError, Encoder, Encoding};
use crate::record::{Batch, Record};

const MICROS: i64 = 1_000_000;

/// `metadata` and `metadata_full` of a log that has none, as Vector writes them: each with an empty object.
const METADATA: &[u8] = &[0x1a, 2, 0x3a, 0, 0x22, 4, 0x0a, 2, 0x3a, 0];

// Keys of fields: number << 3 | wire type.
const FIELDS: u8 = 1 << 3 | 2;
const KEY: u8 = 1 << 3 | 2;
const VALUE: u8 = 2 << 3 | 2;
const RAW_BYTES: u8 = 1 << 3 | 2;
const TIMESTAMP: u8 = 2 << 3 | 2;
const INTEGER: u8 = 4 << 3;
const NULL: u8 = 9 << 3;
const SECONDS: u8 = 1 << 3;
const NANOS: u8 = 2 << 3;
/// `EventWrapper.log`, `PushEventsRequest.events`, `EventArray.logs`, `LogArray.logs`: all are field 1.
const FIRST: u8 = 1 << 3 | 2;

/// The record as an event of Vector's model.
///
/// # Errors
/// [`EncodeError::Timestamp`].
pub fn log_event(batch: &Batch<'_>, record: &Record) -> Result<LogEvent, EncodeError> {
    Encoder::new(Encoding::Native).members(batch, |members| {
        check(members, record)?;
        let mut fields = BTreeMap::new();
        members.each(record, |name, value| {
            let value = match value {
                Of::Text(text) => Value::Bytes(text.to_vec()),
                Of::Integer(number) => Value::Integer(number),
                Of::Moment(us) => {
                    let nanos = u32::try_from(us.rem_euclid(MICROS)).unwrap_or(0) * 1_000;
                    Value::Timestamp { seconds: us.div_euclid(MICROS), nanos }
                }
                Of::Null => Value::Null,
            };
            fields.insert(name.to_owned(), value);
        });
        Ok(LogEvent::from_fields(fields))
    })
}

/// Refuses what makes Vector panic.
fn check(members: &Members, record: &Record) -> Result<(), EncodeError> {
    match members.moment(record) {
        Some(us) if chrono::DateTime::from_timestamp_micros(us).is_none() => {
            Err(EncodeError::Timestamp { seq: record.row.seq, us })
        }
        _ => Ok(()),
    }
}

/// Length of the log.
pub(super) fn log_len(members: &Members, record: &Record) -> usize {
    let mut len = METADATA.len();
    members.each_sorted(record, |name, value| {
        let entry = entry_len(name, value_len(value));
        len += delimited(entry);
    });
    len
}

/// Appends the log.
pub(super) fn append(members: &Members, record: &Record, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    check(members, record)?;
    members.each_sorted(record, |name, value| {
        let len = value_len(value);
        out.push(FIELDS);
        varint(out, entry_len(name, len));
        out.push(KEY);
        varint(out, name.len());
        out.extend_from_slice(name.as_bytes());
        out.push(VALUE);
        varint(out, len);
        write_value(out, value);
    });
    out.extend_from_slice(METADATA);
    Ok(())
}

/// Longest tag and length in front of a message.
const HEAD: usize = 1 + 10;

/// Appends a record as a `PushEventsRequest` of its own and gives where that stands; a few bytes in front of it mean nothing.
/// Several of them, one behind the other, are one request.
///
/// # Errors
/// [`EncodeError`]; then `out` is as it was.
pub(crate) fn push_event(members: &Members, record: &Record, out: &mut Vec<u8>) -> Result<Range<usize>, EncodeError> {
    let before = out.len();
    // Written first and measured then: to work out a log's length takes as long as to write it.
    out.resize(before + 2 * HEAD, 0);
    let begins = out.len();
    append(members, record, out).inspect_err(|_| out.truncate(before))?;
    let len = out.len() - begins;
    let mut head = Vec::with_capacity(2 * HEAD);
    for len in [delimited(len), len] {
        head.push(FIRST);
        varint(&mut head, len);
    }
    let begins = begins - head.len();
    out[begins..begins + head.len()].copy_from_slice(&head);
    Ok(begins..out.len())
}

/// Appends an `EventArray` of the batch.
///
/// # Errors
/// Of the first record that cannot be written.
pub(crate) fn event_array(encoder: &Encoder, batch: &Batch<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    encoder.members(batch, |members| {
        let lens: Vec<usize> = batch.records.iter().map(|record| log_len(members, record)).collect();
        let total = lens.iter().map(|len| delimited(*len)).sum();
        out.reserve(total + 16);
        out.push(FIRST);
        varint(out, total);
        for (record, len) in batch.records.iter().zip(lens) {
            out.push(FIRST);
            varint(out, len);
            append(members, record, out)?;
        }
        Ok(())
    })
}

/// Length of a field that holds so many bytes.
pub(crate) fn delimited(len: usize) -> usize {
    1 + varint_len(len as u64) + len
}

fn entry_len(name: &str, value: usize) -> usize {
    delimited(name.len()) + delimited(value)
}

fn value_len(value: Of<'_>) -> usize {
    match value {
        Of::Text(text) => delimited(text.len()),
        Of::Integer(number) => 1 + varint_len(number.cast_unsigned()),
        Of::Moment(us) => delimited(moment_len(us)),
        Of::Null => 2,
    }
}

/// Fields that are 0 are left out.
fn moment_len(us: i64) -> usize {
    let (seconds, nanos) = split(us);
    let field = |number: u64| if number == 0 { 0 } else { 1 + varint_len(number) };
    field(seconds) + field(nanos)
}

fn split(us: i64) -> (u64, u64) {
    (us.div_euclid(MICROS).cast_unsigned(), us.rem_euclid(MICROS).cast_unsigned() * 1_000)
}

fn write_value(out: &mut Vec<u8>, value: Of<'_>) {
    match value {
        Of::Text(text) => {
            out.push(RAW_BYTES);
            varint(out, text.len());
            out.extend_from_slice(text);
        }
        Of::Integer(number) => {
            out.push(INTEGER);
            varint64(out, number.cast_unsigned());
        }
        Of::Moment(us) => {
            out.push(TIMESTAMP);
            varint(out, moment_len(us));
            let (seconds, nanos) = split(us);
            for (key, number) in [(SECONDS, seconds), (NANOS, nanos)] {
                if number != 0 {
                    out.push(key);
                    varint64(out, number);
                }
            }
        }
        Of::Null => out.extend_from_slice(&[NULL, 0]),
    }
}

fn varint(out: &mut Vec<u8>, number: usize) {
    varint64(out, number as u64);
}

fn varint64(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn varint_len(number: u64) -> usize {
    // 7 bits a byte; 0 takes one.
    (64 - (number | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use innertrail_logstore::{Column, Encoding as Stored, Kind, Layout, StoredRow, Value as Cell};
    use innertrail_plugin::event::native;

    use super::*;

    /// Lengths of one, two and three bytes, and the library's own writing of the same event.
    #[test]
    fn a_record_alone_is_a_request_of_one_event() {
        let layout = Layout { columns: vec![Column::new("eventName", Kind::Text, Stored::Plain)], key: None };
        let encoder = Encoder::new(Encoding::Native);
        let mut out = Vec::new();
        for len in [0, 20, 90, 100, 120, 300, 16_300, 20_000] {
            let row = StoredRow::new(5, 0, &[(0, Cell::Text(&"x".repeat(len)))], b"{}");
            let records = [Record::new(row, String::new())];
            let batch = Batch { trail: "t", layout: &layout, records: &records };
            let place = encoder.members(&batch, |members| push_event(members, &records[0], &mut out)).unwrap();
            let event = native::encode_wrapper(log_event(&batch, &records[0]).unwrap()).unwrap();
            assert_eq!(out[place], native::join_push_request(vec![event]), "{len}");
        }
    }
}
