//! Changes of consumer groups, on their way to the journal: each for itself while there are few, so that nobody can fill the journal.
//! It must never hold up the call that made the change, and never tell of a change that is not kept yet.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use innertrail_logstore::Store;

use crate::Call;

/// Changes in a minute that are told each for itself.
pub const EACH: u32 = 30;
/// Length of that minute, microseconds.
const MINUTE_US: i64 = 60_000_000;

/// What was done to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It was made.
    Created,
    /// Its timeout or its order is another.
    Changed,
    /// It is gone, with its checkpoints.
    Deleted,
    /// A checkpoint was moved to before the stored one: its records are read again.
    MovedBack,
}

impl Done {
    /// Its word in the journal.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Deleted => "deleted",
            Self::MovedBack => "moved_back",
        }
    }
}

/// A change that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupChange {
    /// When, microseconds UTC.
    pub at_us: i64,
    /// The store whose group it is.
    pub store: Store,
    /// The group: 1 to 128 of `A-Z a-z 0-9 - _`.
    pub group: String,
    /// What was done.
    pub done: Done,
    /// The key that did it.
    pub key_id: String,
    /// The request's id, as the client was told.
    pub request_id: String,
    /// Changes before this one that were too many to be told.
    pub untold: u64,
}

/// Who is told.
#[derive(Clone)]
pub struct Listener(Arc<dyn Fn(GroupChange) + Send + Sync>);

impl Listener {
    /// Tells this; it may not block.
    pub fn new(tell: impl Fn(GroupChange) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

#[derive(Debug, Default)]
struct Minute {
    begun_us: i64,
    told: u32,
    untold: u64,
}

/// Tells of changes, few in a minute.
#[derive(Debug)]
pub(super) struct Teller {
    listener: Option<Listener>,
    minute: Mutex<Minute>,
}

impl Teller {
    pub(super) fn new(listener: Option<Listener>) -> Self {
        Self { listener, minute: Mutex::default() }
    }

    pub(super) fn tell(&self, call: &Call, store: Store, group: &str, done: Done) {
        let Some(Listener(tell)) = &self.listener else { return };
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        // Also when the clock was set back.
        if !(0..MINUTE_US).contains(&call.now_us.saturating_sub(minute.begun_us)) {
            (minute.begun_us, minute.told) = (call.now_us, 0);
        }
        if minute.told >= EACH {
            minute.untold += 1;
            return;
        }
        minute.told += 1;
        let untold = std::mem::take(&mut minute.untold);
        drop(minute);
        let (key_id, request_id) = (call.access.key_id.clone(), call.request_id.clone());
        tell(GroupChange { at_us: call.now_us, store, group: group.to_owned(), done, key_id, request_id, untold });
    }
}
