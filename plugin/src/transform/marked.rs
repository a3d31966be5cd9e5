//! Events of the Logstore that come back as `native`, seen to agree with themselves without decoding their frames.
//!
//! It must never say so of an event that the rooms would not hand to the dedicated Logstore as it is, or of which they would
//! count anything. What it is not sure of, it leaves to them: see [`super::seal::agrees`], whose rule this is.

use std::borrow::Cow;

use super::seal;
use super::walk::{self, LEVELS, Scalar, Visit};
use crate::classify::{Event, classify};
use crate::decode::scan::TokenKind;
use crate::decode::secrets::WatchList;
use crate::decode::{Decoder, means_nothing};
use crate::event::columns::{ALL, COLUMNS, Column, LIFTED};
use crate::event::json::write_json_timestamp;

/// What one of the fields says that innertrail writes beside the raw event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Event,
    Seal,
    Place,
    Lifted(Column),
    Seconds,
    Moment,
    Family,
    Actor,
    Action,
    Outcome,
    Resource,
    Reason,
    Country,
}

/// The fields that are worked out, or stand beside the columns.
const OTHERS: [(&str, Says); 12] = [
    ("event", Says::Event),
    ("it_seal", Says::Seal),
    ("it_seq", Says::Place),
    ("__time__", Says::Seconds),
    ("timestamp", Says::Moment),
    ("it_family", Says::Family),
    ("it_actor", Says::Actor),
    ("it_action", Says::Action),
    ("it_outcome", Says::Outcome),
    ("it_resource", Says::Resource),
    ("it_reason", Says::Reason),
    ("it_country", Says::Country),
];

/// The names of those fields, in order, as a map of Vector's has them.
#[derive(Debug)]
pub(super) struct Fields {
    sorted: Vec<(&'static str, Says)>,
    /// Whether one of them is a name whose values are masked: then nothing can be said here.
    masked: bool,
}

impl Fields {
    pub(super) fn new(watch: &WatchList) -> Self {
        let lifted = ALL[..LIFTED].iter().map(|column| (COLUMNS[*column as usize].name, Says::Lifted(*column)));
        let mut sorted: Vec<_> = lifted.chain(OTHERS).collect();
        sorted.sort_by_key(|(name, _)| *name);
        let masked = sorted.iter().any(|(name, _)| watch.contains(name.as_bytes(), false));
        Self { sorted, masked }
    }
}

/// What was found at the top of a log: for each of [`Fields`] its value.
struct Found<'a, 'f> {
    fields: &'f Fields,
    watch: &'f WatchList,
    values: Vec<Option<Scalar<'a>>>,
    depth: usize,
    /// The field whose value comes next; `None`: one that an agent added.
    at: Option<usize>,
    /// Where to look for the next name: names come in order.
    next: usize,
    /// Whether something was met of which nothing can be said here.
    unsure: bool,
}

impl<'a> Visit<'a> for Found<'a, '_> {
    const SORTED: bool = true;

    fn name(&mut self, name: &'a [u8], top: bool) -> Option<()> {
        // What an agent added and is no single value is looked through by the rooms.
        if !top {
            return None;
        }
        let names = &self.fields.sorted;
        while names.get(self.next).is_some_and(|(own, _)| own.as_bytes() < name) {
            self.next += 1;
        }
        self.at = names.get(self.next).filter(|(own, _)| own.as_bytes() == name).map(|_| self.next);
        (self.at.is_some() || self.may_add(name)).then_some(())
    }

    fn value(&mut self, value: Scalar<'a>) {
        match self.at {
            Some(at) => self.values[at] = Some(value),
            // JSON in a text may hold secrets, and has quotes.
            None => self.unsure |= matches!(value, Scalar::Bytes(text) if !text.iter().copied().all(is_plain)),
        }
    }

    fn open(&mut self, _: u8) {
        self.depth += 1;
        self.unsure |= self.depth > 1;
    }

    fn close(&mut self, _: u8) {
        self.depth -= 1;
    }
}

impl Found<'_, '_> {
    /// Whether a field of this name is an agent's own, and means nothing to any room.
    fn may_add(&self, name: &[u8]) -> bool {
        name.is_ascii() && means_nothing(name) && !self.watch.contains(name, false) && !seal::is_ours(name)
    }

