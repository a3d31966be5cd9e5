//! Builds the token index of one segment while its rows go by.
//! It must never depend on the order of tokens, on the machine or on chance: equal rows give equal bytes.

use std::hash::{BuildHasher, RandomState};

use super::hash::{LOW, Scanner};
use super::tokens::{has_escapes, unescape};
use super::{CHECKSUM, FIXED, GROUP_RANGES, MAGIC, RANGE_ROWS, RULES, filter};

/// Tokens that were met lately: most of an event was in the events before it. 32 KB, so that it stays in the
/// first cache.
const SEEN: usize = 4_096;
/// Tokens that are taken into the table together. One by one, each would wait for memory.
const FRESH: usize = 64;
/// Room of an empty table.
const TABLE: usize = 1 << 14;
/// The ranges of a full group, a bit each.
const ALL: u64 = (1 << GROUP_RANGES) - 1;
/// Place of the shared filter behind those of the ranges.
const SHARED: usize = GROUP_RANGES as usize;

/// Takes the payloads of a segment's rows in order and yields the bytes of its index file.
///
/// Memory: about 16 bytes for each different token of 32,768 rows, and the finished filters.
#[derive(Debug)]
pub struct TokenIndexBuilder {
    rows: u64,
    scanner: Scanner,
    tokens: Tokens,
    decoded: Vec<u8>,
    twice: Vec<u8>,
    /// Blocks of each finished filter.
    sizes: Vec<u32>,
    /// Finished filters, without checksums.
    filters: Vec<u8>,
}

impl Default for TokenIndexBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl TokenIndexBuilder {
    /// An index without rows.
    #[must_use]
    pub fn new() -> Self {
        Self {
            rows: 0,
            scanner: Scanner::default(),
            tokens: Tokens::new(),
            decoded: Vec::new(),
            twice: Vec::new(),
            sizes: Vec::new(),
            filters: Vec::new(),
        }
    }

    /// The next row, with its payload as it is stored.
    pub fn push(&mut self, payload: &[u8]) {
        if self.rows > 0 && self.rows.is_multiple_of(RANGE_ROWS) {
            if self.rows.is_multiple_of(RANGE_ROWS * GROUP_RANGES) {
                self.finish_group();
            } else {
                self.tokens.next_range();
            }
        }
        self.rows += 1;
        self.also(payload);
    }

    /// More text of the row pushed last: what a look-up may ask for and the payload does not say.
    pub fn also(&mut self, text: &[u8]) {
        self.scanner.scan(text, |hash| self.tokens.add(hash));
        if has_escapes(text) {
            self.unescaped(text);
        }
    }

    /// The same text as its values say, and as JSON inside them says.
    #[cold]
    fn unescaped(&mut self, text: &[u8]) {
        self.decoded.clear();
        unescape(text, &mut self.decoded);
        self.scanner.scan(&self.decoded, |hash| self.tokens.add(hash));
        if has_escapes(&self.decoded) {
            self.twice.clear();
            unescape(&self.decoded, &mut self.twice);
            self.scanner.scan(&self.twice, |hash| self.tokens.add(hash));
        }
    }

    /// Turns the tokens of the group into filters.
    fn finish_group(&mut self) {
        self.tokens.settle();
        let ranges = usize::from(self.tokens.range) + 1;
        let mut counts = [0u64; SHARED + 1];
        self.tokens.iter().for_each(|(_, mask)| homes(mask).for_each(|home| counts[home] += 1));
        let mut filters = [const { Vec::new() }; SHARED + 1];
        for (home, filter) in filters.iter_mut().enumerate() {
            let bits = if home == SHARED { filter::SHARED_BITS } else { filter::RANGE_BITS };
            let blocks = filter::blocks(counts[home], bits);
            *filter = vec![0; blocks as usize * filter::BLOCK];
            if home < ranges || home == SHARED {
                self.sizes.push(blocks);
            }
        }
        for (hash, mask) in self.tokens.iter() {
            homes(mask).for_each(|home| filter::insert(&mut filters[home], hash));
        }
        filters.iter().for_each(|filter| self.filters.extend_from_slice(filter));
        self.tokens.clear();
    }

