//! Positions of shards: what the host stores as checkpoints.
//!
//! A position that cannot be read must stop the source rather than start a shard anew unnoticed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::config::Logstore;
use crate::source::position::{Checkpoint, Head};

/// How far a shard was read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// The cursor of the first page that is not durable in full.
    pub cursor: String,
    /// Logs of that page that are durable.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub logs: u64,
    /// How that page begins. Logs are passed over only where it still begins so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Head>,
    /// When the service received the last log before it, or that log's own time; milliseconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_ms: Option<i64>,
    /// The shard gets no more logs and was read to its end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub done: bool,
    /// What the consumer group's own checkpoint was by then. As long as it still is that, nobody else has read on.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uploaded: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl Position {
    /// At the start of a page.
    pub fn at(cursor: &str) -> Self {
        Self { cursor: cursor.to_owned(), ..Self::default() }
    }

    /// As the host stores it.
    pub fn checkpoint(&self, store: &Logstore, shard: u32) -> Checkpoint {
        let value = serde_json::to_vec(self).expect("plain structs of numbers and text always serialise");
        (key(store, shard), value)
    }
}

/// The key of a shard's position.
pub fn key(store: &Logstore, shard: u32) -> String {
    format!("shard:{}/{}/{shard}", store.project, store.logstore)
}

/// The key of the note that every shard of a Logstore's first listing has a position.
fn begun_key(store: &Logstore) -> String {
    format!("store:{}/{}", store.project, store.logstore)
}

/// The note itself.
pub fn begun(store: &Logstore) -> Checkpoint {
    (begun_key(store), b"{\"begun\":true}".to_vec())
}

/// What the host had stored.
#[derive(Debug, Default)]
pub struct Stored {
    shards: BTreeMap<String, Position>,
    begun: BTreeSet<String>,
}

impl Stored {
    /// Reads it.
    ///
    /// # Errors
    /// Which checkpoint cannot be read, and why.
    pub fn restore(stored: &[Checkpoint]) -> Result<Self, String> {
        let mut all = Self::default();
        for (key, value) in stored {
            if key.starts_with("shard:") {
                let position: Position =
                    serde_json::from_slice(value).map_err(|e| format!("checkpoint `{key}` cannot be read: {e}"))?;
                if position.cursor.is_empty() {
                    return Err(format!("checkpoint `{key}` cannot be read: it has no cursor"));
                }
                all.shards.insert(key.clone(), position);
            } else if key.starts_with("store:") {
                all.begun.insert(key.clone());
            } else {
                return Err(format!("checkpoint `{key}` is of a kind that this version does not know"));
            }
        }
        Ok(all)
    }

    /// Whether a Logstore was begun by an earlier session.
    pub fn is_begun(&self, store: &Logstore) -> bool {
        self.begun.contains(&begun_key(store))
    }

    /// The position of a shard.
    pub fn shard(&self, store: &Logstore, shard: u32) -> Option<&Position> {
        self.shards.get(&key(store, shard))
    }

    /// Keeps the position of a shard that this session has let go of.
    pub fn keep(&mut self, store: &Logstore, shard: u32, position: Position) {
        self.shards.insert(key(store, shard), position);
    }

    /// The shards of a Logstore that have a position.
    pub fn shards(&self, store: &Logstore) -> Vec<u32> {
        let prefix = format!("shard:{}/{}/", store.project, store.logstore);
        self.shards.keys().filter_map(|key| key.strip_prefix(&prefix)?.parse().ok()).collect()
    }
}
