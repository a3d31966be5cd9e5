//! Consumer groups: who holds which shard, and the checkpoints. A shard must never be given to a consumer while another
//! one that is alive may still be reading it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::front::Refusal;

/// A checkpoint of a shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) cursor: String,
    pub(crate) updated_us: u64,
    pub(crate) consumer: String,
}

struct Member {
    beat: Instant,
    /// What it said it holds, and what it was given since.
    holds: BTreeSet<u32>,
}

/// A consumer group.
pub(crate) struct Group {
    pub(crate) timeout_secs: u64,
    pub(crate) order: bool,
    pub(crate) checkpoints: BTreeMap<u32, Checkpoint>,
    members: BTreeMap<String, Member>,
    /// Whom a shard is meant for; it is given once nobody else holds it.
    meant: BTreeMap<u32, String>,
}

impl Group {
    pub(crate) fn new(timeout_secs: u64, order: bool) -> Self {
        Self { timeout_secs, order, checkpoints: BTreeMap::new(), members: BTreeMap::new(), meant: BTreeMap::new() }
    }

    /// Takes a heartbeat and says which shards the consumer is to hold. `shards` are those that can be consumed.
    pub(crate) fn heartbeat(&mut self, consumer: &str, held: &[u32], shards: &BTreeSet<u32>, now: Instant) -> Vec<u32> {
        self.bury(now);
        let holds = held.iter().copied().collect();
        self.members.insert(consumer.to_owned(), Member { beat: now, holds });
        self.share_out(shards);
        let given: Vec<u32> = self
            .meant
            .iter()
            .filter(|(shard, owner)| owner.as_str() == consumer && !self.held_by_another(**shard, consumer))
            .map(|(shard, _)| *shard)
            .collect();
        if let Some(member) = self.members.get_mut(consumer) {
            member.holds.extend(&given);
        }
        given
    }

    /// Forgets the consumers that have been silent for longer than the timeout.
    fn bury(&mut self, now: Instant) {
        let timeout = Duration::from_secs(self.timeout_secs);
        self.members.retain(|_, member| now.saturating_duration_since(member.beat) <= timeout);
        self.meant.retain(|_, owner| self.members.contains_key(owner));
    }

    fn held_by_another(&self, shard: u32, consumer: &str) -> bool {
        self.members.iter().any(|(name, member)| name != consumer && member.holds.contains(&shard))
    }

    /// Shares the shards so that no two consumers differ by more than one, moving as few as that takes.
    fn share_out(&mut self, shards: &BTreeSet<u32>) {
        self.meant.retain(|shard, _| shards.contains(shard));
        let members = self.members.len().max(1);
        let (least, mut extra) = (shards.len() / members, shards.len() % members);
        let mut free: BTreeSet<u32> = shards.iter().copied().filter(|shard| !self.meant.contains_key(shard)).collect();
        let names: Vec<String> = self.members.keys().cloned().collect();
        // Whoever has more keeps the extra one, so that nothing moves without need.
        let mut by_load: Vec<&String> = names.iter().collect();
        by_load.sort_by_key(|name| std::cmp::Reverse(self.owned(name).len()));
        let mut quotas = Vec::new();
        for name in by_load {
            let quota = least + usize::from(extra > 0);
            extra = extra.saturating_sub(1);
            for shard in self.owned(name).into_iter().skip(quota) {
                self.meant.remove(&shard);
                free.insert(shard);
            }
            quotas.push((name, quota));
        }
        for (name, quota) in quotas {
            for _ in self.owned(name).len()..quota {
                // One that it already holds first: it was perhaps given up a moment ago.
                let holds = self.members.get(name).map(|member| &member.holds);
                let wanted = free.iter().find(|shard| holds.is_some_and(|holds| holds.contains(shard)));
                let Some(shard) = wanted.or(free.first()).copied() else { break };
                free.remove(&shard);
                self.meant.insert(shard, name.clone());
            }
        }
    }

    fn owned(&self, consumer: &str) -> Vec<u32> {
        self.meant.iter().filter(|(_, owner)| owner.as_str() == consumer).map(|(shard, _)| *shard).collect()
    }