    /// The bytes of the index file.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        if self.rows > 0 {
            self.finish_group();
        }
        filter::seal(&mut self.filters, 0);
        let header = FIXED + 4 * self.sizes.len() + CHECKSUM;
        let start = header.next_multiple_of(filter::BLOCK);
        let mut file = Vec::with_capacity(start + self.filters.len());
        file.extend_from_slice(MAGIC);
        let length = u32::try_from(header).unwrap_or(u32::MAX);
        for number in [length, RULES, RANGE_ROWS as u32, GROUP_RANGES as u32] {
            file.extend_from_slice(&number.to_le_bytes());
        }
        file.extend_from_slice(&self.rows.to_le_bytes());
        file.extend_from_slice(&((start + self.filters.len()) as u64).to_le_bytes());
        self.sizes.iter().for_each(|blocks| file.extend_from_slice(&blocks.to_le_bytes()));
        let checksum = crc32c::crc32c(&file);
        file.extend_from_slice(&checksum.to_le_bytes());
        file.resize(start, 0);
        file.append(&mut self.filters);
        file
    }
}

/// The filters of a token that is in these ranges. In a group that is not full none is shared.
fn homes(ranges: u64) -> impl Iterator<Item = usize> {
    let ranges = if ranges == ALL { 1 << SHARED } else { ranges };
    (0..=SHARED).filter(move |home| ranges >> home & 1 == 1)
}

/// The different tokens of a group and the ranges they are in: open addressing, because it is asked for every token
/// that was not seen lately.
#[derive(Debug)]
struct Tokens {
    /// Hashes, with the ranges of the token in the lowest bits, a bit each. Zero: free.
    slots: Vec<u64>,
    used: usize,
    /// Odd, and different in every process: who writes log text cannot know which tokens meet here.
    secret: u64,
    /// The current range of the group.
    range: u8,
    /// Hashes that are in the table for the current range, or on their way to it, by their lower bits.
    seen: Box<[u64; SEEN]>,
    /// Hashes on their way to the table.
    fresh: [u64; FRESH],
    waiting: usize,
}

impl Tokens {
    fn new() -> Self {
        Self {
            slots: vec![0; TABLE],
            used: 0,
            secret: RandomState::new().hash_one(0u8) | 1,
            range: 0,
            seen: Box::new([0; SEEN]),
            fresh: [0; FRESH],
            waiting: 0,
        }
    }

    #[inline]
    fn add(&mut self, hash: u64) {
        let seen = &mut self.seen[(hash >> LOW.count_ones()) as usize % SEEN];
        // Whether a token was seen cannot be foretold, so there is no branch on it.
        self.fresh[self.waiting] = hash;
        self.waiting += usize::from(*seen != hash);
        *seen = hash;
        if self.waiting == FRESH {
            self.settle();
        }
    }

    /// Takes the waiting hashes into the table.
    #[inline(never)]
    fn settle(&mut self) {
        let fresh = self.fresh;
        for &hash in &fresh[..self.waiting] {
            let at = self.place(hash);
            self.used += usize::from(self.slots[at] == 0);
            self.slots[at] |= hash | 1 << self.range;
            if self.used * 4 > self.slots.len() * 3 {
                self.grow();
            }
        }
        self.waiting = 0;
    }

    /// Where the hash is or belongs.
    #[inline]
    fn place(&self, hash: u64) -> usize {
        let size = self.slots.len();
        // The table's size is a power of two: the upper bits of the product.
        let mut at = (hash.wrapping_mul(self.secret) >> (64 - size.trailing_zeros())) as usize;
        while self.slots[at] & !LOW != hash && self.slots[at] != 0 {
            at = (at + 1) & (size - 1);
        }
        at
    }

    #[cold]
    fn grow(&mut self) {
        let size = self.slots.len() * 2;
        for slot in std::mem::replace(&mut self.slots, vec![0; size]) {
            if slot != 0 {
                let at = self.place(slot & !LOW);
                self.slots[at] = slot;
            }
        }
    }

    /// Hashes and their ranges.
    fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.slots.iter().filter(|slot| **slot != 0).map(|slot| (slot & !LOW, slot & LOW))
    }

    fn next_range(&mut self) {
        self.settle();
        self.range += 1;
        self.seen.fill(0);
    }

    fn clear(&mut self) {
        self.slots.fill(0);
        self.used = 0;
        self.range = 0;
        self.seen.fill(0);
    }
}
