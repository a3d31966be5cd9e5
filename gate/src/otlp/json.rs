//! OTLP's messages in JSON: found in the text without changing it, records read one by one.
//! It must never pass over a key that it does not know, in either of the spellings that receivers take, or take one of two.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::cut::{Cut, Level, NoRequest, Piece};
use super::record::{Any, Log};

/// Cuts a request.
pub(super) fn cut(mut cut: Cut) -> Result<Cut, NoRequest> {
    let message = cut.message.clone();
    let text = std::str::from_utf8(&message).map_err(|e| NoRequest { why: "no UTF-8", at: e.valid_up_to() })?;
    // From here on it is known to be JSON, so what follows only has to find its way.
    serde_json::from_str::<IgnoredAny>(text).map_err(|_| NoRequest { why: "no JSON", at: 0 })?;
    let mut scan = Scan { bytes: &message, at: 0 };
    scan.blanks();
    if scan.peek() != b'{' {
        return Err(NoRequest { why: "no object", at: scan.at });
    }
    let all = level(&mut cut, &mut scan, Level::Request)?;
    cut.top = vec![Piece::Same(0..0), all, Piece::Same(scan.at..message.len())];
    Ok(cut)
}

/// An object of this level, as pieces.
fn level(cut: &mut Cut, scan: &mut Scan<'_>, level: Level) -> Result<Piece, NoRequest> {
    let (first, mut same, mut seen) = (cut.records.len(), scan.at, Vec::new());
    let (mut pieces, mut said) = (Vec::new(), None);
    cut.room(scan.at)?;
    scan.at += 1;
    while let Some((key, place)) = scan.key() {
        let start = scan.at;
        let name = known(level, &key).filter(|name| !seen.contains(name));
        let name = name.ok_or(NoRequest { why: "a key that is not known, or stands twice,", at: place })?;
        seen.push(name);
        match name {
            Name::Children if scan.peek() == b'[' => {
                pieces.push(Piece::Same(same..start));
                pieces.push(children(cut, scan, level)?);
                same = scan.at;
            }
            Name::Children if scan.peek() != b'n' => return Err(NoRequest { why: "no list", at: start }),
            Name::Said => said = Some(scan.value()),
            Name::Children | Name::Schema => {
                let _same = scan.value();
            }
        }
    }
    pieces.push(Piece::Same(same..scan.at));
    cut.group(said, level, first);
    Ok(Piece::All(pieces))
}

/// The list of what an object of this level holds.
fn children(cut: &mut Cut, scan: &mut Scan<'_>, above: Level) -> Result<Piece, NoRequest> {
    let mut pieces = Vec::new();
    scan.at += 1;
    while scan.element() {
        let no_object = NoRequest { why: "no object", at: scan.at };
        pieces.push(match above {
            Level::Scope => {
                let at = scan.value();
                cut.record(at.clone(), at)?
            }
            _ if scan.peek() != b'{' => return Err(no_object),
            Level::Request => level(cut, scan, Level::Resource)?,
            Level::Resource => level(cut, scan, Level::Scope)?,
        });
    }
    Ok(Piece::Within(0, pieces))
}

/// What a key of these objects is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Children,
    Said,
    Schema,
}

fn known(level: Level, key: &str) -> Option<Name> {
    Some(match (level, key) {
        (Level::Request, "resourceLogs" | "resource_logs")
        | (Level::Resource, "scopeLogs" | "scope_logs")
        | (Level::Scope, "logRecords" | "log_records") => Name::Children,
        (Level::Resource, "resource") | (Level::Scope, "scope") => Name::Said,
        (Level::Resource | Level::Scope, "schemaUrl" | "schema_url") => Name::Schema,
        _ => return None,
    })
}

/// Finds its way through a text that is known to be JSON.
struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\r' | b'\n') {
            self.at += 1;
        }
    }

    /// The next key and where it stands, the value being next; `None` behind the object's end.
    fn key(&mut self) -> Option<(String, usize)> {
        if !self.element() {
            return None;
        }
        let place = self.at;
        let raw = self.value();
        self.blanks();
        self.at += 1;
        self.blanks();
        Some((serde_json::from_slice(&self.bytes[raw]).unwrap_or_default(), place))
    }

    /// Whether there is another element; behind the end of list or object if not.
    fn element(&mut self) -> bool {
        self.blanks();
        if self.peek() == b',' {
            self.at += 1;
            self.blanks();
        }
        if matches!(self.peek(), b']' | b'}' | 0) {
            self.at += 1;
            return false;
        }
        true
    }

    /// The value that stands here; goes behind it.
    fn value(&mut self) -> Range<usize> {
        let (start, mut depth) = (self.at, 0_usize);
        loop {
            match self.peek() {
                b'"' => self.string(),
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                    continue;
                }
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    self.at += 1;
                }
                0 => return start..self.at.min(self.bytes.len()),
                b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' => {
                    self.at += 1;
                    continue;
                }
                _ => {
                    while !matches!(self.peek(), b',' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n' | 0) {
                        self.at += 1;
                    }
                }
            }
            if depth == 0 {
                return start..self.at;
            }
        }
    }

    fn string(&mut self) {
        self.at += 1;
        while !matches!(self.peek(), b'"' | 0) {
            self.at += if self.peek() == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
    }
}

