//! What the index keeps of an event id: a keyed hash and the epoch in which the event was appended.
//! It must never keep the id itself, and never depend on the order in which ids come.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash, Hasher};

use sha2::{Digest as _, Sha256};

/// Bits of a key. Two of n ids share a key by accident with a chance of n² / 2^81: 1.3e-8 for 180 million ids.
pub(super) const KEY_BITS: u32 = 80;
const EPOCH_BITS: u32 = 16;

/// The first 80 bits of SHA-256 over salt and id, as a number.
pub(super) type Key = u128;

/// Random, of one index: nobody can prepare ids that share a key without having read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Salt(pub(super) [u8; 16]);

impl Salt {
    /// A new one: the standard library seeds its hashers from the system.
    pub(super) fn random() -> Self {
        let mut salt = [0; 16];
        for half in salt.as_chunks_mut::<8>().0 {
            *half = RandomState::new().build_hasher().finish().to_le_bytes();
        }
        Self(salt)
    }

    /// The key of an id. Ids of up to 39 bytes, so all of ActionTrail's, take one block of SHA-256.
    pub(super) fn key(&self, id: &[u8]) -> Key {
        let full: [u8; 32] = Sha256::new().chain_update(self.0).chain_update(id).finalize().into();
        let mut key = [0; 16];
        key[6..].copy_from_slice(&full[..10]);
        u128::from_be_bytes(key)
    }
}

/// A key with its epoch, ordered by key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry(u128);

impl Entry {
    pub(super) fn new(key: Key, epoch: u16) -> Self {
        Self(key << EPOCH_BITS | u128::from(epoch))
    }

    pub(super) fn key(self) -> Key {
        self.0 >> EPOCH_BITS
    }

    pub(super) fn epoch(self) -> u16 {
        (self.0 & u128::from(u16::MAX)) as u16
    }
}

/// A key in 10 bytes, for the table in memory: 13 bytes a place with its epoch and the table's own byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packed([u8; 10]);

impl Packed {
    pub(super) fn new(key: Key) -> Self {
        let mut packed = [0; 10];
        packed.copy_from_slice(&key.to_be_bytes()[6..]);
        Self(packed)
    }

    pub(super) fn key(self) -> Key {
        let mut key = [0; 16];
        key[6..].copy_from_slice(&self.0);
        u128::from_be_bytes(key)
    }
}

impl Hash for Packed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut word = [0; 8];
        word.copy_from_slice(&self.0[2..]);
        state.write_u64(u64::from_le_bytes(word));
    }
}

/// Keys are uniform already: eight of their bytes are the hash.
#[derive(Debug, Default)]
pub(super) struct Uniform(u64);

impl Hasher for Uniform {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_first_ten_bytes_of_the_salted_sha_256() {
        // printf '0123456789abcdefevent-1' | sha256sum
        let key = Salt(*b"0123456789abcdef").key(b"event-1");
        insta::assert_snapshot!(format!("{key:020x}"), @"1ffb050dcb814248a43b");
        assert_eq!(Packed::new(key).key(), key);
        let entry = Entry::new(key, 0xfffe);
        assert_eq!((entry.key(), entry.epoch()), (key, 0xfffe));
        assert!(key < 1 << KEY_BITS);
        assert_ne!(Salt::random(), Salt::random());
    }
}
