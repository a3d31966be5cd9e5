//! A Bloom filter over the middle run, in memory: most look-ups of new ids spare the read of a block.
//! It must never say that a key is absent which was put in.
//!
//! It is made while a flush writes the middle run, and is never on the disk: a writer that was just opened reads a block
//! more for each new id until its first flush.

use super::entry::Key;

/// Bits for each key: 1 % false positives.
const BITS: u64 = 12;

/// Blocks of 64 bytes; a key has one bit in each of the eight words of one block.
#[derive(Debug)]
pub(super) struct Filter(Vec<[u64; 8]>);

impl Filter {
    /// An empty filter with room for `keys`.
    pub(super) fn new(keys: u64) -> Self {
        let blocks = keys.saturating_mul(BITS).div_ceil(512).clamp(1, u64::from(u32::MAX));
        Self(vec![[0; 8]; usize::try_from(blocks).unwrap_or(1)])
    }

    pub(super) fn insert(&mut self, key: Key) {
        let block = self.block(key);
        for (word, bit) in self.0[block].iter_mut().zip(bits(key)) {
            *word |= bit;
        }
    }

    /// Whether the key may have been put in.
    pub(super) fn may_hold(&self, key: Key) -> bool {
        self.0[self.block(key)].iter().zip(bits(key)).all(|(word, bit)| word & bit != 0)
    }

    /// By the lowest 32 bits of the key, which say nothing about its place in the run. Always within the filter.
    fn block(&self, key: Key) -> usize {
        ((u64::from(key as u32) * self.0.len() as u64) >> 32) as usize
    }
}

/// A bit for each word, by the 48 bits above those.
fn bits(key: Key) -> impl Iterator<Item = u64> {
    (0..8).map(move |word| 1 << ((key >> (32 + 6 * word)) & 63))
}

#[cfg(test)]
mod tests {
    use super::super::entry::Salt;
    use super::*;

    #[test]
    fn it_holds_what_was_put_in_and_little_else() {
        let key = |n: u32| Salt([3; 16]).key(&n.to_le_bytes());
        for keys in [0, 1, 100, 50_000] {
            let mut filter = Filter::new(u64::from(keys));
            (0..keys).for_each(|n| filter.insert(key(n)));
            assert!((0..keys).all(|n| filter.may_hold(key(n))));
            let wrong = (keys..keys + 50_000).filter(|n| filter.may_hold(key(*n))).count();
            assert!(wrong < 50_000 / 80, "{keys} keys: {wrong} of 50,000 were said to be there");
        }
    }
}
