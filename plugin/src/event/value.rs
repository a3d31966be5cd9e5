//! The value tree of a log event, its metadata, and the rules a value must meet to be encoded.
//! Never holds an encoding: those live in the sibling modules.

use std::collections::BTreeMap;
use std::fmt;

use chrono::DateTime;
use thiserror::Error;

/// One value of an event, as Vector's remap language knows them. Objects are sorted by key.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// A string, or any bytes: there is no separate text type.
    Bytes(Vec<u8>),
    /// A 64-bit signed integer.
    Integer(i64),
    /// A float that is never NaN. Encoders refuse NaN; [`Value::float`] cannot make one.
    Float(f64),
    /// True or false.
    Boolean(bool),
    /// A moment in UTC. Encoders refuse what the calendar cannot represent.
    Timestamp {
        /// Seconds since 1970-01-01T00:00:00Z, negative before.
        seconds: i64,
        /// Nanoseconds within the second; 1,000,000,000 and more only in a leap second.
        nanos: u32,
    },
    /// Named values, sorted by name.
    Object(BTreeMap<String, Value>),
    /// Values in order.
    Array(Vec<Value>),
    /// The explicit null, which is not the same as an absent key.
    #[default]
    Null,
}

impl Value {
    /// A float, or `None` for NaN.
    pub fn float(value: f64) -> Option<Self> {
        (!value.is_nan()).then_some(Self::Float(value))
    }

    /// A timestamp, or `None` where the calendar (about ±262,000 years) cannot represent it.
    pub fn timestamp(seconds: i64, nanos: u32) -> Option<Self> {
        DateTime::from_timestamp(seconds, nanos).map(|_| Self::Timestamp { seconds, nanos })
    }

    /// The name of this value's type, for messages.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Bytes(_) => "string",
            Self::Integer(_) => "integer",
            Self::Float(_) => "float",
            Self::Boolean(_) => "boolean",
            Self::Timestamp { .. } => "timestamp",
            Self::Object(_) => "object",
            Self::Array(_) => "array",
            Self::Null => "null",
        }
    }

    /// The bytes of a string value.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The members of an object.
    pub fn as_object(&self) -> Option<&BTreeMap<String, Value>> {
        match self {
            Self::Object(fields) => Some(fields),
            _ => None,
        }
    }

    /// A member of an object; `None` when absent or when this is not an object.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_object()?.get(key)
    }

    /// Checks that this value can be encoded: no NaN, no impossible timestamp, not too deep.
    pub fn check(&self, limit: NestingLimit) -> Result<(), EncodeError> {
        check_within(self, 0, limit)
            .map_err(|fault| EncodeError { path: fault.path.into_iter().rev().collect(), reason: fault.reason })
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_vec())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Bytes(text.into_bytes())
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

/// How deep values may nest, counted in protobuf decoding frames as Vector counts them: an object
/// costs 3, an array 2, a timestamp 1, other values nothing. The root counts too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NestingLimit(u16);

impl NestingLimit {
    /// What Vector can send on: 96 frames, that is 32 objects or 48 arrays within each other.
    pub const VECTOR: Self = Self(96);
    /// The most this library accepts, which bounds its own recursion.
    pub const MAX: Self = Self(384);

    /// Enough for the deepest event inside an envelope that is an object too.
    pub(super) const MAX_IN_ENVELOPE: Self = Self(Self::MAX.0 + OBJECT_FRAMES);

    /// A limit of `objects` objects within each other, the root included; at most 128.
    pub fn objects(objects: u16) -> Self {
        Self(objects.saturating_mul(OBJECT_FRAMES).min(Self::MAX.0))
    }

    /// The limit in frames.
    pub fn frames(self) -> u16 {
        self.0
    }

    /// The frames used after entering something that costs `cost`; `None` when that is too deep.
    pub(super) fn enter(self, used: u16, cost: u16) -> Option<u16> {
        used.checked_add(cost).filter(|next| *next <= self.0)
    }
}

impl Default for NestingLimit {
    fn default() -> Self {
        Self::VECTOR
    }
}

/// Frames that one level of object costs.
pub(super) const OBJECT_FRAMES: u16 = 3;
/// Frames that one level of array costs.
pub(super) const ARRAY_FRAMES: u16 = 2;
/// Frames that a timestamp costs.
const TIMESTAMP_FRAMES: u16 = 1;

