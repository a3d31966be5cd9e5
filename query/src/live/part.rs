//! Rows that lie together and are read together: a row group of a segment, or a batch of the tail. What is worked out
//! about a piece of them is kept, because neither ever changes.
//! It must never give an answer about rows without having looked at each of them, or at what excludes it.

use std::ops::Range;
use std::sync::Arc;

use innertrail_logstore::SegmentRef;

use super::cache::Cache;
use super::filter::Filter;
use super::segment::Segments;
use super::tail::TailBatch;
use super::times::{Ends, Group};
use crate::Error;

/// Rows about which a question is answered at once: some 2.5 MB of events.
pub(super) const CHUNK: usize = 2_048;
/// Memory for ends of chunks and places of matches, in bytes, of each.
const KEPT_BYTES: usize = 32 * 1024 * 1024;

/// A row group, or a batch of the tail.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) first_seq: u64,
    pub(super) rows: usize,
    pub(super) ends: Ends,
    pub(super) of: Of,
}

/// Where a part is.
#[derive(Debug, Clone)]
pub(super) enum Of {
    Group { segment: Arc<SegmentRef>, group: Group },
    Tail(Arc<TailBatch>),
}

/// A row that matches: its time, and its place in its chunk. Not in its part: a chunk may be the same in two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) time: i64,
    pub(super) row: u32,
}

/// A filter's name, the first row and the number of rows.
type Question = (Arc<str>, u64, usize);

/// What was found out about parts.
#[derive(Debug)]
pub(super) struct Findings {
    pub(super) segments: Segments,
    ends: Cache<(u64, usize), [Ends]>,
    matches: Cache<Question, [Match]>,
    candidates: Cache<Question, [Range<u64>]>,
}

impl Findings {
    pub(super) fn new() -> Self {
        let (ends, matches, candidates) = (Cache::new(KEPT_BYTES), Cache::new(KEPT_BYTES), Cache::new(KEPT_BYTES));
        Self { segments: Segments::new(), ends, matches, candidates }
    }

    /// The time of each row.
    pub(super) fn times(&self, part: &Part) -> Result<Arc<[i64]>, Error> {
        match &part.of {
            Of::Group { segment, group } => self.segments.times(segment, group),
            Of::Tail(batch) => Ok(Arc::clone(&batch.times)),
        }
    }

    /// The ends of each chunk.
    pub(super) fn ends(&self, part: &Part) -> Result<Arc<[Ends]>, Error> {
        let key = (part.first_seq, part.rows);
        if let Some(known) = self.ends.get(&key) {
            return Ok(known);
        }
        let times = self.times(part)?;
        let ends: Arc<[Ends]> = times.chunks(CHUNK).filter_map(|c| Ends::of(c.iter().copied())).collect();
        self.ends.put(key, Arc::clone(&ends), size_of_val(&*ends));
        Ok(ends)
    }

    /// The chunks in which rows may match.
    pub(super) fn chunks(&self, part: &Part, filter: &Filter) -> Result<Vec<usize>, Error> {
        let all = 0..part.rows.div_ceil(CHUNK);
        let Of::Group { segment, group } = &part.of else { return Ok(all.collect()) };
        let Some(candidates) = self.candidates(segment, filter) else { return Ok(all.collect()) };
        let meets = |chunk: &usize| {
            let rows = rows_of(part, *chunk);
            candidates.iter().any(|c| !clipped(c, group, &rows).is_empty())
        };
        Ok(all.filter(meets).collect())
    }

    /// The rows of a segment that may match; `None` when the token index cannot tell.
    fn candidates(&self, segment: &SegmentRef, filter: &Filter) -> Option<Arc<[Range<u64>]>> {
        if filter.needs.is_nothing() {
            return None;
        }
        let key = (Arc::clone(&filter.name), segment.first_seq, 0);
        self.candidates.get(&key).or_else(|| {
            // Without an index nothing is kept: it may still come.
            let found: Arc<[Range<u64>]> = filter.needs.rows(segment)?.into();
            self.candidates.put(key, Arc::clone(&found), size_of_val(&*found));
            Some(found)
        })
    }

    /// The rows of a chunk that match, in order of their place.
    pub(super) fn matches(&self, part: &Part, chunk: usize, filter: &Filter) -> Result<Arc<[Match]>, Error> {
        let rows = rows_of(part, chunk);
        let key = (Arc::clone(&filter.name), part.first_seq + rows.start as u64, rows.len());
        if let Some(known) = self.matches.get(&key) {
            return Ok(known);
        }
        let places = match &part.of {
            Of::Group { segment, group } => self.places(segment, group, rows.clone(), filter)?,
            Of::Tail(batch) => {
                let some = filter.of(&batch.rows.slice(rows.start, rows.len()))?;
                let base = u32::try_from(rows.start).unwrap_or(u32::MAX);
                filter.matching(&some)?.into_iter().map(|row| base + row).collect()
            }
        };
        let times = if places.is_empty() { None } else { Some(self.times(part)?) };
        let time = |row: u32| times.as_ref().and_then(|t| t.get(row as usize)).copied().unwrap_or(i64::MIN);
        let base = u32::try_from(rows.start).unwrap_or(u32::MAX);
        let found: Arc<[Match]> =
            places.into_iter().map(|row| Match { time: time(row), row: row.saturating_sub(base) }).collect();
        self.matches.put(key, Arc::clone(&found), size_of_val(&*found));
        Ok(found)
    }

    fn places(
        &self,
        segment: &SegmentRef,
        group: &Group,
        rows: Range<usize>,
        filter: &Filter,
    ) -> Result<Vec<u32>, Error> {
        let read: Vec<Range<usize>> = match self.candidates(segment, filter) {
            None => vec![rows],
            Some(found) => found.iter().map(|c| clipped(c, group, &rows)).filter(|r| !r.is_empty()).collect(),
        };
        if read.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        let mut places = read.iter().cloned().flatten();
        for batch in self.segments.narrow(segment, group, &read, &filter.columns)? {
            let here: Vec<usize> = places.by_ref().take(batch.num_rows()).collect();
            for row in filter.matching(&batch)? {
                let place = here.get(row as usize).and_then(|&place| u32::try_from(place).ok());
                found.push(
                    place.ok_or_else(|| Error::Internal { message: "more rows were read than asked for".into() })?,
                );
            }
        }
        Ok(found)
    }
}

fn rows_of(part: &Part, chunk: usize) -> Range<usize> {
    let start = chunk * CHUNK;
    start..(start + CHUNK).min(part.rows)
}

/// Rows of a segment, as far as they are in these rows of the group; counted from the group's first.
fn clipped(of_segment: &Range<u64>, group: &Group, rows: &Range<usize>) -> Range<usize> {
    let within = |row: u64| usize::try_from(row.saturating_sub(group.rows.start)).unwrap_or(usize::MAX);
    let (start, end) = (within(of_segment.start).max(rows.start), within(of_segment.end).min(rows.end));
    start..end.max(start)
}
