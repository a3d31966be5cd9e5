//! Vector's `native`: one protobuf `EventArray` per frame, frames led by their length; and the
//! `EventWrapper` of its gRPC protocol. Never writes what would make Vector panic.

use std::collections::BTreeMap;

use prost::Message;
use thiserror::Error;

use super::proto;
use super::value::{DatadogOrigin, EncodeError, LogEvent, Metadata, OutputId, Secrets, Value};
use super::{Item, NotLog, OtherKind};

/// Vector's default for the longest frame: 8 MiB, the length not included.
pub const MAX_FRAME_BYTES: usize = 8 * 1024 * 1024;

const LENGTH_BYTES: usize = 4;

/// Why a protobuf message cannot be decoded.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum NativeError {
    /// Not a protobuf message of the expected type, cut short, or nested over 100 deep.
    #[error("cannot decode the message as a Vector event: {0}; was the frame cut or damaged?")]
    Malformed(String),
    /// A message that holds no event at all, on which Vector panics.
    #[error("the message holds neither logs nor metrics nor traces; send no message instead")]
    NoEvent,
    /// A value that decodes but that no event may hold, on which Vector panics.
    #[error("log {index} of the frame cannot be used: {reason}")]
    BadValue {
        /// Which log of the frame, from 0.
        index: usize,
        /// The fault.
        reason: EncodeError,
    },
}

/// A decoded `EventArray`.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// Logs, possibly none.
    Logs {
        /// The events in order.
        events: Vec<LogEvent>,
        /// Values of a kind this version does not know, left out as Vector leaves them out. A
        /// caller that must not lose anything keeps the frame's bytes when this is not 0.
        unknown_values: usize,
    },
    /// Metrics or traces: the whole frame, verbatim.
    NotLog(NotLog),
}

/// Decodes one frame (without its length). An empty frame holds no events.
pub fn decode(frame: &[u8]) -> Result<Frame, NativeError> {
    if frame.is_empty() {
        return Ok(Frame::Logs { events: Vec::new(), unknown_values: 0 });
    }
    let other = |kind| Ok(Frame::NotLog(NotLog { kind, raw: frame.to_vec() }));
    match message::<proto::EventArray>(frame)?.events {
        Some(proto::Events::Logs(array)) => {
            let mut reading = Reading::default();
            let events: Vec<_> = array.logs.into_iter().map(|log| reading.log(log)).collect();
            check_decoded(&events)?;
            Ok(Frame::Logs { events, unknown_values: reading.unknown_values })
        }
        Some(proto::Events::Metrics(_)) => other(OtherKind::Metric),
        Some(proto::Events::Traces(_)) => other(OtherKind::Trace),
        None => Err(NativeError::NoEvent),
    }
}

/// Encodes logs as one frame (without its length), as Vector writes it. The error names the event
/// by its place.
pub fn encode(events: Vec<LogEvent>) -> Result<Vec<u8>, (usize, EncodeError)> {
    let mut logs = Vec::with_capacity(events.len());
    for (index, event) in events.into_iter().enumerate() {
        logs.push(write_log(event).map_err(|error| (index, error))?);
    }
    let events = Some(proto::Events::Logs(proto::LogArray { logs }));
    Ok(proto::EventArray { events }.encode_to_vec())
}

/// Decodes one `EventWrapper`. Also says how many values of unknown kind were left out.
pub fn decode_wrapper(bytes: &[u8]) -> Result<(Item, usize), NativeError> {
    let other = |kind| Ok((Item::NotLog(NotLog { kind, raw: bytes.to_vec() }), 0));
    match message::<proto::EventWrapper>(bytes)?.event {
        Some(proto::Event::Log(log)) => {
            let mut reading = Reading::default();
            let event = reading.log(log);
            check_decoded(std::slice::from_ref(&event))?;
            Ok((Item::Log(event), reading.unknown_values))
        }
        Some(proto::Event::Metric(_)) => other(OtherKind::Metric),
        Some(proto::Event::Trace(_)) => other(OtherKind::Trace),
        None => Err(NativeError::NoEvent),
    }
}

