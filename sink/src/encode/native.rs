//! Vector's `event.Log` in protobuf, written straight from the record's columns.
//! It must never write other bytes than the event model does for [`log_event`], nor a moment that no calendar has.
//!
//! Values are texts, integers, one moment and nulls at the top of the log: there is no float that could be NaN and no
//! nesting. The moment is checked.

use std::collections::{BTreeMap, VecDeque};

use innertrail_plugin::event::{LogEvent, Value};

use super::members::{Members, Of};
use super::{EncodeError, Encoder, Encoding};
use crate::record::{Batch, Record};

const MICROS: i64 = 1_000_000;

/// Records whose lengths are kept: more than wait for one sink.
const MOST_NOTED: usize = 4_096;

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

/// Lengths that were worked out to cut a batch, so that writing it does not work them out again: by record, in order.
#[derive(Debug, Default)]
pub(crate) struct Lengths(VecDeque<(u64, usize)>);

impl Lengths {
    /// Notes the length of a record's log.
    pub(crate) fn note(&mut self, record: &Record, len: usize) {
        if self.0.back().is_some_and(|(seq, _)| *seq >= record.row.seq) {
            // It was gone back to an earlier record.
            self.0.clear();
        }
        if self.0.len() == MOST_NOTED {
            self.0.pop_front();
        }
        self.0.push_back((record.row.seq, len));
    }

    /// The length of a record's log, if it was noted; forgets those of records before.
    fn take(&mut self, record: &Record) -> Option<usize> {
        while self.0.front().is_some_and(|(seq, _)| *seq < record.row.seq) {
            self.0.pop_front();
        }
        self.0.front().filter(|(seq, _)| *seq == record.row.seq).map(|(_, len)| *len)
    }
}

/// A `PushEventsRequest` of the batch. A noted length that is not the record's own is found and not used.
///
/// # Errors
/// Of the first record that cannot be written.
pub(crate) fn push_request(encoder: &Encoder, batch: &Batch<'_>, noted: &mut Lengths) -> Result<Vec<u8>, EncodeError> {
    encoder.members(batch, |members| {
        let lens: Vec<usize> =
            batch.records.iter().map(|record| noted.take(record).unwrap_or_else(|| log_len(members, record))).collect();
        match written(members, batch, &lens)? {
            Some(out) => Ok(out),
            None => {
                let lens: Vec<usize> = batch.records.iter().map(|record| log_len(members, record)).collect();
                let out = written(members, batch, &lens)?;
                Ok(out.expect("a log is as long as `log_len` says"))
            }
        }
    })
}

/// The request with logs of these lengths; `None` when one has another.
fn written(members: &Members, batch: &Batch<'_>, lens: &[usize]) -> Result<Option<Vec<u8>>, EncodeError> {
    let total = lens.iter().map(|len| delimited(delimited(*len))).sum();
    let mut out = Vec::with_capacity(total);
    for (record, len) in batch.records.iter().zip(lens) {
        out.push(FIRST);
        varint(&mut out, delimited(*len));
        out.push(FIRST);
        varint(&mut out, *len);
        let begins = out.len();
        append(members, record, &mut out)?;
        if out.len() - begins != *len {
            return Ok(None);
        }
    }
    Ok(Some(out))
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

    use super::*;

    fn record(seq: u64, text: &str) -> Record {
        Record { row: StoredRow::new(seq, 0, &[(0, Cell::Text(text))], b"{}"), mark: String::new() }
    }

    /// A length that was noted for another record of the same number would cut every message behind it in the wrong place.
    #[test]
    fn noted_lengths_change_no_byte_of_a_request() {
        let layout = Layout { columns: vec![Column::new("eventName", Kind::Text, Stored::Plain)], key: None };
        let records: Vec<Record> = (5..9).map(|seq| record(seq, &"x".repeat(seq as usize * 20))).collect();
        let batch = Batch { trail: "t", layout: &layout, records: &records };
        let encoder = Encoder::new(Encoding::Native);
        let plain = push_request(&encoder, &batch, &mut Lengths::default()).unwrap();
        for (from, wrong) in [(0, None), (0, Some(7)), (0, Some(5)), (2, None)] {
            let mut noted = Lengths::default();
            noted.note(&records[3], 1);
            for record in &records[from..] {
                let len = encoder.len(&batch, record);
                noted.note(record, if wrong == Some(record.row.seq) { len + 1 } else { len });
            }
            for _again in 0..2 {
                assert_eq!(push_request(&encoder, &batch, &mut noted).unwrap(), plain, "{from} {wrong:?}");
            }
        }
    }
}
