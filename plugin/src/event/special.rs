//! Finds where a JSON string ends or turns odd, and what of a text needs an escape in one, sixteen bytes at a time.
//!
//! It must never look behind the text, and never enter a loop for a short string: an interruptible engine pays for
//! every loop that is entered.

/// The first quote, backslash or control character at or behind `at`; the text's length where there is none.
#[inline(always)]
pub(crate) fn first_special(text: &[u8], at: usize) -> usize {
    // Most strings are short: the first two chunks are looked at without entering a loop.
    let Some(chunk) = chunk_at(text, at) else { return first_special_slow(text, at) };
    let mask = special_mask(chunk);
    if mask != 0 {
        return at + mask.trailing_zeros() as usize;
    }
    let Some(chunk) = chunk_at(text, at + 16) else { return first_special_slow(text, at + 16) };
    let mask = special_mask(chunk);
    if mask != 0 {
        return at + 16 + mask.trailing_zeros() as usize;
    }
    first_special_slow(text, at + 32)
}

#[inline(always)]
fn chunk_at(text: &[u8], at: usize) -> Option<&[u8; 16]> {
    text.get(at..).and_then(<[u8]>::first_chunk::<16>)
}

#[inline(never)]
fn first_special_slow(text: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = chunk_at(text, at) {
        let mask = special_mask(chunk);
        if mask != 0 {
            return at + mask.trailing_zeros() as usize;
        }
        at += 16;
    }
    while let Some(byte) = text.get(at) {
        if matches!(byte, b'"' | b'\\' | 0..=0x1f) {
            break;
        }
        at += 1;
    }
    at.min(text.len())
}

#[inline(always)]
fn halves(chunk: &[u8; 16]) -> (u64, u64) {
    let all = u128::from_le_bytes(*chunk);
    (all as u64, (all >> 64) as u64)
}

/// One bit for every byte of the chunk that is a quote, a backslash or a control character.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
#[inline(always)]
pub(super) fn special_mask(chunk: &[u8; 16]) -> u32 {
    use core::arch::wasm32::{i8x16_bitmask, u8x16_eq, u8x16_lt, u8x16_splat, u64x2, v128_or};
    let (low, high) = halves(chunk);
    let bytes = u64x2(low, high);
    let quote = u8x16_eq(bytes, u8x16_splat(b'"'));
    let backslash = u8x16_eq(bytes, u8x16_splat(b'\\'));
    let control = u8x16_lt(bytes, u8x16_splat(0x20));
    u32::from(i8x16_bitmask(v128_or(v128_or(quote, backslash), control)))
}

/// The same eight bytes at a time, for machines without the vector unit above.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
#[inline(always)]
pub(super) fn special_mask(chunk: &[u8; 16]) -> u32 {
    let (low, high) = halves(chunk);
    gather(special_bits(low)) | gather(special_bits(high)) << 8
}

/// Of each of these bytes one bit for every place of the chunk where it stands, once the bits of `set` are set there.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
#[inline(always)]
pub(crate) fn byte_masks<const N: usize>(chunk: &[u8; 16], set: u8, wanted: [u8; N]) -> [u32; N] {
    use core::arch::wasm32::{i8x16_bitmask, u8x16_eq, u8x16_splat, u64x2, v128_or};
    let (low, high) = halves(chunk);
    let bytes = v128_or(u64x2(low, high), u8x16_splat(set));
    wanted.map(|byte| u32::from(i8x16_bitmask(u8x16_eq(bytes, u8x16_splat(byte)))))
}

/// The same eight bytes at a time.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
#[inline(always)]
pub(crate) fn byte_masks<const N: usize>(chunk: &[u8; 16], set: u8, wanted: [u8; N]) -> [u32; N] {
    let (low, high) = halves(chunk);
    let bits = |word: u64, byte| gather(equal_bits(word | (ONES * u64::from(set)), byte) & HIGH);
    wanted.map(|byte| bits(low, byte) | bits(high, byte) << 8)
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
const HIGH: u64 = 0x8080_8080_8080_8080;
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
const ONES: u64 = 0x0101_0101_0101_0101;

/// The high bit of every byte that is `byte`; other bits mean nothing.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
#[inline(always)]
fn equal_bits(word: u64, byte: u8) -> u64 {
    let x = word ^ (ONES * u64::from(byte));
    !(((x & !HIGH) + !HIGH) | x)
}

/// The high bit of every byte that is special. Exact: a borrow cannot cross bytes, since each high bit is set first.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
#[inline(always)]
fn special_bits(word: u64) -> u64 {
    let control = !(((word & !HIGH) + ONES * 0x60) | word);
    (equal_bits(word, b'"') | equal_bits(word, b'\\') | control) & HIGH
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
#[inline(always)]
fn gather(bits: u64) -> u32 {
    ((bits >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn finds_the_same_special_byte(bytes in proptest::collection::vec(any::<u8>(), 0..64), start in 0usize..8) {
            let expected = (start.min(bytes.len())..bytes.len()).find(|i| matches!(bytes[*i], b'"' | b'\\' | 0..=0x1f)).unwrap_or(bytes.len());
            prop_assert_eq!(first_special(&bytes, start.min(bytes.len())), expected);
        }

        #[test]
        fn finds_every_byte_that_is_wanted(chunk in any::<[u8; 16]>(), at in any::<u16>()) {
            let chunk: [u8; 16] = std::array::from_fn(|i| if at >> i & 1 == 1 { b"\\[{\""[i % 4] } else { chunk[i] });
            for (set, wanted) in [(0, [b'\\', b'"']), (0x20, [b'{', b'}'])] {
                let mask = |byte| (0..16).filter(|i| chunk[*i] | set == byte).fold(0, |mask, i| mask | 1 << i);
                prop_assert_eq!(byte_masks(&chunk, set, wanted), wanted.map(mask));
            }
        }
    }
}
