//! The short way from a writer to the readers of the same process: how far is durable, told at the moment it is.
//! It must never be told more than the writer has acknowledged: readers hand records on because of it.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::{State, Store};

const STORES: usize = Store::ALL.len();

/// Shared between the owner of a writer and readers of the same data directory. Clones share one state.
///
/// The owner calls [`Notify::committed`] after each commit. Readers of other processes do without: they look at the
/// file, which costs them up to 0.2 s.
#[derive(Debug, Clone, Default)]
pub struct Notify {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    acknowledged: Mutex<[u64; STORES]>,
    changed: Condvar,
}

impl Notify {
    /// A handle that has been told nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// To be called with [`crate::Writer::state`] after a commit returned: everything in it is durable.
    pub fn committed(&self, state: &State) {
        let mut acknowledged = self.lock();
        for store in Store::ALL {
            let end = &mut acknowledged[store.place()];
            *end = state.next(store).max(*end);
        }
        drop(acknowledged);
        self.shared.changed.notify_all();
    }

    /// Sequence number after the last acknowledged record; 0 before the first commit.
    pub(crate) fn acknowledged(&self, store: Store) -> u64 {
        self.lock()[store.place()]
    }

    /// Returns when more than `seen` records of `store` are acknowledged, or after `pause`.
    pub(crate) fn wait(&self, store: Store, seen: u64, pause: Duration) {
        let idle = |acknowledged: &mut [u64; STORES]| acknowledged[store.place()] <= seen;
        // The time-out is no failure: the caller looks for itself.
        let _told = self.shared.changed.wait_timeout_while(self.lock(), pause, idle);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, [u64; STORES]> {
        // Numbers that only grow cannot be left half-changed by a panic.
        self.shared.acknowledged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
