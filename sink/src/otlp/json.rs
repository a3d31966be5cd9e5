//! The same request in OTLP's JSON: lower camel case, 64-bit integers as text, bytes in base64.
//! It must never write a name or a value unescaped: both may be hostile.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use innertrail_logstore::Layout;

use super::request::{Head, NAME, Shared, VERSION};
use crate::fields::{self, Field};
use crate::record::{Batch, Record};

fn raw(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

fn string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a text is JSON, and a vector takes every write");
}

fn pair(out: &mut Vec<u8>, first: bool, name: &str, value: Field<'_>) {
    raw(out, if first { "{\"key\":" } else { ",{\"key\":" });
    string(out, name);
    match value {
        Field::Text(text) => {
            raw(out, ",\"value\":{\"stringValue\":");
            string(out, text);
            raw(out, "}}");
        }
        Field::Integer(number) => raw(out, &format!(",\"value\":{{\"intValue\":\"{number}\"}}}}")),
    }
}

fn log(out: &mut Vec<u8>, layout: &Layout, record: &Record) {
    let Head { time, observed, severity, severity_text } = Head::of(layout, record);
    raw(out, &format!("{{\"timeUnixNano\":\"{time}\",\"observedTimeUnixNano\":\"{observed}\""));
    raw(out, &format!(",\"severityNumber\":{severity},\"severityText\":\"{severity_text}\",\"body\":{{"));
    match fields::event(record) {
        Ok(text) => {
            raw(out, "\"stringValue\":");
            string(out, text);
        }
        Err(bytes) => raw(out, &format!("\"bytesValue\":\"{}\"", BASE64_STANDARD.encode(bytes))),
    }
    raw(out, "},\"attributes\":[");
    let mut first = true;
    fields::each(layout, record, |name, value| pair(out, std::mem::take(&mut first), name, value));
    raw(out, "]}");
}

/// Length of a record within a request, its comma included.
pub(super) fn record_len(layout: &Layout, record: &Record) -> usize {
    let mut out = Vec::with_capacity(record.row.payload().len() * 2 + 4_096);
    log(&mut out, layout, record);
    out.len() + 1
}

/// The whole request.
pub(super) fn request(batch: &Batch<'_>, shared: &Shared<'_>) -> Vec<u8> {
    let payloads: usize = batch.records.iter().map(|record| record.row.payload().len()).sum();
    let mut out = Vec::with_capacity(payloads * 3);
    raw(&mut out, "{\"resourceLogs\":[{\"resource\":{\"attributes\":[");
    for (i, (name, value)) in shared.attributes().iter().enumerate() {
        pair(&mut out, i == 0, name, Field::Text(value));
    }
    raw(&mut out, &format!("]}},\"scopeLogs\":[{{\"scope\":{{\"name\":\"{NAME}\",\"version\":\"{VERSION}\"}}"));
    raw(&mut out, ",\"logRecords\":[");
    for (i, record) in batch.records.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        log(&mut out, batch.layout, record);
    }
    raw(&mut out, "]}]}]}");
    out
}
