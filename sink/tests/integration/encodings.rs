//! The encodings against the component's own, over every operation log of the fixtures.

use innertrail_logstore::{Layout, StoredRow, Value as Column};
use innertrail_plugin::event::{Item, NestingLimit, native, native_json};
use innertrail_plugin::transform::batch;
use innertrail_sink::encode::{EncodeError, Encoder, Encoding, log_event};
use innertrail_sink::{Batch, Record};
use serde_json::{Value, json};

use crate::support::{fixtures, layout, logstore, mark, marked, records, rows};

fn written(encoding: Encoding, layout: &Layout, record: &Record) -> Vec<u8> {
    let batch = Batch { trail: "main-trail", layout, records: std::slice::from_ref(record) };
    let encoder = Encoder::new(encoding);
    let mut out = b"before".to_vec();
    encoder.append(&batch, record, &mut out).unwrap();
    let out = out.split_off("before".len());
    assert_eq!(encoder.len(&batch, record), out.len(), "{encoding:?} {}", record.row.seq);
    out
}

fn parsed(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(json)))
}

/// `tail --format native_json` takes the stored event through the rooms again and adds number and mark; a sink uses the
/// stored columns. Whoever gets one must not be able to tell it from the other, or the gate would refuse it.
#[test]
fn native_json_is_what_tail_prints() {
    let place = fixtures();
    let (layout, records) = records(&place.dir);
    assert!(records.len() > 60, "{}", records.len());
    let rooms = rows::rooms();
    let mut nulls = 0;
    for record in &records {
        let tail = rows::dedicated(&rooms, record.row.payload(), batch::Encoding::NativeJson);
        let [tail] = &tail[..] else { panic!("record {} is no operation log any more", record.row.seq) };
        let mut tail = parsed(tail);
        tail["log"]["it_seq"] = json!(record.row.seq);
        tail["log"]["it_seal"] = json!(mark(record.row.seq, record.row.payload()));
        nulls += tail["log"].as_object().unwrap().values().filter(|v| v.is_null()).count();
        assert_eq!(parsed(&written(Encoding::NativeJson, &layout, record)), tail);
    }
    assert!(nulls > 0, "the fixtures have lifted keys that are null");
}

#[test]
fn native_is_the_same_event_and_byte_for_byte_what_the_event_model_writes() {
    let place = fixtures();
    let (layout, records) = records(&place.dir);
    for record in &records {
        let batch = Batch { trail: "main-trail", layout: &layout, records: std::slice::from_ref(record) };
        let event = log_event(&batch, record).unwrap();
        let log = written(Encoding::Native, &layout, record);
        let wrapper = native::encode_wrapper(event.clone()).unwrap();
        assert!(wrapper.ends_with(&log) && wrapper.len() - log.len() <= 6, "record {}", record.row.seq);
        assert_eq!(native::decode_wrapper(&wrapper).unwrap(), (Item::Log(event.clone()), 0));
        let mut as_json = Vec::new();
        native_json::encode(&event, NestingLimit::VECTOR, &mut as_json).unwrap();
        assert_eq!(parsed(&as_json), parsed(&written(Encoding::NativeJson, &layout, record)));
    }
}

#[test]
fn plain_json_has_every_column() {
    let place = logstore(1);
    let (layout, records) = records(&place.dir);
    let line = String::from_utf8(written(Encoding::Json, &layout, &records[0])).unwrap();
    insta::assert_snapshot!(line, @r#"{"it_seq":0,"it_received":1794524400000000,"it_seal":"v1.0.e47179be","eventId":"event-000000","eventName":"PutObject","__time__":1794524400,"it_time":1794524400000000,"it_family":"audit","it_nulls":"errorCode,userIdentity.userName","event":"{\"eventId\":\"event-000000\",\"eventName\":\"PutObject\",\"note\":\"höhe \\\"0\\\"\",\"filler\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}"}"#);
    let native = String::from_utf8(written(Encoding::NativeJson, &layout, &records[0])).unwrap();
    insta::assert_snapshot!(native, @r#"{"log":{"event":"{\"eventId\":\"event-000000\",\"eventName\":\"PutObject\",\"note\":\"höhe \\\"0\\\"\",\"filler\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}","eventId":"event-000000","eventName":"PutObject","errorCode":null,"userIdentity.userName":null,"__time__":1794524400,"timestamp":"2026-11-12T23:00:00Z","it_family":"audit","it_seq":0,"it_seal":"v1.0.e47179be"}}"#);
}

/// Moments that no calendar has, and the ends of what there is; a record of no columns; a component with other columns.
#[test]
fn odd_records_are_written_or_refused_whole() {
    let at = |name: &str| u8::try_from(layout().position(name).unwrap()).unwrap();
    let row = |columns: Vec<_>| StoredRow::new(u64::MAX, i64::MIN, &columns, b"\0\"\xc3\xa9");
    let time = |us| vec![(at("__time__"), Column::Integer(i64::MIN)), (at("it_time"), Column::Timestamp(us))];
    for us in [0, 1, -1, 999_999, -62_167_219_200_000_001, 253_402_300_800_000_000, 8_210_266_876_799_999_999] {
        let record = marked(row(time(us)));
        let batch = Batch { trail: "t", layout: &layout(), records: std::slice::from_ref(&record) };
        let event = log_event(&batch, &record).unwrap();
        assert!(
            native::encode_wrapper(event).unwrap().ends_with(&written(Encoding::Native, &layout(), &record)),
            "{us}"
        );
        parsed(&written(Encoding::NativeJson, &layout(), &record));
        parsed(&written(Encoding::Json, &layout(), &record));
    }
    for us in [i64::MIN, i64::MAX, 8_210_266_876_800_000_000] {
        let record = marked(row(time(us)));
        let layout = layout();
        let batch = Batch { trail: "t", layout: &layout, records: std::slice::from_ref(&record) };
        let mut out = b"kept".to_vec();
        let refused = Encoder::new(Encoding::Native).append(&batch, &record, &mut out);
        assert_eq!(refused, Err(EncodeError::Timestamp { seq: u64::MAX, us }));
        assert_eq!(out, b"kept");
    }
    let mut shuffled = layout();
    shuffled.columns.reverse();
    shuffled.key = None;
    let position = u8::try_from(shuffled.position("eventName").unwrap()).unwrap();
    let record = marked(row(vec![(position, Column::Text("PutObject"))]));
    assert_eq!(parsed(&written(Encoding::NativeJson, &shuffled, &record))["log"]["eventName"], "PutObject");
    assert_eq!(
        parsed(&written(Encoding::NativeJson, &Layout::default(), &marked(row(vec![]))))["log"]["event"],
        "\0\"é"
    );
}
