//! The requests that a session has open, each with what it is for.

use std::collections::BTreeMap;

/// Open requests.
#[derive(Debug)]
pub struct Calls<T> {
    next: u64,
    open: BTreeMap<u64, T>,
    most: usize,
}

impl<T> Calls<T> {
    /// None open; at most so many at a time.
    pub fn new(most: u32) -> Self {
        Self { next: 0, open: BTreeMap::new(), most: (most as usize).clamp(1, super::http::MOST_OPEN) }
    }

    /// Whether one more may be opened.
    pub fn room(&self) -> bool {
        self.open.len() < self.most
    }

    /// Whether the contract allows one more, whatever the configuration says: for what must not wait.
    pub fn room_at_all(&self) -> bool {
        self.open.len() < super::http::MOST_OPEN
    }

    /// Opens one and gives its number.
    pub fn begin(&mut self, what: T) -> u64 {
        self.next += 1;
        self.open.insert(self.next, what);
        self.next
    }

    /// Closes one and tells what it was for. `None`: it is not open, and an answer to it means nothing.
    pub fn end(&mut self, id: u64) -> Option<T> {
        self.open.remove(&id)
    }

    /// What is open.
    pub fn open(&self) -> impl Iterator<Item = &T> {
        self.open.values()
    }

    /// Whether nothing is open.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}
