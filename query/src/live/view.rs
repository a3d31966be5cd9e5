//! One state of a store, and the questions it answers. It must never look at the directory again.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use innertrail_logstore::{SegmentRef, Snapshot, Store, StoredRow};

use super::filter::Filter;
use super::order::Walk;
use super::part::{Findings, Of, Part};
use super::tail::Tail;
use super::times::Group;
use super::{Counts, Engine, KnownGroups, LiveLimits, Page, Reading, TimeRange, Wanted, reading, stored};
use crate::table::LogTable;
use crate::{Error, QueryResult};

/// Rows that are decoded at once where all columns are read.
const WIDE_ROWS: usize = 32;

/// One state of a store.
#[derive(Debug)]
pub struct View {
    snapshot: Snapshot,
    store: Store,
    limits: LiveLimits,
    schema: SchemaRef,
    engine: Arc<Engine>,
    findings: Arc<Findings>,
    tail: Tail,
    /// In order of their sequence numbers.
    parts: Vec<Part>,
    groups: KnownGroups,
    /// Made when SQL is asked first.
    table: OnceLock<Arc<LogTable>>,
}

/// Rows of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// The rows in the page's order.
    pub rows: Vec<StoredRow>,
    /// Whether there was time to find them all. If not, these are the first ones all the same.
    pub complete: bool,
    /// Rows that were looked at or counted.
    pub looked_at: u64,
}

impl View {
    pub(super) fn new(
        snapshot: Snapshot,
        store: Store,
        limits: LiveLimits,
        engine: Arc<Engine>,
        findings: Arc<Findings>,
        tail: Tail,
        known: &KnownGroups,
    ) -> Result<Self, Error> {
        let mut groups = HashMap::with_capacity(snapshot.segments(store).len());
        let mut parts = Vec::new();
        for segment in snapshot.segments(store) {
            let found = known.get(&segment.first_seq).filter(|(known, _)| known.rows == segment.rows);
            let (segment, of) = match found {
                Some((segment, of)) => (Arc::clone(segment), Arc::clone(of)),
                None => (Arc::new(segment.clone()), findings.segments.groups(segment)?.into()),
            };
            parts.extend(of.iter().filter_map(|group| part(&segment, group)));
            groups.insert(segment.first_seq, (segment, of));
        }
        parts.extend(tail.batches.iter().map(|batch| Part {
            first_seq: batch.first_seq,
            rows: batch.rows.num_rows(),
            ends: batch.ends,
            of: Of::Tail(Arc::clone(batch)),
        }));
        let (schema, table) = (snapshot.schema(store), OnceLock::new());
        Ok(Self { snapshot, store, limits, schema, engine, findings, tail, parts, groups, table })
    }

    /// The view of a later snapshot.
    pub(super) fn later(&self, snapshot: Snapshot) -> Result<Self, Error> {
        let tail = self.tail.grown(&snapshot, self.store)?;
        let (engine, findings) = (Arc::clone(&self.engine), Arc::clone(&self.findings));
        Self::new(snapshot, self.store, self.limits, engine, findings, tail, &self.groups)
    }

    /// Whether a snapshot shows the same rows.
    pub(super) fn is_of(&self, snapshot: &Snapshot) -> bool {
        let of = |s: &Snapshot| (s.first_kept(self.store), s.tail_from(self.store), s.end(self.store));
        of(&self.snapshot) == of(snapshot)
    }

    /// What this is a view of.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Reads the text of a question; [`crate::search`] says what a search is. An empty text is a search for everything.
    ///
    /// # Errors
    /// [`Error::Search`], [`Error::TooLarge`].
    pub fn read(&self, text: &str) -> Result<Reading, Error> {
        reading::read(text, &self.engine.schema)
    }

    fn walk<'a>(&'a self, filter: Option<&'a Filter>, range: TimeRange) -> Walk<'a> {
        let now = Instant::now();
        let deadline = now.checked_add(self.limits.search).unwrap_or(now);
        Walk { parts: &self.parts, findings: &self.findings, filter, range, deadline }
    }

    /// A page of the rows that are wanted.
    ///
    /// # Errors
    /// [`Error::Search`] for a term that does not suit its column, [`Error::Segment`].
    pub fn page(&self, wanted: Wanted<'_>, range: TimeRange, page: Page) -> Result<Rows, Error> {
        let filter = Filter::new(&wanted, &self.engine, &self.schema)?;
        let picked = self.walk(filter.as_ref(), range).page(page)?;
        let rows = self.full(picked.rows)?;
        Ok(Rows { rows, complete: picked.complete, looked_at: picked.looked_at })
    }

    /// How many wanted rows there are between each two of `bounds`, microseconds in ascending order.
    ///
    /// # Errors
    /// As [`View::page`].
    pub fn counts(&self, wanted: Wanted<'_>, bounds: &[i64]) -> Result<Counts, Error> {
        let filter = Filter::new(&wanted, &self.engine, &self.schema)?;
        let (Some(&from_us), Some(&to_us)) = (bounds.first(), bounds.last()) else {
            return Ok(Counts { counts: Vec::new(), complete: true, looked_at: 0 });
        };
        self.walk(filter.as_ref(), TimeRange { from_us, to_us }).counts(bounds, self.limits.sql.threads)
    }

