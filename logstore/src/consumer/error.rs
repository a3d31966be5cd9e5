//! Every way a consumer can be refused. Each message says what happened, where, and what to do.
//! It must never carry the content of a record, nor text of a consumer that is not escaped.

use std::path::PathBuf;

use crate::{Error, Store};

/// Why a consumer's call was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConsumerError {
    /// The text is no cursor of this software.
    #[error("this is not a cursor; take one from `begin`, `end`, a time, or an earlier answer")]
    NotACursor,
    /// The cursor was made for another trail, or for a Logstore that stood here before.
    #[error("the cursor belongs to another Logstore than `{trail}` as it is now; take a fresh one")]
    OtherTrail {
        /// The trail that was asked.
        trail: String,
    },
    /// The cursor is a place in another store.
    #[error("the cursor is a place in `{found}`, not in `{wanted}`; each store has cursors of its own")]
    OtherStore {
        /// Store the cursor belongs to.
        found: Store,
        /// Store that was asked for.
        wanted: Store,
    },
    /// Retention dropped records that this consumer has not read.
    #[error(
        "{store}: records {at} to {} were dropped by retention before they were read here; go on at {first_kept}, and count them as lost to this consumer", first_kept - 1
    )]
    Expired {
        /// The store.
        store: Store,
        /// Where the cursor stands.
        at: u64,
        /// Sequence number of the first record that is still kept.
        first_kept: u64,
    },
    /// The cursor lies behind the end of the store.
    #[error("{store}: the cursor stands at record {at}, but the store ends at {end}; was an older copy put back?")]
    Beyond {
        /// The store.
        store: Store,
        /// Where the cursor stands.
        at: u64,
        /// Sequence number that the next record gets.
        end: u64,
    },
    /// The name cannot be a consumer group's.
    #[error("not a name for a consumer group; use 1 to 128 of A-Z a-z 0-9 - _ and begin with a letter or a digit")]
    GroupName,
    /// The name cannot be a consumer's.
    #[error("not a name for a consumer; use 1 to 256 bytes without control characters")]
    ConsumerName,
    /// The lease is too short or too long.
    #[error("a lease of {found} µs is out of range; use 1 second to 1 day")]
    Timeout {
        /// What was asked for, in microseconds.
        found: i64,
    },
    /// There is a group of this name already.
    #[error("the consumer group `{group}` exists already; use it, or delete it first")]
    Exists {
        /// The group.
        group: String,
    },
    /// There is no group of this name.
    #[error("there is no consumer group `{group}`; create it first")]
    NoGroup {
        /// The group.
        group: String,
    },
    /// The Logstore has as many groups as it may have.
    #[error("there are {limit} consumer groups already, which is the limit; delete one first")]
    TooManyGroups {
        /// The limit.
        limit: usize,
    },
    /// The consumer does not hold the group (any more): someone else may be past this place.
    #[error(
        "the consumer group `{group}` is not held by this consumer{}; send a heartbeat, and begin from the group's checkpoint",
        owner.as_ref().map_or_else(String::new, |o| format!(" but by {o:?}"))
    )]
    NotOwner {
        /// The group.
        group: String,
        /// Who holds it.
        owner: Option<String>,
    },
    /// The checkpoint lies before the stored one.
    #[error("the consumer group `{group}` stands at record {stored} and does not go back to {wanted} unless forced")]
    Backwards {
        /// The group.
        group: String,
        /// Where the group stands.
        stored: u64,
        /// Where it was asked to go.
        wanted: u64,
    },
    /// The group's file does not hold what was written there.
    #[error("{path} is damaged: {what}; delete the group and create it again, or put back a copy of the file")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Another process holds the lock of the groups for unusually long.
    #[error("{path} has been locked by another process for seconds; is one stopped? End it, then try again")]
    Busy {
        /// The lock file.
        path: PathBuf,
    },
    /// The Logstore refused.
    #[error(transparent)]
    Logstore(#[from] Error),
}
