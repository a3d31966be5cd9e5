//! A number of bytes that many share. It must never be waited for: who finds too little is told so.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What is left.
#[derive(Debug)]
pub(super) struct Budget(AtomicUsize);

/// A part of it, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    pub(super) fn new(bytes: usize) -> Self {
        Self(AtomicUsize::new(bytes))
    }

    /// Takes so many, if they are there.
    pub(super) fn take(self: &Arc<Self>, bytes: usize) -> Option<Share> {
        self.less(bytes).then(|| Share { budget: Arc::clone(self), bytes })
    }

    fn less(&self, bytes: usize) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }
}

impl Share {
    /// Takes more; `false` when there is too little.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        let grown = self.budget.less(bytes);
        if grown {
            self.bytes += bytes;
        }
        grown
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.0.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_comes_back() {
        let budget = Arc::new(Budget::new(10));
        let mut a = budget.take(6).unwrap();
        assert!(budget.take(5).is_none());
        assert!(a.grow(4) && !a.grow(1));
        assert!(budget.take(1).is_none());
        drop(a);
        assert!(budget.take(10).is_some());
    }
}