    /// Every field with its value.
    fn each(&self) -> impl Iterator<Item = (Says, Option<Scalar<'_>>)> {
        self.fields.sorted.iter().map(|(_, says)| *says).zip(self.values.iter().copied())
    }

    fn text(&self, wanted: Says) -> Option<&[u8]> {
        self.each().find_map(|(says, value)| match value {
            Some(Scalar::Bytes(text)) if says == wanted => Some(text),
            _ => None,
        })
    }
}

fn is_plain(byte: u8) -> bool {
    byte >= b' ' && byte != b'"' && byte != b'\\'
}

/// Whether the one event of a frame, whose mark was found to be valid, says beside the raw event what that says and all of it,
/// and `goes` where it may, asked of the raw event.
pub(super) fn agrees(frame: &[u8], decoder: &Decoder, fields: &Fields, goes: impl FnOnce(&Event<'_>) -> bool) -> bool {
    agreeing(frame, decoder, fields, goes).is_some()
}

fn agreeing(frame: &[u8], decoder: &Decoder, fields: &Fields, goes: impl FnOnce(&Event<'_>) -> bool) -> Option<()> {
    let (values, watch) = (vec![None; fields.sorted.len()], &decoder.watch);
    let mut found = Found { fields, watch, values, depth: 0, at: None, next: 0, unsure: fields.masked };
    walk::log(frame, LEVELS.min(decoder.max_depth.saturating_sub(1)), &mut found)?;
    let (raw, seal) = (found.text(Says::Event)?, found.text(Says::Seal)?);
    let (place, _) = seal::parse(simdutf8::basic::from_utf8(seal).ok()?)?;
    simdutf8::basic::from_utf8(raw).ok()?;
    let event = decoder.again_watched(raw)?;
    // Blanks around it are not part of the event; a secret in a string is looked for by the rooms.
    if found.unsure || event.bytes.len() != raw.len() || !event.secret_texts.is_empty() {
        return None;
    }
    let event = classify(event);
    let says_so = |(says, value)| is_said(says, value, &event, place);
    (found.each().all(says_so) && goes(&event)).then_some(())
}

/// Whether a field is there with what the raw event says, or is not there and the raw event says nothing of it.
fn is_said(says: Says, value: Option<Scalar<'_>>, event: &Event<'_>, place: u64) -> bool {
    let text = |own: &[u8]| matches!(value, Some(Scalar::Bytes(text)) if text == own);
    let known = |own: &Option<Cow<'_, [u8]>>| own.as_ref().map_or(value.is_none(), |own| text(own));
    let time = |of: &dyn Fn(i64) -> bool| event.time_us.map_or(value.is_none(), of);
    let family = event.family.is_some();
    match says {
        Says::Event | Says::Seal => true,
        Says::Place => match value {
            Some(Scalar::Integer(number)) => u64::try_from(number) == Ok(place),
            other => other.is_none(),
        },
        Says::Lifted(column) => is_lifted(column, value, event),
        Says::Seconds => {
            time(&|us| matches!(value, Some(Scalar::Integer(seconds)) if seconds == us.div_euclid(1_000_000)))
        }
        Says::Moment => time(&|us| is_moment(us, value)),
        Says::Family => event.family.map_or(value.is_none(), |family| text(family.as_str().as_bytes())),
        Says::Actor => family && is_actor(value, &event.actor),
        Says::Action => family && text(event.action.as_str().as_bytes()),
        Says::Outcome => family && text(event.outcome.as_str().as_bytes()),
        Says::Resource => known(&event.resource),
        Says::Reason => known(&event.reason),
        Says::Country => known(&event.country),
    }
}

/// A moment, or its text: what comes out of JSON is no moment any more.
fn is_moment(us: i64, value: Option<Scalar<'_>>) -> bool {
    let (own_seconds, micros) = (us.div_euclid(1_000_000), us.rem_euclid(1_000_000));
    let own_nanos = u32::try_from(micros).unwrap_or(0) * 1_000;
    match value {
        Some(Scalar::Timestamp(seconds, nanos)) => (seconds, nanos) == (own_seconds, own_nanos),
        Some(Scalar::Bytes(text)) => {
            let mut written = Vec::with_capacity(40);
            write_json_timestamp(&mut written, own_seconds, own_nanos);
            matches!(&*written, [b'"', own @ .., b'"'] if own == text)
        }
        _ => false,
    }
}

/// A lifted value is sent as text, null as null.
fn is_lifted(column: Column, value: Option<Scalar<'_>>, event: &Event<'_>) -> bool {
    let token = event.raw.token(column);
    let own = token.of(event.raw.bytes);
    match (token.kind, value) {
        (TokenKind::Absent, None) | (TokenKind::Null, Some(Scalar::Null)) => true,
        (TokenKind::Absent | TokenKind::Null, _) => false,
        // What a letter spelt by its number comes to is left to the rooms: not all of them stand for a letter.
        (TokenKind::Escaped, Some(Scalar::Bytes(text))) => {
            memchr::memmem::find(own, b"\\u").is_none() && event.raw.value_of(token).is_some_and(|own| *own == *text)
        }
        (_, Some(Scalar::Bytes(text))) => text == own,
        _ => false,
    }
}

/// Kind and name, with a colon between where there is a name.
fn is_actor(value: Option<Scalar<'_>>, (kind, name): &(Cow<'_, [u8]>, Cow<'_, [u8]>)) -> bool {
    let Some(Scalar::Bytes(text)) = value else { return false };
    match text.strip_prefix(&**kind) {
        Some([]) => name.is_empty(),
        Some([b':', rest @ ..]) => !name.is_empty() && *rest == **name,
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::super::batch::{Batch, Codec, Encoding, Frame, Routed};
    use super::super::{Output, Transform, encode};
    use super::*;
    use crate::event::row::RowWriter;
    use crate::event::{DecodeSettings, Item, LogEvent, Value, native, native_json, strategies};
    use crate::route::{Provenance, Route};

    const RAWS: [&str; 12] = [
        r#"{"eventId":"A","serviceName":"Oss","eventName":"PutBucket","eventTime":"2026-06-15T08:00:00Z"}"#,
        r#"{"eventId":"B","serviceName":"Oss","eventName":"P","eventTime":"2026-06-15T08:00:00.25Z","isGlobal":true,"errorMessage":"a\\b \"c\" \n/","errorCode":null,"userIdentity":{"type":"ram-user","userName":"é订","accountId":1000000000000001},"sourceIpAddress":""}"#,
        r#"{"EventID":"D","EventProduct":"OSS","EventName":"Look","EventTime":"2026-06-15T08:00:00Z","EmployeeID":"","EventLevel":3,"ResourceOwnerID":"1000000000000001"}"#,
        r#"{"EventID":"D","EventProduct":"OSS","EventName":"Look","EventTime":"2026-06-15T08:00:00Z","EmployeeID":"e","EventAdditionalDetail":"{\"a\":\"b\"}"}"#,
        r#"{"eventId":"A","serviceName":"Oss","eventName":"P","eventTime":"2026-06-15T08:00:00Z","requestParameters":{"password":"***","x":["y"]},"referencedResources":{"ACS::OSS::Bucket":["b\/c"]}}"#,
        r#"{"eventId":"A","serviceName":"Oss","eventName":"P","eventTime":"2026-06-15T08:00:00Z","requestParameters":{"password":"open"}}"#,
        r#"{"eventId":"A","serviceName":"Oss","eventName":"P","eventTime":"2026-06-15T08:00:00Z","errorMessage":"{\"password\":\"***\"}"}"#,
        r#"{"eventId":"A","serviceName":"Oss","eventName":"\u0050ut\u000a","eventTime":"2026-06-15T08:00:00Z","userAgent":"a\/b"}"#,
        r#"{"eventId":"A","serviceName":"Ecs","eventName":"P","eventTime":"2026-06-15T08:00:00Z"}"#,
        r#"{"eventId":"A","serviceName":"Oss","eventName":"P","eventTime":"2026-06-15T08:00:00Z","recipientAccountId":"1000000000000009"}"#,
        r#"{"eventId":7,"serviceName":"Oss","eventName":"P","eventTime":"no time"}"#,
        r#" {"eventId":"A","serviceName":"Oss","eventName":"P","eventTime":"2026-06-15T08:00:00Z"}"#,
    ];
    /// Those that came whole are told at sight, without an agent's hand in it.
    const AT_SIGHT: [bool; 12] = [true, true, true, true, true, false, false, false, false, false, false, true];

    fn rooms(more: &str) -> Transform {
        Transform::open(&format!(r#"{{"trail":"t","account":"1000000000000001"{more}}}"#)).unwrap()
    }

    /// What innertrail sends of this raw event.
    fn sent(raw: &str) -> LogEvent {
        let decoder = rooms("").decoder;
        let mut json = Vec::new();
        encode::native_json(&classify(decoder.again(raw.as_bytes(), None).unwrap()), &mut json);
        let Some(Item::Log(mut log)) = native_json::decode(&json, DecodeSettings::default()).unwrap().pop() else {
            panic!("{raw}")
        };
        let Value::Object(fields) = &mut log.value else { panic!("{raw}") };
        // The time is a moment in protobuf.
        let time = classify(decoder.again(raw.as_bytes(), None).unwrap()).time_us;
        if let Some(us) = time {
            let nanos = u32::try_from(us.rem_euclid(1_000_000)).unwrap() * 1_000;
            fields.insert("timestamp".to_owned(), Value::Timestamp { seconds: us.div_euclid(1_000_000), nanos });
        }
        fields.insert("it_seal".to_owned(), Value::from("v1.5.00"));
        fields.insert("it_seq".to_owned(), Value::Integer(5));
        log
    }

    /// Whether a frame with a valid mark is told at sight; asserts that it comes to the same as decoded.
    fn told(rooms: &Transform, bytes: &[u8], provenance: Provenance) -> bool {
        let frames = [Frame { end: u32::try_from(bytes.len()).unwrap(), offset: 7, fault: None }];
        let codec = Codec::Native;
        let batch =
            Batch { provenance, source: "gate", origin: "o", codec, data: bytes, frames: &frames, sealed: &[0] };
        let mut slow = Output {
            routed: Routed::default(),
            row: RowWriter::default(),
            encoding: Encoding::Verbatim,
            seen: 0,
            consumed: 0,
        };
        let route = rooms.at_sight(&batch, bytes, &slow);
        rooms.decoded(&batch, frames[0], bytes, &mut slow);
        let quick = rooms.run(&batch, Encoding::Verbatim);
        let all = |routed: &Routed| {
            let Routed { data, entries, duplicate_keys, redacted, .. } = routed;
            (data.clone(), entries.clone(), *duplicate_keys, *redacted)
        };
        assert_eq!(all(&quick), all(&slow.routed), "{}", bytes.escape_ascii());
        assert!(route.is_none() || slow.seen == 1);
        route == Some(Route::Dedicated)
    }

    fn native(log: LogEvent) -> Vec<u8> {
        native::encode(vec![log]).unwrap()
    }

    /// A test that decoding comes to the same says nothing when every frame is decoded.
    #[test]
    fn what_was_sent_is_told_at_sight() {
        for (raw, at_sight) in RAWS.into_iter().zip(AT_SIGHT) {
            let frame = native(sent(raw));
            assert_eq!(told(&rooms(""), &frame, Provenance::Agent), at_sight, "{raw}");
            assert!(!told(&rooms(""), &frame, Provenance::OwnSource), "{raw}");
            assert!(!told(&rooms(r#","redact_keys":["it_seq"]"#), &frame, Provenance::Agent), "{raw}");
        }
        let hashed = rooms(r#","employee_id":"hash""#);
        assert!(told(&hashed, &native(sent(RAWS[2])), Provenance::Agent), "nobody to hash");
        assert!(!told(&hashed, &native(sent(RAWS[3])), Provenance::Agent), "somebody to hash");
    }

    /// The rooms' answer is the same for all of these; here it is looked at that each is one that could be taken for whole.
    #[test]
    fn what_an_agent_changed_is_not() {
        let with = |name: &str, value: Value| {
            let mut log = sent(RAWS[0]);
            let Value::Object(fields) = &mut log.value else { panic!() };
            fields.insert(name.to_owned(), value);
            told(&rooms(""), &native(log), Provenance::Agent)
        };
        assert!(with("host", Value::from("node-1")));
        assert!(with("message", Value::from("said in passing")));
        assert!(with("line", Value::Integer(1)));
        assert!(!with("host", Value::from(r#"{"password":"x"}"#)));
        assert!(!with("host", Value::Object([("a".to_owned(), Value::Null)].into())));
        for name in
            ["eventName", "EVENTNAME", "EventID", "it_actor", "it_other", "__topic__", "errorCode", "userIdentity"]
        {
            assert!(!with(name, Value::from("x")), "{name}");
        }
        for name in ["Events", "referenceResources", "requestParameters", "password", "additionalEventData", "é"] {
            assert!(!with(name, Value::from("x")), "{name}");
        }
        assert!(!with("event", Value::from(format!("{} ", RAWS[0]))), "blanks are not part of what was sealed");
        assert!(!with("it_seq", Value::Integer(6)));
        assert!(!with("it_seq", Value::from("5")));
        assert!(with("timestamp", Value::from("2026-06-15T08:00:00Z")), "as JSON has it");
        assert!(!with("timestamp", Value::from("2026-06-15T08:00:01Z")));
        assert!(!with("timestamp", Value::from("2026-06-15T10:00:00+02:00")));
        for name in ["eventId", "eventName", "serviceName", "it_family", "timestamp", "__time__"] {
            let mut log = sent(RAWS[0]);
            let Value::Object(fields) = &mut log.value else { panic!() };
            fields.remove(name).unwrap();
            assert!(!told(&rooms(""), &native(log), Provenance::Agent), "{name}");
        }
    }

    const NAMES: [&str; 24] = [
        "event",
        "eventId",
        "eventName",
        "EventID",
        "EventProduct",
        "EVENTNAME",
        "serviceName",
        "recipientAccountId",
        "userIdentity.accountId",
        "userIdentity",
        "insightDetails",
        "insightDetails.state",
        "referencedResources",
        "it_seal",
        "it_seq",
        "it_actor",
        "it_other",
        "__time__",
        "__topic__",
        "timestamp",
        "host",
        "message",
        "password",
        "é",
    ];

    fn value() -> impl Strategy<Value = Value> {
        let text = |text: &&str| Value::from(*text);
        let texts: Vec<Value> = [
            "",
            "A",
            "Oss",
            "P",
            "3",
            "v1.5.00",
            "password",
            "{\"password\":\"x\"}",
            "a\u{1}",
            "1000000000000001",
            "2026-06-15T08:00:00Z",
            "2026-06-15T08:00:00.25Z",
        ]
        .iter()
        .map(text)
        .chain(RAWS.iter().map(text))
        .chain([Value::Null, Value::Integer(5), Value::Integer(-5), Value::Boolean(true), Value::Bytes(vec![0xff])])
        .collect();
        prop_oneof![3 => prop::sample::select(texts), 1 => strategies::value()]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(6000))]

        #[test]
        fn comes_to_the_same_as_decoding(
            raw in prop::sample::select(RAWS.to_vec()),
            more in prop::sample::select(vec!["", r#","redact_keys":["eventName"]"#, r#","employee_id":"hash""#, r#","max_depth":1"#, r#","unsupported_products":"passthrough""#]),
            metadata in proptest::option::weighted(0.2, strategies::event()),
            changes in proptest::collection::vec(
                (0u8..5, any::<prop::sample::Index>(), prop::sample::select(NAMES.to_vec()), value()),
                0..3,
            ),
            damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..2),
            whole in prop::bool::weighted(0.8),
        ) {
            let mut log = sent(raw);
            if let Some(other) = metadata {
                log.metadata = other.metadata;
            }
            let Value::Object(fields) = &mut log.value else { panic!() };
            for (how, at, name, value) in changes {
                let at = fields.keys().nth(at.index(fields.len().max(1))).cloned().unwrap_or_default();
                match how {
                    0 => drop(fields.insert(at, value)),
                    1 | 2 => drop(fields.insert(name.to_owned(), value)),
                    3 => drop(fields.remove(&at)),
                    _ => if let Some(value) = fields.remove(&at) { fields.insert(name.to_owned(), value); },
                }
            }
            let Ok(mut bytes) = native::encode(vec![log]) else { return Ok(()) };
            for (at, byte) in damage.into_iter().filter(|_| !whole) {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            for provenance in [Provenance::Agent, Provenance::OwnSource] {
                told(&rooms(more), &bytes, provenance);
            }
        }
    }
}
