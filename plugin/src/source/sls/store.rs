//! One Logstore: its shards as they are listed, split, merged and gone, and this consumer's part in its group.

use std::collections::BTreeMap;

use super::config::{Config, From, Logstore, Mode};
use super::group::{Group, Stage};
use super::position::{Position, Stored};
use super::shard::{Phase, Shard, Want};
use super::wire::Listed;
use crate::source::health::Health;

/// Listings in a row that must lack a shard before it is believed to be gone: a wrong listing must cost no position.
const ABSENT: u32 = 3;
/// How soon to list again when a shard was lacking, milliseconds.
const LIST_AGAIN_MS: i64 = 2_000;

/// What a Logstore asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// The list of shards.
    Shards,
    /// The consumer group.
    Create,
    /// The group's checkpoints.
    Checkpoints,
    /// The end of this shard, for a group that is new.
    Initial(u32),
}

/// A Logstore.
#[derive(Debug)]
pub struct Store {
    /// Which.
    pub logstore: Logstore,
    /// The shards that are read: all, or those that this consumer holds.
    pub shards: BTreeMap<u32, Shard>,
    /// This consumer's part, in mode `consumer_group`.
    pub group: Option<Group>,
    /// How it is doing, its shards apart.
    pub health: Health,
    /// The request that is open for it.
    pub open: Option<u64>,
    /// The heartbeat that is open.
    pub beat: Option<u64>,
    /// It was listed.
    pub listed: bool,
    /// An earlier session, or this one, has a position of every shard that was there at first.
    pub begun: bool,
    list_due_ms: i64,
    known: BTreeMap<u32, bool>,
}

impl Store {
    /// A Logstore of which nothing is known but what was stored.
    pub fn new(logstore: Logstore, config: &Config, stored: &Stored) -> Self {
        Self {
            begun: stored.is_begun(&logstore),
            logstore,
            shards: BTreeMap::new(),
            group: (config.mode == Mode::ConsumerGroup).then(Group::default),
            health: Health::default(),
            open: None,
            beat: None,
            listed: false,
            list_due_ms: i64::MIN,
            known: BTreeMap::new(),
        }
    }

    /// Where a shard begins that has no position. One that appeared later was split off or merged: it begins at its
    /// beginning, whatever the configuration says.
    pub fn from(&self, config: &Config) -> From {
        match (&self.group, config.from) {
            (None, from) if !self.begun => from,
            // Whoever created the group has told it where the shards of that time end.
            (Some(_), From::Time(ms)) => From::Time(ms),
            _ => From::Begin,
        }
    }

    /// What it wants, heartbeats apart.
    pub fn wants(&self, now_ms: i64) -> Want<Ask> {
        if self.open.is_some() {
            return Want::Nothing;
        }
        let stage = self.group.as_ref().map(|g| g.stage);
        let initial = self.group.as_ref().and_then(|g| g.to_initialise.first());
        let ask = match (stage, initial) {
            _ if !self.listed || self.list_due_ms <= now_ms => Ask::Shards,
            (Some(Stage::Create), _) => Ask::Create,
            (Some(Stage::Initialise), Some(shard)) => Ask::Initial(*shard),
            _ if self.shards.values().any(|shard| shard.unseen) => Ask::Checkpoints,
            _ => return Want::At(self.list_due_ms.max(self.health.due_ms())),
        };
        if self.health.due_ms() > now_ms { Want::At(self.health.due_ms()) } else { Want::Now(ask) }
    }

    /// The shards that the next heartbeat carries, when it is due.
    pub fn wants_beat(&self, now_ms: i64) -> Want<Vec<u32>> {
        let Some(group) = self.group.as_ref().filter(|g| g.stage == Stage::Joined && self.beat.is_none()) else {
            return Want::Nothing;
        };
        if group.beat_due_ms > now_ms {
            return Want::At(group.beat_due_ms);
        }
        Want::Now(group.carried.iter().copied().collect())
    }

    /// A shard was not there: the list is asked for at once.
    pub fn list_soon(&mut self, now_ms: i64) {
        self.list_due_ms = self.list_due_ms.min(now_ms);
    }

    /// Takes a listing in.
    pub fn list(&mut self, listed: &[Listed], now_ms: i64, config: &Config, stored: &Stored) {
        self.known = listed.iter().map(|shard| (shard.id, shard.readonly)).collect();
        if self.group.is_none() {
            let first = if self.listed { Vec::new() } else { stored.shards(&self.logstore) };
            for id in first.into_iter().chain(self.known.keys().copied()) {
                let shard = self.shards.entry(id).or_insert_with(|| Shard::new(false, config));
                if let (Phase::Start, None, Some(position)) =
                    (&shard.phase, shard.open, stored.shard(&self.logstore, id))
                {
                    shard.resume(position.clone());
                }
            }
        } else if let (false, Some(group)) = (self.listed, &mut self.group) {
            group.to_initialise = self.known.keys().copied().collect();
        }
        let mut lacking = false;
        for (id, shard) in &mut self.shards {
            match self.known.get(id) {
                Some(readonly) => {
                    shard.absent = 0;
                    shard.readonly |= *readonly;
                }
                None => {
                    shard.absent = shard.absent.saturating_add(1);
                    lacking = true;
                }
            }
        }
        self.listed = true;
        let pause = if lacking { LIST_AGAIN_MS } else { i64::from(config.shard_refresh_secs) * 1000 };
        self.list_due_ms = now_ms.saturating_add(pause);
    }

