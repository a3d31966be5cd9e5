//! Conformance with Vector's own codecs: every log of its test corpus, in both encodings.
//! Never compares less than bytes where Vector itself promises the same bytes.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use innertrail_plugin::event::{DecodeSettings, Item, LogEvent, NestingLimit, Value, native, native_json};

/// Log events of the corpus.
const PAIRS: usize = 246;

struct Pair {
    name: String,
    json: Vec<u8>,
    proto: Vec<u8>,
}

/// The corpus: in the folder that `INNERTRAIL_VECTOR_NATIVE` names, or beside the checkout; says SKIPPED when it is not at hand.
fn corpus() -> Option<Vec<Pair>> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vector-native");
    let folder = std::env::var_os("INNERTRAIL_VECTOR_NATIVE").map_or(beside, PathBuf::from);
    if !folder.is_dir() {
        let folder = folder.display();
        println!("SKIPPED: no pairs of Vector's codecs in {folder}; name their folder with INNERTRAIL_VECTOR_NATIVE");
        return None;
    }
    let names = |kind: &str| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder.join(kind)).unwrap();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    };
    let pairs: Vec<Pair> = names("json")
        .into_iter()
        .zip(names("proto"))
        .map(|(json, proto)| {
            assert_eq!(json.file_stem(), proto.file_stem(), "the corpus is not in pairs");
            Pair {
                name: json.file_stem().unwrap().to_string_lossy().into_owned(),
                json: fs::read(json).unwrap(),
                proto: fs::read(proto).unwrap(),
            }
        })
        .collect();
    assert_eq!(pairs.len(), PAIRS);
    assert_eq!(names("proto").len(), PAIRS);
    Some(pairs)
}

fn from_json(pair: &Pair) -> LogEvent {
    let mut items = native_json::decode(&pair.json, DecodeSettings::default())
        .unwrap_or_else(|error| panic!("{}.json: {error}", pair.name));
    match (items.pop(), items.is_empty()) {
        (Some(Item::Log(event)), true) => event,
        other => panic!("{}.json is not one log: {other:?}", pair.name),
    }
}

fn from_proto(pair: &Pair) -> LogEvent {
    let frame = native::decode(&pair.proto).unwrap_or_else(|e| panic!("{}.pb: {e}", pair.name));
    match frame {
        native::Frame::Logs { mut events, unknown_values: 0 } if events.len() == 1 => events.remove(0),
        other => panic!("{}.pb is not one log: {other:?}", pair.name),
    }
}

fn to_json(event: &LogEvent) -> Vec<u8> {
    let mut out = Vec::new();
    native_json::encode(event, NestingLimit::VECTOR, &mut out).unwrap();
    out
}

#[test]
fn json_is_read_and_written_to_the_same_bytes() {
    let Some(pairs) = corpus() else { return };
    for pair in pairs {
        assert_eq!(text(&to_json(&from_json(&pair))), text(&pair.json), "{}", pair.name);
    }
}

#[test]
fn proto_is_read_and_written_to_the_same_bytes() {
    let Some(pairs) = corpus() else { return };
    for pair in pairs {
        let written = native::encode(vec![from_proto(&pair)]).unwrap();
        assert_eq!(written, pair.proto, "{}", pair.name);
    }
}

#[test]
fn proto_becomes_the_json_that_vector_writes() {
    let Some(pairs) = corpus() else { return };
    for pair in pairs {
        assert_eq!(text(&to_json(&from_proto(&pair))), text(&pair.json), "{}", pair.name);
    }
}

#[test]
fn both_encodings_hold_the_same_values() {
    let Some(pairs) = corpus() else { return };
    let mut seen = std::collections::BTreeMap::new();
    for pair in &pairs {
        let (json, proto) = (from_json(pair), from_proto(pair));
        count_types(&proto.value, &mut seen);
        assert!(agree(&json.value, &proto.value), "{}: {json:?} is not {proto:?}", pair.name);
    }
    // The comparison is worth what the corpus holds: every type but timestamps, which it has none of.
    for kind in ["string", "integer", "float", "boolean", "object", "array", "null"] {
        assert!(seen.contains_key(kind), "the corpus holds no {kind}: {seen:?}");
    }
}

#[test]
fn wrappers_and_streams_carry_the_corpus() {
    let Some(pairs) = corpus() else { return };
    let mut stream = Vec::new();
    let mut wrappers = Vec::new();
    for pair in &pairs {
        native::write_frame(&mut stream, &pair.proto, native::MAX_FRAME_BYTES).unwrap();
        wrappers.push(native::encode_wrapper(from_proto(pair)).unwrap());
    }
    let frames = native::split_frames(&stream, native::MAX_FRAME_BYTES);
    assert_eq!((frames.frames.len(), frames.rest.len(), frames.error), (PAIRS, 0, None));
    let request = native::join_push_request(wrappers);
    let wrappers = native::split_push_request(&request).unwrap();
    assert_eq!(wrappers.len(), PAIRS);
    for ((pair, frame), wrapper) in pairs.iter().zip(frames.frames).zip(wrappers) {
        assert_eq!(frame, pair.proto);
        let expected = (Item::Log(from_proto(pair)), 0);
        assert_eq!(native::decode_wrapper(&wrapper).unwrap(), expected, "{}", pair.name);
    }
}

#[test]
fn cut_frames_are_errors() {
    let Some(pairs) = corpus() else { return };
    for pair in &pairs {
        for end in 1..pair.proto.len() {
            assert!(native::decode(&pair.proto[..end]).is_err(), "{} at {end}", pair.name);
        }
        for end in 1..pair.json.len() {
            let cut = native_json::decode(&pair.json[..end], DecodeSettings::default());
            assert!(cut.is_err(), "{} at {end}", pair.name);
        }
    }
}

/// For messages that can be read.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Whether a value read from JSON is what JSON can hold of a value read from protobuf.
fn agree(json: &Value, proto: &Value) -> bool {
    match (json, proto) {
        (Value::Bytes(text), Value::Bytes(bytes)) => String::from_utf8_lossy(bytes).as_bytes() == text.as_slice(),
        (Value::Bytes(text), Value::Timestamp { seconds, nanos }) => {
            let read = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
            read.is_some_and(|time: chrono::DateTime<chrono::Utc>| {
                (time.timestamp(), time.timestamp_subsec_nanos()) == (*seconds, *nanos)
            })
        }
        (Value::Object(a), Value::Object(b)) => {
            a.keys().eq(b.keys()) && a.values().zip(b.values()).all(|(a, b)| agree(a, b))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| agree(a, b)),
        (a, b) => a == b,
    }
}

fn count_types(value: &Value, seen: &mut std::collections::BTreeMap<&'static str, usize>) {
    *seen.entry(value.type_name()).or_default() += 1;
    match value {
        Value::Object(fields) => fields.values().for_each(|value| count_types(value, seen)),
        Value::Array(items) => items.iter().for_each(|value| count_types(value, seen)),
        _ => {}
    }
}
