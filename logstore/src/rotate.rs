//! The tail becomes segments: the write-ahead log is read back frame by frame, so memory stays bounded.
//! It must never give a file its final name before all files of the generation are durable.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate};

use crate::batch::BatchBuilder;
use crate::durable::{Disk, Folders, Part};
use crate::frame::Frame;
use crate::index::TokenIndexBuilder;
use crate::row::RowRef;
use crate::seal::Seal;
use crate::seal::digest::NamedFile;
use crate::segment::{self, Finished, HashedFile, SegmentRef, SegmentWriter};
use crate::store::STORES;
use crate::wal::{self, WalReader};
use crate::{Error, Layout, RowError, Store};

/// Where the Logstore lives, through which disk, with which columns.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    pub(crate) dir: PathBuf,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) layout: Arc<Layout>,
    pub(crate) folders: Folders,
}

/// The UTC hour of a time in microseconds, counted from 1970: a generation holds rows of one hour only.
pub(crate) fn hour_of(now_us: i64) -> i64 {
    now_us.div_euclid(3_600_000_000)
}

/// The UTC day of a time in microseconds.
pub(crate) fn day_of(now_us: i64) -> Option<NaiveDate> {
    DateTime::from_timestamp_micros(now_us).map(|t| t.date_naive())
}

/// A durable file that waits in `tmp/` for its final name.
#[derive(Debug)]
struct Pending {
    part: Part,
    tmp: PathBuf,
    path: PathBuf,
    sha256: [u8; 32],
}

/// What a rotation put in place.
#[derive(Debug)]
pub(crate) struct Rotated {
    /// Frames of the generation.
    pub(crate) frames: u64,
    /// End of the segments of each store.
    pub(crate) end: [u64; STORES],
    /// Every file, for the digest.
    pub(crate) files: Vec<NamedFile>,
}

/// Puts the rows of a generation, and what the seal has completed, in place: first everything under temporary names,
/// then all names at once.
pub(crate) fn rotate(home: &Home, generation: u64, from: [u64; STORES], seal: &mut Seal) -> Result<Rotated, Error> {
    let (frames, segments) = write_segments(home, generation, from)?;
    let mut end = from;
    let mut pending = Vec::new();
    for (store, Written { segment, index }) in segments {
        end[store.place()] = segment.first_seq + segment.rows;
        let (first_seq, rows) = (segment.first_seq, segment.rows);
        let leaf = segment::leaf_path(&home.dir, store, first_seq, rows);
        pending.push(write_small(home, Part::Leaf, leaf, &seal.leaves[store.place()])?);
        let name = format!("{}.parquet", segment::stem(first_seq, rows));
        let day = segment.day;
        let path = segment::day_dir(&home.dir, store, day).join(name);
        if let Some(index) = index {
            let at = SegmentRef { path: path.clone(), first_seq, rows, day, bytes: 0 }.index_path();
            pending.push(write_small(home, Part::TokenIndex, at, &index)?);
        }
        pending.push(Pending { part: Part::Segment, tmp: segment.tmp, path, sha256: segment.sha256 });
    }
    for store in Store::ALL {
        seal.leaves[store.place()].clear();
        for tile in seal.trees[store.place()].take_tiles() {
            let bytes: Vec<u8> = tile.hashes.iter().flat_map(|hash| hash.0).collect();
            let path = tile_path(&home.dir, store, tile.level, tile.index);
            pending.push(write_small(home, Part::Tile, path, &bytes)?);
        }
    }
    let files = publish(home, pending)?;
    Ok(Rotated { frames, end, files })
}

/// The file of a complete tile: groups of three digits, as C2SP tlog-tiles spells them.
pub(crate) fn tile_path(dir: &Path, store: Store, level: u8, index: u64) -> PathBuf {
    let mut name = format!("{:03}", index % 1_000);
    let mut rest = index / 1_000;
    while rest > 0 {
        name = format!("x{:03}/{name}", rest % 1_000);
        rest /= 1_000;
    }
    dir.join("seal/tile").join(store.name()).join(level.to_string()).join(name)
}

fn write_small(home: &Home, part: Part, path: PathBuf, bytes: &[u8]) -> Result<Pending, Error> {
    let inside = path.strip_prefix(&home.dir).unwrap_or(&path);
    let tmp = home.dir.join("tmp").join(inside.to_string_lossy().replace('/', "-"));
    let mut file = HashedFile::new(home.disk.create(part, &tmp).map_err(|e| Error::write(&tmp, e))?);
    let written = file.write_all(bytes).and_then(|()| file.finish());
    Ok(Pending { part, sha256: written.map_err(|e| Error::write(&tmp, e))?, tmp, path })
}

/// Gives durable files their final names.
fn publish(home: &Home, pending: Vec<Pending>) -> Result<Vec<NamedFile>, Error> {
    let mut folders = BTreeMap::new();
    let mut files = Vec::with_capacity(pending.len());
    for Pending { part, tmp, path, sha256 } in pending {
        let folder = path.parent().unwrap_or(&home.dir).to_path_buf();
        home.folders.make_below(home.disk.as_ref(), &home.dir, &folder)?;
        home.disk.rename(part, &tmp, &path).map_err(|e| Error::write(&path, e))?;
        folders.insert(folder, part);
        let inside = path.strip_prefix(&home.dir).unwrap_or(&path).to_string_lossy().into_owned();
        files.push(NamedFile { part, path: inside, sha256 });
    }
    for (folder, part) in folders {
        home.disk.sync_dir(part, &folder).map_err(|e| Error::write(&folder, e))?;
    }
    Ok(files)
}

/// Writes the rows of a generation that are in no segment yet, under temporary names. Returns how many frames it read.
fn write_segments(home: &Home, generation: u64, from: [u64; STORES]) -> Result<(u64, Vec<(Store, Written)>), Error> {
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
        reader.reuse(frame);
    }
    let mut finished = Vec::new();
    for lane in lanes {
        let store = lane.store;
        finished.extend(lane.finish()?.into_iter().map(|written| (store, written)));
    }
    Ok((frames, finished))
}

/// The rows of one store on their way into segments.
struct Lane<'a> {
    home: &'a Home,
    store: Store,
    from: u64,
    batch: BatchBuilder,
    open: Option<SegmentWriter>,
    /// Words of the open segment; only the dedicated Logstore is searched by them.
    index: Option<TokenIndexBuilder>,
    finished: Vec<Written>,
}

/// A segment under its temporary name, and the content of its token index.
struct Written {
    segment: Finished,
    index: Option<Vec<u8>>,
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
        Self { home, store, from, batch, open: None, index: None, finished: Vec::new() }
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
            let refused = |fault| LaneError::Row(RowError { index, store: self.store, fault });
            pushed.map_err(refused)?;
            if let Some(words) = &mut self.index {
                words.push(RowRef::parse(row).map_err(refused)?.payload());
            }
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
            let Home { dir, disk, layout, .. } = self.home;
            self.open = Some(SegmentWriter::create(disk.as_ref(), dir, layout, self.store, seq, day)?);
            self.index = (self.store == Store::Log).then(TokenIndexBuilder::new);
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
            let index = self.index.take().map(TokenIndexBuilder::finish);
            self.finished.push(Written { segment: segment.finish()?, index });
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<Written>, Error> {
        self.close()?;
        Ok(self.finished)
    }
}
