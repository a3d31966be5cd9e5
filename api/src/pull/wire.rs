//! Log groups as protobuf, written straight: a page is made by the thousand, and nothing of it is kept.
//! It must never write a length that is not the one of what follows.
//!
//! list { 1: repeated group }; group { 1: repeated log, 3: topic, 4: source, 6: repeated tag { 1: key, 2: value } };
//! log { 1: time, uint32 seconds, 2: repeated content { 1: key, 2: value }, 4: nanoseconds, fixed32 } (`sls-api.md` §1.4).

use std::borrow::Cow;

/// A key and its value.
pub(crate) type Pair<'a> = (Cow<'a, str>, Cow<'a, [u8]>);

/// One log with what is said of its group.
#[derive(Debug, Default)]
pub(crate) struct Log<'a> {
    /// Seconds since 1970.
    pub(crate) time: u32,
    /// Nanoseconds; left out when there are none.
    pub(crate) nanos: u32,
    pub(crate) topic: &'a str,
    pub(crate) source: &'a str,
    pub(crate) contents: Vec<Pair<'a>>,
    pub(crate) tags: Vec<Pair<'a>>,
}

const fn varint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Length of a field of bytes, with its number and its length.
const fn field(bytes: usize) -> usize {
    1 + varint_len(bytes as u64) + bytes
}

fn pair_len((key, value): &Pair<'_>) -> usize {
    field(key.len()) + field(value.len())
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// What stands before a field of bytes. `number` is below 16.
fn put_head(out: &mut Vec<u8>, number: u8, len: usize) {
    out.push(number << 3 | 2);
    put_varint(out, len as u64);
}

fn put_bytes(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    put_head(out, number, bytes.len());
    out.extend_from_slice(bytes);
}

fn put_pair(out: &mut Vec<u8>, number: u8, pair: &Pair<'_>) {
    put_head(out, number, pair_len(pair));
    put_bytes(out, 1, pair.0.as_bytes());
    put_bytes(out, 2, &pair.1);
}

fn put_text(out: &mut Vec<u8>, number: u8, text: &str) {
    if !text.is_empty() {
        put_bytes(out, number, text.as_bytes());
    }
}

const fn text_len(text: &str) -> usize {
    if text.is_empty() { 0 } else { field(text.len()) }
}

impl Log<'_> {
    fn log_len(&self) -> usize {
        let contents: usize = self.contents.iter().map(|pair| field(pair_len(pair))).sum();
        1 + varint_len(u64::from(self.time)) + contents + if self.nanos == 0 { 0 } else { 5 }
    }

    /// Appends a group with this one log to a list.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let log = self.log_len();
        let tags: usize = self.tags.iter().map(|pair| field(pair_len(pair))).sum();
        put_head(out, 1, field(log) + text_len(self.topic) + text_len(self.source) + tags);
        put_head(out, 1, log);
        out.push(0x08);
        put_varint(out, u64::from(self.time));
        self.contents.iter().for_each(|pair| put_pair(out, 2, pair));
        if self.nanos != 0 {
            out.push(4 << 3 | 5);
            out.extend_from_slice(&self.nanos.to_le_bytes());
        }
        put_text(out, 3, self.topic);
        put_text(out, 4, self.source);
        self.tags.iter().for_each(|pair| put_pair(out, 6, pair));
    }
}
