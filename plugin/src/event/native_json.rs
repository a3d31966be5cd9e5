//! Vector's `native_json`: `{"log":{...}}` per event, or an array of them in one frame.
//! Never carries metadata (Vector drops it in this form), and never decodes metrics or traces.

use super::json_reader::{DecodeError, DecodeReason, DecodeSettings, Reader};
use super::json_writer::write_object;
use super::value::{EncodeError, LogEvent, Metadata, NestingLimit, Value};
use super::{Item, NotLog, OtherKind};

/// Reads a frame: nothing for an empty one, one event, or an array of events. As in Vector one
/// bad event refuses the whole frame; use [`split`] to set the good ones apart.
pub fn decode(frame: &[u8], settings: DecodeSettings) -> Result<Vec<Item>, DecodeError> {
    let mut items = Vec::new();
    each_element(frame, settings, |reader| {
        items.push(envelope(reader, frame)?);
        Ok(())
    })?;
    Ok(items)
}

/// Cuts a frame into the texts of its events, so that each can be decoded alone. Fails only where
/// the frame is not JSON or nests deeper than [`NestingLimit::MAX`].
pub fn split(frame: &[u8]) -> Result<Vec<&[u8]>, DecodeError> {
    let settings = DecodeSettings { nesting: NestingLimit::MAX_IN_ENVELOPE, lossy: true };
    let mut texts = Vec::new();
    each_element(frame, settings, |reader| {
        let start = reader.offset();
        reader.root()?;
        texts.push(&frame[start..reader.offset()]);
        Ok(())
    })?;
    Ok(texts)
}

/// Appends `{"log":{...}}` without a line end. On an error `out` is as it was.
pub fn encode(event: &LogEvent, nesting: NestingLimit, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let fields = event.checked_fields(nesting)?;
    out.extend_from_slice(b"{\"log\":");
    write_object(out, fields);
    out.push(b'}');
    Ok(())
}

/// Appends many events as one array, the cheap form of a frame. On an error, which names the
/// event by its place, `out` is as it was.
pub fn encode_array<'a>(
    events: impl IntoIterator<Item = &'a LogEvent>,
    nesting: NestingLimit,
    out: &mut Vec<u8>,
) -> Result<(), (usize, EncodeError)> {
    let start = out.len();
    out.push(b'[');
    for (index, event) in events.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        if let Err(error) = encode(event, nesting, out) {
            out.truncate(start);
            return Err((index, error));
        }
    }
    out.push(b']');
    Ok(())
}

/// Calls `read` at the start of each event of the frame, then checks the frame's end.
fn each_element(
    frame: &[u8],
    settings: DecodeSettings,
    mut read: impl FnMut(&mut Reader<'_>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    if frame.is_empty() {
        return Ok(());
    }
    let mut reader = Reader::new(frame, settings);
    if !reader.take(b'[') {
        read(&mut reader)?;
        return reader.finish();
    }
    if reader.take(b']') {
        return reader.finish();
    }
    loop {
        reader.peek();
        read(&mut reader)?;
        if reader.take(b']') {
            return reader.finish();
        }
        reader.require(b',', "',' or ']' after an event")?;
        reader.element += 1;
    }
}

/// The only key of an envelope.
#[derive(PartialEq, Clone, Copy)]
enum Variant {
    Log,
    Other(OtherKind),
}

fn envelope(reader: &mut Reader<'_>, frame: &[u8]) -> Result<Item, DecodeError> {
    let start = reader.offset();
    reader.require(b'{', "an event such as {\"log\":{...}}")?;
    let (mut variant, mut event) = variant(reader, None)?;
    while reader.take(b',') {
        // The same key twice: the last one wins, as everywhere.
        (variant, event) = self::variant(reader, Some(variant))?;
    }
    reader.require(b'}', "',' or '}' in an object")?;
    Ok(match variant {
        Variant::Log => Item::Log(LogEvent { value: event, metadata: Metadata::default() }),
        Variant::Other(kind) => Item::NotLog(NotLog { kind, raw: frame[start..reader.offset()].to_vec() }),
    })
}

