//! Pieces of a range of time that people can read: whole seconds, minutes, hours, days.
//! The pieces must never leave a gap or overlap, or counts would not add up to the total.

use innertrail_api::search::TimeRange;

/// Lengths of a piece, seconds.
const LENGTHS: [i64; 24] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800,
    1_209_600, 2_592_000, 7_776_000, 31_536_000,
];

/// The bounds of the pieces, microseconds in ascending order, the range's own ends first and last; and a piece's length in seconds.
pub(crate) fn bounds(range: TimeRange, pieces: u64) -> (Vec<i64>, i64) {
    let span = range.to_us.saturating_sub(range.from_us).div_euclid(1_000_000).max(1);
    let pieces = i64::try_from(pieces).unwrap_or(i64::MAX).max(1);
    let wanted = span.saturating_add(pieces - 1) / pieces;
    let length = LENGTHS.into_iter().find(|length| *length >= wanted).unwrap_or(wanted);
    let step = length.saturating_mul(1_000_000);
    let mut bounds = vec![range.from_us];
    let mut next = range.from_us.div_euclid(step).saturating_add(1).saturating_mul(step);
    while next < range.to_us {
        bounds.push(next);
        next = next.saturating_add(step);
    }
    bounds.push(range.to_us);
    (bounds, length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_round_and_cover_the_range() {
        for (from, to, most) in
            [(0, 253_402_300_800, 120), (1_795_392_007, 1_795_395_601, 60), (5, 6, 400), (7, 900, 1)]
        {
            let range = TimeRange { from_us: from * 1_000_000, to_us: to * 1_000_000 };
            let (bounds, length) = bounds(range, most);
            assert_eq!((bounds.first(), bounds.last()), (Some(&range.from_us), Some(&range.to_us)));
            assert!(bounds.is_sorted_by(|a, b| a < b) && bounds.len() as u64 <= most + 2, "{} pieces", bounds.len());
            assert!(bounds[1..bounds.len() - 1].iter().all(|b| b % (length * 1_000_000) == 0));
        }
    }
}
