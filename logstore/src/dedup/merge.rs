//! Sorted inputs in one order, and how a flush divides the work so that none has to rewrite everything.
//! It must never leave out an entry whose record is there.

use std::ops::Range;

use super::entry::{Entry, KEY_BITS, Key};
use super::run::{Damage, Entries, Run};

/// New entries, the middle run and some slices, merged.
pub(super) struct Merge<'a> {
    fresh: std::slice::Iter<'a, Entry>,
    middle: Option<Entries<'a>>,
    slices: Vec<Entries<'a>>,
    /// The next entry of each of the three.
    heads: [Option<Entry>; 3],
}

impl<'a> Merge<'a> {
    /// `slices` in the order of their keys.
    pub(super) fn new(
        fresh: &'a [Entry],
        middle: Option<&'a Run>,
        slices: impl DoubleEndedIterator<Item = &'a Run>,
    ) -> Result<Self, Damage> {
        let slices = slices.rev().map(Run::entries).collect();
        let mut merge = Self { fresh: fresh.iter(), middle: middle.map(Run::entries), slices, heads: [None; 3] };
        for input in 0..3 {
            merge.heads[input] = merge.pull(input)?;
        }
        Ok(merge)
    }

    /// The next entry; of equal keys each is yielded.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, Damage> {
        let mut least: Option<(Entry, usize)> = None;
        for (input, head) in self.heads.iter().enumerate() {
            if let Some(entry) = head.filter(|entry| least.is_none_or(|(least, _)| *entry < least)) {
                least = Some((entry, input));
            }
        }
        let Some((entry, input)) = least else { return Ok(None) };
        self.heads[input] = self.pull(input)?;
        Ok(Some(entry))
    }

    fn pull(&mut self, input: usize) -> Result<Option<Entry>, Damage> {
        match input {
            0 => Ok(self.fresh.next().copied()),
            1 => self.middle.as_mut().map_or(Ok(None), Entries::next),
            _ => {
                while let Some(slice) = self.slices.last_mut() {
                    match slice.next()? {
                        None => self.slices.pop(),
                        some => return Ok(some),
                    };
                }
                Ok(None)
            }
        }
    }
}

/// What a flush does: everything of some slices' range goes into new slices, the rest into a new middle run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// The slices that are replaced.
    pub(super) slices: Range<usize>,
    /// Their range of keys; empty when only the middle run is written.
    pub(super) keys: Range<Key>,
    /// Entries of each new slice.
    pub(super) piece: u64,
}

/// Divides the work of a flush of `fresh` ids over a middle run and slices (first key, entries, number of the file).
///
/// Each flush writes the middle run again and takes the slice that has not been written for longest with it, with all
/// that the middle run holds of its keys. With n ids in all and flushes of f, a middle run of t = √(n·f/2) and slices
/// as large cost the least: 2·t entries a flush, so √(2n/f) times each id in all, and never everything at once.
pub(super) fn plan(fresh: u64, flush: u64, middle: u64, slices: &[(Key, u64, u64)]) -> Plan {
    let held: u64 = middle + slices.iter().map(|(_, entries, _)| entries).sum::<u64>();
    let all = held + fresh;
    let target = (all.saturating_mul(flush) / 2).isqrt().max(flush).max(1);
    let end: Key = 1 << KEY_BITS;
    if slices.is_empty() {
        let big = middle + fresh >= 2 * target;
        let pieces = (all / target).max(1);
        return Plan { slices: 0..0, keys: 0..if big { end } else { 0 }, piece: all.div_ceil(pieces) };
    }
    if middle + fresh <= target {
        return Plan { slices: 0..0, keys: 0..0, piece: target };
    }
    // Numbers ascend in the order of writing.
    let oldest = (0..slices.len()).min_by_key(|i| slices[*i].2).unwrap_or(0);
    let mut last = oldest;
    let mut taken = slices[oldest].1;
    // Slices that shrank are put together.
    while let Some((_, entries, _)) = slices.get(last + 1).filter(|(_, entries, _)| taken + entries <= target) {
        taken += entries;
        last += 1;
    }
    let from = if oldest == 0 { 0 } else { slices[oldest].0 };
    let to = slices.get(last + 1).map_or(end, |(first, ..)| *first);
    // What comes from the middle run is estimated: keys are uniform.
    let share = (middle + fresh) as f64 * ((to - from) as f64 / end as f64);
    let taken = taken + share as u64;
    let pieces = ((taken + target / 2) / target).max(1);
    Plan { slices: oldest..last + 1, keys: from..to, piece: taken.div_ceil(pieces).max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What flushes cost over the growth of an index from nothing to 360 flushes.
    #[test]
    fn no_flush_rewrites_everything_and_the_sum_stays_near_the_square_root() {
        let flush = 1_000u64;
        let (mut middle, mut slices) = (Vec::<Key>::new(), Vec::<(Key, Vec<Key>, u64)>::new());
        let (mut written, mut most, mut number) = (0, 0, 0);
        for round in 0..360u128 {
            let sizes: Vec<_> =
                slices.iter().map(|(first, keys, number)| (*first, keys.len() as u64, *number)).collect();
            let plan = plan(flush, flush, middle.len() as u64, &sizes);
            // Keys as uniform as hashes are: multiples of an odd number.
            middle.extend((0..u128::from(flush)).map(|n| {
                (round * u128::from(flush) + n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c) % (1 << KEY_BITS)
            }));
            let mut taken: Vec<Key> = slices[plan.slices.clone()].iter().flat_map(|slice| slice.1.clone()).collect();
            taken.extend(middle.extract_if(.., |key| plan.keys.contains(key)));
            taken.sort_unstable();
            let cost = middle.len() + taken.len();
            let pieces = taken.chunks(plan.piece as usize).map(|piece| {
                number += 1;
                (piece[0], piece.to_vec(), number)
            });
            slices.splice(plan.slices, pieces.collect::<Vec<_>>());
            written += cost;
            most = most.max(cost);
            assert!(slices.is_sorted_by_key(|slice| slice.0));
        }
        let all = 360_000;
        assert_eq!(slices.iter().map(|slice| slice.1.len()).sum::<usize>() + middle.len(), all);
        insta::assert_snapshot!(format!(
            "{} slices, middle {}, largest flush {} %, each id written {} times",
            slices.len(), middle.len(), most * 100 / all, written / all,
        ), @"64 slices, middle 16049, largest flush 9 %, each id written 17 times");
    }
}