/// Reads one `"key":value` of an envelope; `before` is the key that came before it.
fn variant(reader: &mut Reader<'_>, before: Option<Variant>) -> Result<(Variant, Value), DecodeError> {
    reader.peek();
    let key_at = reader.offset();
    let key = reader.key()?;
    let variant = match key.as_str() {
        "log" => Some(Variant::Log),
        "metric" => Some(Variant::Other(OtherKind::Metric)),
        "trace" => Some(Variant::Other(OtherKind::Trace)),
        _ => None,
    };
    if before.is_some() && variant != before {
        return Err(reader.error_at(key_at, DecodeReason::ExtraKey { name: key }));
    }
    let Some(variant) = variant else {
        return Err(reader.error_at(key_at, DecodeReason::UnknownVariant { name: key }));
    };
    reader.peek();
    let value_at = reader.offset();
    let value = reader.root()?;
    if variant == Variant::Log && !matches!(value, Value::Object(_)) {
        let found = value.type_name();
        return Err(reader.error_at(value_at, DecodeReason::NotAnObject { found }));
    }
    Ok((variant, value))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::super::strategies;
    use super::*;

    fn read(frame: &[u8]) -> Result<Vec<Item>, DecodeError> {
        decode(frame, DecodeSettings::default())
    }

    fn written(event: &LogEvent) -> String {
        let mut out = Vec::new();
        encode(event, NestingLimit::VECTOR, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// What comes of a frame: its events written anew, or why it was refused.
    fn outcome(frame: &[u8]) -> String {
        match read(frame) {
            Ok(items) => items
                .iter()
                .map(|item| match item {
                    Item::Log(event) => written(event),
                    Item::NotLog(other) => {
                        format!("{:?} {}", other.kind, String::from_utf8_lossy(&other.raw))
                    }
                })
                .collect::<Vec<_>>()
                .join(" | "),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn frames_as_vector_takes_them() {
        let cases: [&[u8]; 10] = [
            b"",
            b"[]",
            b"{\"log\":{\"b\":1,\"a\":\"x\"}}\r",
            b"[{\"log\":{}}, {\"log\":{\"a\":null}}]",
            b"{\"log\":{\"a\":1,\"a\":2}}",
            b"{\"log\":{\"a\":1},\"log\":{\"b\":2}}",
            b"{\"log\":{\"n\":18446744073709551615}}",
            b"{\"log\":{\"a\":\"\xff\"}}",
            b"[ {\"metric\" : {\"name\":\"\xff\"} } ,{\"log\":{}}, {\"trace\":[ ]}]",
            b"{\"log\":{\"log\":{\"metadata\":{\"secrets\":1}}}}",
        ];
        let report: Vec<String> = cases.iter().map(|frame| outcome(frame)).collect();
        insta::assert_snapshot!(report.join("\n"), @r##"


        {"log":{"a":"x","b":1}}
        {"log":{}} | {"log":{"a":null}}
        {"log":{"a":2}}
        {"log":{"b":2}}
        {"log":{"n":1.8446744073709552e+19}}
        {"log":{"a":"�"}}
        Metric {"metric" : {"name":"�"} } | {"log":{}} | Trace {"trace":[ ]}
        {"log":{"log":{"metadata":{"secrets":1}}}}
        "##);
        assert!(matches!(
            &read(cases[8]).unwrap()[0],
            Item::NotLog(other) if other.raw == b"{\"metric\" : {\"name\":\"\xff\"} }"
        ));
    }

    #[test]
    fn frames_as_vector_refuses_them() {
        let cases: [&[u8]; 17] = [
            b" ",
            b"not json",
            b"{}",
            b"{\"message\":\"bare\"}",
            b"{\"Log\":{}}",
            b"{\"event\":{}}",
            b"{\"log\":\"str\"}",
            b"{\"log\":[1]}",
            b"{\"log\":null}",
            b"{\"log\":{},\"metadata\":{}}",
            b"{\"metadata\":{},\"log\":{}}",
            b"{\"log\":{},\"metric\":{}}",
            b"[{\"log\":{}},{\"log\":3}]",
            b"{\"log\":{\"a\":1e999}}",
            b"{\"log\":{}}{\"log\":{}}",
            b"[{\"log\":{}},]",
            b"[[{\"log\":{}}]]",
        ];
        let report: Vec<String> = cases.iter().map(|frame| outcome(frame)).collect();
        insta::assert_snapshot!(report.join("\n"), @r##"
        error: cannot decode JSON at byte 1 (event 0 of the frame): the text ends too early; was the frame cut?
        error: cannot decode JSON at byte 0 (event 0 of the frame): expected an event such as {"log":{...}}
        error: cannot decode JSON at byte 1 (event 0 of the frame): expected a key in double quotes
        error: cannot decode JSON at byte 1 (event 0 of the frame): unknown event type "message"; use "log", "metric" or "trace"
        error: cannot decode JSON at byte 1 (event 0 of the frame): unknown event type "Log"; use "log", "metric" or "trace"
        error: cannot decode JSON at byte 1 (event 0 of the frame): unknown event type "event"; use "log", "metric" or "trace"
        error: cannot decode JSON at byte 7 (event 0 of the frame): a log must be an object, but this is of type string
        error: cannot decode JSON at byte 7 (event 0 of the frame): a log must be an object, but this is of type array
        error: cannot decode JSON at byte 7 (event 0 of the frame): a log must be an object, but this is of type null
        error: cannot decode JSON at byte 10 (event 0 of the frame): an event envelope must have exactly one key; move "metadata" into the event
        error: cannot decode JSON at byte 1 (event 0 of the frame): unknown event type "metadata"; use "log", "metric" or "trace"
        error: cannot decode JSON at byte 10 (event 0 of the frame): an event envelope must have exactly one key; move "metric" into the event
        error: cannot decode JSON at byte 19 (event 1 of the frame): a log must be an object, but this is of type integer
        error: cannot decode JSON at byte 12 (event 0 of the frame): the number is out of range of a 64-bit float
        error: cannot decode JSON at byte 10 (event 0 of the frame): unexpected text after the event; put one event or one array in a frame
        error: cannot decode JSON at byte 12 (event 1 of the frame): expected an event such as {"log":{...}}
        error: cannot decode JSON at byte 1 (event 0 of the frame): expected an event such as {"log":{...}}
        "##);
    }

    #[test]
    fn one_bad_event_can_be_set_apart() {
        let frame = b"[ {\"log\":{\"a\":1}} ,3, {\"log\":{\"b\":2}}]";
        assert_eq!(read(frame).unwrap_err().element, 1);
        let outcomes: Vec<String> = split(frame).unwrap().into_iter().map(outcome).collect();
        insta::assert_snapshot!(outcomes.join("\n"), @r##"
        {"log":{"a":1}}
        error: cannot decode JSON at byte 0 (event 0 of the frame): expected an event such as {"log":{...}}
        {"log":{"b":2}}
        "##);
        assert_eq!(split(b"{\"log\":").unwrap_err().reason, DecodeReason::UnexpectedEnd);
        assert_eq!(split(b"").unwrap(), Vec::<&[u8]>::new());
    }

    #[test]
    fn nesting_counts_from_the_log_and_is_bounded() {
        let frame = |objects: usize| {
            let (open, close) = ("{\"a\":".repeat(objects - 1), "}".repeat(objects - 1));
            format!("{{\"log\":{open}{{}}{close}}}")
        };
        assert!(read(frame(32).as_bytes()).is_ok());
        let error = read(frame(33).as_bytes()).unwrap_err();
        assert_eq!(error.reason, DecodeReason::TooDeep { limit: 96 });
        let widest = DecodeSettings { nesting: NestingLimit::MAX, lossy: true };
        assert!(decode(frame(128).as_bytes(), widest).is_ok());
        assert!(split(frame(128).as_bytes()).is_ok());
        assert!(decode(frame(129).as_bytes(), widest).is_err());
        assert!(split(frame(1_000_000).as_bytes()).is_err());
    }

    #[test]
    fn timestamps_and_bytes_become_text() {
        let event = LogEvent::from_fields(
            [
                ("t".to_owned(), Value::Timestamp { seconds: 1, nanos: 500_000_000 }),
                ("b".to_owned(), Value::Bytes(b"\xff\x00".to_vec())),
                ("f".to_owned(), Value::Float(1.0)),
                ("i".to_owned(), Value::Float(f64::INFINITY)),
            ]
            .into(),
        );
        insta::assert_snapshot!(written(&event), @r##"{"log":{"b":"�\u0000","f":1.0,"i":null,"t":"1970-01-01T00:00:01.500Z"}}"##);
    }

    #[test]
    fn arrays_are_written_whole_or_not_at_all() {
        let good = LogEvent::from_fields([("a".to_owned(), Value::Integer(1))].into());
        let bad = LogEvent::from_fields([("a".to_owned(), Value::Float(f64::NAN))].into());
        let mut out = b"kept".to_vec();
        let (index, _) = encode_array([&good, &bad], NestingLimit::VECTOR, &mut out).unwrap_err();
        assert_eq!((index, out.as_slice()), (1, &b"kept"[..]));
        out.clear();
        encode_array([&good, &good], NestingLimit::VECTOR, &mut out).unwrap();
        assert_eq!(out, b"[{\"log\":{\"a\":1}},{\"log\":{\"a\":1}}]");
    }

    /// What `native_json` keeps of a value: text for bytes and timestamps, no infinities.
    fn flattened(value: &Value) -> Value {
        match value {
            Value::Bytes(bytes) => Value::from(String::from_utf8_lossy(bytes).into_owned()),
            Value::Float(value) if value.is_infinite() => Value::Null,
            Value::Timestamp { seconds, nanos } => {
                let time = chrono::DateTime::from_timestamp(*seconds, *nanos).unwrap();
                Value::from(time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
            }
            Value::Array(items) => Value::Array(items.iter().map(flattened).collect()),
            Value::Object(fields) => {
                Value::Object(fields.iter().map(|(key, value)| (key.clone(), flattened(value))).collect())
            }
            other => other.clone(),
        }
    }

    proptest! {
        #[test]
        fn events_round_trip(events in proptest::collection::vec(strategies::event(), 0..4)) {
            let mut out = Vec::new();
            encode_array(&events, NestingLimit::VECTOR, &mut out).unwrap();
            let expected: Vec<Item> = events
                .iter()
                .map(|event| LogEvent { value: flattened(&event.value), ..LogEvent::default() })
                .map(Item::Log)
                .collect();
            prop_assert_eq!(read(&out).unwrap(), expected);
            prop_assert_eq!(split(&out).unwrap().len(), events.len());
        }
    }
}
