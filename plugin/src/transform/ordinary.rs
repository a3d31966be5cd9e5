//! Frames of Vector's `native` that can be seen to be ordinary logs without decoding them: nearly all that comes to a gate.
//!
//! It must never say so of a frame that the rooms would not let through as it is, or of which they would count anything.
//! What it is not sure of, it leaves to the rooms.

use super::walk::{LEVELS, Scalar, Visit, log};
use crate::decode::may_hold::may_hold_log;

/// Whether a frame is one log, sound, and none that the rooms have to look at.
pub(super) fn is_ordinary(frame: &[u8], max_depth: usize) -> bool {
    log(frame, LEVELS.min(max_depth.saturating_sub(1)), &mut PlainNames).is_some() && !may_hold_log(frame)
}

/// Gives up on names at the top of an event that mean something to the rooms outside operation logs too: address, mark and
/// topic, and those of which another one is the double.
struct PlainNames;

impl Visit<'_> for PlainNames {
    const SORTED: bool = false;

    #[inline(always)]
    fn name(&mut self, name: &[u8], top: bool) -> Option<()> {
        let means = matches!(name, b"it_seal" | b"__logstore__" | b"__topic__" | [b'E' | b'R', ..])
            || name.starts_with(b"reference");
        (!top || !means).then_some(())
    }

    fn value(&mut self, _: Scalar<'_>) {}
    fn open(&mut self, _: u8) {}
    fn close(&mut self, _: u8) {}
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::super::batch::{Batch, Codec, Encoding, Frame, Routed};
    use super::super::{Output, Transform, seal, walk};
    use super::*;
    use crate::event::native::Frame as Decoded;
    use crate::event::row::RowWriter;
    use crate::event::value::{Metadata, OutputId, Secrets};
    use crate::event::{LogEvent, NestingLimit, Value, json, native, strategies};
    use crate::route::Provenance;

    fn rooms(max_depth: usize) -> Transform {
        Transform::open(&format!(r#"{{"trail":"t","max_depth":{max_depth}}}"#)).unwrap()
    }

    /// What the rooms make of a frame that they decode, as it was done for every frame before.
    fn decoded(rooms: &Transform, batch: &Batch<'_>) -> (Routed, u32) {
        let (routed, row) = (Routed::default(), RowWriter::default());
        let mut out = Output { routed, row, encoding: Encoding::Verbatim, seen: 0, consumed: 0 };
        for (frame, bytes) in batch.pieces() {
            rooms.decoded(batch, frame, bytes, &mut out);
        }
        (out.routed, out.seen)
    }

    /// Whether a frame is told apart here; asserts that it comes to the same as decoded.
    fn told(rooms: &Transform, bytes: &[u8]) -> bool {
        let frames = [Frame { end: u32::try_from(bytes.len()).unwrap(), offset: 7, fault: None }];
        let (provenance, codec) = (Provenance::Agent, Codec::Native);
        let batch = Batch { provenance, source: "gate", origin: "o", codec, data: bytes, frames: &frames, sealed: &[] };
        let (slow, seen) = decoded(rooms, &batch);
        let quick = rooms.run(&batch, Encoding::Verbatim);
        let all = |routed: &Routed| {
            let Routed { data, entries, duplicate_keys, redacted, .. } = routed;
            (data.clone(), entries.clone(), *duplicate_keys, *redacted)
        };
        assert_eq!(all(&quick), all(&slow), "{}", bytes.escape_ascii());
        if let (Some(json), Ok(Decoded::Logs { mut events, unknown_values })) =
            (walk::json(bytes), native::decode(bytes))
        {
            let mut written = Vec::new();
            assert_eq!((events.len(), unknown_values), (1, 0));
            json::encode(&events.remove(0), NestingLimit::VECTOR, &mut written).unwrap();
            assert_eq!(json, written, "{}", bytes.escape_ascii());
        } else {
            assert_eq!(walk::json(bytes), None, "{}", bytes.escape_ascii());
        }
        claims_are_the_same(rooms, bytes);
        let told = is_ordinary(bytes, rooms.decoder.max_depth);
        assert!(!told || seen == 1, "{}", bytes.escape_ascii());
        told
    }

    /// What is claimed, and of which event, is what decoding every frame says, also of an event behind this one.
    fn claims_are_the_same(rooms: &Transform, bytes: &[u8]) {
        let fields =
            [("eventId", "A"), ("eventName", "P"), ("serviceName", "Oss"), ("it_seal", "v1.7.00"), ("event", "{}")];
        let marked = native::encode(vec![log(&fields.map(|(name, text)| (name, Value::from(text))))]).unwrap();
        let data = [bytes, &marked].concat();
        let frame = |end: usize| Frame { end: u32::try_from(end).unwrap(), offset: 0, fault: None };
        let frames = [frame(bytes.len()), frame(data.len())];
        let (provenance, codec) = (Provenance::Agent, Codec::Native);
        let batch = Batch { provenance, source: "gate", origin: "o", codec, data: &data, frames: &frames, sealed: &[] };
        let (mut slow, mut seen) = (Vec::new(), 0);
        rooms.each(&batch, &mut |_, record| {
            if let crate::decode::Decoded::Event(event) = &record.decoded {
                slow.extend(seal::claim(event, seen));
                seen += 1;
            }
        });
        assert!(seal::claim_of_native(&marked, &rooms.decoder, 0).is_some_and(|claim| claim.is_some()));
        assert_eq!(rooms.claims(&batch), slow, "{}", bytes.escape_ascii());
    }

    const NAMES: [&str; 26] = [
        "message",
        "event",
        "data",
        "Events",
        "__topic__",
        "__source__",
        "__logstore__",
        "it_seal",
        "it_seq",
        "eventId",
        "EventID",
        "eventName",
        "EventName",
        "EventProduct",
        "eventTime",
        "serviceName",
        "userIdentity",
        "insightDetails",
        "resourceType",
        "ResourceType",
        "referencedResources",
        "referenceResources",
        "timestamp",
        "host",
        "é",
        "",
    ];

    const TEXTS: [&str; 12] = [
        "GET /api/items 200",
        r#"{"a":1,"b":"c\nd"}"#,
        r#"{"eventName":"clicked","user":"u"}"#,
        r#"{"eventId":"A","serviceName":"Oss","eventName":"P","eventTime":"2026-06-15T08:00:00Z"}"#,
        r#"{"\u0065ventId":"A","service\u004eame":"Oss","\u0065ventName":"P"}"#,
        r#"{"message":"{\"EventID\":\"A\",\"EventProduct\":\"OSS\"}"}"#,
        r#"{"message":"{\"\\u0045ventID\":\"A\",\"EventProduc\\u0074\":\"OSS\"}"}"#,
        r#"text {"eventId":"A","insightDetails":{}}"#,
        r#"[{"eventId":"A","insightDetails":{}},{}]"#,
        r#"{"a":"#,
        "C:\\users\\u0065",
        "v1.5.00ff",
    ];

    fn value() -> impl Strategy<Value = Value> {
        let text = prop::sample::select(TEXTS.to_vec()).prop_map(Value::from);
        let of = |value: BoxedStrategy<Value>| {
            proptest::collection::btree_map(prop::sample::select(NAMES.to_vec()).prop_map(str::to_owned), value, 0..5)
        };
        let inner = of(text.clone().boxed()).prop_map(Value::Object);
        prop_oneof![3 => text, 2 => inner, 2 => strategies::value()]
    }

    fn event() -> impl Strategy<Value = LogEvent> {
        let name = prop::sample::select(NAMES.to_vec()).prop_map(str::to_owned);
        let named = (proptest::collection::btree_map(name, value(), 0..5), strategies::event())
            .prop_map(|(fields, LogEvent { metadata, .. })| LogEvent { metadata, ..LogEvent::from_fields(fields) });
        let bare = |event: LogEvent| LogEvent { metadata: Metadata::default(), ..event };
        let named = named.prop_flat_map(move |event| prop_oneof![Just(bare(event.clone())), Just(event)]);
        prop_oneof![4 => named, 1 => strategies::event()]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        #[test]
        fn comes_to_the_same_as_decoding(event in event(), depth in prop::sample::select(vec![1usize, 2, 5, 64])) {
            told(&rooms(depth), &native::encode(vec![event]).unwrap());
        }

        #[test]
        fn comes_to_the_same_when_damaged(
            event in event(),
            more in proptest::option::weighted(0.2, event()),
            cuts in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..4), 1..4),
        ) {
            let mut bytes = native::encode(std::iter::once(event).chain(more).collect()).unwrap();
            for (at, byte, how) in cuts {
                let at = at.index(bytes.len());
                match how {
                    0 => bytes[at] = byte,
                    1 => bytes[at] ^= 1 << (byte & 7),
                    2 => bytes.insert(at, byte),
                    _ => drop(bytes.remove(at)),
                }
                if bytes.is_empty() {
                    break;
                }
                told(&rooms(64), &bytes);
            }
        }
    }

    fn nested(levels: usize) -> Value {
        (0..levels).fold(Value::from("x"), |inner, _| Value::Object([("a".to_owned(), inner)].into()))
    }

    fn log(fields: &[(&str, Value)]) -> LogEvent {
        LogEvent::from_fields(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
    }

    fn ordinary(event: LogEvent) -> bool {
        told(&rooms(64), &native::encode(vec![event]).unwrap())
    }

    /// A test that decoding comes to the same says nothing when every frame is decoded.
    #[test]
    fn what_agents_send_is_told_apart() {
        let time = Value::Timestamp { seconds: 1_794_524_400, nanos: 123_456_789 };
        let event = log(&[
            ("message", Value::from(r#"{"a":"b","c":[1,2]}"#)),
            ("timestamp", time),
            ("kubernetes", Value::Object([("labels".to_owned(), nested(3))].into())),
            ("list", Value::Array(vec![Value::Integer(-1), Value::Float(0.5), Value::Boolean(false), Value::Null])),
            ("bytes", Value::Bytes(vec![0xff, 0x00])),
            ("long", Value::from("x".repeat(300))),
        ]);
        assert!(ordinary(event.clone()));
        let metadata = Metadata {
            value: nested(2),
            source_id: Some("in".to_owned()),
            source_type: Some("file".to_owned()),
            upstream_id: Some(OutputId { component: "remap".to_owned(), port: Some("dropped".to_owned()) }),
            source_event_id: Some([7; 16]),
            ..Metadata::default()
        };
        assert!(ordinary(LogEvent { metadata, ..event }));
        assert!(ordinary(log(&[])));
        assert!(ordinary(log(&[("message", Value::from(r#"{"eventName":"clicked"}"#))])));
    }

    #[test]
    fn what_the_rooms_have_to_see_is_left_to_them() {
        let text = |text: &str| Value::from(text);
        for (name, value) in [
            ("it_seal", text("x")),
            ("__logstore__", text("other")),
            ("__topic__", text("x")),
            ("message", text(TEXTS[3])),
            ("message", text(TEXTS[4])),
            ("other", text(TEXTS[5])),
            ("EventID", text("x")),
            ("deep", nested(9)),
            ("timestamp", Value::Timestamp { seconds: -1, nanos: 0 }),
        ] {
            assert!(!ordinary(log(&[(name, value)])), "{name}");
        }
        let secrets = Secrets([("token".to_owned(), "synthetic".to_owned())].into());
        let metadata = Metadata { secrets, ..Metadata::default() };
        assert!(!ordinary(LogEvent { metadata, ..log(&[]) }));
        assert!(!ordinary(LogEvent { value: Value::Null, ..log(&[]) }));
        let two = native::encode(vec![log(&[]), log(&[])]).unwrap();
        assert!(!told(&rooms(64), &two));
        // Deeper than a configuration allows is undecodable for the rooms.
        assert!(!told(&rooms(3), &native::encode(vec![log(&[("a", nested(3))])]).unwrap()));
        assert!(told(&rooms(3), &native::encode(vec![log(&[("a", nested(2))])]).unwrap()));
        assert!(nested(9).check(NestingLimit::VECTOR).is_ok());
    }
}