    /// The row with this sequence number between up to `back` rows before it and `forward` behind, as they were
    /// appended. Nothing when there is no such row.
    ///
    /// # Errors
    /// [`Error::Segment`].
    pub fn around(&self, seq: u64, back: u64, forward: u64) -> Result<Vec<StoredRow>, Error> {
        let (first, end) = (self.snapshot.first_kept(self.store), self.snapshot.end(self.store));
        if seq < first || seq >= end {
            return Ok(Vec::new());
        }
        let wanted = seq.saturating_sub(back).max(first)..seq.saturating_add(forward).saturating_add(1).min(end);
        self.full(wanted.filter_map(|seq| self.place(seq)).collect())
    }

    /// SQL over the wanted rows of a range of time.
    ///
    /// # Errors
    /// Any [`Error`] that is found before the first row; later ones come from the result.
    pub fn analyse(&self, wanted: Wanted<'_>, range: TimeRange, sql: &str) -> Result<QueryResult, Error> {
        let (search, needs) = wanted.condition(&self.engine, &self.schema)?;
        let filter =
            range.condition(&self.schema).into_iter().chain(search).reduce(datafusion::logical_expr::Expr::and);
        self.engine.run(&Arc::new(self.table()?.narrowed(needs)), filter, sql)
    }

    fn table(&self) -> Result<Arc<LogTable>, Error> {
        if let Some(table) = self.table.get() {
            return Ok(Arc::clone(table));
        }
        let table = LogTable::new(self.snapshot.clone(), self.store, self.engine.footers.clone())?;
        let table = Arc::new(table.with_tail(self.tail.rows()));
        Ok(Arc::clone(self.table.get_or_init(|| table)))
    }

    /// Where a row is.
    fn place(&self, seq: u64) -> Option<(usize, u32)> {
        let at = self.parts.partition_point(|part| part.first_seq <= seq).checked_sub(1)?;
        let row = seq - self.parts[at].first_seq;
        (row < self.parts[at].rows as u64).then(|| u32::try_from(row).ok().map(|row| (at, row))).flatten()
    }

    /// The rows in full, in this order, as many as may be held.
    fn full(&self, mut picked: Vec<(usize, u32)>) -> Result<Vec<StoredRow>, Error> {
        loop {
            if let Some(rows) = self.try_full(&picked)? {
                return Ok(rows);
            }
            picked.truncate(picked.len().div_ceil(2));
        }
    }

    /// `None`: more bytes than may be held.
    fn try_full(&self, picked: &[(usize, u32)]) -> Result<Option<Vec<StoredRow>>, Error> {
        // A segment is opened once, however its rows are spread over the page.
        let mut by_segment: HashMap<u64, (&Arc<SegmentRef>, Vec<usize>)> = HashMap::new();
        let mut found: HashMap<u64, StoredRow> = HashMap::with_capacity(picked.len());
        let mut room = Room { left: self.limits.page_bytes, single: picked.len() == 1 };
        for (at, row) in picked {
            match &self.parts[*at].of {
                Of::Tail(batch) => {
                    let row = stored::row(&batch.rows, *row as usize)?;
                    if !room.takes(&row) {
                        return Ok(None);
                    }
                    found.insert(row.seq, row);
                }
                Of::Group { segment, group } => {
                    let row = usize::try_from(group.rows.start).unwrap_or(usize::MAX).saturating_add(*row as usize);
                    by_segment.entry(segment.first_seq).or_insert_with(|| (segment, Vec::new())).1.push(row);
                }
            }
        }
        for (segment, mut rows) in by_segment.into_values() {
            rows.sort_unstable();
            let mut fits = true;
            self.findings.segments.full(segment, ranges(&rows).into_iter(), &self.schema, WIDE_ROWS, |batch| {
                fits = keep(&batch, &mut room, &mut found)?;
                Ok(fits)
            })?;
            if !fits {
                return Ok(None);
            }
        }
        let lost = || Error::Internal { message: "a row that was found could not be read".into() };
        let seq = |(at, row): &(usize, u32)| self.parts[*at].first_seq + u64::from(*row);
        picked.iter().map(|p| found.remove(&seq(p)).ok_or_else(lost)).collect::<Result<_, _>>().map(Some)
    }
}

/// Bytes that a page may still take.
struct Room {
    left: usize,
    single: bool,
}

impl Room {
    fn takes(&mut self, row: &StoredRow) -> bool {
        let bytes = row.payload().len();
        let fits = bytes <= self.left || self.single;
        self.left = self.left.saturating_sub(bytes);
        fits
    }
}

/// Whether all rows of the batch could be kept.
fn keep(batch: &RecordBatch, room: &mut Room, found: &mut HashMap<u64, StoredRow>) -> Result<bool, Error> {
    for at in 0..batch.num_rows() {
        let row = stored::row(batch, at)?;
        if !room.takes(&row) {
            return Ok(false);
        }
        found.insert(row.seq, row);
    }
    Ok(true)
}

fn part(segment: &Arc<SegmentRef>, group: &Group) -> Option<Part> {
    let rows = usize::try_from(group.rows.end - group.rows.start).ok().filter(|rows| *rows > 0)?;
    let of = Of::Group { segment: Arc::clone(segment), group: group.clone() };
    Some(Part { first_seq: segment.first_seq + group.rows.start, rows, ends: group.ends, of })
}

/// Sorted numbers as ranges.
fn ranges(rows: &[usize]) -> Vec<Range<usize>> {
    let mut out: Vec<Range<usize>> = Vec::new();
    for &row in rows {
        match out.last_mut() {
            Some(last) if last.end == row => last.end += 1,
            _ => out.push(row..row + 1),
        }
    }
    out
}
