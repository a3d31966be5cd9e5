//! Vector's event messages as protobuf sees them, declared by hand.
//! Never used outside `native`, and never knows what is inside a metric or trace.

use std::collections::BTreeMap;

/// `event.EventArray`: one frame of `native`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct EventArray {
    #[prost(oneof = "Events", tags = "1, 2, 3")]
    pub(super) events: Option<Events>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Events {
    #[prost(message, tag = "1")]
    Logs(LogArray),
    // A message field and a bytes field look the same on the wire.
    #[prost(bytes = "vec", tag = "2")]
    Metrics(Vec<u8>),
    #[prost(bytes = "vec", tag = "3")]
    Traces(Vec<u8>),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct LogArray {
    #[prost(message, repeated, tag = "1")]
    pub(super) logs: Vec<Log>,
}

/// `event.EventWrapper`: one event of a `PushEvents` request.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct EventWrapper {
    #[prost(oneof = "Event", tags = "1, 2, 3")]
    pub(super) event: Option<Event>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
#[expect(clippy::large_enum_variant, reason = "lives for one call only")]
pub(super) enum Event {
    #[prost(message, tag = "1")]
    Log(Log),
    #[prost(bytes = "vec", tag = "2")]
    Metric(Vec<u8>),
    #[prost(bytes = "vec", tag = "3")]
    Trace(Vec<u8>),
}

/// `vector.PushEventsRequest`, its events left encoded so that each can be judged alone.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PushEventsRequest {
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub(super) events: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Log {
    #[prost(btree_map = "string, message", tag = "1")]
    pub(super) fields: BTreeMap<String, Value>,
    #[prost(message, optional, tag = "2")]
    pub(super) value: Option<Value>,
    #[prost(message, optional, tag = "3")]
    pub(super) metadata: Option<Value>,
    #[prost(message, optional, tag = "4")]
    pub(super) metadata_full: Option<Metadata>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Value {
    #[prost(oneof = "Kind", tags = "1, 2, 4, 5, 6, 7, 8, 9")]
    pub(super) kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Kind {
    #[prost(bytes = "vec", tag = "1")]
    RawBytes(Vec<u8>),
    #[prost(message, tag = "2")]
    Timestamp(Timestamp),
    #[prost(int64, tag = "4")]
    Integer(i64),
    #[prost(double, tag = "5")]
    Float(f64),
    #[prost(bool, tag = "6")]
    Boolean(bool),
    #[prost(message, tag = "7")]
    Map(ValueMap),
    #[prost(message, tag = "8")]
    Array(ValueArray),
    /// An enumeration whose only member is 0.
    #[prost(int32, tag = "9")]
    Null(i32),
}

/// `google.protobuf.Timestamp`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct Timestamp {
    #[prost(int64, tag = "1")]
    pub(super) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(super) nanos: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ValueMap {
    #[prost(btree_map = "string, message", tag = "1")]
    pub(super) fields: BTreeMap<String, Value>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ValueArray {
    #[prost(message, repeated, tag = "1")]
    pub(super) items: Vec<Value>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Metadata {
    #[prost(message, optional, tag = "1")]
    pub(super) value: Option<Value>,
    #[prost(message, optional, tag = "2")]
    pub(super) datadog_origin_metadata: Option<DatadogOriginMetadata>,
    #[prost(string, optional, tag = "3")]
    pub(super) source_id: Option<String>,
    #[prost(string, optional, tag = "4")]
    pub(super) source_type: Option<String>,
    #[prost(message, optional, tag = "5")]
    pub(super) upstream_id: Option<OutputId>,
    #[prost(message, optional, tag = "6")]
    pub(super) secrets: Option<Secrets>,
    #[prost(bytes = "vec", tag = "7")]
    pub(super) source_event_id: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct DatadogOriginMetadata {
    #[prost(uint32, optional, tag = "1")]
    pub(super) origin_product: Option<u32>,
    #[prost(uint32, optional, tag = "2")]
    pub(super) origin_category: Option<u32>,
    #[prost(uint32, optional, tag = "3")]
    pub(super) origin_service: Option<u32>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct OutputId {
    #[prost(string, tag = "1")]
    pub(super) component: String,
    #[prost(string, optional, tag = "2")]
    pub(super) port: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Secrets {
    #[prost(btree_map = "string, string", tag = "1")]
    pub(super) entries: BTreeMap<String, String>,
}
