//! What the server counts, for metrics. It must never hold anything that a client sent.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::refuse::Surface;

/// Numbers since the server began; connections are those that are open.
#[derive(Debug, Default)]
pub struct Counts {
    connections: AtomicU64,
    evicted: AtomicU64,
    statuses: Mutex<BTreeMap<u16, u64>>,
    refused: Mutex<BTreeMap<Surface, u64>>,
}

impl Counts {
    /// Connections that are open.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Connections that were closed to make room, the longest idle first.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// Answers by HTTP status.
    #[must_use]
    pub fn answers(&self) -> BTreeMap<u16, u64> {
        self.statuses.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes that were refused, by surface.
    #[must_use]
    pub fn refused(&self) -> BTreeMap<Surface, u64> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn opened(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn closed(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn evict(&self) {
        self.evicted.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn answered(&self, status: u16) {
        *self.statuses.lock().unwrap_or_else(PoisonError::into_inner).entry(status).or_default() += 1;
    }

    pub(super) fn refuse(&self, surface: Surface) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner).entry(surface).or_default() += 1;
    }
}
