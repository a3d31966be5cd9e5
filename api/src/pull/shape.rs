//! How the records of a store are dealt out to shards, and the note that keeps it so for the life of the Logstore.
//! It must never change once a cursor was given away: every cursor and every checkpoint stands on it.
//!
//! Sequence numbers are cut into blocks, and the blocks go to the shards in turn: the shard of a record is
//! `(seq / block) mod shards`. So a shard is read without touching what belongs to another one, order within a shard is
//! append order, and a place in a shard is a dense number, its *ordinal*: how many records of the shard come before.

use std::path::Path;

use innertrail_logstore::Snapshot;
use innertrail_logstore::durable::Disk;
use serde::{Deserialize, Serialize};

use crate::groups::disk;
use crate::pull::DataError;

/// The only form of the note that this version reads and writes.
const FORMAT: u64 = 1;
/// Shards of a new Logstore, unless told otherwise.
const SHARDS: u32 = 4;
/// Records of a block, unless told otherwise. Smaller ones spread few records over more consumers; a block is the least
/// that is read from a segment at a time, and at 1,024 its pages are read nearly once.
const BLOCK: u64 = 1024;
/// Most shards: as many as Log Service makes of one Logstore by itself are 64.
const MOST_SHARDS: u32 = 128;
/// Most records of a block.
const MOST_BLOCK: u64 = 1 << 20;

/// Shards and records of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) shards: u32,
    pub(crate) block: u64,
}

/// What the note holds.
#[derive(Serialize, Deserialize)]
struct Note {
    format: u64,
    trail: String,
    created_us: i64,
    shards: u32,
    block: u64,
}

/// One shard as ListShards shows it. All are of equal right: a key range is shown because clients want one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShardInfo {
    /// Its number, from 0.
    #[serde(rename = "shardID")]
    pub id: u32,
    /// Always `readwrite`: what is `readonly` counts as split or merged, and consumers leave it at its end.
    pub status: &'static str,
    /// Where its share of the key space begins, 32 hex digits.
    #[serde(rename = "inclusiveBeginKey")]
    pub begin_key: String,
    /// Where it ends.
    #[serde(rename = "exclusiveEndKey")]
    pub end_key: String,
    /// When the Logstore was made, seconds since 1970.
    #[serde(rename = "createTime")]
    pub created: i64,
}

impl Shape {
    /// Reads the note in `folder`, or writes it where there is none. What is wished for and not what is kept is refused.
    pub(crate) fn fix(
        folder: &Path,
        disk: &dyn Disk,
        snapshot: &Snapshot,
        wished: (Option<u32>, Option<u64>),
    ) -> Result<Self, DataError> {
        let path = folder.join("shards.json");
        let Some(bytes) = disk::read(&path)? else {
            let shape = Self { shards: wished.0.unwrap_or(SHARDS), block: wished.1.unwrap_or(BLOCK) };
            shape.check()?;
            let (trail, created_us) = (snapshot.trail().to_owned(), snapshot.created_us());
            let note = Note { format: FORMAT, trail, created_us, shards: shape.shards, block: shape.block };
            let bytes = serde_json::to_vec(&note).map_err(|e| DataError::damaged(&path, e.to_string()))?;
            disk::replace(disk, &path, &bytes)?;
            return Ok(shape);
        };
        let note: Note = serde_json::from_slice(&bytes).map_err(|e| DataError::damaged(&path, e.to_string()))?;
        if note.format != FORMAT {
            return Err(DataError::damaged(
                &path,
                format!("its format is {}, this version reads {FORMAT}", note.format),
            ));
        }
        if note.trail != snapshot.trail() || note.created_us != snapshot.created_us() {
            return Err(DataError::damaged(&path, "it was made for another Logstore"));
        }
        let shape = Self { shards: note.shards, block: note.block };
        shape.check()?;
        if wished.0.is_some_and(|shards| shards != shape.shards) || wished.1.is_some_and(|block| block != shape.block) {
            return Err(DataError::Fixed { path, shards: shape.shards, block: shape.block });
        }
        Ok(shape)
    }

    fn check(self) -> Result<(), DataError> {
        if (1..=MOST_SHARDS).contains(&self.shards) && (1..=MOST_BLOCK).contains(&self.block) {
            return Ok(());
        }
        Err(DataError::Options { shards: self.shards, block: self.block })
    }

    /// Records of one turn through all shards.
    fn turn(self) -> u64 {
        u64::from(self.shards) * self.block
    }

    /// How many records of a shard come before a sequence number; so the ordinal of the first one at or behind it.
    pub(crate) fn ordinal(self, shard: u32, seq: u64) -> u64 {
        let (turns, rest) = (seq / self.turn(), seq % self.turn());
        let begun = rest.saturating_sub(u64::from(shard) * self.block).min(self.block);
        turns * self.block + begun
    }

    /// The sequence number of the record at an ordinal, which must be one that a cursor can hold.
    pub(crate) fn seq(self, shard: u32, ordinal: u64) -> u64 {
        (ordinal / self.block) * self.turn() + u64::from(shard) * self.block + ordinal % self.block
    }

    /// The ordinal behind the block that an ordinal is in.
    pub(crate) fn block_end(self, ordinal: u64) -> u64 {
        (ordinal / self.block + 1) * self.block
    }

    /// All shards, as they are listed.
    pub(crate) fn list(self, created_us: i64) -> Vec<ShardInfo> {
        let created = created_us.div_euclid(1_000_000);
        let width = (u128::MAX / u128::from(self.shards)).saturating_add(1);
        let key = |part: u32| u128::from(part).saturating_mul(width);
        let end = |id: u32| if id + 1 == self.shards { u128::MAX } else { key(id + 1) };
        let info = |id: u32| ShardInfo {
            id,
            status: "readwrite",
            begin_key: format!("{:032x}", key(id)),
            end_key: format!("{:032x}", end(id)),
            created,
        };
        (0..self.shards).map(info).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinals_are_dense_in_each_shard_and_every_record_has_one() {
        for shape in [Shape { shards: 1, block: 1 }, Shape { shards: 3, block: 4 }, Shape { shards: 4, block: 1024 }] {
            let mut next = vec![0; shape.shards as usize];
            for seq in 0..10_000 {
                let owner = (seq / shape.block % u64::from(shape.shards)) as u32;
                for shard in 0..shape.shards {
                    assert_eq!(shape.ordinal(shard, seq), next[shard as usize], "{shape:?} {shard} {seq}");
                }
                assert_eq!(shape.seq(owner, next[owner as usize]), seq);
                next[owner as usize] += 1;
            }
        }
        let shape = Shape { shards: 4, block: 1024 };
        assert_eq!((shape.block_end(0), shape.block_end(1023), shape.block_end(1024)), (1024, 1024, 2048));
    }

    #[test]
    fn key_ranges_cover_everything_without_overlap() {
        for shards in [1, 2, 3, 4, 128] {
            let list = Shape { shards, block: 1 }.list(1_794_524_400_000_000);
            assert_eq!(list.len(), shards as usize);
            assert_eq!(list[0].begin_key, "0".repeat(32));
            assert_eq!(list[list.len() - 1].end_key, "f".repeat(32));
            assert!(
                list.windows(2).all(|pair| pair[0].end_key == pair[1].begin_key && pair[0].begin_key < pair[0].end_key)
            );
        }
        assert_eq!(Shape { shards: 2, block: 1 }.list(0)[1].begin_key, "80000000000000000000000000000000");
    }
}