/// Why an event cannot be encoded, and which of its values is at fault.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("cannot encode the event: value at \"{path}\": {reason}")]
pub struct EncodeError {
    /// The way to the value from the root, such as `.a[2].b`; `%` in front means metadata.
    pub path: String,
    /// What is wrong with it.
    pub reason: EncodeReason,
}

/// What makes a value impossible to encode.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum EncodeReason {
    /// A NaN float, which makes Vector panic.
    #[error("the float is NaN; send null or leave the field out")]
    NotANumber,
    /// A timestamp no calendar date exists for, which makes Vector panic.
    #[error("no date exists for {seconds} s and {nanos} ns; send it as a string or an integer")]
    InvalidTimestamp {
        /// Seconds since 1970.
        seconds: i64,
        /// Nanoseconds within the second.
        nanos: u32,
    },
    /// Deeper than the limit, so that the receiver could not decode it.
    #[error("nested deeper than {limit} frames (object 3, array 2, timestamp 1); flatten it")]
    TooDeep {
        /// The limit in frames.
        limit: u16,
    },
    /// The encoding holds objects only.
    #[error("the root is of type {found}, but this encoding needs an object; wrap it in a field")]
    RootNotObject {
        /// The type of the root.
        found: &'static str,
    },
}

/// A fault on its way up: the path is gathered from the leaf to the root.
struct Fault {
    path: Vec<String>,
    reason: EncodeReason,
}

impl Fault {
    fn under(mut self, step: String) -> Self {
        self.path.push(step);
        self
    }
}

fn check_within(value: &Value, used: u16, limit: NestingLimit) -> Result<(), Fault> {
    let fault = |reason| Fault { path: Vec::new(), reason };
    let enter = |cost| {
        let limit_frames = limit.frames();
        limit.enter(used, cost).ok_or_else(|| fault(EncodeReason::TooDeep { limit: limit_frames }))
    };
    match value {
        Value::Object(fields) => {
            let used = enter(OBJECT_FRAMES)?;
            fields.iter().try_for_each(|(key, value)| {
                check_within(value, used, limit).map_err(|fault| fault.under(format!(".{key}")))
            })
        }
        Value::Array(items) => {
            let used = enter(ARRAY_FRAMES)?;
            items.iter().enumerate().try_for_each(|(index, value)| {
                check_within(value, used, limit).map_err(|fault| fault.under(format!("[{index}]")))
            })
        }
        Value::Timestamp { seconds, nanos } => {
            let (seconds, nanos) = (*seconds, *nanos);
            enter(TIMESTAMP_FRAMES)?;
            match DateTime::from_timestamp(seconds, nanos) {
                Some(_) => Ok(()),
                None => Err(fault(EncodeReason::InvalidTimestamp { seconds, nanos })),
            }
        }
        Value::Float(value) if value.is_nan() => Err(fault(EncodeReason::NotANumber)),
        _ => Ok(()),
    }
}

/// A log event: a value, nearly always an object, and metadata beside it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LogEvent {
    /// The root. Vector can hold any type here; JSON encodings need an object.
    pub value: Value,
    /// What travels beside the event, in `native` only.
    pub metadata: Metadata,
}

impl LogEvent {
    /// An event with these fields and empty metadata.
    pub fn from_fields(fields: BTreeMap<String, Value>) -> Self {
        Self { value: Value::Object(fields), metadata: Metadata::default() }
    }

    /// Checks that the root is an object and can be encoded; gives its fields.
    pub(super) fn checked_fields(&self, limit: NestingLimit) -> Result<&BTreeMap<String, Value>, EncodeError> {
        self.value.check(limit)?;
        self.value.as_object().ok_or_else(|| EncodeError {
            path: String::new(),
            reason: EncodeReason::RootNotObject { found: self.value.type_name() },
        })
    }

    /// Checks root and metadata against what Vector's protobuf can carry.
    pub(super) fn check_native(&self) -> Result<(), EncodeError> {
        self.value.check(NestingLimit::VECTOR)?;
        self.metadata.value.check(NestingLimit::VECTOR).map_err(|mut error| {
            error.path.insert(0, '%');
            error
        })
    }
}

