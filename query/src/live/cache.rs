//! What was worked out once about rows that never change, in bounded memory.
//! It must never hold more than its bound, and nothing in it may be needed: what is not there is worked out again.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Two halves: when the newer one is full, the older one is let go. What is asked for again moves to the newer one.
#[derive(Debug)]
pub(super) struct Cache<K, V: ?Sized> {
    half_bytes: usize,
    halves: Mutex<Halves<K, V>>,
}

#[derive(Debug)]
struct Halves<K, V: ?Sized> {
    new: HashMap<K, (Arc<V>, usize)>,
    old: HashMap<K, (Arc<V>, usize)>,
    new_bytes: usize,
}

impl<K: Eq + Hash + Clone, V: ?Sized> Cache<K, V> {
    /// Holds at most `bytes`, as the callers count them.
    pub(super) fn new(bytes: usize) -> Self {
        let halves = Halves { new: HashMap::new(), old: HashMap::new(), new_bytes: 0 };
        Self { half_bytes: bytes / 2, halves: Mutex::new(halves) }
    }

    pub(super) fn get(&self, key: &K) -> Option<Arc<V>> {
        // A thread that died while it held the lock left a map behind that is as good as any.
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((value, _)) = halves.new.get(key) {
            return Some(Arc::clone(value));
        }
        let (value, bytes) = halves.old.remove(key)?;
        self.add(&mut halves, key.clone(), Arc::clone(&value), bytes);
        Some(value)
    }

    /// Keeps a value of about `bytes`, unless that alone is too much.
    pub(super) fn put(&self, key: K, value: Arc<V>, bytes: usize) {
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        self.add(&mut halves, key, value, bytes);
    }

    fn add(&self, halves: &mut Halves<K, V>, key: K, value: Arc<V>, bytes: usize) {
        // The entry itself costs something too.
        let bytes = bytes + 128;
        if bytes > self.half_bytes {
            return;
        }
        if halves.new_bytes + bytes > self.half_bytes {
            halves.old = std::mem::take(&mut halves.new);
            halves.new_bytes = 0;
        }
        if halves.new.insert(key, (value, bytes - 128)).is_none() {
            halves.new_bytes += bytes;
        }
    }
}