/// Encodes a log as an `EventWrapper`.
pub fn encode_wrapper(event: LogEvent) -> Result<Vec<u8>, EncodeError> {
    let event = Some(proto::Event::Log(write_log(event)?));
    Ok(proto::EventWrapper { event }.encode_to_vec())
}

/// Cuts a `PushEventsRequest` into its encoded `EventWrapper`s.
pub fn split_push_request(bytes: &[u8]) -> Result<Vec<Vec<u8>>, NativeError> {
    message::<proto::PushEventsRequest>(bytes).map(|request| request.events)
}

/// Makes a `PushEventsRequest` of encoded `EventWrapper`s.
pub fn join_push_request(wrappers: Vec<Vec<u8>>) -> Vec<u8> {
    proto::PushEventsRequest { events: wrappers }.encode_to_vec()
}

/// A frame longer than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "frame of {length} bytes at byte {offset} of the stream is over the limit of {limit} bytes; \
     raise the limit on both sides, or check that the stream is length-delimited"
)]
pub struct FrameTooLong {
    /// The length the frame announces.
    pub length: usize,
    /// The limit.
    pub limit: usize,
    /// Where its length stands in the buffer.
    pub offset: usize,
}

/// What [`split_frames`] found in a buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frames<'a> {
    /// Complete frames, without their lengths.
    pub frames: Vec<&'a [u8]>,
    /// What is left: the start of a frame that has not fully arrived, or a frame too long.
    pub rest: &'a [u8],
    /// Set when `rest` starts with a frame too long. The stream cannot go on.
    pub error: Option<FrameTooLong>,
}

/// Cuts a stream into frames, each led by its length as 4 bytes, most significant first.
pub fn split_frames(buffer: &[u8], limit: usize) -> Frames<'_> {
    let mut found = Frames { frames: Vec::new(), rest: buffer, error: None };
    while let Some((length, body)) = found.rest.split_first_chunk::<LENGTH_BYTES>() {
        // A length that does not fit the address space is over any limit.
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if length > limit {
            let offset = buffer.len() - found.rest.len();
            found.error = Some(FrameTooLong { length, limit, offset });
            break;
        }
        let Some((frame, rest)) = body.split_at_checked(length) else { break };
        found.frames.push(frame);
        found.rest = rest;
    }
    found
}

/// Appends a frame led by its length. Refuses one over `limit`; then `out` is as it was.
pub fn write_frame(out: &mut Vec<u8>, frame: &[u8], limit: usize) -> Result<(), FrameTooLong> {
    let too_long = FrameTooLong { length: frame.len(), limit, offset: out.len() };
    let length = u32::try_from(frame.len()).map_err(|_| too_long)?;
    if frame.len() > limit {
        return Err(too_long);
    }
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(frame);
    Ok(())
}

fn message<M: Message + Default>(bytes: &[u8]) -> Result<M, NativeError> {
    M::decode(bytes).map_err(|error| NativeError::Malformed(error.to_string()))
}

fn check_decoded(events: &[LogEvent]) -> Result<(), NativeError> {
    events
        .iter()
        .enumerate()
        .try_for_each(|(index, event)| event.check_native().map_err(|reason| NativeError::BadValue { index, reason }))
}

/// Reads messages into values and counts the values it had to leave out.
#[derive(Default)]
struct Reading {
    unknown_values: usize,
}

impl Reading {
    fn log(&mut self, log: proto::Log) -> LogEvent {
        let value = match log.value {
            Some(value) => self.value(value).unwrap_or(Value::Null),
            None => Value::Object(self.root_fields(log.fields)),
        };
        let metadata = match (log.metadata_full, log.metadata) {
            (Some(full), _) => self.metadata(full),
            (None, Some(value)) => Metadata {
                value: self.value(value).unwrap_or_else(|| Metadata::default().value),
                ..Metadata::default()
            },
            (None, None) => Metadata::default(),
        };
        LogEvent { value, metadata }
    }

