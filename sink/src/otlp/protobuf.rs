//! `ExportLogsServiceRequest` in protobuf, written from the record without anything in between.
//! It must never write a length that is not what follows: both come from the same functions.
//!
//! Field numbers are those of `opentelemetry/proto/{collector/logs,logs,common,resource}/v1`. Tests read what is written
//! here with the messages that OpenTelemetry generates.

use innertrail_logstore::Layout;
use prost::encoding::{encode_varint, encoded_len_varint};

use super::request::{Head, NAME, Shared, VERSION};
use crate::fields::{self, Field};
use crate::record::{Batch, Record};

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const BYTES: u8 = 2;

/// The key of a field; all of OTLP's numbers used here fit one byte.
const fn key(number: u8, wire: u8) -> u8 {
    number << 3 | wire
}

/// Length of a field that has a length.
fn field_len(content: usize) -> usize {
    1 + encoded_len_varint(content as u64) + content
}

fn open(out: &mut Vec<u8>, number: u8, content: usize) {
    out.push(key(number, BYTES));
    encode_varint(content as u64, out);
}

fn bytes(out: &mut Vec<u8>, number: u8, content: &[u8]) {
    open(out, number, content.len());
    out.extend_from_slice(content);
}

/// `AnyValue`: a text is field 1, an integer field 3.
fn any_len(value: Field<'_>) -> usize {
    match value {
        Field::Text(text) => field_len(text.len()),
        Field::Integer(number) => 1 + encoded_len_varint(number.cast_unsigned()),
    }
}

fn any(out: &mut Vec<u8>, value: Field<'_>) {
    match value {
        Field::Text(text) => bytes(out, 1, text.as_bytes()),
        Field::Integer(number) => {
            out.push(key(3, VARINT));
            encode_varint(number.cast_unsigned(), out);
        }
    }
}

/// `KeyValue`: key 1, value 2.
fn pair_len(name: &str, value: Field<'_>) -> usize {
    field_len(name.len()) + field_len(any_len(value))
}

fn pair(out: &mut Vec<u8>, number: u8, name: &str, value: Field<'_>) {
    open(out, number, pair_len(name, value));
    bytes(out, 1, name.as_bytes());
    open(out, 2, any_len(value));
    any(out, value);
}

/// Length of a `LogRecord`.
fn log_len(layout: &Layout, record: &Record, head: &Head) -> usize {
    let mut len = 2 * 9 + 2 + field_len(head.severity_text.len()) + field_len(field_len(record.row.payload().len()));
    fields::each(layout, record, |name, value| len += field_len(pair_len(name, value)));
    len
}

/// `LogRecord`: time 1, severity 2 and 3, body 5, attributes 6, observed time 11.
fn log(out: &mut Vec<u8>, layout: &Layout, record: &Record, head: &Head) {
    out.push(key(1, FIXED64));
    out.extend_from_slice(&head.time.to_le_bytes());
    out.extend_from_slice(&[key(2, VARINT), head.severity]);
    bytes(out, 3, head.severity_text.as_bytes());
    open(out, 5, field_len(record.row.payload().len()));
    // A body that is no text is `bytes_value`.
    bytes(out, if fields::event(record).is_ok() { 1 } else { 7 }, record.row.payload());
    fields::each(layout, record, |name, value| pair(out, 6, name, value));
    out.push(key(11, FIXED64));
    out.extend_from_slice(&head.observed.to_le_bytes());
}

/// Length of a record within a request.
pub(super) fn record_len(layout: &Layout, record: &Record) -> usize {
    field_len(log_len(layout, record, &Head::of(layout, record)))
}

/// `InstrumentationScope`: name 1, version 2.
fn scope() -> Vec<u8> {
    let mut out = Vec::new();
    bytes(&mut out, 1, NAME.as_bytes());
    bytes(&mut out, 2, VERSION.as_bytes());
    out
}

/// The whole request: `ResourceLogs` 1 with resource 1 and `ScopeLogs` 2, which has scope 1 and records 2.
pub(super) fn request(batch: &Batch<'_>, shared: &Shared<'_>) -> Vec<u8> {
    let mut resource = Vec::new();
    for (name, value) in shared.attributes() {
        pair(&mut resource, 1, name, Field::Text(value));
    }
    let scope = scope();
    let records: usize = batch.records.iter().map(|record| record_len(batch.layout, record)).sum();
    let scope_logs = field_len(scope.len()) + records;
    let resource_logs = field_len(resource.len()) + field_len(scope_logs);
    let mut out = Vec::with_capacity(field_len(resource_logs));
    open(&mut out, 1, resource_logs);
    bytes(&mut out, 1, &resource);
    open(&mut out, 2, scope_logs);
    bytes(&mut out, 1, &scope);
    for record in batch.records {
        let head = Head::of(batch.layout, record);
        open(&mut out, 2, log_len(batch.layout, record, &head));
        log(&mut out, batch.layout, record, &head);
    }
    out
}