    /// Whom each shard is with now.
    pub(crate) fn holders(&self) -> BTreeMap<u32, Vec<String>> {
        let mut out: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for (name, member) in &self.members {
            for shard in &member.holds {
                out.entry(*shard).or_default().push(name.clone());
            }
        }
        out
    }

    /// Stores a checkpoint. Without `force` only the consumer that holds the shard may.
    pub(crate) fn store(
        &mut self,
        shard: u32,
        checkpoint: Checkpoint,
        force: bool,
        now: Instant,
    ) -> Result<(), Refusal> {
        self.bury(now);
        if !force {
            let Some(member) = self.members.get(&checkpoint.consumer) else {
                // The misspelling is the service's.
                return Err(Refusal::new(
                    404,
                    "ConsumerNotExsit",
                    "The consumer does not exist in the consumer group.",
                ));
            };
            if !member.holds.contains(&shard) {
                return Err(Refusal::new(400, "ConsumerNotMatch", "The shard is not held by the consumer."));
            }
        }
        self.checkpoints.insert(shard, checkpoint);
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn shards(count: u32) -> BTreeSet<u32> {
        (0..count).collect()
    }

    #[test]
    fn one_consumer_has_all_and_a_second_gets_its_half_only_when_the_first_has_let_go() {
        let (mut group, now) = (Group::new(10, false), Instant::now());
        assert_eq!(group.heartbeat("a", &[], &shards(4), now), [0, 1, 2, 3]);
        assert_eq!(group.heartbeat("b", &[], &shards(4), now), [] as [u32; 0], "all are still with a");
        assert_eq!(group.heartbeat("a", &[0, 1, 2, 3], &shards(4), now), [0, 1], "told to let go of two");
        assert_eq!(group.heartbeat("b", &[], &shards(4), now), [] as [u32; 0], "a has not said so yet");
        assert_eq!(group.heartbeat("a", &[0, 1], &shards(4), now), [0, 1]);
        assert_eq!(group.heartbeat("b", &[], &shards(4), now), [2, 3]);
        assert_eq!(group.holders()[&2], ["b"]);
    }

    #[test]
    fn a_silent_consumer_loses_its_shards_after_the_timeout_and_not_before() {
        let (mut group, now) = (Group::new(10, false), Instant::now());
        group.heartbeat("a", &[], &shards(3), now);
        let later = |secs| now + Duration::from_secs(secs);
        assert_eq!(group.heartbeat("b", &[], &shards(3), later(9)), [] as [u32; 0]);
        assert_eq!(group.heartbeat("b", &[], &shards(3), later(11)), [0, 1, 2]);
    }

    #[test]
    fn shards_are_shared_evenly_and_few_move() {
        let (mut group, now) = (Group::new(10, false), Instant::now());
        let mut held: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        for round in 0..12 {
            for name in ["a", "b", "c"].into_iter().take(1 + round / 4) {
                let given = group.heartbeat(name, &held.get(name).cloned().unwrap_or_default(), &shards(7), now);
                held.insert(name, given);
            }
        }
        let mut counts: Vec<usize> = held.values().map(Vec::len).collect();
        counts.sort_unstable();
        assert_eq!(counts, [2, 2, 3]);
        let all: BTreeSet<u32> = held.values().flatten().copied().collect();
        assert_eq!(all, shards(7));
        let before = held["a"].clone();
        assert_eq!(group.heartbeat("a", &before, &shards(7), now), before, "nothing moves when nothing changed");
    }

    #[test]
    fn a_checkpoint_is_taken_from_the_holder_or_by_force() {
        let (mut group, now) = (Group::new(10, false), Instant::now());
        let by = |name: &str| Checkpoint { cursor: "x".to_owned(), updated_us: 1, consumer: name.to_owned() };
        assert_eq!(group.store(0, by("a"), false, now).unwrap_err().code, "ConsumerNotExsit");
        group.heartbeat("a", &[], &shards(1), now);
        group.heartbeat("b", &[], &shards(1), now);
        assert_eq!(group.store(0, by("b"), false, now).unwrap_err().code, "ConsumerNotMatch");
        group.store(0, by("a"), false, now).unwrap();
        group.store(0, by("b"), true, now).unwrap();
        assert_eq!(group.checkpoints[&0].consumer, "b");
    }
}
