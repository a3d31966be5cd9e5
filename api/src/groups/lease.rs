//! Who of a group's consumers holds which shard. No file, no clock: the caller passes the time.
//! Two consumers must never hold one shard at the same time, and none may keep one past its silence.
//!
//! A shard is *meant* for one consumer, by an equal split over those that are alive, and *held* by one, which is not the same
//! one while it moves: it is given only when the one before reports it no longer, or has been silent for the timeout.

use std::collections::{BTreeMap, BTreeSet};

/// Most consumers of a group that are alive at once.
pub(crate) const MOST_CONSUMERS: usize = 1024;

/// Consumers and their shards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Leases {
    /// When each was last heard of, microseconds UTC.
    alive: BTreeMap<String, i64>,
    held: BTreeMap<u32, String>,
    meant: BTreeMap<u32, String>,
}

/// Why a consumer may not move the checkpoint of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotHeld {
    /// It is not one of the group's, or was silent for too long.
    Unknown,
    /// Somebody else holds the shard, or nobody does.
    Other,
}

impl Leases {
    /// Presumes that who wrote a shard's checkpoint holds it since: after a restart it may well be alive.
    pub(crate) fn presume(&mut self, consumer: &str, shard: u32, since_us: i64) {
        let heard = self.alive.entry(consumer.to_owned()).or_insert(since_us);
        *heard = since_us.max(*heard);
        self.held.insert(shard, consumer.to_owned());
        self.meant.insert(shard, consumer.to_owned());
    }

    /// Whether one more consumer of this name may come.
    pub(crate) fn has_room(&mut self, consumer: &str, timeout_us: i64, now_us: i64) -> bool {
        self.bury(timeout_us, now_us);
        self.alive.contains_key(consumer) || self.alive.len() < MOST_CONSUMERS
    }

    /// Takes a heartbeat; the shards that the consumer may read from now on. `reported` are those it reads or has not let go of.
    pub(crate) fn heartbeat(
        &mut self,
        consumer: &str,
        reported: &BTreeSet<u32>,
        shards: u32,
        (timeout_us, now_us): (i64, i64),
    ) -> Vec<u32> {
        self.bury(timeout_us, now_us);
        self.alive.insert(consumer.to_owned(), now_us);
        self.held.retain(|shard, holder| holder != consumer || reported.contains(shard));
        // What nobody holds it may keep: it is one of ours that was silent, or was here before a restart.
        for shard in reported.iter().filter(|shard| **shard < shards) {
            self.held.entry(*shard).or_insert_with(|| consumer.to_owned());
        }
        self.share_out(shards);
        let mine = |map: &BTreeMap<u32, String>, shard: &u32| map.get(shard).is_some_and(|name| name == consumer);
        let given: Vec<u32> = (0..shards)
            .filter(|shard| mine(&self.meant, shard) && (!self.held.contains_key(shard) || mine(&self.held, shard)))
            .collect();
        self.held.extend(given.iter().map(|shard| (*shard, consumer.to_owned())));
        given
    }

    /// Whether the consumer may move the checkpoint of a shard.
    pub(crate) fn may_move(&mut self, consumer: &str, shard: u32, timeout_us: i64, now_us: i64) -> Result<(), NotHeld> {
        self.bury(timeout_us, now_us);
        let heard = self.alive.get_mut(consumer).ok_or(NotHeld::Unknown)?;
        if self.held.get(&shard).is_none_or(|holder| holder != consumer) {
            return Err(NotHeld::Other);
        }
        *heard = now_us;
        Ok(())
    }

    /// Forgets the consumers that were silent for longer than the timeout. One that was heard of far in the future was heard
    /// before a clock was set back: it would never be silent again.
    fn bury(&mut self, timeout_us: i64, now_us: i64) {
        self.alive.retain(|_, heard| now_us.saturating_sub(*heard).saturating_abs() <= timeout_us);
        let alive = &self.alive;
        self.held.retain(|_, holder| alive.contains_key(holder));
        self.meant.retain(|_, name| alive.contains_key(name));
    }

    /// Shares the shards so that no two consumers differ by more than one, and as few move as that takes.
    fn share_out(&mut self, shards: u32) {
        let consumers = self.alive.len().max(1);
        let (least, mut extra) = (shards as usize / consumers, shards as usize % consumers);
        let mut load: Vec<(String, Vec<u32>)> =
            self.alive.keys().map(|name| (name.clone(), self.meant_for(name))).collect();
        // Who has most keeps the one too many, so that nothing moves without need.
        load.sort_by_key(|(_, meant)| std::cmp::Reverse(meant.len()));
        let mut quotas = Vec::with_capacity(consumers);
        for (name, meant) in load {
            let quota = least + usize::from(extra > 0);
            extra = extra.saturating_sub(1);
            for shard in meant.iter().skip(quota) {
                self.meant.remove(shard);
            }
            quotas.push((name, quota.saturating_sub(meant.len())));
        }
        for (name, wants) in quotas {
            for _ in 0..wants {
                let free = || (0..shards).filter(|shard| !self.meant.contains_key(shard));
                let held = free().find(|shard| self.held.get(shard) == Some(&name));
                let Some(shard) = held.or_else(|| free().next()) else { return };
                self.meant.insert(shard, name.clone());
            }
        }
    }

