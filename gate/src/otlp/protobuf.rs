//! OTLP's messages in protobuf, read field by field.
//! It must never pass over a field that it does not know, or take the last of two where one may stand.
//!
//! Field numbers are those of `opentelemetry/proto/{collector/logs,logs,common,resource}/v1`.

use std::ops::Range;

use super::cut::{Cut, Level, NoRequest, Piece};
use super::record::{Any, Log};

/// How deep values may be nested: what prost and others allow.
const DEPTH: u8 = 100;
/// How many values a record may have: one of two bytes must not cost a hundred.
const VALUES: u32 = 1 << 17;

/// A field: its number, where it stands, and its value.
struct Field {
    number: u32,
    whole: Range<usize>,
    value: Value,
}

enum Value {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(Range<usize>),
}

/// The fields of a message that stands there; the error is the place that is none, and the last.
fn fields(bytes: &[u8], within: Range<usize>) -> impl Iterator<Item = Result<Field, usize>> {
    let (inside, mut at, mut ended) = (&bytes[..within.end], within.start, false);
    std::iter::from_fn(move || {
        if ended || at >= inside.len() {
            return None;
        }
        let start = at;
        let found = field(inside, &mut at);
        ended = found.is_none();
        Some(found.map(|(number, value)| Field { number, whole: start..at, value }).ok_or(start))
    })
}

/// The field at a place, which goes behind it.
fn field(inside: &[u8], at: &mut usize) -> Option<(u32, Value)> {
    let key = varint(inside, at)?;
    let number = u32::try_from(key >> 3).ok().filter(|n| *n > 0)?;
    let value = match key & 7 {
        0 => Value::Varint(varint(inside, at)?),
        1 => Value::Fixed64(u64::from_le_bytes(fixed(inside, at)?)),
        5 => Value::Fixed32(u32::from_le_bytes(fixed(inside, at)?)),
        2 => {
            let len = usize::try_from(varint(inside, at)?).ok()?;
            let start = *at;
            *at = start.checked_add(len).filter(|end| *end <= inside.len())?;
            Value::Bytes(start..*at)
        }
        _ => return None,
    };
    Some((number, value))
}

fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn fixed<const N: usize>(bytes: &[u8], at: &mut usize) -> Option<[u8; N]> {
    let value = bytes.get(*at..*at + N)?.try_into().ok()?;
    *at += N;
    Some(value)
}

/// Cuts a request: `ResourceLogs` 1, which has resource 1, `ScopeLogs` 2 and a schema 3; those have a scope 1, records 2 and a
/// schema 3.
pub(super) fn cut(mut cut: Cut) -> Result<Cut, NoRequest> {
    let bytes = cut.message.clone();
    for field in fields(&bytes, 0..bytes.len()) {
        let field = field.map_err(damaged)?;
        let (1, Value::Bytes(range)) = (field.number, &field.value) else { return Err(unknown(&field)) };
        let pieces = level(&bytes, &mut cut, range.clone(), Level::Resource)?;
        cut.top.push(Piece::Within(1 << 3 | 2, pieces));
    }
    Ok(cut)
}

/// `ResourceLogs` or `ScopeLogs`: what is said of all records in it is a group.
fn level(bytes: &[u8], cut: &mut Cut, within: Range<usize>, level: Level) -> Result<Vec<Piece>, NoRequest> {
    let (first, mut said, mut pieces) = (cut.records.len(), None, Vec::new());
    cut.room(within.start)?;
    for field in fields(bytes, within) {
        let field = field.map_err(damaged)?;
        pieces.push(match (field.number, &field.value) {
            (2, Value::Bytes(range)) if level == Level::Resource => {
                Piece::Within(2 << 3 | 2, self::level(bytes, cut, range.clone(), Level::Scope)?)
            }
            (2, Value::Bytes(range)) => cut.record(field.whole.clone(), range.clone())?,
            (1, Value::Bytes(range)) if said.is_none() => {
                said = Some(range.clone());
                Piece::Same(field.whole.clone())
            }
            (3, Value::Bytes(_)) => {
                cut.room(field.whole.start)?;
                Piece::Same(field.whole.clone())
            }
            _ => return Err(unknown(&field)),
        });
    }
    cut.group(said, level, first);
    Ok(pieces)
}

fn damaged(at: usize) -> NoRequest {
    NoRequest { why: "no field of protobuf", at }
}

fn unknown(field: &Field) -> NoRequest {
    NoRequest { why: "a field that is not known, or stands twice,", at: field.whole.start }
}

