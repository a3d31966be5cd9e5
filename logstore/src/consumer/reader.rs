//! Reading on from a cursor, and waiting for what comes.
//! It must never hand out a record that is not known to be durable, and never leave one out without saying so.
//!
//! Waiting looks at the log file after 5 ms, then after twice as long each time, up to 200 ms; a new record sets it back.
//! Together with the look that proves the last frame (see `follow.rs`) a record of another process is seen within about
//! 0.4 s after a rest, and within milliseconds under load. [`Notify`] makes it immediate within one process.
//! Waiting uses the process's own timer; nothing that is stored or handed out depends on it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::consumer::cursor::{Cursor, tag_of};
use crate::consumer::follow::{self, Ends, Follower, Look};
use crate::consumer::{ConsumerError, Notify, TailPage, arrival, tail};
use crate::scan::SegmentRows;
use crate::segment::SegmentRef;
use crate::{Error, Snapshot, Store, StoredRow};

/// The shortest and the longest pause between two looks at the log.
const PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(200));

/// Rows read from the files at a time.
const CHUNK: usize = 1024;

/// A pull of at least so many rows reads its segment on and on; a smaller one would decode more than it hands out.
const STREAMED: usize = 256;

/// How a reader learns what is durable.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ReaderOptions {
    /// The writer's handle, when it lives in this process and writes the same directory. Default: none.
    pub notify: Option<Notify>,
    /// How the write-ahead log is synced before its last frame is handed out. Default: `fdatasync`. For tests.
    pub sync: fn(&File) -> io::Result<()>,
}

impl Default for ReaderOptions {
    fn default() -> Self {
        Self { notify: None, sync: File::sync_data }
    }
}

/// What one pull gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Durable records in append order, without a gap from the cursor on. Empty when there is nothing new.
    pub rows: Vec<StoredRow>,
    /// Where to go on; the cursor that was given when there is nothing new.
    pub next: Cursor,
    /// Whether the page reaches what was known to be durable when it was read.
    pub at_end: bool,
}

/// Reads one data directory in append order, beside a writer or without one. Takes no lock, writes nothing.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    snapshot: Snapshot,
    follower: Follower,
    options: ReaderOptions,
    /// What `seal/checkpoint` said last.
    checkpointed: Ends,
    /// Whether the log changed since the snapshot was taken.
    stale: bool,
    pause: Duration,
    tag: u16,
    /// The segment that the last pull stopped in: opening it again would cost more than reading a page of it.
    open: Option<SegmentRows>,
}

impl Reader {
    /// Opens a data directory.
    ///
    /// # Errors
    /// As [`Snapshot::open`].
    pub fn open(dir: &Path, options: ReaderOptions) -> Result<Self, ConsumerError> {
        let mut follower = Follower::new(dir, options.sync);
        // Before the snapshot, so that the file is open before later frames begin.
        follower.look()?;
        let snapshot = Snapshot::open(dir)?;
        let tag = tag_of(&snapshot);
        let checkpointed = follow::checkpoint(dir, snapshot.trail());
        Ok(Self {
            dir: dir.to_path_buf(),
            snapshot,
            follower,
            options,
            checkpointed,
            stale: false,
            pause: PAUSE.0,
            tag,
            open: None,
        })
    }

    /// The view that pulls read from. It may show records that are not yet known to be durable.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Before the first record that is kept.
    #[must_use]
    pub fn begin(&self, store: Store) -> Cursor {
        self.cursor(store, self.first_kept(store))
    }

    /// Behind the last record that is known to be durable now. Does not look for new ones; see [`Reader::refresh`].
    #[must_use]
    pub fn end(&self, store: Store) -> Cursor {
        self.cursor(store, self.durable_end(store))
    }

    /// Before the `count` newest durable records, or at the begin when fewer are kept.
    #[must_use]
    pub fn newest(&self, store: Store, count: u64) -> Cursor {
        let first = self.durable_end(store).saturating_sub(count).max(self.first_kept(store));
        self.cursor(store, first)
    }

    /// Before the first record, in append order, that was *received* at or after `received_us` (microseconds UTC); at
    /// the end when there is none. The event's own time does not matter here. If the clock was set back in between,
    /// records received earlier may follow; none received later comes before.
    ///
    /// # Errors
    /// As [`Snapshot::scan_batches`].
    pub fn at_time(&mut self, store: Store, received_us: i64) -> Result<Cursor, ConsumerError> {
        self.refresh()?;
        let found = arrival::first_received(&self.snapshot, store, received_us)?;
        Ok(self.cursor(store, found.unwrap_or(u64::MAX).min(self.durable_end(store))))
    }

    /// When the record behind the cursor was received, microseconds UTC; `None` at the end.
    ///
    /// # Errors
    /// As [`Reader::pull`].
    pub fn received_at(&mut self, cursor: Cursor) -> Result<Option<i64>, ConsumerError> {
        Ok(self.pull(cursor, 1, 1)?.rows.first().map(|row| row.received_us))
    }

