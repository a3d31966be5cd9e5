//! What crosses the sandbox's border: batches in, routed batches out. Mirrors `wit/transform.wit`, item by item.
//!
//! Plain data; no decision is made here.

use crate::route::{Provenance, Route};

/// How frames are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// ActionTrail as it is delivered.
    ActionTrail,
    /// Plain JSON objects.
    Json,
    /// Vector's `native_json`.
    NativeJson,
    /// Vector's `native` protobuf, one `EventArray` a frame.
    Native,
}

/// How entries are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// The Logstore's row.
    Row,
    /// Unchanged.
    Verbatim,
    /// Vector's `native_json`.
    NativeJson,
}

/// Why bytes cannot be an event, known before anything is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A gzip stream that ends early or is damaged.
    CorruptGzip,
    /// Decompressed size or ratio beyond its limit.
    DecompressionLimit,
    /// A record longer than `max_event_bytes`; the frame is a piece of it.
    Oversize,
    /// The input ended inside a record.
    Truncated,
    /// Brackets that do not match, or text between records.
    Malformed,
    /// The component trapped on this frame.
    Poison,
}

impl Fault {
    /// The fault in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CorruptGzip => {
                "the gzip stream is damaged or ends early: the record that it was in, or its compressed bytes from there on"
            }
            Self::DecompressionLimit => "decompresses beyond decode.max_ratio or decode.max_decompressed_bytes",
            Self::Oversize => "a piece of a record longer than decode.max_event_bytes",
            Self::Truncated => "the input ends inside this record",
            Self::Malformed => "brackets that do not match, or text between records",
            Self::Poison => "the component failed on this record",
        }
    }
}

/// One piece of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    /// Where it ends in the batch's data.
    pub end: u32,
    /// Where it began in its origin.
    pub offset: u64,
    /// Set: goes to quarantine as it is.
    pub fault: Option<Fault>,
}

/// Input.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// Who gave it.
    pub provenance: Provenance,
    /// Name of the source, or of the gate.
    pub source: &'a str,
    /// Where in the source.
    pub origin: &'a str,
    /// How the frames are encoded.
    pub codec: Codec,
    /// The frames, end to end.
    pub data: &'a [u8],
    /// Their ends.
    pub frames: &'a [Frame],
    /// Events whose seal mark the host found valid, ascending.
    pub sealed: &'a [u32],
}

impl<'a> Batch<'a> {
    /// The frames with their bytes. A frame that points outside is cut to what is there.
    pub fn pieces(&self) -> impl Iterator<Item = (Frame, &'a [u8])> + use<'a> {
        let (data, frames) = (self.data, self.frames);
        let mut start = 0;
        frames.iter().map(move |frame| {
            let end = (frame.end as usize).min(data.len()).max(start);
            let piece = &data[start..end];
            start = end;
            (*frame, piece)
        })
    }
}

/// An event that says it bears a seal mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The event's place in the batch.
    pub event: u32,
    /// Its Logstore index, as claimed.
    pub index: u64,
    /// The mark, as claimed.
    pub mark: Vec<u8>,
    /// The canonical bytes that the mark is over.
    pub canonical: Vec<u8>,
}

/// One routed event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Where it ends in the output's data.
    pub end: u32,
    /// Where it goes.
    pub route: Route,
    /// Input bytes that it accounts for.
    pub consumed: u32,
}

/// Output.
#[derive(Debug, Default)]
pub struct Routed {
    /// The entries, end to end.
    pub data: Vec<u8>,
    /// Their ends and routes.
    pub entries: Vec<Entry>,
    /// Bytes of the frames that were no part of any event.
    pub framing_bytes: u64,
    /// Keys that stood twice.
    pub duplicate_keys: u64,
    /// Values that were masked.
    pub redacted: u64,
}