/// The attributes of a `Resource` (field 1) or an `InstrumentationScope` (field 3). What else there is stays as it is: no
/// receiver reads an event out of it.
pub(super) fn attributes(bytes: &[u8], within: Range<usize>, level: Level) -> Option<Log> {
    let own = if level == Level::Resource { 1 } else { 3 };
    let (mut log, mut left) = (Log::default(), VALUES);
    for field in fields(bytes, within) {
        let field = field.ok()?;
        if let (number, Value::Bytes(range)) = (field.number, field.value)
            && number == own
        {
            log.attributes.push(pair(bytes, range, DEPTH, &mut left)?);
        }
    }
    Some(log)
}

/// `LogRecord`.
pub(super) fn log(bytes: &[u8], within: Range<usize>) -> Option<Log> {
    let (mut log, mut seen, mut left) = (Log::default(), 0_u32, VALUES);
    for field in fields(bytes, within) {
        let field = field.ok()?;
        if field.number != 6 {
            let bit = 1_u32.checked_shl(field.number)?;
            if seen & bit != 0 {
                return None;
            }
            seen |= bit;
        }
        let text = |range: Range<usize>| std::str::from_utf8(&bytes[range]).ok().map(str::to_owned).map(Any::Text);
        let hex = |range: Range<usize>| Any::Text(bytes[range].iter().map(|b| format!("{b:02x}")).collect());
        match (field.number, field.value) {
            (5, Value::Bytes(range)) => log.body = Some(any(bytes, range, DEPTH, &mut left)?),
            (6, Value::Bytes(range)) => log.attributes.push(pair(bytes, range, DEPTH, &mut left)?),
            (1, Value::Fixed64(n)) => log.rest.push(("timeUnixNano", number(n))),
            (11, Value::Fixed64(n)) => log.rest.push(("observedTimeUnixNano", number(n))),
            (2, Value::Varint(n)) => log.rest.push(("severityNumber", number(n))),
            (7, Value::Varint(n)) => log.rest.push(("droppedAttributesCount", number(n))),
            (8, Value::Fixed32(n)) => log.rest.push(("flags", number(n.into()))),
            (3, Value::Bytes(range)) => log.rest.push(("severityText", text(range)?)),
            (12, Value::Bytes(range)) => log.rest.push(("eventName", text(range)?)),
            (9, Value::Bytes(range)) => log.rest.push(("traceId", hex(range))),
            (10, Value::Bytes(range)) => log.rest.push(("spanId", hex(range))),
            _ => return None,
        }
    }
    Some(log)
}

fn number(value: u64) -> Any {
    i64::try_from(value).map_or_else(|_| Any::Text(value.to_string()), Any::Integer)
}

/// `KeyValue`: key 1, value 2, each at most once.
fn pair(bytes: &[u8], within: Range<usize>, depth: u8, left: &mut u32) -> Option<(String, Any)> {
    let (mut key, mut value) = (None, None);
    for field in fields(bytes, within) {
        let field = field.ok()?;
        match (field.number, field.value) {
            (1, Value::Bytes(range)) if key.is_none() => {
                key = Some(std::str::from_utf8(&bytes[range]).ok()?.to_owned());
            }
            (2, Value::Bytes(range)) if value.is_none() => value = Some(any(bytes, range, depth, left)?),
            _ => return None,
        }
    }
    Some((key.unwrap_or_default(), value.unwrap_or(Any::Null)))
}

/// `AnyValue`: one of its fields, or none. `left`: so many values there may still be.
fn any(bytes: &[u8], within: Range<usize>, depth: u8, left: &mut u32) -> Option<Any> {
    let depth = depth.checked_sub(1)?;
    *left = left.checked_sub(1)?;
    let mut fields = fields(bytes, within);
    let Some(field) = fields.next() else { return Some(Any::Null) };
    if fields.next().is_some() {
        return None;
    }
    let field = field.ok()?;
    Some(match (field.number, field.value) {
        (1, Value::Bytes(range)) => Any::Text(std::str::from_utf8(&bytes[range]).ok()?.to_owned()),
        (2, Value::Varint(value)) => Any::Bool(value != 0),
        (3, Value::Varint(value)) => Any::Integer(value.cast_signed()),
        (4, Value::Fixed64(value)) => Any::Number(f64::from_bits(value)),
        (5, Value::Bytes(range)) => Any::List(each(bytes, range, |range| any(bytes, range, depth, left))?),
        (6, Value::Bytes(range)) => Any::Map(each(bytes, range, |range| pair(bytes, range, depth, left))?),
        (7, Value::Bytes(range)) => Any::Bytes(bytes[range].to_vec()),
        _ => return None,
    })
}

/// Every field 1 of a list, which has no other.
fn each<T>(bytes: &[u8], within: Range<usize>, mut read: impl FnMut(Range<usize>) -> Option<T>) -> Option<Vec<T>> {
    let one = |field: Result<Field, usize>| match field.ok()? {
        Field { number: 1, value: Value::Bytes(range), .. } => read(range),
        _ => None,
    };
    fields(bytes, within).map(one).collect()
}
