//! One log of a page as a line of JSON, in the form in which Log Service records are exported and which `decode` opens:
//! `__time__`, `__topic__`, `__source__`, `__tag__:…` and the contents.
//! It must never change a byte of a content, and never write a line that is longer than asked for.

use super::closed::is_closed;
use super::protobuf::{Broken, Fields, Value, pair};
use crate::event::{write_json_bytes, write_json_integer};

/// A group whose lines would be so many times longer than itself is no group but a bomb, and goes out as it is.
const MOST_GROWTH: usize = 32;
/// Growth below this many bytes is no bomb.
const GROWTH_FLOOR: usize = 1 << 20;

/// How the common members of a group begin whose topic is one of ActionTrail's.
const ACTIONTRAIL: &[u8] = b",\"__topic__\":\"actiontrail_";
/// The content that holds the event there. It goes out as the object it is rather than as text that says it: escaping it,
/// and taking that off again, was a seventh of all work. One that is not JSON makes its line none, which decoding refuses
/// whole, as it refuses the text.
const EVENT: &[u8] = b"event";
/// Nesting that an event has at the most to go out as an object; far from what decoding allows.
const EVENT_DEPTH: u32 = 16;

/// Why a log does not become a line.
pub(super) enum NoLine {
    Broken,
    TooLong,
}

impl From<Broken> for NoLine {
    fn from(_: Broken) -> Self {
        Self::Broken
    }
}

/// Walks a group once: the members that all its lines have, as JSON, each behind a comma.
pub(super) fn common(group: &[u8]) -> Result<Vec<u8>, Broken> {
    let (mut topic, mut source): (&[u8], &[u8]) = (b"", b"");
    let (mut tags, mut logs) = (Vec::new(), 0usize);
    let mut fields = Fields::new(group);
    while let Some((number, value)) = fields.field()? {
        match (number, value) {
            (1, Value::Bytes(_)) => logs += 1,
            (3, Value::Bytes(text)) => topic = text,
            (4, Value::Bytes(text)) => source = text,
            (6, Value::Bytes(tag)) => {
                let (key, value) = pair(tag)?;
                member(&mut tags, b"__tag__:", key, value);
            }
            (1 | 3 | 4 | 6, _) => return Err(Broken),
            _ => {}
        }
    }
    let mut prefix = Vec::with_capacity(tags.len() + topic.len() + source.len() + 40);
    member(&mut prefix, b"", b"__topic__", topic);
    member(&mut prefix, b"", b"__source__", source);
    prefix.extend_from_slice(&tags);
    let grown = prefix.len().saturating_mul(logs);
    if grown > GROWTH_FLOOR && grown / MOST_GROWTH > group.len() { Err(Broken) } else { Ok(prefix) }
}

fn member(out: &mut Vec<u8>, before: &[u8], key: &[u8], value: &[u8]) {
    out.push(b',');
    if before.is_empty() {
        write_json_bytes(out, key);
    } else {
        write_json_bytes(out, &[before, key].concat());
    }
    out.push(b':');
    write_json_bytes(out, value);
}

/// How long a text becomes in JSON. Of short ones the length alone counts: they cannot cost much.
fn grown(text: &[u8]) -> usize {
    const SHORT: usize = 4096;
    if text.len() < SHORT {
        return text.len();
    }
    let escaped =
        text.iter().filter(|b| **b < 0x20).count() * 5 + text.iter().filter(|b| matches!(b, b'"' | b'\\')).count();
    text.len() + escaped
}

/// Writes a log as a line and gives its time in seconds.
pub(super) fn line(out: &mut Vec<u8>, prefix: &[u8], log: &[u8], most: usize) -> Result<u32, NoLine> {
    let from = out.len();
    let (mut seconds, mut nanos) = (None, None);
    // The time stands first in a log as the service writes it; where it does not, it is looked for.
    let mut fields = Fields::new(log);
    while let Some((number, value)) = fields.field()? {
        match (number, value) {
            (1, Value::Number(value)) => seconds = Some(u32::try_from(value).map_err(|_| NoLine::Broken)?),
            (4, Value::Four(value)) => nanos = Some(value),
            (1 | 4, _) => return Err(NoLine::Broken),
            _ => {}
        }
    }
    let seconds = seconds.ok_or(NoLine::Broken)?;
    let actiontrail = prefix.starts_with(ACTIONTRAIL);
    out.extend_from_slice(b"{\"__time__\":");
    write_json_integer(out, i64::from(seconds));
    if let Some(nanos) = nanos {
        out.extend_from_slice(b",\"__time_ns_part__\":");
        write_json_integer(out, i64::from(nanos));
    }
    out.extend_from_slice(prefix);
    let mut fields = Fields::new(log);
    while let Some((number, value)) = fields.field()? {
        if number == 2 {
            let Value::Bytes(content) = value else { return Err(NoLine::Broken) };
            let (key, value) = pair(content)?;
            if out.len() - from + grown(key) + grown(value) > most {
                return Err(NoLine::TooLong);
            }
            if key == EVENT && actiontrail && is_closed(value, EVENT_DEPTH) {
                out.extend_from_slice(b",\"event\":");
                out.extend_from_slice(value);
            } else {
                member(out, b"", key, value);
            }
        }
    }
    out.extend_from_slice(b"}\n");
    if out.len() - from > most.saturating_add(2) { Err(NoLine::TooLong) } else { Ok(seconds) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn bytes(number: u8, value: &[u8], out: &mut Vec<u8>) {
        out.push(number << 3 | 2);
        prost::encoding::encode_varint(value.len() as u64, out);
        out.extend_from_slice(value);
    }

    fn told(topic: &str, contents: &[(&str, &str)]) -> String {
        let (mut group, mut log) = (Vec::new(), vec![1 << 3, 7]);
        bytes(3, topic.as_bytes(), &mut group);
        for (key, value) in contents {
            let mut content = Vec::new();
            bytes(1, key.as_bytes(), &mut content);
            bytes(2, value.as_bytes(), &mut content);
            bytes(2, &content, &mut log);
        }
        let mut out = Vec::new();
        assert!(matches!(line(&mut out, &common(&group).unwrap_or_default(), &log, 1 << 20), Ok(7)));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_event_of_actiontrail_goes_out_as_the_object_it_is() {
        let event = r#"{"eventId":"A","n":[1,{"m":"x\"}"}]}"#;
        insta::assert_snapshot!(told("actiontrail_event", &[("event", event)]), @r#"{"__time__":7,"__topic__":"actiontrail_event","__source__":"","event":{"eventId":"A","n":[1,{"m":"x\"}"}]}}"#);
        // Elsewhere a text stays a text.
        for (topic, key) in [("mine", "event"), ("actiontrail_event", "events")] {
            let read: serde_json::Value = serde_json::from_str(&told(topic, &[(key, event)])).unwrap();
            assert_eq!(read[key].as_str(), Some(event));
        }
    }

    /// What is not one object would end its member and begin others, such as a topic of its own.
    #[test]
    fn no_content_becomes_a_member_of_its_record() {
        let deep = format!("{}1{}", r#"{"a":"#.repeat(17), "}".repeat(17));
        let forged = r#"{},"__topic__":"forged","x":{}"#;
        for text in [forged, "{}}", "{} ", " {}", "{", "[]", "1", "", "{}{}", &deep] {
            let line = told("actiontrail_event", &[("event", text)]);
            let read: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!((read["event"].as_str(), read["__topic__"].as_str()), (Some(text), Some("actiontrail_event")));
        }
    }
}
