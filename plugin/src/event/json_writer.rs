//! Writes JSON text as serde_json prints it, straight into a byte buffer.
//! Never allocates but to grow that buffer, and never fails: values are checked before.

use chrono::{DateTime, Datelike, SecondsFormat, Timelike, Utc};

use super::special::special_mask;
use super::value::Value;

/// What is written in place of bytes that are not UTF-8.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();
const HEX: &[u8; 16] = b"0123456789abcdef";
const NANOS_PER_SECOND: u32 = 1_000_000_000;

/// Appends `text` as a JSON string, quotes included. Bytes that are not UTF-8 become U+FFFD.
pub fn write_json_string(out: &mut Vec<u8>, text: &[u8]) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    if simdutf8::basic::from_utf8(text).is_ok() {
        write_escaped(out, text);
    } else {
        for chunk in text.utf8_chunks() {
            write_escaped(out, chunk.valid().as_bytes());
            if !chunk.invalid().is_empty() {
                out.extend_from_slice(REPLACEMENT);
            }
        }
    }
    out.push(b'"');
}

/// Appends bytes as a JSON string, quotes included, without a look at what they are: whoever reads it judges whether
/// they are UTF-8, and none is lost.
pub(crate) fn write_json_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    write_escaped(out, bytes);
    out.push(b'"');
}

/// Appends an integer in decimal.
pub fn write_json_integer(out: &mut Vec<u8>, value: i64) {
    serde_json::to_writer(out, &value).expect("a Vec<u8> takes every write");
}

/// Appends a float in the shortest form that reads back the same. Infinities and NaN have no
/// JSON form and become `null`.
pub fn write_json_float(out: &mut Vec<u8>, value: f64) {
    serde_json::to_writer(out, &value).expect("a Vec<u8> takes every write");
}

/// Appends `true` or `false`.
pub fn write_json_boolean(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// Appends a moment as an RFC 3339 string in UTC with 0, 3, 6 or 9 digits of the second, as few
/// as lose nothing. What no calendar date exists for becomes `null`.
pub fn write_json_timestamp(out: &mut Vec<u8>, seconds: i64, nanos: u32) {
    let Some(time) = DateTime::from_timestamp(seconds, nanos) else {
        out.extend_from_slice(b"null");
        return;
    };
    out.push(b'"');
    match u32::try_from(time.year()) {
        Ok(year @ 0..=9999) => write_rfc3339(out, year, &time),
        // Years of more than four digits carry a sign: rare enough for the library's own way.
        _ => out.extend_from_slice(time.to_rfc3339_opts(SecondsFormat::AutoSi, true).as_bytes()),
    }
    out.push(b'"');
}

/// Appends a value. The caller has checked it with [`Value::check`].
pub(super) fn write_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Bytes(bytes) => write_json_string(out, bytes),
        Value::Integer(value) => write_json_integer(out, *value),
        Value::Float(value) => write_json_float(out, *value),
        Value::Boolean(value) => write_json_boolean(out, *value),
        Value::Timestamp { seconds, nanos } => write_json_timestamp(out, *seconds, *nanos),
        Value::Object(fields) => write_object(out, fields),
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_value(out, item);
            }
            out.push(b']');
        }
        Value::Null => out.extend_from_slice(b"null"),
    }
}

/// Appends an object in the order of its keys.
pub(super) fn write_object(out: &mut Vec<u8>, fields: &std::collections::BTreeMap<String, Value>) {
    out.push(b'{');
    for (index, (key, value)) in fields.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_json_string(out, key.as_bytes());
        out.push(b':');
        write_value(out, value);
    }
    out.push(b'}');
}

const fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Bytes that are escaped at a time, so that what they may need at the most is not much room.
const STRETCH: usize = 4096;

fn write_escaped(out: &mut Vec<u8>, text: &[u8]) {
    for stretch in text.chunks(STRETCH) {
        write_stretch(out, stretch);
    }
}

/// Whole chunks are copied whatever is in them, and what needs an escape is written over: texts like JSON in JSON have
/// a quote every few bytes, and a call to copy so few costs more than the bytes.
fn write_stretch(out: &mut Vec<u8>, text: &[u8]) {
    if text.len() < 16 {
        return write_short(out, text);
    }
    let (mut at, mut end) = (0, out.len());
    out.resize(end + 2 * text.len(), 0);
    while let Some(chunk) = text.get(at..).and_then(<[u8]>::first_chunk::<16>) {
        let Some(room) = out.get_mut(end..).and_then(<[u8]>::first_chunk_mut::<16>) else { break };
        *room = *chunk;
        let clean = (special_mask(chunk).trailing_zeros() as usize).min(16);
        (at, end) = (at + clean, end + clean);
        if let Some(byte) = chunk.get(clean) {
            end = write_escape_at(out, end, *byte);
            at += 1;
        }
    }
    out.truncate(end);
    write_short(out, text.get(at..).unwrap_or_default());
}

/// Few bytes, most often none of them odd.
#[inline(always)]
fn write_short(out: &mut Vec<u8>, text: &[u8]) {
    if !text.iter().fold(false, |any, byte| any | needs_escape(*byte)) {
        return out.extend_from_slice(text);
    }
    for byte in text {
        if needs_escape(*byte) { write_escape(out, *byte) } else { out.push(*byte) }
    }
}

/// Writes an escape into what is there at `end`, and gives the place behind it. Two bytes are there for every byte of
/// the text; long escapes make room for their other four.
#[inline(always)]
fn write_escape_at(out: &mut Vec<u8>, end: usize, byte: u8) -> usize {
    if let (b'"' | b'\\', Some(room)) = (byte, out.get_mut(end..).and_then(<[u8]>::first_chunk_mut::<2>)) {
        *room = [b'\\', byte];
        return end + 2;
    }
    write_control_at(out, end, byte)
}

