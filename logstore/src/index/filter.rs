//! One Bloom filter in blocks of 64 bytes, so that a question costs one read of one block.
//! It must never take a damaged block for a good one: a lost bit would hide a record.

use super::hash;

/// Bytes of a block: 496 bits and a checksum of 16.
pub(super) const BLOCK: usize = 64;
const BITS: usize = BLOCK - 2;
/// Filter bits for each token of one range: 0.3 % false positives, measured in the tests. A false one costs the reading of
/// 8,192 events, which in 5 million was most of a look-up with 12 bits.
pub(super) const RANGE_BITS: u64 = 15;
/// The same for tokens of all four ranges. They are few, and a false positive there costs four ranges.
pub(super) const SHARED_BITS: u64 = 16;

/// Blocks for `tokens` different tokens.
pub(super) fn blocks(tokens: u64, bits: u64) -> u32 {
    let blocks = tokens.saturating_mul(bits).div_ceil(8 * BLOCK as u64);
    u32::try_from(blocks).unwrap_or(u32::MAX)
}

/// Sets the token's bits. `filter` is empty, or whole blocks.
pub(super) fn insert(filter: &mut [u8], hash: u64) {
    let blocks = filter.as_chunks_mut::<BLOCK>().0;
    let at = hash::block(hash, u32::try_from(blocks.len()).unwrap_or(u32::MAX));
    if let Some(block) = usize::try_from(at).ok().and_then(|at| blocks.get_mut(at)) {
        hash::bits(hash).iter().for_each(|&bit| block[bit / 8] |= 1 << (bit % 8));
    }
}

/// Whether the block may hold the token.
pub(super) fn check(block: &[u8; BLOCK], hash: u64) -> bool {
    hash::bits(hash).iter().all(|&bit| block[bit / 8] & 1 << (bit % 8) != 0)
}

fn checksum(block: &[u8; BLOCK], number: u64) -> [u8; 2] {
    let crc = crc32c::crc32c_append(crc32c::crc32c(&(number as u32).to_le_bytes()), &block[..BITS]) as u16;
    crc.to_le_bytes()
}

/// Writes the checksum of every block; `first` is the number of the first one in the file.
pub(super) fn seal(filter: &mut [u8], first: u64) {
    for (block, number) in filter.as_chunks_mut::<BLOCK>().0.iter_mut().zip(first..) {
        let sum = checksum(block, number);
        block[BITS..].copy_from_slice(&sum);
    }
}

/// Whether a block is as it was written.
pub(super) fn is_good(block: &[u8; BLOCK], number: u64) -> bool {
    block[BITS..] == checksum(block, number)
}
