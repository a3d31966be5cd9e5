//! JSON and NDJSON. It must never write a control or direction character as itself.

use std::io::Write;

use arrow::array::Array;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{float, text::is_unsafe};
use crate::{Cell, QueryResult, Summary, WriteError};

pub(super) fn array(result: QueryResult, out: &mut dyn Write) -> Result<Summary, WriteError> {
    out.write_all(b"[")?;
    let summary = objects(result, out, |first| if first { b"\n" } else { b",\n" })?;
    out.write_all(b"\n]\n")?;
    Ok(summary)
}

pub(super) fn lines(result: QueryResult, out: &mut dyn Write) -> Result<Summary, WriteError> {
    let summary = objects(result, out, |first| if first { b"" } else { b"\n" })?;
    if summary.rows > 0 {
        out.write_all(b"\n")?;
    }
    Ok(summary)
}

fn objects(
    mut result: QueryResult,
    out: &mut dyn Write,
    before: impl Fn(bool) -> &'static [u8],
) -> Result<Summary, WriteError> {
    let keys: Vec<Vec<u8>> = result.columns().iter().map(|c| key(&c.name)).collect();
    let mut line = Vec::new();
    let mut rows = 0;
    result.for_each_row(|cells| {
        line.clear();
        line.extend_from_slice(before(rows == 0));
        rows += 1;
        line.push(b'{');
        for (at, (key, cell)) in keys.iter().zip(cells).enumerate() {
            if at > 0 {
                line.push(b',');
            }
            line.extend_from_slice(key);
            value(cell, &mut line);
        }
        line.push(b'}');
        out.write_all(&line).map_err(WriteError::from)
    })?;
    Ok(Summary { rows, truncated: result.truncated() })
}

fn key(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    string(name, &mut out);
    out.push(b':');
    out
}

/// Appends one value.
pub(super) fn value(cell: &Cell<'_>, out: &mut Vec<u8>) {
    match cell {
        Cell::Null => out.extend_from_slice(b"null"),
        Cell::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Cell::Int(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Cell::UInt(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Cell::Float(value) if value.is_finite() => out.extend_from_slice(float(*value).as_bytes()),
        Cell::Float(value) => string(&value.to_string(), out),
        Cell::Decimal(digits) => out.extend_from_slice(digits.as_bytes()),
        Cell::Text(text) => string(text, out),
        Cell::Bytes(bytes) => {
            out.extend_from_slice(b"{\"$base64\":\"");
            out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
            out.extend_from_slice(b"\"}");
        }
        Cell::List(values) => {
            out.push(b'[');
            for row in 0..values.len() {
                if row > 0 {
                    out.push(b',');
                }
                value(&Cell::read(values.as_ref(), row), out);
            }
            out.push(b']');
        }
        Cell::Struct(fields, row) => {
            out.push(b'{');
            for (at, (name, column)) in fields.column_names().iter().zip(fields.columns()).enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(&key(name));
                value(&Cell::read(column.as_ref(), *row), out);
            }
            out.push(b'}');
        }
    }
}

fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut buffer = [0; 4];
    for c in text.chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            c if is_unsafe(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
                }
            }
            c => out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes()),
        }
    }
    out.push(b'"');
}