/// All that Vector's `Metadata` message carries.
#[derive(Debug, Clone, PartialEq)]
pub struct Metadata {
    /// The `%` value; an empty object when nothing was set.
    pub value: Value,
    /// Origin of the event in Datadog's terms.
    pub datadog_origin: Option<DatadogOrigin>,
    /// Id of the component the event entered through; overwritten by each Vector on the way.
    pub source_id: Option<String>,
    /// Type of that component; overwritten by each Vector on the way.
    pub source_type: Option<String>,
    /// The component output the event came from last.
    pub upstream_id: Option<OutputId>,
    /// Secrets that travel with the event, in clear text on the wire.
    pub secrets: Secrets,
    /// A UUID that Vector gives each event; `None` when there was none or it was not 16 bytes.
    pub source_event_id: Option<[u8; 16]>,
}

impl Default for Metadata {
    fn default() -> Self {
        Self {
            value: Value::Object(BTreeMap::new()),
            datadog_origin: None,
            source_id: None,
            source_type: None,
            upstream_id: None,
            secrets: Secrets::default(),
            source_event_id: None,
        }
    }
}

/// Origin of an event in Datadog's terms: numbers from its own registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DatadogOrigin {
    /// Product number.
    pub product: Option<u32>,
    /// Category number.
    pub category: Option<u32>,
    /// Service number.
    pub service: Option<u32>,
}

/// The name of a component's output.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OutputId {
    /// The component's id.
    pub component: String,
    /// The named output, if it is not the default one.
    pub port: Option<String>,
}

/// Secrets by name. Debug output shows the names only.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secrets(pub BTreeMap<String, String>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn nested(levels: usize, leaf: Value) -> Value {
        (0..levels).fold(leaf, |value, _| Value::Object([("a".to_owned(), value)].into()))
    }

    #[test]
    fn thirty_two_objects_pass_and_one_more_fails() {
        assert!(nested(32, Value::Null).check(NestingLimit::VECTOR).is_ok());
        let error = nested(33, Value::Null).check(NestingLimit::VECTOR).unwrap_err();
        assert_eq!(error.reason, EncodeReason::TooDeep { limit: 96 });
        assert_eq!(error.path, ".a".repeat(32));
    }

    #[test]
    fn a_timestamp_costs_a_frame() {
        let time = Value::timestamp(0, 0).unwrap();
        assert!(nested(31, time.clone()).check(NestingLimit::VECTOR).is_ok());
        assert!(nested(32, time).check(NestingLimit::VECTOR).is_err());
    }

    #[test]
    fn an_array_costs_two_frames() {
        let arrays = |levels| (0..levels).fold(Value::Null, |value, _| Value::Array(vec![value]));
        assert!(arrays(48).check(NestingLimit::VECTOR).is_ok());
        assert!(arrays(49).check(NestingLimit::VECTOR).is_err());
    }

    #[test]
    fn a_limit_is_clamped() {
        assert_eq!(NestingLimit::objects(32), NestingLimit::VECTOR);
        assert_eq!(NestingLimit::objects(u16::MAX), NestingLimit::MAX);
    }

    #[test]
    fn errors_name_the_value() {
        let bad = Value::Array(vec![Value::Null, nested(1, Value::Float(f64::NAN))]);
        let error = nested(1, bad).check(NestingLimit::VECTOR).unwrap_err();
        insta::assert_snapshot!(error, @r##"cannot encode the event: value at ".a[1].a": the float is NaN; send null or leave the field out"##);
        let bad = Value::Timestamp { seconds: i64::MAX, nanos: 0 };
        let error = bad.check(NestingLimit::VECTOR).unwrap_err();
        insta::assert_snapshot!(error, @r##"cannot encode the event: value at "": no date exists for 9223372036854775807 s and 0 ns; send it as a string or an integer"##);
    }

    #[test]
    fn constructors_refuse_what_encoders_refuse() {
        assert_eq!(Value::float(f64::NAN), None);
        assert_eq!(Value::float(1.0), Some(Value::Float(1.0)));
        assert_eq!(Value::timestamp(i64::MAX, 0), None);
        assert_eq!(Value::timestamp(0, 1_000_000_000), None);
        assert!(Value::timestamp(59, 1_000_000_000).is_some());
    }

    #[test]
    fn debug_output_hides_secrets() {
        let secrets = Secrets([("token".to_owned(), "hush".to_owned())].into());
        assert_eq!(format!("{secrets:?}"), "{\"token\"}");
    }
}
