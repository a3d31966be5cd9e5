//! The log groups of SLS in protobuf: read with `prost` where a client wrote them, written by hand where they are made by
//! the million. It must never accept a body that is not exactly one group.

use prost::Message;

/// One field of a log.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Content {
    /// The name.
    #[prost(string, required, tag = "1")]
    pub key: String,
    /// The value; any bytes.
    #[prost(bytes = "vec", required, tag = "2")]
    pub value: Vec<u8>,
}

/// One log.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Log {
    /// Seconds since 1970.
    #[prost(uint32, required, tag = "1")]
    pub time: u32,
    /// Its fields.
    #[prost(message, repeated, tag = "2")]
    pub contents: Vec<Content>,
    /// Nanoseconds.
    #[prost(fixed32, optional, tag = "4")]
    pub nanos: Option<u32>,
}

/// A tag of a group.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Tag {
    /// The name.
    #[prost(string, required, tag = "1")]
    pub key: String,
    /// The value.
    #[prost(string, required, tag = "2")]
    pub value: String,
}

/// Logs that arrived together.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct LogGroup {
    /// The logs.
    #[prost(message, repeated, tag = "1")]
    pub logs: Vec<Log>,
    /// Reserved.
    #[prost(string, optional, tag = "2")]
    pub category: Option<String>,
    /// The topic.
    #[prost(string, optional, tag = "3")]
    pub topic: Option<String>,
    /// The source.
    #[prost(string, optional, tag = "4")]
    pub source: Option<String>,
    /// The id of the sending machine.
    #[prost(string, optional, tag = "5")]
    pub machine_uuid: Option<String>,
    /// The tags.
    #[prost(message, repeated, tag = "6")]
    pub tags: Vec<Tag>,
}

/// A page of groups.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct LogGroupList {
    /// The groups.
    #[prost(message, repeated, tag = "1")]
    pub groups: Vec<LogGroup>,
}

pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) const fn varint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Appends a length-delimited field; `tag` is its number below 16.
pub(crate) fn put_bytes(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends field 1 of a group: a log with one content, the event.
pub(crate) fn put_event(out: &mut Vec<u8>, time: u32, key: &str, event: &[u8]) {
    let field = |length: usize| 1 + varint_len(length as u64) + length;
    let content = field(key.len()) + field(event.len());
    let log = 1 + varint_len(u64::from(time)) + field(content);
    out.push(0x0a);
    put_varint(out, log as u64);
    out.push(0x08);
    put_varint(out, u64::from(time));
    out.push(0x12);
    put_varint(out, content as u64);
    put_bytes(out, 1, key.as_bytes());
    put_bytes(out, 2, event);
}

/// Appends a tag (field 6 of a group).
pub(crate) fn put_tag(out: &mut Vec<u8>, key: &str, value: &str) {
    let mut tag = Vec::with_capacity(key.len() + value.len() + 4);
    put_bytes(&mut tag, 1, key.as_bytes());
    put_bytes(&mut tag, 2, value.as_bytes());
    put_bytes(out, 6, &tag);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_by_hand_is_what_prost_reads() {
        for length in [0, 1, 100, 127, 128, 300, 20_000] {
            let event = vec![b'e'; length];
            let mut group = Vec::new();
            put_event(&mut group, 1_795_572_000, "event", &event);
            put_event(&mut group, 1, "event", b"x");
            put_bytes(&mut group, 3, b"topic");
            put_tag(&mut group, "__receive_time__", "1795572001");
            let read = LogGroup::decode(group.as_slice()).unwrap();
            assert_eq!((read.logs.len(), read.topic.as_deref()), (2, Some("topic")));
            assert_eq!((read.logs[0].time, &read.logs[0].contents[0].value), (1_795_572_000, &event));
            assert_eq!(read.tags[0].value, "1795572001");
        }
    }
}