    /// At the root only the unknown field is lost, deeper down all that it stands in.
    fn root_fields(&mut self, fields: BTreeMap<String, proto::Value>) -> BTreeMap<String, Value> {
        fields.into_iter().filter_map(|(key, value)| Some((key, self.value(value)?))).collect()
    }

    fn value(&mut self, value: proto::Value) -> Option<Value> {
        Some(match value.kind {
            Some(proto::Kind::RawBytes(bytes)) => Value::Bytes(bytes),
            Some(proto::Kind::Timestamp(time)) => Value::Timestamp {
                seconds: time.seconds,
                // A negative part is no valid time; `check` then says so.
                nanos: u32::try_from(time.nanos).unwrap_or(u32::MAX),
            },
            Some(proto::Kind::Integer(value)) => Value::Integer(value),
            Some(proto::Kind::Float(value)) => Value::Float(value),
            Some(proto::Kind::Boolean(value)) => Value::Boolean(value),
            Some(proto::Kind::Map(map)) => Value::Object(
                map.fields.into_iter().map(|(key, value)| Some((key, self.value(value)?))).collect::<Option<_>>()?,
            ),
            Some(proto::Kind::Array(array)) => {
                Value::Array(array.items.into_iter().map(|item| self.value(item)).collect::<Option<_>>()?)
            }
            Some(proto::Kind::Null(_)) => Value::Null,
            None => {
                self.unknown_values += 1;
                return None;
            }
        })
    }

    fn metadata(&mut self, full: proto::Metadata) -> Metadata {
        let value = full.value.and_then(|value| self.value(value));
        Metadata {
            value: value.unwrap_or_else(|| Metadata::default().value),
            datadog_origin: full.datadog_origin_metadata.map(|origin| DatadogOrigin {
                product: origin.origin_product,
                category: origin.origin_category,
                service: origin.origin_service,
            }),
            source_id: full.source_id,
            source_type: full.source_type,
            upstream_id: full.upstream_id.map(|id| OutputId { component: id.component, port: id.port }),
            secrets: Secrets(full.secrets.unwrap_or_default().entries),
            source_event_id: full.source_event_id.try_into().ok(),
        }
    }
}

fn write_log(event: LogEvent) -> Result<proto::Log, EncodeError> {
    event.check_native()?;
    let (fields, value) = match event.value {
        Value::Object(fields) => (write_fields(fields), None),
        // Old readers know `fields` only and take an empty map for no log at all, so a root that
        // is not an object brings one field that readers of `value` ignore.
        root => ([(".".to_owned(), write_value(Value::Null))].into(), Some(write_value(root))),
    };
    Ok(proto::Log {
        fields,
        value,
        metadata: Some(write_value(event.metadata.value.clone())),
        metadata_full: Some(write_metadata(event.metadata)),
    })
}

fn write_fields(fields: BTreeMap<String, Value>) -> BTreeMap<String, proto::Value> {
    fields.into_iter().map(|(key, value)| (key, write_value(value))).collect()
}

fn write_value(value: Value) -> proto::Value {
    let kind = match value {
        Value::Bytes(bytes) => proto::Kind::RawBytes(bytes),
        Value::Integer(value) => proto::Kind::Integer(value),
        Value::Float(value) => proto::Kind::Float(value),
        Value::Boolean(value) => proto::Kind::Boolean(value),
        Value::Timestamp { seconds, nanos } => {
            proto::Kind::Timestamp(proto::Timestamp { seconds, nanos: i32::try_from(nanos).unwrap_or(i32::MAX) })
        }
        Value::Object(fields) => proto::Kind::Map(proto::ValueMap { fields: write_fields(fields) }),
        Value::Array(items) => {
            proto::Kind::Array(proto::ValueArray { items: items.into_iter().map(write_value).collect() })
        }
        Value::Null => proto::Kind::Null(0),
    };
    proto::Value { kind: Some(kind) }
}