    fn meant_for(&self, consumer: &str) -> Vec<u32> {
        self.meant.iter().filter(|(_, name)| *name == consumer).map(|(shard, _)| *shard).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;
    const TIMEOUT: i64 = 40 * SECOND;

    fn beat(leases: &mut Leases, consumer: &str, reported: &[u32], now_us: i64) -> Vec<u32> {
        leases.heartbeat(consumer, &reported.iter().copied().collect(), 4, (TIMEOUT, now_us))
    }

    #[test]
    fn a_second_consumer_gets_its_half_when_the_first_has_let_go_and_not_before() {
        let mut leases = Leases::default();
        assert_eq!(beat(&mut leases, "a", &[], 0), [0, 1, 2, 3]);
        assert_eq!(beat(&mut leases, "b", &[], 0), [] as [u32; 0]);
        assert_eq!(beat(&mut leases, "a", &[0, 1, 2, 3], 0), [0, 1]);
        assert_eq!(beat(&mut leases, "b", &[], 0), [] as [u32; 0]);
        // Until it has, the checkpoint is the first one's to move.
        assert_eq!(leases.may_move("a", 3, TIMEOUT, 0), Ok(()));
        assert_eq!(leases.may_move("b", 3, TIMEOUT, 0), Err(NotHeld::Other));
        assert_eq!(beat(&mut leases, "a", &[0, 1], 0), [0, 1]);
        assert_eq!(beat(&mut leases, "b", &[], 0), [2, 3]);
        assert_eq!(leases.may_move("a", 3, TIMEOUT, 0), Err(NotHeld::Other));
        assert_eq!(leases.may_move("b", 3, TIMEOUT, 0), Ok(()));
    }

    #[test]
    fn a_silent_consumer_loses_its_shards_after_the_timeout_and_not_before() {
        let mut leases = Leases::default();
        beat(&mut leases, "a", &[], 0);
        assert_eq!(beat(&mut leases, "b", &[], TIMEOUT), [] as [u32; 0]);
        assert_eq!(beat(&mut leases, "b", &[], TIMEOUT + 1), [0, 1, 2, 3]);
        assert_eq!(leases.may_move("a", 0, TIMEOUT, TIMEOUT + 1), Err(NotHeld::Unknown));
        // It wakes and claims what it had: it is told to let go, and holds nothing.
        assert_eq!(beat(&mut leases, "a", &[0, 1, 2, 3], TIMEOUT + 2), [] as [u32; 0]);
        assert_eq!(leases.may_move("a", 0, TIMEOUT, TIMEOUT + 2), Err(NotHeld::Other));
        assert_eq!(leases.may_move("b", 0, TIMEOUT, TIMEOUT + 2), Ok(()));
    }

    /// The clock of a server was set back by a day. Consumers heard of "tomorrow" must not keep their shards until then.
    #[test]
    fn a_clock_that_is_set_back_frees_what_is_held() {
        let mut leases = Leases::default();
        beat(&mut leases, "a", &[], 86_400 * SECOND);
        assert_eq!(beat(&mut leases, "b", &[], 0), [0, 1, 2, 3]);
    }

    #[test]
    fn who_wrote_the_checkpoint_is_presumed_to_hold_the_shard_for_one_timeout() {
        let mut leases = Leases::default();
        leases.presume("a", 0, 0);
        leases.presume("a", 1, 5 * SECOND);
        assert_eq!(leases.may_move("a", 0, TIMEOUT, 10 * SECOND), Ok(()));
        assert_eq!(beat(&mut leases, "b", &[], 11 * SECOND), [2, 3]);
        assert_eq!(beat(&mut leases, "a", &[0, 1], 12 * SECOND), [0, 1]);
    }

    #[test]
    fn consumers_that_come_and_go_never_hold_one_shard_together_and_all_is_held_in_the_end() {
        let (mut leases, mut reads) = (Leases::default(), BTreeMap::<&str, (i64, BTreeSet<u32>)>::new());
        let names = ["a", "b", "c", "d", "e", "f"];
        let mut random = 1_u64;
        for step in 0..20_000_i64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (name, now) = (names[(random >> 33) as usize % names.len()], step * SECOND);
            let (heard, had) = reads.get(name).cloned().unwrap_or((i64::MIN, BTreeSet::new()));
            let given: BTreeSet<u32> = leases.heartbeat(name, &had, 7, (TIMEOUT, now)).into_iter().collect();
            // What it is told to leave it leaves at once, or one heartbeat later; at once if it was taken for dead.
            let late = random >> 60 & 1 == 1 && now.saturating_sub(heard) <= TIMEOUT;
            reads.insert(name, (now, if late { had.union(&given).copied().collect() } else { given }));
            let mut readers = BTreeMap::new();
            for (name, (heard, shards)) in &reads {
                for shard in shards.iter().filter(|_| now - heard <= TIMEOUT) {
                    assert_eq!(readers.insert(*shard, *name), None, "step {step}: shard {shard} is read twice");
                }
            }
        }
        let end = 20_000 * SECOND;
        for round in 0..4 {
            for name in names {
                let had = reads.get(name).cloned().unwrap_or_default().1;
                let given = leases.heartbeat(name, &had, 7, (TIMEOUT, end + round));
                reads.insert(name, (end, given.into_iter().collect()));
            }
        }
        let mut counts: Vec<usize> = reads.values().map(|(_, shards)| shards.len()).collect();
        counts.sort_unstable();
        assert_eq!(counts, [1, 1, 1, 1, 1, 2]);
        let all: BTreeSet<u32> = reads.values().flat_map(|(_, shards)| shards).copied().collect();
        assert_eq!(all.len(), 7);
    }
}
