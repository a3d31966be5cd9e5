//! The answers of searches in the form that clients of Log Service read.
//! Every value of a log must be a text: clients decode them as such and fail on a number or null.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::log::Fields;
use crate::{Answer, ApiError};

/// What a NULL of SQL is shown as; charts take it for one.
const NULL: &str = "null";
/// The longest header value: clients and proxies refuse a head that is too large.
const HEADER_BYTES: usize = 2_048;

/// One object of names and texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record(pub(super) Fields);

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// A word that was searched for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Term<'a> {
    key: &'a str,
    term: &'a str,
}

/// What is said of a result beside it. Names and spelling are Log Service's.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Meta {
    pub(super) complete: bool,
    pub(super) where_query: String,
    pub(super) agg_query: Option<String>,
    pub(super) processed_rows: u64,
    pub(super) elapsed_ms: u64,
    /// Rows that the answer may have at the most; 0 when that is not known.
    pub(super) limited: u64,
    pub(super) power_sql: bool,
    pub(super) keys: Vec<String>,
    pub(super) column_types: Vec<&'static str>,
    /// Field and word.
    pub(super) words: Vec<(String, String)>,
}

/// The same on the wire.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct WireMeta<'a> {
    progress: &'static str,
    count: usize,
    processed_rows: u64,
    /// Not measured.
    processed_bytes: u64,
    elapsed_millisecond: u64,
    #[serde(rename = "hasSQL")]
    has_sql: bool,
    where_query: &'a str,
    agg_query: &'a str,
    /// The share of computing that is paid for; there is none.
    cpu_sec: f64,
    cpu_cores: f64,
    limited: u64,
    /// 0: neither a phrase nor a scan, as those are charged for.
    mode: u8,
    scan_bytes: u64,
    keys: &'a [String],
    terms: Vec<Term<'a>>,
    column_types: &'a [&'static str],
    is_accurate: bool,
    phrase_query_info: Empty,
    marker: &'static str,
    highlights: [Empty; 0],
    power_sql: bool,
    #[serde(rename = "insertedSQL")]
    inserted_sql: &'static str,
    /// So spelled.
    #[serde(rename = "telementryType")]
    telemetry_type: &'static str,
}

#[derive(Debug, Serialize)]
struct Empty {}

#[derive(Debug, Serialize)]
struct Body<'a> {
    meta: WireMeta<'a>,
    data: &'a [Record],
}

pub(super) fn progress(complete: bool) -> &'static str {
    if complete { "Complete" } else { "Incomplete" }
}

/// The record of a row of SQL.
pub(super) fn record(columns: &[(String, &'static str)], row: Vec<Option<String>>) -> Record {
    let names = columns.iter().map(|(name, _)| name.clone());
    Record(names.zip(row.into_iter().map(|value| value.unwrap_or_else(|| NULL.to_owned()))).collect())
}

impl Meta {
    fn wire(&self, count: usize) -> WireMeta<'_> {
        WireMeta {
            progress: progress(self.complete),
            count,
            processed_rows: self.processed_rows,
            processed_bytes: 0,
            elapsed_millisecond: self.elapsed_ms,
            has_sql: self.agg_query.is_some(),
            where_query: &self.where_query,
            agg_query: self.agg_query.as_deref().unwrap_or_default(),
            cpu_sec: 0.0,
            cpu_cores: 0.0,
            limited: self.limited,
            mode: 0,
            scan_bytes: 0,
            keys: &self.keys,
            terms: self.words.iter().map(|(key, term)| Term { key, term }).collect(),
            column_types: &self.column_types,
            is_accurate: true,
            phrase_query_info: Empty {},
            marker: "",
            highlights: [],
            power_sql: self.power_sql,
            inserted_sql: "",
            telemetry_type: "",
        }
    }

    /// The answer to `POST …/logs`. It has no header of its own: one that gives a raw size would have to name a
    /// compression too, or a client refuses it.
    pub(super) fn v3(&self, data: &[Record]) -> Result<Answer, ApiError> {
        Answer::json(&Body { meta: self.wire(data.len()), data })
    }

    /// The answer to `GET …?type=log`: the logs alone, and what is said of them in headers.
    pub(super) fn v1(&self, data: &[Record]) -> Result<Answer, ApiError> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Info<'a> {
            keys: &'a [String],
            /// Word, then field.
            terms: Vec<[&'a str; 2]>,
            column_types: &'a [&'static str],
        }
        let terms = self.words.iter().map(|(key, term)| [term.as_str(), key]).collect();
        let info = Info { keys: &self.keys, terms, column_types: &self.column_types };
        let info =
            serde_json::to_string(&info).map_err(|e| ApiError::internal(format!("a header has no JSON: {e}")))?;
        let mut answer = Answer::json(&data)?
            .with("x-log-progress", progress(self.complete))
            .with("x-log-count", data.len())
            .with("x-log-processed-rows", self.processed_rows)
            .with("x-log-elapsed-millisecond", self.elapsed_ms)
            .with("x-log-has-sql", self.agg_query.is_some())
            .with("x-log-cpu-sec", 0)
            .with("x-log-cpu-cores", 0)
            .with("x-log-where-query", header_text(&self.where_query))
            .with("x-log-agg-query", header_text(self.agg_query.as_deref().unwrap_or_default()));
        // Cut, it would be no JSON.
        if let Some(info) = header_json(&info) {
            answer = answer.with("x-log-query-info", info);
        }
        Ok(answer)
    }
}

/// A text as a header's value: what is not printable ASCII is percent-encoded, and it ends where it is too long.
fn header_text(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        let start = out.len();
        match byte {
            b' '..=b'~' if byte != b'%' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
        if out.len() > HEADER_BYTES {
            out.truncate(start);
            break;
        }
    }
    out.trim().to_owned()
}

/// JSON with nothing but ASCII; `None` when it is too long.
fn header_json(json: &str) -> Option<String> {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if matches!(c, ' '..='~') {
            out.push(c);
        } else {
            // Outside of texts JSON is ASCII, and inside everything may be escaped.
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        }
        if out.len() > HEADER_BYTES {
            return None;
        }
    }
    Some(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_header_can_hold_any_text() {
        assert_eq!(header_text("a \"b\"\r\nx: y 100% é"), "a \"b\"%0D%0Ax: y 100%25 %C3%A9");
        assert!(header_text(&"é".repeat(100_000)).len() <= HEADER_BYTES);
        let json = serde_json::to_string(&["é\u{1f600}\n", "\u{7f}"]).unwrap();
        let header = header_json(&json).unwrap();
        assert!(header.bytes().all(|b| (b' '..=b'~').contains(&b)), "{header}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&header).unwrap(), ["é\u{1f600}\n", "\u{7f}"]);
        assert_eq!(header_json(&"x".repeat(3_000)), None);
    }
}
