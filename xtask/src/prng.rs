//! A small seeded random number generator (xoshiro256++ seeded by splitmix64), so that every generated file is the same
//! on every machine. It must never be used for keys or anything secret.

/// The generator's state. The same seed gives the same sequence, for ever.
#[derive(Clone, Debug)]
pub struct Prng([u64; 4]);

impl Prng {
    /// A generator that starts at `seed`; every seed is fine, zero included.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        let mut at = seed;
        Self(std::array::from_fn(|_| {
            at = at.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (at ^ (at >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }))
    }

    /// A generator whose seed is the FNV-1a hash of a name: a fixture keeps its ids when others are added beside it.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let hash =
            name.bytes().fold(0xcbf2_9ce4_8422_2325, |h: u64, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
        Self::seeded(hash)
    }

    /// The next 64 random bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        let s = &mut self.0;
        let out = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        out
    }

    /// A number in `0..bound`; `bound` must not be zero (zero gives zero). The bias is below one in 2^32 for small bounds.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// True with the chance `of` in a thousand.
    #[inline]
    pub fn per_mille(&mut self, of: u64) -> bool {
        self.below(1000) < of
    }

    /// Appends `digits` random hexadecimal digits, upper case as OSS writes its request ids, or lower case.
    #[inline]
    pub fn push_hex(&mut self, out: &mut Vec<u8>, digits: usize, upper: bool) {
        let alphabet: &[u8; 16] = if upper { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
        let mut left = digits;
        while left > 0 {
            let mut bits = self.bits();
            for _ in 0..left.min(16) {
                out.push(alphabet[(bits & 15) as usize]);
                bits >>= 4;
            }
            left -= left.min(16);
        }
    }

    /// `digits` random hexadecimal digits as a string.
    #[must_use]
    pub fn hex(&mut self, digits: usize, upper: bool) -> String {
        let mut out = Vec::with_capacity(digits);
        self.push_hex(&mut out, digits, upper);
        String::from_utf8_lossy(&out).into_owned()
    }
}

/// A table to draw ranks from by Zipf's law: rank `r` (from 0) has the weight `1 / (r + 1)^exponent`.
#[derive(Clone, Debug)]
pub struct Zipf(Vec<u64>);

impl Zipf {
    /// A table over `ranks` ranks; `ranks` is at least one.
    #[must_use]
    pub fn new(ranks: usize, exponent: f64) -> Self {
        let weights: Vec<f64> = (1..=ranks.max(1)).map(|r| (r as f64).powf(-exponent)).collect();
        let total: f64 = weights.iter().sum();
        let mut sum = 0.0;
        Self(
            weights
                .iter()
                .map(|w| {
                    sum += w;
                    (sum / total * u32::MAX as f64) as u64
                })
                .collect(),
        )
    }

    /// Draws one rank.
    #[inline]
    pub fn draw(&self, rng: &mut Prng) -> usize {
        let at = rng.bits() >> 32;
        self.0.partition_point(|&edge| edge < at).min(self.0.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_fixed_for_ever() {
        let mut rng = Prng::seeded(1);
        assert_eq!((rng.hex(24, true), rng.below(1000)), ("B92C30F6F70D5CFCD80EF369".to_owned(), 100));
    }

    #[test]
    fn below_stays_below_and_zipf_prefers_low_ranks() {
        let mut rng = Prng::seeded(7);
        assert!((0..10_000).all(|_| rng.below(13) < 13));
        let table = Zipf::new(60, 1.1);
        let mut seen = [0u32; 60];
        (0..100_000).for_each(|_| seen[table.draw(&mut rng)] += 1);
        assert!(seen[0] > 2 * seen[2] && seen[2] > seen[20] && seen.iter().all(|&n| n > 0));
    }
}
