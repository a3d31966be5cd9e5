//! Random events for property tests.
//! Never makes an event that Vector could not hold, and is never part of a build that ships.

use proptest::prelude::*;

use super::value::{DatadogOrigin, LogEvent, Metadata, OutputId, Secrets, Value};

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..12).prop_map(Value::Bytes),
        ".{0,12}".prop_map(Value::from),
        any::<i64>().prop_map(Value::Integer),
        any::<f64>().prop_filter_map("NaN", Value::float),
        any::<bool>().prop_map(Value::Boolean),
        (any::<i32>(), 0..1_000_000_000_u32)
            .prop_map(|(seconds, nanos)| Value::Timestamp { seconds: i64::from(seconds) * 1_000, nanos }),
        Just(Value::Null),
    ]
}

/// A value of up to four levels.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            proptest::collection::btree_map(".{0,6}", inner, 0..4).prop_map(Value::Object),
        ]
    })
}

fn metadata() -> impl Strategy<Value = Metadata> {
    let text = || proptest::option::of(".{0,6}");
    let origin = any::<Option<(Option<u32>, Option<u32>, Option<u32>)>>();
    let upstream = proptest::option::of((".{0,6}", text()));
    let secrets = proptest::collection::btree_map(".{0,6}", ".{0,6}", 0..3);
    let id = any::<Option<[u8; 16]>>();
    (value(), origin, text(), text(), upstream, secrets, id).prop_map(
        |(value, origin, source_id, source_type, upstream, secrets, source_event_id)| Metadata {
            value,
            datadog_origin: origin.map(|(product, category, service)| DatadogOrigin { product, category, service }),
            source_id,
            source_type,
            upstream_id: upstream.map(|(component, port)| OutputId { component, port }),
            secrets: Secrets(secrets),
            source_event_id,
        },
    )
}

/// An event with an object root and any metadata.
pub(crate) fn event() -> impl Strategy<Value = LogEvent> {
    let fields = proptest::collection::btree_map(".{0,6}", value(), 0..5);
    (fields, metadata()).prop_map(|(fields, metadata)| LogEvent { metadata, ..LogEvent::from_fields(fields) })
}
