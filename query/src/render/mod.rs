//! Results as text: JSON, NDJSON, CSV, and a table for people. It must never collect a whole result.

mod csv;
mod json;
mod text;
pub(crate) mod texts;

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub use text::terminal_safe;

use crate::{Cell, QueryResult, Summary, WriteError};

/// How a result is written.
///
/// Bytes that are not UTF-8 are base64: `{"$base64": "…"}` in JSON, `base64:…` elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One array of objects. Integers in all their digits; a float that is not finite is a string. Control and
    /// direction characters in texts are `\u` escapes, so even raw JSON is harmless on a terminal.
    Json,
    /// One object a line.
    Ndjson,
    /// RFC 4180 with a header and `\n`. NULL is an empty field, an empty text is `""`.
    Csv,
    /// An aligned table for eyes, not for machines: see [`terminal_safe`]. NULL is `NULL`.
    Text,
}

pub(crate) fn write(result: QueryResult, format: Format, out: &mut dyn Write) -> Result<Summary, WriteError> {
    match format {
        Format::Json => json::array(result, out),
        Format::Ndjson => json::lines(result, out),
        Format::Csv => csv::write(result, out),
        Format::Text => text::write(result, out),
    }
}

/// A value as plain text; `None` for NULL.
fn plain(cell: &Cell<'_>) -> Option<String> {
    Some(match cell {
        Cell::Null => return None,
        Cell::Bool(value) => value.to_string(),
        Cell::Int(value) => value.to_string(),
        Cell::UInt(value) => value.to_string(),
        Cell::Float(value) => float(*value),
        Cell::Decimal(digits) => digits.clone(),
        Cell::Text(text) => text.clone().into_owned(),
        Cell::Bytes(bytes) => format!("base64:{}", STANDARD.encode(bytes)),
        Cell::List(_) | Cell::Struct(..) => {
            let mut json = Vec::new();
            json::value(cell, &mut json);
            String::from_utf8_lossy(&json).into_owned()
        }
    })
}

/// Shortest digits that give the same value back; exponents for the very large and small.
fn float(value: f64) -> String {
    serde_json::Number::from_f64(value).map_or_else(|| value.to_string(), |number| number.to_string())
}