fn write_metadata(metadata: Metadata) -> proto::Metadata {
    let secrets = metadata.secrets.0;
    proto::Metadata {
        value: Some(write_value(metadata.value)),
        datadog_origin_metadata: metadata.datadog_origin.map(|origin| proto::DatadogOriginMetadata {
            origin_product: origin.product,
            origin_category: origin.category,
            origin_service: origin.service,
        }),
        source_id: metadata.source_id,
        source_type: metadata.source_type,
        upstream_id: metadata.upstream_id.map(|id| proto::OutputId { component: id.component, port: id.port }),
        secrets: (!secrets.is_empty()).then_some(proto::Secrets { entries: secrets }),
        source_event_id: metadata.source_event_id.map_or_else(Vec::new, |id| id.to_vec()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::super::strategies;
    use super::*;

    fn event(key: &str, value: Value) -> LogEvent {
        LogEvent::from_fields([(key.to_owned(), value)].into())
    }

    fn full_metadata() -> Metadata {
        Metadata {
            value: Value::Object([("m".to_owned(), Value::Integer(-1))].into()),
            datadog_origin: Some(DatadogOrigin { product: Some(1), category: None, service: Some(0) }),
            source_id: Some("in".to_owned()),
            source_type: Some(String::new()),
            upstream_id: Some(OutputId { component: "route".to_owned(), port: Some("oss".to_owned()) }),
            secrets: Secrets([("token".to_owned(), "synthetic".to_owned())].into()),
            source_event_id: Some([7; 16]),
        }
    }

    fn logs(frame: &[u8]) -> Vec<LogEvent> {
        match decode(frame).unwrap() {
            Frame::Logs { events, unknown_values: 0 } => events,
            other => panic!("not plain logs: {other:?}"),
        }
    }

    /// A frame of one log with one field `a` whose value is made by hand.
    fn frame_of(kind: Option<proto::Kind>) -> Vec<u8> {
        let fields: BTreeMap<_, _> = [("a".to_owned(), proto::Value { kind })].into();
        let log = proto::Log { fields, ..proto::Log::default() };
        let events = Some(proto::Events::Logs(proto::LogArray { logs: vec![log] }));
        proto::EventArray { events }.encode_to_vec()
    }

    #[test]
    fn metadata_survives_in_both_shapes() {
        let event = LogEvent { metadata: full_metadata(), ..event("a", Value::from("b")) };
        assert_eq!(logs(&encode(vec![event.clone()]).unwrap()), std::slice::from_ref(&event));
        let wrapper = encode_wrapper(event.clone()).unwrap();
        let request = join_push_request(vec![wrapper.clone(), wrapper.clone()]);
        assert_eq!(split_push_request(&request).unwrap(), [wrapper.clone(), wrapper.clone()]);
        assert_eq!(decode_wrapper(&wrapper).unwrap(), (Item::Log(event), 0));
    }

    #[test]
    fn the_wire_form_is_the_one_vector_writes() {
        let event = LogEvent { metadata: full_metadata(), ..event("a", Value::Integer(-1)) };
        let hex: String = encode(vec![event]).unwrap().iter().map(|b| format!("{b:02x}")).collect();
        insta::assert_snapshot!(hex, @"0a85010a82010a100a0161120b20ffffffffffffffffff011a143a120a100a016d120b20ffffffffffffffffff0122580a143a120a100a016d120b20ffffffffffffffffff011204080118001a02696e22002a0c0a05726f75746512036f737332140a120a05746f6b656e120973796e7468657469633a1007070707070707070707070707070707");
    }

    #[test]
    fn a_root_that_is_not_an_object_brings_a_dummy_field() {
        for root in [Value::from("text"), Value::Array(vec![Value::Null]), Value::Null] {
            let event = LogEvent { value: root, metadata: Metadata::default() };
            let frame = encode(vec![event.clone()]).unwrap();
            let array = proto::EventArray::decode(frame.as_slice()).unwrap();
            let Some(proto::Events::Logs(array)) = array.events else { panic!("not logs") };
            assert_eq!(array.logs[0].fields.keys().collect::<Vec<_>>(), ["."]);
            assert_eq!(logs(&frame), [event]);
        }
    }

    #[test]
    fn value_wins_over_fields_and_full_metadata_over_metadata() {
        let text = |text: &str| Some(write_value(Value::from(text)));
        let mut log = proto::Log {
            fields: [("old".to_owned(), write_value(Value::Null))].into(),
            value: text("root"),
            metadata: text("old"),
            metadata_full: Some(proto::Metadata { value: text("full"), ..Default::default() }),
        };
        let read = Reading::default().log(log.clone());
        assert_eq!(read.value, Value::from("root"));
        assert_eq!(read.metadata.value, Value::from("full"));
        log.metadata_full = None;
        assert_eq!(Reading::default().log(log).metadata.value, Value::from("old"));
        assert_eq!(Reading::default().log(proto::Log::default()), LogEvent::from_fields([].into()));
    }

    #[test]
    fn values_of_unknown_kind_are_counted() {
        let frame = frame_of(None);
        let expected = Frame::Logs { events: vec![LogEvent::from_fields([].into())], unknown_values: 1 };
        assert_eq!(decode(&frame).unwrap(), expected);
    }

    #[test]
    fn what_makes_vector_panic_is_refused_when_read() {
        let time = |seconds, nanos| proto::Kind::Timestamp(proto::Timestamp { seconds, nanos });
        let kinds = [proto::Kind::Float(f64::NAN), time(i64::MAX, 0), time(0, -1), time(0, 1_000_000_000)];
        let report: Vec<String> =
            kinds.into_iter().map(|kind| decode(&frame_of(Some(kind))).unwrap_err().to_string()).collect();
        insta::assert_snapshot!(report.join("\n"), @r##"
        log 0 of the frame cannot be used: cannot encode the event: value at ".a": the float is NaN; send null or leave the field out
        log 0 of the frame cannot be used: cannot encode the event: value at ".a": no date exists for 9223372036854775807 s and 0 ns; send it as a string or an integer
        log 0 of the frame cannot be used: cannot encode the event: value at ".a": no date exists for 0 s and 4294967295 ns; send it as a string or an integer
        log 0 of the frame cannot be used: cannot encode the event: value at ".a": no date exists for 0 s and 1000000000 ns; send it as a string or an integer
        "##);
        // An unset oneof: only a field of an unknown number.
        assert_eq!(decode(&[0x28, 0x01]), Err(NativeError::NoEvent));
        assert_eq!(decode_wrapper(&[]), Err(NativeError::NoEvent));
    }

    #[test]
    fn what_makes_vector_panic_is_refused_when_written() {
        let good = event("a", Value::Null);
        let (index, error) = encode(vec![good.clone(), event("a", Value::Float(f64::NAN))]).unwrap_err();
        assert_eq!(index, 1);
        insta::assert_snapshot!(error, @r##"cannot encode the event: value at ".a": the float is NaN; send null or leave the field out"##);
        let bad_time = Value::Timestamp { seconds: 0, nanos: 2_000_000_000 };
        insta::assert_snapshot!(encode_wrapper(event("t", bad_time.clone())).unwrap_err(), @r##"cannot encode the event: value at ".t": no date exists for 0 s and 2000000000 ns; send it as a string or an integer"##);
        let metadata = Metadata { value: bad_time, ..Metadata::default() };
        insta::assert_snapshot!(encode_wrapper(LogEvent { metadata, ..good }).unwrap_err(), @r##"cannot encode the event: value at "%": no date exists for 0 s and 2000000000 ns; send it as a string or an integer"##);
    }

    #[test]
    fn the_deepest_event_allowed_can_be_read_back() {
        let nested = |levels| (0..levels).fold(Value::Null, |value, _| Value::Object([("a".to_owned(), value)].into()));
        let metadata = Metadata { value: nested(32), ..Metadata::default() };
        let deepest = LogEvent { value: nested(32), metadata };
        assert_eq!(logs(&encode(vec![deepest.clone()]).unwrap()), [deepest]);
        let deeper = LogEvent { value: nested(33), ..LogEvent::default() };
        assert!(encode(vec![deeper]).is_err());
        let arrays = (0..48).fold(Value::Null, |value, _| Value::Array(vec![value]));
        let deepest = LogEvent { value: arrays, ..LogEvent::default() };
        assert_eq!(logs(&encode(vec![deepest.clone()]).unwrap()), [deepest]);
    }

    #[test]
    fn nesting_without_end_is_an_error_and_not_an_overflow() {
        let mut kind = proto::Kind::Null(0);
        for _ in 0..200 {
            let items = vec![proto::Value { kind: Some(kind) }];
            kind = proto::Kind::Array(proto::ValueArray { items });
        }
        let error = decode(&frame_of(Some(kind))).unwrap_err();
        assert!(matches!(error, NativeError::Malformed(_)), "{error}");
        assert!(error.to_string().contains("recursion limit"), "{error}");
    }

    #[test]
    fn cut_or_trailing_bytes_are_an_error() {
        let frame = encode(vec![event("a", Value::from("text"))]).unwrap();
        for end in 1..frame.len() {
            assert!(decode(&frame[..end]).is_err(), "{end} bytes");
        }
        assert_eq!(decode(&[]).unwrap(), Frame::Logs { events: vec![], unknown_values: 0 });
        for garbage in [&b"\xff"[..], b"\x00", b"{}"] {
            assert!(decode(&[&frame, garbage].concat()).is_err(), "{garbage:?}");
        }
    }

    #[test]
    fn metrics_and_traces_stay_as_they_came() {
        let cases = [(b"\x12\x03abc", OtherKind::Metric), (b"\x1a\x03abc", OtherKind::Trace)];
        for (bytes, kind) in cases {
            let expected = NotLog { kind, raw: bytes.to_vec() };
            assert_eq!(decode(bytes).unwrap(), Frame::NotLog(expected.clone()));
            assert_eq!(decode_wrapper(bytes).unwrap(), (Item::NotLog(expected), 0));
        }
    }

    #[test]
    fn frames_are_cut_from_a_stream() {
        let mut stream = Vec::new();
        for frame in [&b"one"[..], b"", b"three"] {
            write_frame(&mut stream, frame, 5).unwrap();
        }
        for end in 0..=stream.len() {
            let found = split_frames(&stream[..end], 5);
            let taken: usize = found.frames.iter().map(|frame| frame.len() + LENGTH_BYTES).sum();
            assert_eq!(found.rest, &stream[taken..end]);
            assert_eq!(found.error, None);
        }
        assert_eq!(split_frames(&stream, 5).frames, [&b"one"[..], b"", b"three"]);
        let found = split_frames(&stream, 4);
        assert_eq!(found.frames, [&b"one"[..], b""]);
        insta::assert_snapshot!(found.error.unwrap(), @"frame of 5 bytes at byte 11 of the stream is over the limit of 4 bytes; raise the limit on both sides, or check that the stream is length-delimited");
        assert!(write_frame(&mut stream, b"sixsix", 5).is_err());
    }

    proptest! {
        #[test]
        fn events_round_trip(events in proptest::collection::vec(strategies::event(), 0..4)) {
            let frame = encode(events.clone()).unwrap();
            prop_assert_eq!(logs(&frame), events);
        }

        #[test]
        fn any_bytes_are_read_or_refused(
            events in proptest::collection::vec(strategies::event(), 1..3),
            place in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut frame = encode(events).unwrap();
            let place = place.index(frame.len());
            frame[place] = byte;
            if let Ok(Frame::Logs { events, .. }) = decode(&frame) {
                prop_assert!(encode(events).is_ok(), "what was read can be written");
            }
        }
    }
}
