//! This consumer's part in a consumer group: joined or not, and which shards it holds.
//!
//! The service shares shards out by heartbeats: each carries the shards that this consumer has not given up yet, and is
//! answered with those that it is to hold. A shard that is no longer among them is given up by no longer being carried,
//! which happens only after what was read of it is durable and the group has been told how far that is.

use std::collections::BTreeSet;

use super::config::{Config, From};

/// Where the group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It is not known to exist.
    Create,
    /// This consumer has created it, and has to say for every shard that it begins at its end.
    Initialise,
    /// Heartbeats go.
    Joined,
}

/// The part of one Logstore.
#[derive(Debug)]
pub struct Group {
    /// Where it stands.
    pub stage: Stage,
    /// Shards that the next heartbeat carries.
    pub carried: BTreeSet<u32>,
    /// Shards whose beginning is still to be told, see [`Stage::Initialise`].
    pub to_initialise: BTreeSet<u32>,
    /// Whether some heartbeat was answered.
    pub answered: bool,
    /// When the next heartbeat is due.
    pub beat_due_ms: i64,
    /// When the last one was answered.
    pub heard_ms: i64,
}

impl Default for Group {
    /// Not joined.
    fn default() -> Self {
        Self {
            stage: Stage::Create,
            carried: BTreeSet::new(),
            to_initialise: BTreeSet::new(),
            answered: false,
            beat_due_ms: i64::MIN,
            heard_ms: i64::MIN,
        }
    }
}

impl Group {
    /// The group is there; `ours`: this consumer has created it just now.
    pub fn created(&mut self, ours: bool, config: &Config) {
        let initialise = ours && config.from == From::End;
        self.stage = if initialise { Stage::Initialise } else { Stage::Joined };
    }

    /// Whether the group must have given the shards to others.
    pub fn is_lost(&self, now_ms: i64, config: &Config) -> bool {
        let timeout = i64::from(config.group_timeout_secs) * 1000;
        self.answered && now_ms.saturating_sub(self.heard_ms) > timeout
    }
}