    /// Reads the text of a cursor that a consumer of `store` gave, and checks it as [`Reader::pull`] would.
    ///
    /// # Errors
    /// [`ConsumerError::NotACursor`], and those of a cursor in [`Reader::pull`].
    pub fn parse(&mut self, store: Store, text: &str) -> Result<Cursor, ConsumerError> {
        let cursor = Cursor::parse(text).ok_or(ConsumerError::NotACursor)?;
        let tag = self.tag;
        if cursor.tag() == tag && cursor.store() != store {
            return Err(ConsumerError::OtherStore { found: cursor.store(), wanted: store });
        }
        self.check(cursor)?;
        Ok(cursor)
    }

    /// Records that can be seen but are not yet known to be durable, so that no pull gives them.
    #[must_use]
    pub fn withheld(&self, store: Store) -> u64 {
        self.snapshot.end(store).saturating_sub(self.durable_end(store))
    }

    /// Up to `max_rows` durable records from the cursor on, and no more than `max_bytes` of payload, except that one
    /// record is always given. Looks for new records when those it knows of are exhausted. Memory: the page, and
    /// at the most one segment beside it.
    ///
    /// # Errors
    /// [`ConsumerError::OtherTrail`], [`ConsumerError::Expired`] when retention was faster, [`ConsumerError::Beyond`];
    /// [`Error::Write`] when the last frame could not be made durable; else as [`Snapshot::scan_rows`].
    pub fn pull(&mut self, cursor: Cursor, max_rows: usize, max_bytes: usize) -> Result<Page, ConsumerError> {
        self.check(cursor)?;
        if cursor.seq() >= self.durable_end(cursor.store()) {
            self.refresh()?;
        }
        match self.read(cursor, max_rows, max_bytes) {
            Ok(page) => Ok(page),
            Err(_) => {
                self.open = None;
                // Retention may have removed a segment since the snapshot was taken.
                self.snapshot = self.snapshot.refresh()?;
                self.check(cursor)?;
                Ok(self.read(cursor, max_rows, max_bytes)?)
            }
        }
    }

