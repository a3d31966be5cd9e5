//! Vector's own codecs, as a file sink writes them, against ours: the same events come out of `native` as went in, byte for byte
//! when they are written again, and Vector's `native_json` of them is the text that we write.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use innertrail_plugin::event::{LogEvent, NestingLimit, Value, native, native_json};
use innertrail_sink::vector::Compression;

use super::answers::Vector;

const FILES: &str = "sinks:\n  \
    native: { type: file, inputs: [in], path: \"{dir}/native\", encoding: { codec: native }, acknowledgements: { enabled: true } }\n  \
    json: { type: file, inputs: [in], path: \"{dir}/json\", encoding: { codec: native_json }, acknowledgements: { enabled: true } }\n";

/// Events of every kind of value, at their ends.
fn own() -> Vec<LogEvent> {
    let text = |text: &str| Value::Bytes(text.into());
    let object = |members: Vec<(&str, Value)>| {
        Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    };
    let deep = |levels: usize| (0..levels).fold(text("x"), |value, _| object(vec![("k", value)]));
    let values = vec![
        text(""),
        text("é\u{1}\u{7f}\u{2028}\"\\/\n😀"),
        Value::Bytes(vec![0xff, 0xfe, b'a', 0xc3]),
        Value::Integer(i64::MIN),
        Value::Integer(i64::MAX),
        Value::Float(-0.0),
        Value::Float(1e300),
        Value::Float(5e-324),
        Value::Float(1.0),
        Value::Float(0.1),
        Value::Boolean(false),
        Value::Null,
        Value::timestamp(0, 0).unwrap(),
        Value::timestamp(1_793_980_800, 1).unwrap(),
        Value::timestamp(-62_135_596_800, 999_999_999).unwrap(),
        Value::timestamp(253_402_300_799, 120_000_000).unwrap(),
        Value::Array(vec![]),
        Value::Array(vec![Value::Array(vec![Value::Null]), Value::Integer(-1), text("a")]),
        object(vec![]),
        object(vec![("", text("no name")), ("a.b", Value::Null), ("\u{0}\n", Value::Boolean(true))]),
        deep(31),
    ];
    values.into_iter().map(|value| LogEvent::from_fields([("f".to_owned(), value)].into())).collect()
}

/// The files of one kind that Vector's own codecs wrote long ago.
fn corpus() -> Vec<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vector-native");
    let folder = std::env::var_os("INNERTRAIL_VECTOR_NATIVE").map_or(beside, PathBuf::from).join("proto");
    let Ok(entries) = fs::read_dir(&folder) else {
        println!("without the pairs of Vector's codecs; name their folder with INNERTRAIL_VECTOR_NATIVE");
        return vec![];
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// The one event of a frame.
fn event(frame: &[u8]) -> LogEvent {
    match native::decode(frame).unwrap() {
        native::Frame::Logs { mut events, unknown_values: 0 } if events.len() == 1 => events.remove(0),
        other => panic!("not one log: {other:?}"),
    }
}

/// What Vector's source puts into an event when it is not there.
fn completed(mut event: LogEvent, seen: &LogEvent) -> Value {
    let Value::Object(fields) = &mut event.value else { panic!("no object") };
    let seen: &BTreeMap<String, Value> = seen.value.as_object().unwrap();
    for name in ["source_type", "timestamp"] {
        if let (Some(added), false) = (seen.get(name), fields.contains_key(name)) {
            fields.insert(name.to_owned(), added.clone());
        }
    }
    event.value
}

#[test]
fn what_vector_writes_is_read_as_it_was_sent_and_written_as_vector_writes_it() {
    let Some(agent) = super::find("its codecs") else { return };
    let mut sent = own();
    // An `EventArray` of one log is a request of one wrapper of it.
    let mut requests: Vec<Vec<u8>> = sent
        .iter()
        .map(|event| native::join_push_request(vec![native::encode_wrapper(event.clone()).unwrap()]))
        .collect();
    for path in corpus() {
        let bytes = fs::read(path).unwrap();
        sent.push(event(&bytes));
        requests.push(bytes);
    }
    let mut vector = Vector::start(&agent, FILES);
    for (at, request) in requests.into_iter().enumerate() {
        let compression = [Compression::None, Compression::Gzip, Compression::Zstd][at % 3];
        vector.push_within(request, compression, Duration::from_secs(20)).unwrap();
    }
    vector.end();
    let stream = fs::read(vector.dir.path().join("native")).unwrap();
    let frames = native::split_frames(&stream, native::MAX_FRAME_BYTES);
    assert_eq!((frames.frames.len(), frames.rest.len(), frames.error), (sent.len(), 0, None));
    let lines = fs::read_to_string(vector.dir.path().join("json")).unwrap();
    let mut lines = lines.split_terminator('\n');
    for (at, (frame, sent)) in frames.frames.into_iter().zip(sent).enumerate() {
        let seen = event(frame);
        assert_eq!(seen.value, completed(sent, &seen), "event {at}");
        let mut json = vec![];
        native_json::encode(&seen, NestingLimit::VECTOR, &mut json).unwrap();
        assert_eq!(lines.next().unwrap(), String::from_utf8(json).unwrap(), "event {at}");
        assert_eq!(native::encode(vec![seen]).unwrap(), frame, "event {at}: our own bytes");
    }
    assert_eq!(lines.next(), None);
}
