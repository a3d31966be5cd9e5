//! The token hash and the scan that hashes every token of a text; the rules are in the module's description.
//! It must never change without a new number of the rules: files outlive versions.

use super::tokens::{is_delimiter, tokens};

/// The first 320 bits of the fraction of π: numbers that nobody chose.
const K: [u64; 5] =
    [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344, 0xa409_3822_299f_31d0, 0x082e_fa98_ec4e_6c89, 0x4528_21e6_38d0_1377];

/// Bits of a hash that are always zero: the builder keeps a token's ranges in them. No hash is zero.
pub(super) const LOW: u64 = 15;

/// Bytes that are looked at together: one bit each in a word.
const LANE: usize = 64;

fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    let (low, high) = (product as u64, (product >> 64) as u64);
    low ^ high
}

/// Six bit numbers below 496 of a token in its block.
pub(super) fn bits(hash: u64) -> [usize; 6] {
    let g = hash.wrapping_mul(K[4] | 1);
    std::array::from_fn(|i| ((g >> (54 - 10 * i)) as usize & 1_023) * 496 / 1_024)
}

/// The token's block in a filter of `blocks` blocks.
pub(super) fn block(hash: u64, blocks: u32) -> u64 {
    ((hash >> 32) * u64::from(blocks)) >> 32
}

/// Hash of a token that is lower-cased already.
pub(super) fn hash(token: &[u8]) -> u64 {
    let mut padded = token.to_vec();
    padded.resize(token.len() + 16, 0);
    hash_at(&padded, 0, token.len())
}

/// Up to eight bytes at `at`, the rest zero.
fn word(text: &[u8], at: usize, len: usize) -> u64 {
    let bytes = text.get(at..).and_then(|t| t.first_chunk::<8>());
    let word = bytes.map_or(0, |b| u64::from_le_bytes(*b));
    word & MASKS[len.min(8)]
}

const MASKS: [u64; 9] =
    [0, 0xff, 0xffff, 0xff_ffff, 0xffff_ffff, 0xff_ffff_ffff, 0xffff_ffff_ffff, 0xff_ffff_ffff_ffff, u64::MAX];

/// Hash of the `len` bytes at `at`; at least 16 bytes must follow them.
fn hash_at(text: &[u8], mut at: usize, len: usize) -> u64 {
    let mut h = len as u64;
    let mut left = len;
    while left > 0 {
        let (a, b) = (word(text, at, left), word(text, at + 8, left.saturating_sub(8)));
        h = fold(h ^ a ^ K[0], b ^ K[1]);
        at += 16;
        left = left.saturating_sub(16);
    }
    (fold(h ^ K[2], K[3]) & !LOW).max(LOW + 1)
}

/// Finds the tokens of texts; keeps its memory between them.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    /// The text, ASCII lower-cased, with delimiters behind it.
    lower: Vec<u8>,
    /// Where tokens begin and end, in turn; what stands behind the edges of the last text is left over.
    edges: Vec<usize>,
}

impl Scanner {
    /// Calls `each` with the hash of every token of `text`, with repetitions.
    pub(super) fn scan(&mut self, text: &[u8], mut each: impl FnMut(u64)) {
        self.lower.clear();
        self.lower.extend(text.iter().map(u8::to_ascii_lowercase));
        // Whole lanes, with at least one delimiter and the bytes that `hash_at` may look at behind the last token.
        self.lower.resize((text.len() / LANE + 2) * LANE, 0);
        let edges = self.find_edges();
        let ascii = text.is_ascii();
        for &[start, end] in self.edges[..edges].as_chunks::<2>().0 {
            if ascii || self.lower[start..end].is_ascii() {
                each(hash_at(&self.lower, start, end - start));
            } else {
                wide(&self.lower[start..end], &mut each);
            }
        }
    }

    /// How many edges there are.
    fn find_edges(&mut self) -> usize {
        // Not emptied and pushed to: the loop is bound by its instructions, and a push costs three of an index.
        self.edges.resize(self.edges.len().max(self.lower.len() + 1), 0);
        let (edges, mut found, mut before) = (&mut self.edges[..], 0, 0);
        for (n, lane) in self.lower.as_chunks::<LANE>().0.iter().enumerate() {
            let inside = !delimiters(lane);
            let mut turns = inside ^ (inside << 1 | before);
            before = inside >> 63;
            while turns != 0 {
                edges[found] = n * LANE + turns.trailing_zeros() as usize;
                found += 1;
                turns &= turns - 1;
            }
        }
        found
    }
}

/// A bit for every byte that is an ASCII delimiter.
fn delimiters(lane: &[u8; LANE]) -> u64 {
    let flags = lane.map(|b| u8::from(is_delimiter(b)));
    let mut mask = 0;
    for (i, eight) in flags.as_chunks::<8>().0.iter().enumerate() {
        // Multiplying gathers the lowest bits of eight bytes in the highest byte.
        let gathered = u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        mask |= gathered << (8 * i);
    }
    mask
}

/// A run between ASCII delimiters that is not ASCII: cut and lower-cased by character, around what is no UTF-8.
#[cold]
fn wide(run: &[u8], each: &mut impl FnMut(u64)) {
    for chunk in run.utf8_chunks() {
        tokens(chunk.valid()).for_each(|token| each(hash(token.as_bytes())));
    }
}
