//! The tail becomes segments: the write-ahead log is read back frame by frame, so memory stays bounded.
//! It must never give a segment its final name before all segments of the generation are durable.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate};

use crate::batch::BatchBuilder;
use crate::durable::{self, Disk};
use crate::frame::Frame;
use crate::segment::{self, Finished, SegmentWriter};
use crate::wal::{self, WalReader};
use crate::{Error, Layout, RowError, Store};

/// Where the Logstore lives, through which disk, with which columns.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    pub(crate) dir: PathBuf,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) layout: Arc<Layout>,
}

/// The UTC day of a time in microseconds.
pub(crate) fn day_of(now_us: i64) -> Option<NaiveDate> {
    DateTime::from_timestamp_micros(now_us).map(|t| t.date_naive())
}

/// Writes the rows of a generation that are in no segment yet. Returns how many frames it read, and the
/// end of the segments of each store.
pub(crate) fn write_segments(home: &Home, generation: u64, from: [u64; 3]) -> Result<(u64, [u64; 3]), Error> {
    let path = wal::path(&home.dir, generation);
    let missing = || Error::corrupt(&path, 0, "the write-ahead log disappeared under the writer");
    let mut reader = WalReader::open(&home.dir, generation)?.ok_or_else(missing)?;
    let mut lanes = Store::ALL.map(|store| Lane::new(home, store, from[store.place()]));
    let mut frames = 0;
    while let Some(frame) = reader.next()? {
        let day = day_of(frame.header.now_us)
            .ok_or_else(|| Error::corrupt(&path, reader.offset(), "the time of a frame is out of range"))?;
        for lane in &mut lanes {
            lane.take(&frame, day).map_err(|e| e.at(&path))?;
        }
        frames += 1;
    }
    let mut finished = Vec::new();
    let mut end = from;
    for lane in lanes {
        let store = lane.store;
        for segment in lane.finish()? {
            end[store.place()] = segment.first_seq + segment.rows;
            finished.push((store, segment));
        }
    }
    publish(home, &finished)?;
    Ok((frames, end))
}

/// Gives durable segments their final names, in sequence order.
fn publish(home: &Home, finished: &[(Store, Finished)]) -> Result<(), Error> {
    let mut folders = BTreeSet::new();
    for (store, segment) in finished {
        let folder = segment::day_dir(&home.dir, *store, segment.day);
        durable::make_dir(home.disk.as_ref(), &folder)?;
        let path = folder.join(segment::file_name(segment.first_seq, segment.rows));
        home.disk.rename(&segment.tmp, &path).map_err(|e| Error::write(&path, e))?;
        folders.insert(folder);
    }
    for folder in folders {
        home.disk.sync_dir(&folder).map_err(|e| Error::write(&folder, e))?;
    }
    Ok(())
}

/// The rows of one store on their way into segments.
struct Lane<'a> {
    home: &'a Home,
    store: Store,
    from: u64,
    batch: BatchBuilder,
    open: Option<SegmentWriter>,
    finished: Vec<Finished>,
}

enum LaneError {
    Row(RowError),
    Frame,
    Other(Error),
}

impl LaneError {
    fn at(self, path: &std::path::Path) -> Error {
        match self {
            Self::Row(row) => Error::corrupt(path, 0, row.to_string()),
            Self::Frame => Error::corrupt(path, 0, "a frame with a valid checksum has rows that do not fit it"),
            Self::Other(e) => e,
        }
    }
}

impl From<Error> for LaneError {
    fn from(e: Error) -> Self {
        Self::Other(e)
    }
}

impl<'a> Lane<'a> {
    fn new(home: &'a Home, store: Store, from: u64) -> Self {
        let batch = BatchBuilder::new(&home.layout, store);
        Self { home, store, from, batch, open: None, finished: Vec::new() }
    }

    /// Takes the rows of one frame that are not yet in a segment.
    fn take(&mut self, frame: &Frame, day: NaiveDate) -> Result<(), LaneError> {
        for (index, row) in frame.rows(self.store).enumerate() {
            let (seq, row) = row.ok_or(LaneError::Frame)?;
            if seq < self.from {
                continue;
            }
            self.make_room(seq, day)?;
            let pushed = self.batch.push(seq, frame.header.now_us, row);
            pushed.map_err(|fault| LaneError::Row(RowError { index, store: self.store, fault }))?;
        }
        Ok(())
    }

    /// Flushes a full batch, and starts a new segment where there is none or the day changes.
    fn make_room(&mut self, seq: u64, day: NaiveDate) -> Result<(), Error> {
        if self.open.as_ref().is_some_and(|s| s.day != day) {
            self.close()?;
        }
        if self.batch.is_full() {
            self.flush()?;
        }
        if self.open.is_none() {
            let Home { dir, disk, layout } = self.home;
            self.open = Some(SegmentWriter::create(disk.as_ref(), dir, layout, self.store, seq, day)?);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        if let Some(segment) = self.open.as_mut().filter(|_| !self.batch.is_empty()) {
            segment.write(&self.batch.finish()?)?;
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        self.flush()?;
        if let Some(segment) = self.open.take() {
            self.finished.push(segment.finish()?);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<Finished>, Error> {
        self.close()?;
        Ok(self.finished)
    }
}
