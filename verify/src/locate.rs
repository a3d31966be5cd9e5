//! Which records of a segment are not the ones that were sealed, from two bytes of each sealed leaf hash.
//! It must never claim more than the prefixes show: they name a place, the tree is the proof.

use std::ops::Range;

use crate::tree::Hash;

/// The first two bytes of a leaf hash.
pub(crate) type Prefix = [u8; 2];

/// How the records differ. Places are those of the sealed records, from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Difference {
    /// No prefix differs.
    None,
    /// These have another content.
    Changed(Vec<usize>),
    /// These are missing.
    Removed(Vec<usize>),
    /// `count` records were put in before this place.
    Inserted { before: usize, count: usize },
    /// The same records in another order.
    Reordered(Range<usize>),
    /// Something of all that, within this range of sealed records.
    Mixed(Range<usize>),
}

/// Compares what was sealed with what is there.
pub(crate) fn compare(sealed: &[Prefix], found: &[Hash]) -> Difference {
    let found: Vec<Prefix> = found.iter().map(|hash| [hash[0], hash[1]]).collect();
    let same = |a: &[Prefix], b: &[Prefix]| a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let start = same(sealed, &found);
    let backwards = sealed[start..].iter().rev().zip(found[start..].iter().rev());
    let tail = backwards.take_while(|(x, y)| x == y).count();
    let window = start..sealed.len() - tail;
    let (old, new) = (&sealed[window.clone()], &found[start..found.len() - tail]);
    let at = |places: Vec<usize>| places.into_iter().map(|place| start + place).collect();
    if old.len() == new.len() {
        return match old.len() {
            0 => Difference::None,
            _ if sorted(old) == sorted(new) => Difference::Reordered(window),
            _ => Difference::Changed(at((0..old.len()).filter(|i| old[*i] != new[*i]).collect())),
        };
    }
    if old.is_empty() {
        return Difference::Inserted { before: start, count: new.len() };
    }
    match left_over(old, new) {
        Some(places) => Difference::Removed(at(places)),
        None => Difference::Mixed(window),
    }
}

fn sorted(prefixes: &[Prefix]) -> Vec<Prefix> {
    let mut sorted = prefixes.to_vec();
    sorted.sort_unstable();
    sorted
}

/// The places of `long` that are not in `short`, when `short` is `long` with some left out.
fn left_over(long: &[Prefix], short: &[Prefix]) -> Option<Vec<usize>> {
    let mut wanted = short.iter().peekable();
    let missing = (0..long.len()).filter(|i| wanted.next_if(|w| **w == long[*i]).is_none()).collect();
    wanted.peek().is_none().then_some(missing)
}