/// Whether there are more objects than a record may have: one of three bytes must not cost two hundred.
fn too_many(text: &[u8]) -> bool {
    text.iter().filter(|b| **b == b'{').count() > 1 << 17
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Record {
    #[serde(default, alias = "time_unix_nano")]
    time_unix_nano: Scalar,
    #[serde(default, alias = "observed_time_unix_nano")]
    observed_time_unix_nano: Scalar,
    #[serde(default, alias = "severity_number")]
    severity_number: Scalar,
    #[serde(default, alias = "severity_text")]
    severity_text: Scalar,
    body: Option<Value>,
    #[serde(default)]
    attributes: Option<Vec<Pair>>,
    #[serde(default, alias = "dropped_attributes_count")]
    dropped_attributes_count: Scalar,
    #[serde(default)]
    flags: Scalar,
    #[serde(default, alias = "trace_id")]
    trace_id: Scalar,
    #[serde(default, alias = "span_id")]
    span_id: Scalar,
    #[serde(default, alias = "event_name")]
    event_name: Scalar,
}

/// A number, a text, or nothing.
#[derive(Deserialize, Default)]
#[serde(untagged)]
enum Scalar {
    #[default]
    Null,
    Integer(i64),
    Text(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    #[serde(default)]
    key: String,
    value: Option<Value>,
}

/// `AnyValue`: one of these, or none.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Value {
    #[serde(alias = "string_value")]
    string_value: Option<String>,
    #[serde(alias = "bool_value")]
    bool_value: Option<bool>,
    #[serde(alias = "int_value")]
    int_value: Option<Scalar>,
    #[serde(alias = "double_value")]
    double_value: Option<Double>,
    #[serde(alias = "array_value")]
    array_value: Option<Values<Value>>,
    #[serde(alias = "kvlist_value")]
    kvlist_value: Option<Values<Pair>>,
    #[serde(alias = "bytes_value")]
    bytes_value: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Values<T> {
    #[serde(default = "Vec::new")]
    values: Vec<T>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Double {
    Number(f64),
    Text(String),
}

/// `Resource` or `InstrumentationScope`: attributes, and what is no event for anybody.
#[derive(Deserialize)]
struct Said {
    attributes: Option<Vec<Pair>>,
}

pub(super) fn attributes(text: &[u8]) -> Option<Log> {
    if too_many(text) {
        return None;
    }
    let said: Option<Said> = serde_json::from_slice(text).ok()?;
    let pairs = said.and_then(|said| said.attributes).unwrap_or_default();
    Some(Log { attributes: pairs.into_iter().map(Pair::read).collect::<Option<_>>()?, ..Log::default() })
}

pub(super) fn log(text: &[u8]) -> Option<Log> {
    if too_many(text) {
        return None;
    }
    let record: Record = serde_json::from_slice(text).ok()?;
    let rest = [
        ("timeUnixNano", record.time_unix_nano),
        ("observedTimeUnixNano", record.observed_time_unix_nano),
        ("severityNumber", record.severity_number),
        ("severityText", record.severity_text),
        ("droppedAttributesCount", record.dropped_attributes_count),
        ("flags", record.flags),
        ("traceId", record.trace_id),
        ("spanId", record.span_id),
        ("eventName", record.event_name),
    ];
    let rest = rest.into_iter().filter_map(|(name, value)| match value {
        Scalar::Null => None,
        Scalar::Integer(number) => Some((name, Any::Integer(number))),
        Scalar::Text(text) => Some((name, Any::Text(text))),
    });
    let body = match record.body {
        Some(body) => Some(body.read()?),
        None => None,
    };
    let attributes = record.attributes.unwrap_or_default().into_iter().map(Pair::read).collect::<Option<_>>()?;
    Some(Log { attributes, body, rest: rest.collect() })
}

impl Pair {
    fn read(self) -> Option<(String, Any)> {
        Some((self.key, self.value.map_or(Some(Any::Null), Value::read)?))
    }
}

impl Value {
    fn read(self) -> Option<Any> {
        let Self { string_value, bool_value, int_value, double_value, array_value, kvlist_value, bytes_value } = self;
        let read = [
            string_value.map(|text| Some(Any::Text(text))),
            bool_value.map(|value| Some(Any::Bool(value))),
            int_value.map(|value| match value {
                Scalar::Integer(number) => Some(Any::Integer(number)),
                Scalar::Text(text) => text.parse().ok().map(Any::Integer),
                Scalar::Null => Some(Any::Null),
            }),
            double_value.map(|value| match value {
                Double::Number(number) => Some(Any::Number(number)),
                Double::Text(text) => text.parse().ok().map(Any::Number),
            }),
            array_value.map(|list| list.values.into_iter().map(Self::read).collect::<Option<_>>().map(Any::List)),
            kvlist_value.map(|list| list.values.into_iter().map(Pair::read).collect::<Option<_>>().map(Any::Map)),
            bytes_value.map(|text| STANDARD.decode(text).ok().map(Any::Bytes)),
        ];
        let mut given = read.into_iter().flatten();
        let first = given.next();
        // Two of them: decoders disagree on which one counts.
        if given.next().is_some() { None } else { first.unwrap_or(Some(Any::Null)) }
    }
}
