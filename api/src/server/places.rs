//! Which connections are open, and which of them do nothing. When all places are taken, the connection that has been idle longest
//! makes room: a crowd that says nothing must not keep out who has something to ask.
//! It must never close a connection that has a request under way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

#[derive(Debug, Default)]
struct Inner {
    open: usize,
    next: u64,
    idle: BTreeMap<u64, Arc<Notify>>,
}

/// The places.
#[derive(Debug)]
pub(super) struct Places {
    limit: usize,
    inner: Mutex<Inner>,
}

/// A connection's place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    /// Where it stands among the idle; none while it has a request under way.
    number: Mutex<Option<u64>>,
    told: Arc<Notify>,
}

impl Places {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, inner: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place; and whether another connection was told to go for it. None when all are at work.
    pub(super) fn take(self: &Arc<Self>) -> Option<(Place, bool)> {
        let mut inner = self.lock();
        let full = inner.open >= self.limit;
        if full {
            let (_, told) = inner.idle.pop_first()?;
            told.notify_one();
        }
        inner.open += 1;
        drop(inner);
        let place = Place { places: Arc::clone(self), number: Mutex::new(None), told: Arc::default() };
        place.idle();
        Some((place, full))
    }
}

impl Place {
    fn number(&self) -> MutexGuard<'_, Option<u64>> {
        self.number.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It waits for a request from now on.
    pub(super) fn idle(&self) {
        let mut number = self.number();
        let mut inner = self.places.lock();
        if let Some(old) = *number {
            inner.idle.remove(&old);
        }
        inner.next += 1;
        let next = inner.next;
        *number = Some(next);
        inner.idle.insert(next, Arc::clone(&self.told));
    }

    /// It has a request.
    pub(super) fn busy(&self) {
        let mut number = self.number();
        if let Some(old) = number.take() {
            self.places.lock().idle.remove(&old);
        }
    }

    /// Comes back when it has to make room, and has no request.
    pub(super) async fn evicted(&self) {
        loop {
            self.told.notified().await;
            if self.number().is_some() {
                return;
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.busy();
        self.places.lock().open -= 1;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_idle_makes_room_and_work_does_not() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let places = Arc::new(Places::new(2));
            let (a, first) = places.take().unwrap();
            let (b, _) = places.take().unwrap();
            assert!(!first);
            a.busy();
            a.idle();
            // `b` is the longest idle now.
            let (c, full) = places.take().unwrap();
            assert!(full);
            b.evicted().await;
            drop(b);
            a.busy();
            c.busy();
            assert!(places.take().is_none());
            // One that got a request in the very moment stays.
            c.idle();
            let (d, _) = places.take().unwrap();
            c.busy();
            let told = tokio::time::timeout(std::time::Duration::from_millis(50), c.evicted()).await;
            assert!(told.is_err());
            drop((a, c, d));
            let inner = places.lock();
            assert_eq!((inner.open, inner.idle.len()), (0, 0));
        });
    }
}
