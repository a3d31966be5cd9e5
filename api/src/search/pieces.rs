//! The pieces of a histogram. The same range must always give the same ones.

use serde::Serialize;

use crate::ApiError;

/// Pieces of a range for which no length is asked for.
const PIECES: i64 = 60;
/// The most pieces.
const MAX_PIECES: i64 = 10_000;

/// A piece with its count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Piece {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) count: u64,
    pub(super) progress: &'static str,
}

/// The ends of pieces of equal length, whole seconds: of the length asked for, else of the one that gives from 30 to 60
/// without a rest; where there is none, or with a length asked for, the last one is shorter.
pub(super) fn bounds(from: i64, to: i64, interval: Option<i64>) -> Result<Vec<i64>, ApiError> {
    let span = i128::from(to) - i128::from(from);
    let step = match interval.filter(|length| *length > 0) {
        Some(length) => i128::from(length),
        None => even_step(span),
    };
    if span.div_euclid(step) >= i128::from(MAX_PIECES) {
        let message = format!("interval gives more than {MAX_PIECES} pieces; ask for a longer one or a shorter range");
        return Err(ApiError::parameter(message));
    }
    let mut bounds = Vec::new();
    let mut at = i128::from(from);
    while at < i128::from(to) {
        bounds.push(i64::try_from(at).unwrap_or(to));
        at += step;
    }
    bounds.push(to);
    Ok(bounds)
}

fn even_step(span: i128) -> i128 {
    let most = i128::from(PIECES).min(span).max(1);
    let even = (most.min(30)..=most).rev().find(|pieces| span % pieces == 0);
    let rest = (span + i128::from(PIECES) - 1) / i128::from(PIECES);
    even.map_or(rest.max(1), |pieces| span / pieces)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn lengths(from: i64, to: i64, interval: Option<i64>) -> Vec<i64> {
        bounds(from, to, interval).unwrap().windows(2).map(|w| w[1] - w[0]).collect()
    }

    #[test]
    fn pieces_are_equal_and_cover_the_range() {
        assert_eq!(lengths(1_000, 1_900, None), [15; 60]);
        assert_eq!(lengths(7, 3_607, None), [60; 60]);
        assert_eq!(lengths(0, 1, None), [1]);
        assert_eq!(lengths(0, 59, None), [1; 59]);
        assert_eq!(lengths(0, 100, None), [2; 50]);
        // 3,607 is a prime.
        let odd = lengths(0, 3_607, None);
        assert_eq!((odd.len(), odd[0], odd.iter().sum::<i64>()), (60, 61, 3_607));
        assert!(odd[..59].iter().all(|l| *l == 61) && odd[59] == 8);
        assert_eq!(lengths(0, 100, Some(30)), [30, 30, 30, 10]);
        assert_eq!(lengths(0, 100, Some(0)), [2; 50]);
        for (from, to) in [(i64::MIN, i64::MAX), (0, i64::MAX), (-5, 4_102_444_800)] {
            let ends = bounds(from, to, None).unwrap();
            assert!(ends.len() <= 62 && ends[0] == from && *ends.last().unwrap() == to, "{ends:?}");
            assert!(ends.windows(2).all(|w| w[0] < w[1]));
        }
        assert_eq!(bounds(0, 100_000, Some(1)).unwrap_err().code, "ParameterInvalid");
    }
}