    /// A shard that is gone and of which nothing waits to go out.
    pub fn gone(&self) -> Option<u32> {
        let is_gone = |shard: &Shard| shard.absent >= ABSENT && shard.held.is_empty();
        if self.group.is_some() {
            return None;
        }
        self.shards.iter().find(|(_, shard)| is_gone(shard)).map(|(id, _)| *id)
    }

    /// Whether every shard that was listed has a position by now.
    pub fn begins(&self) -> bool {
        !self.begun && self.listed && self.group.is_none() && self.shards.values().all(|s| s.phase != Phase::Start)
    }

    /// Takes in which shards the group gives to this consumer.
    pub fn hold(&mut self, held: &[u32], now_ms: i64, config: &Config) {
        for id in held {
            let readonly = self.known.get(id).copied().unwrap_or(false);
            let shard = self.shards.entry(*id).or_insert_with(|| Shard::new(readonly, config));
            shard.share.leaving = None;
        }
        for (id, shard) in &mut self.shards {
            if !held.contains(id) && shard.share.leaving.is_none() {
                shard.share.leaving = Some(now_ms);
                shard.go_back();
            }
        }
        if let Some(group) = &mut self.group {
            (group.answered, group.heard_ms) = (true, now_ms);
            group.carried = self.shards.keys().copied().collect();
        }
    }

    /// Takes in how far the group is; gives the shards of which more is known here.
    pub fn see(&mut self, checkpoints: &[(u32, String)], stored: &Stored) -> Vec<u32> {
        let mut ahead = Vec::new();
        for (id, shard) in self.shards.iter_mut().filter(|(_, shard)| shard.unseen) {
            let theirs = checkpoints.iter().find(|(shard, _)| shard == id).map_or("", |(_, cursor)| cursor);
            let ours = stored.shard(&self.logstore, *id);
            // Ours says where the group was when it was written. If it still is there, nobody has read on, and ours is
            // the later of the two. So it is where the group has no position: it was deleted and made again.
            let ours = ours.filter(|ours| theirs.is_empty() || theirs == ours.uploaded || theirs == ours.cursor);
            let uploaded = theirs.to_owned();
            match ours {
                Some(ours) => shard.resume(Position { uploaded, ..ours.clone() }),
                None if !theirs.is_empty() => shard.resume(Position { uploaded, ..Position::at(theirs) }),
                None => shard.unseen = false,
            }
            if shard.position.cursor != shard.position.uploaded {
                ahead.push(*id);
            }
        }
        ahead
    }

    /// A shard that the group has given away and that can be let go of: all of it is durable and told, or nobody waits
    /// any longer.
    pub fn leaves(&self, now_ms: i64, config: &Config) -> Option<u32> {
        let patience = i64::from(config.group_timeout_secs) * 1000;
        let may_go = |shard: &Shard| {
            let Some(since) = shard.share.leaving else { return false };
            let told = shard.share.marks.is_empty() && !shard.share.is_news() && shard.share.open.is_none();
            shard.held.is_empty() && (told || now_ms.saturating_sub(since) > patience)
        };
        self.shards.iter().find(|(_, shard)| may_go(shard)).map(|(id, _)| *id)
    }

    /// Lets go of a shard.
    pub fn let_go(&mut self, id: u32, stored: &mut Stored) {
        if let Some(shard) = self.shards.remove(&id).filter(|shard| shard.phase != Phase::Start) {
            stored.keep(&self.logstore, id, Position { uploaded: shard.share.uploaded, ..shard.position });
        }
        if let Some(group) = &mut self.group {
            group.carried.remove(&id);
        }
    }

    /// The group has heard nothing for so long that it must have given everything away.
    pub fn is_lost(&self, now_ms: i64, config: &Config) -> bool {
        self.group.as_ref().is_some_and(|group| group.is_lost(now_ms, config))
    }

    /// Whether everything that was there has been given out, and told.
    pub fn is_finished(&self) -> bool {
        let told = |shard: &Shard| shard.share.marks.is_empty() && !shard.share.is_news() && shard.share.open.is_none();
        self.listed
            && self.group.as_ref().is_none_or(|group| group.answered)
            && self.shards.values().all(|s| s.phase == Phase::Done && (self.group.is_none() || told(s)))
    }
}
