//! How many rows match in each piece of a range of time.
//! It must never count a row twice or in another piece than its time says.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use super::order::Walk;
use crate::Error;

/// The rows of each piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// One for each piece.
    pub counts: Vec<u64>,
    /// Whether there was time to count them all.
    pub complete: bool,
    /// Rows that were looked at or counted.
    pub looked_at: u64,
}

impl Walk<'_> {
    /// Counts between each two of `bounds`, microseconds in ascending order. A part is counted as a whole where it lies
    /// within one piece. `threads` share the work where texts have to be read.
    pub(super) fn counts(&self, bounds: &[i64], threads: usize) -> Result<Counts, Error> {
        let shared = Shared {
            next: AtomicUsize::new(0),
            late: AtomicBool::new(false),
            looked_at: AtomicU64::new(0),
            pieces: bounds.len().saturating_sub(1),
        };
        let threads = if self.filter.is_some() { threads.clamp(1, self.parts.len().max(1)) } else { 1 };
        let all: Vec<Result<Vec<u64>, Error>> = if threads == 1 {
            vec![self.count_parts(bounds, &shared)]
        } else {
            std::thread::scope(|scope| {
                let threads: Vec<_> = (0..threads).map(|_| scope.spawn(|| self.count_parts(bounds, &shared))).collect();
                let gone = || Err(Error::Internal { message: "a counting thread ended without a word".into() });
                threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| gone())).collect()
            })
        };
        let mut counts = vec![0; shared.pieces];
        for some in all {
            counts.iter_mut().zip(some?).for_each(|(sum, count)| *sum += count);
        }
        let complete = !shared.late.into_inner();
        Ok(Counts { counts, complete, looked_at: shared.looked_at.into_inner() })
    }

    fn count_parts(&self, bounds: &[i64], shared: &Shared) -> Result<Vec<u64>, Error> {
        let mut counts = vec![0; shared.pieces];
        loop {
            let at = shared.next.fetch_add(1, Ordering::Relaxed);
            let Some(part) = self.parts.get(at) else { return Ok(counts) };
            if !self.range.meets(part.ends) {
                continue;
            }
            if Instant::now() >= self.deadline {
                shared.late.store(true, Ordering::Relaxed);
                return Ok(counts);
            }
            shared.looked_at.fetch_add(part.rows as u64, Ordering::Relaxed);
            self.count_part(at, bounds, &mut counts, shared)?;
        }
    }

    fn count_part(&self, at: usize, bounds: &[i64], counts: &mut [u64], shared: &Shared) -> Result<(), Error> {
        let part = &self.parts[at];
        let Some(filter) = self.filter else {
            let (first, last) = (piece(bounds, part.ends.least), piece(bounds, part.ends.most));
            if let (Some(piece), true) = (first, first == last && self.range.holds_all(part.ends)) {
                counts[piece] += part.rows as u64;
                return Ok(());
            }
            let times = self.findings.times(part)?;
            times.iter().filter(|t| self.range.holds(**t)).for_each(|t| add(counts, bounds, *t));
            return Ok(());
        };
        let mut chunks = Vec::new();
        self.divide(at, filter, |chunk, _| chunks.push(chunk))?;
        for chunk in chunks {
            if Instant::now() >= self.deadline {
                shared.late.store(true, Ordering::Relaxed);
                return Ok(());
            }
            let matches = self.findings.matches(part, chunk, filter)?;
            matches.iter().filter(|m| self.range.holds(m.time)).for_each(|m| add(counts, bounds, m.time));
        }
        Ok(())
    }
}

/// What the threads share.
struct Shared {
    next: AtomicUsize,
    late: AtomicBool,
    looked_at: AtomicU64,
    pieces: usize,
}

/// The piece that a time is in.
fn piece(bounds: &[i64], time: i64) -> Option<usize> {
    let piece = bounds.partition_point(|bound| *bound <= time).checked_sub(1)?;
    (piece + 1 < bounds.len()).then_some(piece)
}

fn add(counts: &mut [u64], bounds: &[i64], time: i64) {
    if let Some(count) = piece(bounds, time).and_then(|piece| counts.get_mut(piece)) {
        *count += 1;
    }
}
