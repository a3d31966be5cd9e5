//! Projects, Logstores and their shards: the state of the SLS double. It must never forget an id that arrived.

use std::collections::BTreeMap;

use super::groups::Group;
use super::shard::{Chunk, Shard};
use crate::account::Account;
use crate::front::Refusal;
use crate::trail::{Block, Load};

/// A project.
pub(crate) struct Project {
    pub(crate) region: String,
    pub(crate) account: Account,
    pub(crate) created: u64,
    pub(crate) logstores: BTreeMap<String, Logstore>,
}

/// A Logstore.
pub(crate) struct Logstore {
    pub(crate) ttl: u64,
    pub(crate) created: u64,
    pub(crate) shards: BTreeMap<u32, Shard>,
    /// Shards that are gone, for the ids that arrived in them.
    pub(crate) reclaimed: Vec<Shard>,
    pub(crate) groups: BTreeMap<String, Group>,
    turn: usize,
}

impl Logstore {
    pub(crate) fn new(shards: u32, created: u64) -> Self {
        let width = u128::MAX / u128::from(shards.max(1));
        let shards = (0..shards.max(1))
            .map(|id| {
                let begin = u128::from(id) * width;
                let end = if id + 1 >= shards { u128::MAX } else { begin + width };
                (id, Shard::new(id, begin, end, created, Vec::new()))
            })
            .collect();
        Self { ttl: 180, created, shards, reclaimed: Vec::new(), groups: BTreeMap::new(), turn: 0 }
    }

    pub(crate) fn shard(&self, id: u32) -> Result<&Shard, Refusal> {
        self.shards.get(&id).ok_or_else(|| Refusal::new(404, "ShardNotExist", format!("Shard {id} does not exist")))
    }

    fn writable(&self) -> Vec<u32> {
        self.shards.values().filter(|shard| shard.writable).map(|shard| shard.id).collect()
    }

    /// Appends to the shard that is next in turn, or to the one whose range holds `hash`.
    pub(crate) fn push(&mut self, chunk: Chunk, hash: Option<u128>) -> Result<u32, Refusal> {
        let writable = self.writable();
        self.turn += 1;
        let id = match hash {
            Some(hash) => writable
                .iter()
                .find(|id| {
                    self.shards
                        .get(id)
                        .is_some_and(|shard| hash >= shard.begin && (hash < shard.end || shard.end == u128::MAX))
                })
                .copied(),
            None => writable.get(self.turn % writable.len().max(1)).copied(),
        };
        let shard = id.and_then(|id| self.shards.get_mut(&id));
        let shard = shard.ok_or_else(|| Refusal::new(404, "ShardNotExist", "no shard can be written"))?;
        shard.push(chunk);
        Ok(shard.id)
    }

    /// Fills the writable shards with a load, evenly.
    pub(crate) fn fill(&mut self, load: &Load, now: u64) {
        let writable = self.writable();
        let count = writable.len().max(1) as u64;
        for (index, id) in writable.iter().enumerate() {
            let index = index as u64;
            let events = load.events / count + u64::from(index < load.events % count);
            if let Some(shard) = self.shards.get_mut(id) {
                shard.push(Chunk::Block(Block::new(load, index, events, now).into()));
            }
        }
    }

    /// Splits a shard at a hash, or in its middle; gives the new shards' ids.
    pub(crate) fn split(&mut self, id: u32, at: Option<u128>, now: u64) -> Result<[u32; 2], Refusal> {
        let next = self.next_id();
        self.shard(id)?;
        let Some(shard) = self.shards.get_mut(&id).filter(|shard| shard.writable) else {
            return Err(Refusal::new(400, "ParameterInvalid", "only a readwrite shard can be split"));
        };
        let at = at.unwrap_or_else(|| shard.begin.midpoint(shard.end));
        if at <= shard.begin || at >= shard.end {
            return Err(Refusal::new(400, "ParameterInvalid", "the key is not inside the shard's range"));
        }
        shard.writable = false;
        let (begin, end) = (shard.begin, shard.end);
        self.shards.insert(next, Shard::new(next, begin, at, now, vec![id]));
        self.shards.insert(next + 1, Shard::new(next + 1, at, end, now, vec![id]));
        Ok([next, next + 1])
    }

    /// Merges a shard with the writable one on its right; gives the new shard's id.
    pub(crate) fn merge(&mut self, id: u32, now: u64) -> Result<u32, Refusal> {
        let next = self.next_id();
        let left = self.shard(id)?;
        let (begin, edge) = (left.begin, left.end);
        let right = self.shards.values().find(|shard| shard.writable && shard.begin == edge);
        let (Some(right), true) = (right.map(|shard| (shard.id, shard.end)), left.writable) else {
            return Err(Refusal::new(400, "ParameterInvalid", "there is no readwrite shard to merge it with"));
        };
        for old in [id, right.0] {
            if let Some(shard) = self.shards.get_mut(&old) {
                shard.writable = false;
            }
        }
        self.shards.insert(next, Shard::new(next, begin, right.1, now, vec![id, right.0]));
        Ok(next)
    }

    /// A shard that can be merged: `id` itself, or the one on its left.
    pub(crate) fn mergeable(&self, id: u32) -> Option<u32> {
        let shard = self.shards.get(&id).filter(|shard| shard.writable)?;
        let has_right = self.shards.values().any(|other| other.writable && other.begin == shard.end);
        if has_right {
            return Some(id);
        }
        self.shards.values().find(|other| other.writable && other.end == shard.begin).map(|other| other.id)
    }

    fn next_id(&self) -> u32 {
        let reclaimed = self.reclaimed.iter().map(|shard| shard.id);
        self.shards.keys().copied().chain(reclaimed).max().map_or(0, |id| id + 1)
    }

    /// Lets everything that arrived before `time` expire, and reclaims read-only shards that are empty with that.
    pub(crate) fn expire(&mut self, time: u64) -> u64 {
        let mut dropped = 0;
        for shard in self.shards.values_mut() {
            let before = shard.at_time(time);
            dropped += shard.expire(before);
        }
        self.reclaim();
        dropped
    }

    /// Takes away the read-only shards that hold nothing any more.
    pub(crate) fn reclaim(&mut self) {
        let empty = |shard: &Shard| !shard.writable && shard.first() == shard.end_ordinal() && shard.first() > 0;
        let ids: Vec<u32> = self.shards.values().filter(|shard| empty(shard)).map(|shard| shard.id).collect();
        self.reclaimed.extend(ids.iter().filter_map(|id| self.shards.remove(id)));
    }

    /// The ids of all events by shard, in the order of their arrival, expired ones included.
    pub(crate) fn ids(&self) -> BTreeMap<u32, Vec<String>> {
        self.shards.values().chain(&self.reclaimed).map(|shard| (shard.id, shard.ids())).collect()
    }

    /// The shards that a group's consumers may read now: none that is read out, and in order none before its parents are.
    pub(crate) fn consumable(&self, group: &Group) -> std::collections::BTreeSet<u32> {
        let read_out = |shard: &Shard| {
            let stored = group.checkpoints.get(&shard.id).map(|checkpoint| checkpoint.cursor.as_str());
            let read = stored.and_then(|cursor| shard.ordinal(cursor)) == Some(shard.end_ordinal());
            !shard.writable && (read || shard.first() == shard.end_ordinal())
        };
        let waits = |shard: &Shard| {
            group.order && shard.parents.iter().any(|id| self.shards.get(id).is_some_and(|parent| !read_out(parent)))
        };
        self.shards.values().filter(|shard| !read_out(shard) && !waits(shard)).map(|shard| shard.id).collect()
    }
}