#[cold]
fn write_control_at(out: &mut Vec<u8>, end: usize, byte: u8) -> usize {
    let mut escape = Vec::with_capacity(6);
    write_escape(&mut escape, byte);
    out.resize(out.len() + escape.len().saturating_sub(2), 0);
    if let Some(room) = out.get_mut(end..end + escape.len()) {
        room.copy_from_slice(&escape);
    }
    end + escape.len()
}

fn write_escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' => b'"',
        b'\\' => b'\\',
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        _ => {
            out.extend_from_slice(b"\\u00");
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

fn write_rfc3339(out: &mut Vec<u8>, year: u32, time: &DateTime<Utc>) {
    // chrono keeps a leap second as second 59 with a nanosecond part above one second.
    let leap = time.nanosecond() / NANOS_PER_SECOND;
    let nanos = time.nanosecond() % NANOS_PER_SECOND;
    write_digits(out, year, 4);
    out.push(b'-');
    write_digits(out, time.month(), 2);
    out.push(b'-');
    write_digits(out, time.day(), 2);
    out.push(b'T');
    write_digits(out, time.hour(), 2);
    out.push(b':');
    write_digits(out, time.minute(), 2);
    out.push(b':');
    write_digits(out, time.second() + leap, 2);
    if nanos != 0 {
        out.push(b'.');
        match nanos {
            n if n % 1_000_000 == 0 => write_digits(out, n / 1_000_000, 3),
            n if n % 1_000 == 0 => write_digits(out, n / 1_000, 6),
            n => write_digits(out, n, 9),
        }
    }
    out.push(b'Z');
}

/// Appends `value` in decimal, padded with zeros to `width` (at most 9) digits.
fn write_digits(out: &mut Vec<u8>, mut value: u32, width: usize) {
    let mut digits = [b'0'; 9];
    for digit in digits[..width].iter_mut().rev() {
        *digit = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
    }
    out.extend_from_slice(&digits[..width]);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn string(text: &[u8]) -> String {
        let mut out = Vec::new();
        write_json_string(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn escapes_at_every_place_of_a_block() {
        for byte in 0..=0x7f_u8 {
            for at in 0..40 {
                let mut text = vec![b'x'; 40];
                text[at] = byte;
                let expected = serde_json::to_string(std::str::from_utf8(&text).unwrap()).unwrap();
                assert_eq!(string(&text), expected, "byte {byte} at {at}");
            }
        }
    }

    proptest! {
        /// Long texts are escaped a stretch at a time, and what needs an escape may be all of them.
        #[test]
        fn long_texts_are_escaped_like_serde_json(piece in "[\\x00-\\x7fé订]{1,60}", length in 4_000usize..4_200, times in 1usize..3) {
            let text: String = piece.chars().cycle().take(length * times).collect();
            prop_assert_eq!(string(text.as_bytes()), serde_json::to_string(&text).unwrap());
        }
    }

    #[test]
    fn bytes_that_are_not_text_are_replaced() {
        insta::assert_snapshot!(string(b"a\xff\"\xe2\x82b\n"), @r##""a�\"�b\n""##);
    }

    #[test]
    fn non_finite_floats_are_null() {
        let mut out = Vec::new();
        for value in [f64::INFINITY, f64::NEG_INFINITY, -0.0, 1e16, 0.1] {
            write_json_float(&mut out, value);
            out.push(b' ');
        }
        write_json_integer(&mut out, i64::MIN);
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @"null null -0.0 1e+16 0.1 -9223372036854775808");
    }

    fn timestamp(seconds: i64, nanos: u32) -> String {
        let mut out = Vec::new();
        write_json_timestamp(&mut out, seconds, nanos);
        String::from_utf8(out).unwrap()
    }

    fn by_chrono(seconds: i64, nanos: u32) -> String {
        DateTime::from_timestamp(seconds, nanos)
            .map_or("null".to_owned(), |time| format!("\"{}\"", time.to_rfc3339_opts(SecondsFormat::AutoSi, true)))
    }

    #[test]
    fn timestamps_at_the_edges() {
        // Year 0 and 9999 bounds, a leap second, both ends of the calendar, and beyond it.
        for seconds in [-62_167_219_200, -62_167_219_201, 253_402_300_799, 253_402_300_800, 59, i64::MAX] {
            for nanos in [0, 1, 1_000, 120_000_000, 999_999_999, 1_500_000_000] {
                assert_eq!(timestamp(seconds, nanos), by_chrono(seconds, nanos));
            }
        }
        insta::assert_snapshot!(timestamp(59, 1_500_000_000), @r##""1970-01-01T00:00:60.500Z""##);
    }

    proptest! {
        #[test]
        fn strings_match_serde_json(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let lossy = String::from_utf8_lossy(&bytes);
            prop_assert_eq!(string(&bytes), serde_json::to_string(lossy.as_ref()).unwrap());
        }

        #[test]
        fn timestamps_match_chrono(
            seconds in -90_000_000_000_i64..300_000_000_000,
            nanos in 0_u32..1_000_000_000,
            unit in prop::sample::select(vec![1_u32, 1_000, 1_000_000, 1_000_000_000]),
        ) {
            let nanos = nanos / unit * unit;
            prop_assert_eq!(timestamp(seconds, nanos), by_chrono(seconds, nanos));
        }
    }
}