    /// Up to `max_rows` durable records from the cursor on, in place, when the tail has them; `None` when a segment does:
    /// then [`Reader::pull`] reads it. Looks for new records when those it knows of are exhausted. Copies nothing.
    ///
    /// # Errors
    /// As [`Reader::pull`].
    pub fn tail(&mut self, cursor: Cursor, max_rows: usize) -> Result<Option<TailPage<'_>>, ConsumerError> {
        self.check(cursor)?;
        let store = cursor.store();
        if cursor.seq() >= self.durable_end(store) {
            self.refresh()?;
        }
        if cursor.seq() < self.snapshot.tail_from(store) {
            return Ok(None);
        }
        let end = self.durable_end(store);
        tail::page(&self.snapshot, cursor, end, max_rows.max(1)).map(Some)
    }

    /// Waits until there are durable records behind the cursor, at most for `timeout`. `true` when there are.
    ///
    /// # Errors
    /// As [`Reader::pull`].
    pub fn wait(&mut self, cursor: Cursor, timeout: Duration) -> Result<bool, ConsumerError> {
        let begun = Instant::now();
        let store = cursor.store();
        let mut withheld = 0;
        self.check(cursor)?;
        loop {
            // Before the look, so that a commit in between ends the rest at once.
            let told = self.told(store);
            if cursor.seq() >= self.durable_end(store) {
                self.refresh()?;
            }
            if cursor.seq() < self.durable_end(store) {
                self.pause = PAUSE.0;
                return Ok(true);
            }
            let left = timeout.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Ok(false);
            }
            // What came and only waits for proof is looked at again soon.
            if self.withheld(store) > withheld {
                self.pause = PAUSE.0;
            }
            withheld = self.withheld(store);
            let pause = self.pause.min(left);
            match &self.options.notify {
                Some(notify) => notify.wait(store, told, pause),
                None => std::thread::sleep(pause),
            }
            self.pause = (self.pause * 2).min(PAUSE.1);
        }
    }

    /// Looks for new records. Cheap when there are none.
    ///
    /// # Errors
    /// As [`Snapshot::refresh`]; [`Error::Write`] when the last frame could not be made durable. That is said once, and
    /// the frame is held back until something else proves it.
    pub fn refresh(&mut self) -> Result<(), ConsumerError> {
        self.stale |= self.follower.look()? == Look::Changed;
        if self.stale {
            self.snapshot = self.snapshot.refresh()?;
            self.stale = false;
        }
        if self.any_withheld() {
            self.checkpointed = follow::checkpoint(&self.dir, self.snapshot.trail());
        }
        if self.any_withheld() {
            self.follower.prove_last()?;
        }
        Ok(())
    }

    fn any_withheld(&self) -> bool {
        Store::ALL.iter().any(|store| self.withheld(*store) > 0)
    }

    /// What the writer of this process acknowledged.
    fn told(&self, store: Store) -> u64 {
        self.options.notify.as_ref().map_or(0, |n| n.acknowledged(store))
    }

    fn cursor(&self, store: Store, seq: u64) -> Cursor {
        Cursor::new(self.tag, store, seq)
    }

    fn first_kept(&self, store: Store) -> u64 {
        self.snapshot.first_kept(store)
    }

    fn durable_end(&self, store: Store) -> u64 {
        let proven = self.follower.proven(store).max(self.checkpointed[store.place()]).max(self.told(store));
        proven.max(self.snapshot.tail_from(store)).min(self.snapshot.end(store))
    }

    /// A place behind what can be seen may be new; a place behind that does not exist.
    fn check(&mut self, cursor: Cursor) -> Result<(), ConsumerError> {
        let (store, at) = (cursor.store(), cursor.seq());
        if cursor.tag() != self.tag {
            return Err(ConsumerError::OtherTrail { trail: self.snapshot.trail().to_owned() });
        }
        if at > self.snapshot.end(store) {
            self.refresh()?;
        }
        in_bounds(store, at, self.first_kept(store), self.snapshot.end(store))
    }

    fn read(&mut self, cursor: Cursor, max_rows: usize, max_bytes: usize) -> Result<Page, Error> {
        let store = cursor.store();
        let end = self.durable_end(store);
        let max_rows = max_rows.max(1);
        let (mut rows, mut next, mut bytes) = (Vec::<StoredRow>::new(), cursor.seq(), 0usize);
        'page: while next < end && rows.len() < max_rows {
            let limit = usize::try_from(end - next).unwrap_or(usize::MAX).min(max_rows - rows.len());
            let room = if rows.is_empty() { None } else { Some(max_bytes.saturating_sub(bytes)) };
            let read = match self.segment_of(store, next) {
                Some(segment) if max_rows >= STREAMED => {
                    self.stream(&segment, (store, next), limit, max_bytes, room)?
                }
                Some(segment) => {
                    let left = usize::try_from(segment.end() - next).unwrap_or(usize::MAX);
                    self.snapshot.scan_rows(store, next, limit.min(left).min(CHUNK))?
                }
                None => self.snapshot.scan_rows(store, next, limit.min(CHUNK))?,
            };
            if read.is_empty() {
                break;
            }
            for row in read {
                if row.seq != next {
                    let path = self.dir.join(store.name());
                    let what = format!("record {next} was expected, record {} found", row.seq);
                    return Err(Error::corrupt(&path, 0, what));
                }
                bytes = bytes.saturating_add(row.payload().len());
                if bytes > max_bytes && !rows.is_empty() {
                    break 'page;
                }
                next += 1;
                rows.push(row);
            }
        }
        if next >= end {
            // Who has everything may rest for long, and a rest costs no memory.
            self.open = None;
        }
        Ok(Page { rows, next: cursor.at(next), at_end: next >= end })
    }

    /// Rows of one segment, up to `limit` of them. `room` is how many bytes there still are; an empty page has none
    /// and takes one row in any case. What does not fit is given next time.
    fn stream(
        &mut self,
        segment: &SegmentRef,
        (store, next): (Store, u64),
        limit: usize,
        max_bytes: usize,
        mut room: Option<usize>,
    ) -> Result<Vec<StoredRow>, Error> {
        let layout = self.snapshot.layout();
        let schema = layout.schema(store);
        let mut open = match self.open.take().filter(|open| open.is_at(segment, &schema, next)) {
            Some(open) => open,
            None => SegmentRows::open(segment, schema, next, CHUNK)?,
        };
        let mut rows = Vec::new();
        while rows.len() < limit {
            let Some(row) = open.next(layout, room.unwrap_or(usize::MAX))? else { break };
            room = Some(room.unwrap_or(max_bytes).saturating_sub(row.payload().len()));
            rows.push(row);
        }
        self.open = Some(open);
        Ok(rows)
    }

    /// The segment that holds a record; `None` when the tail does.
    fn segment_of(&self, store: Store, seq: u64) -> Option<SegmentRef> {
        let segments = self.snapshot.segments(store);
        segments.get(segments.partition_point(|s| s.end() <= seq)).cloned()
    }
}

fn in_bounds(store: Store, at: u64, first_kept: u64, end: u64) -> Result<(), ConsumerError> {
    if at > end {
        return Err(ConsumerError::Beyond { store, at, end });
    }
    if at < first_kept {
        return Err(ConsumerError::Expired { store, at, first_kept });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A consumer that slept longer than the retention must learn what it missed, not go on as if nothing had happened.
    #[test]
    fn what_retention_dropped_is_told_and_never_passed_over() {
        let told = |at| in_bounds(Store::Log, at, 100, 200).map_err(|e| e.to_string());
        let lost = "log: records 7 to 99 were dropped by retention before they were read here; \
                    go on at 100, and count them as lost to this consumer";
        assert_eq!(told(7), Err(lost.to_owned()));
        assert!(told(99).is_err() && told(100).is_ok() && told(200).is_ok() && told(201).is_err());
    }
}
