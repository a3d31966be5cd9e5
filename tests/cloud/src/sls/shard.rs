//! One shard: log groups in the order they arrived, some made when they are read. It must never change or reorder what has
//! arrived; old groups only expire, from the front.

use std::sync::Arc;

use super::cursor;
use super::proto::put_bytes;
use crate::trail::Block;

/// A log group that a client put.
pub(crate) struct Stored {
    /// The group in protobuf, as it is served.
    pub(crate) bytes: Vec<u8>,
    /// When it arrived, seconds since 1970.
    pub(crate) arrived: u64,
    /// The times of its logs.
    pub(crate) times: Vec<u64>,
    /// The ids of the events in it.
    pub(crate) ids: Vec<String>,
}

/// Groups of one kind in a row.
#[derive(Clone)]
pub(crate) enum Chunk {
    Block(Arc<Block>),
    Stored(Arc<Stored>),
}

impl Chunk {
    fn groups(&self) -> u64 {
        match self {
            Self::Block(block) => block.groups(),
            Self::Stored(_) => 1,
        }
    }

    fn arrived(&self, group: u64) -> u64 {
        match self {
            Self::Block(block) => block.arrived(group),
            Self::Stored(stored) => stored.arrived,
        }
    }

    fn put_page(&self, groups: std::ops::Range<u64>, out: &mut Vec<u8>) {
        match self {
            Self::Block(block) => block.put_page(groups, out),
            Self::Stored(stored) if !groups.is_empty() => put_bytes(out, 1, &stored.bytes),
            Self::Stored(_) => {}
        }
    }

    fn times(&self, group: u64) -> Vec<u64> {
        match self {
            Self::Block(block) => block.times(group).collect(),
            Self::Stored(stored) => stored.times.clone(),
        }
    }

    fn ids(&self) -> Vec<String> {
        match self {
            Self::Block(block) => block.ids().map(str::to_owned).collect(),
            Self::Stored(stored) => stored.ids.clone(),
        }
    }
}

/// The groups that a page is made of: cheap to take under a lock, made into bytes outside it.
#[derive(Clone)]
pub(crate) struct Slice {
    /// The first group's ordinal in the shard.
    pub(crate) from: u64,
    /// One past the last group's ordinal.
    pub(crate) to: u64,
    parts: Vec<(Chunk, std::ops::Range<u64>)>,
}

impl Slice {
    /// The page before compression, at most `most` bytes but never less than one group, and the groups that it holds.
    pub(crate) fn page(&self, most: usize) -> (Vec<u8>, u64) {
        let (mut out, mut count) = (Vec::new(), 0);
        for (chunk, range) in &self.parts {
            for group in range.clone() {
                let before = out.len();
                chunk.put_page(group..group + 1, &mut out);
                if count > 0 && out.len() > most {
                    out.truncate(before);
                    return (out, count);
                }
                count += 1;
            }
        }
        (out, count)
    }
}

/// A shard.
pub(crate) struct Shard {
    pub(crate) id: u32,
    /// The first hash of its range, and one past the last; 2^128 is written as all ones.
    pub(crate) begin: u128,
    pub(crate) end: u128,
    pub(crate) writable: bool,
    pub(crate) created: u64,
    /// The shards it was split or merged from.
    pub(crate) parents: Vec<u32>,
    /// What is added to a group's ordinal to make its cursor.
    base: u64,
    /// The first group that is still kept.
    first: u64,
    next: u64,
    chunks: Vec<(u64, Chunk)>,
}

impl Shard {
    pub(crate) fn new(id: u32, begin: u128, end: u128, created: u64, parents: Vec<u32>) -> Self {
        let base = 1_400_000_000_000_000_000 + u64::from(id) * 1_000_000_000_000;
        Self { id, begin, end, writable: true, created, parents, base, first: 0, next: 0, chunks: Vec::new() }
    }

    /// Appends a chunk; a chunk of no groups is left away.
    pub(crate) fn push(&mut self, chunk: Chunk) {
        let groups = chunk.groups();
        if groups > 0 {
            self.chunks.push((self.next, chunk));
            self.next += groups;
        }
    }

    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    pub(crate) fn end_ordinal(&self) -> u64 {
        self.next
    }

    pub(crate) fn cursor(&self, ordinal: u64) -> String {
        cursor::encode(self.base + ordinal)
    }

    /// The ordinal of a cursor, whether kept or not; nothing when it is none of this shard.
    pub(crate) fn ordinal(&self, text: &str) -> Option<u64> {
        let ordinal = cursor::decode(text)?.checked_sub(self.base)?;
        (ordinal <= self.next).then_some(ordinal)
    }

    fn chunk_at(&self, ordinal: u64) -> Option<(u64, &Chunk)> {
        let at = self.chunks.partition_point(|(start, _)| *start <= ordinal).checked_sub(1)?;
        let (start, chunk) = &self.chunks[at];
        Some((*start, chunk))
    }

    /// When a group arrived.
    pub(crate) fn arrived(&self, ordinal: u64) -> Option<u64> {
        (ordinal < self.next).then(|| self.chunk_at(ordinal).map(|(start, chunk)| chunk.arrived(ordinal - start)))?
    }

    /// The first kept group that arrived at `time` or after it; the end when there is none.
    pub(crate) fn at_time(&self, time: u64) -> u64 {
        let (mut low, mut high) = (self.first, self.next);
        while low < high {
            let middle = low.midpoint(high);
            if self.arrived(middle).unwrap_or_default() < time {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Up to `count` groups from `from`, none at or past `until`.
    pub(crate) fn slice(&self, from: u64, count: u64, until: u64) -> Slice {
        let to = (from + count).min(until).min(self.next).max(from);
        let (mut parts, mut at) = (Vec::new(), from);
        while at < to {
            let Some((start, chunk)) = self.chunk_at(at) else { break };
            let stop = (start + chunk.groups()).min(to);
            parts.push((chunk.clone(), at - start..stop - start));
            at = stop;
        }
        Slice { from, to, parts }
    }

    /// Lets the groups before an ordinal expire; says how many that were.
    pub(crate) fn expire(&mut self, before: u64) -> u64 {
        let before = before.min(self.next);
        let dropped = before.saturating_sub(self.first);
        self.first = self.first.max(before);
        dropped
    }

    /// The ids of all events in the order of their arrival, expired ones included.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.chunks.iter().flat_map(|(_, chunk)| chunk.ids()).collect()
    }

    /// The times of all kept logs.
    pub(crate) fn times(&self) -> Vec<u64> {
        let kept = self.first..self.next;
        kept.filter_map(|ordinal| self.chunk_at(ordinal).map(|(start, chunk)| chunk.times(ordinal - start)))
            .flatten()
            .collect()
    }

    /// The range of hashes, as SLS writes it.
    pub(crate) fn keys(&self) -> (String, String) {
        (format!("{:032x}", self.begin), format!("{:032x}", self.end))
    }
}
