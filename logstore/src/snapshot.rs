//! The reader: a consistent view of segments and tail, without a lock, beside a writer or without one.
//! It must never write a byte, and never show a part of a transaction.
//!
//! What makes it free of races is the order: first the write-ahead log, then `state.json`, then the segments.
//! Rows leave the log only after their segment has its name, so a row is in what was read or in what is listed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::batch::BatchBuilder;
use crate::format::{Format, Sealed};
use crate::frame::{FILE_HEADER, Frame, WalId};
use crate::scan;
use crate::seal::note;
use crate::segment::{self, SegmentRef};
use crate::store::STORES;
use crate::stored::{self, StoredRow};
use crate::wal::{self, WalReader};
use crate::{Error, Layout, RowError, State, Store};

/// How often a snapshot is tried again when the writer rotates under it.
const ATTEMPTS: u32 = 16;

/// One write-ahead log file as far as it was read.
#[derive(Debug, Clone)]
struct Image {
    generation: u64,
    id: Option<WalId>,
    offset: u64,
    frames: Vec<Arc<Frame>>,
}

/// A consistent view of the data directory at one moment. Cloning is cheap.
///
/// A frame that is being synced at this moment may already be seen. Who hands rows on, and must not hand on what
/// a power cut could take back, stops at the writer's own `state().next(store)`.
#[derive(Debug, Clone)]
pub struct Snapshot {
    dir: PathBuf,
    format: Arc<Format>,
    images: Vec<Image>,
    state: State,
    sealed: Arc<Sealed>,
    segments: [Arc<Vec<SegmentRef>>; STORES],
}

impl Snapshot {
    /// Reads the write-ahead log, then lists the segments. Works beside a writer and without one.
    ///
    /// # Errors
    /// [`Error::NotALogstore`], [`Error::Version`], [`Error::Corrupt`], [`Error::Gap`], I/O.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        Self::read(dir, &[])
    }

    /// The same directory again, now. Cheaper than `open`: only the new part of the log is read.
    ///
    /// # Errors
    /// As [`Snapshot::open`].
    pub fn refresh(&self) -> Result<Self, Error> {
        Self::read(&self.dir, &self.images)
    }

    fn read(dir: &Path, known: &[Image]) -> Result<Self, Error> {
        let mut attempt = 1;
        loop {
            match Self::try_read(dir, known) {
                Ok(Some(snapshot)) => return Ok(snapshot),
                // The writer rotated in between; what was seen does not belong together.
                Ok(None) | Err(Error::Gap { .. } | Error::Corrupt { .. } | Error::Read { .. })
                    if attempt < ATTEMPTS => {}
                Ok(None) => {
                    let what = "segments and write-ahead log do not meet, even after several attempts";
                    return Err(Error::corrupt(dir, 0, what));
                }
                Err(e) => return Err(e),
            }
            attempt += 1;
        }
    }

    /// `None`: the writer moved on between two steps.
    fn try_read(dir: &Path, known: &[Image]) -> Result<Option<Self>, Error> {
        let mut images = Vec::new();
        for generation in wal::list(dir)? {
            // A file that vanished since the listing was sealed; its rows are in segments.
            images.extend(read_image(dir, generation, known)?);
        }
        let Some(format) = Format::read(dir)? else { return Err(Error::NotALogstore { path: dir.to_path_buf() }) };
        let Some(sealed) = Sealed::read(dir)? else { return unborn(dir, format) };
        let Some(state) = replay(dir, &sealed, &images)? else { return Ok(None) };
        let mut segments = [const { Vec::new() }; STORES];
        for store in Store::ALL {
            let (kept, end) = (sealed.kept[store.place()], sealed.state.next(store));
            segments[store.place()] = segment::list_sealed(dir, store, kept, end)?;
        }
        // Only frames that still hold something are kept.
        images.retain(|i| i.generation > sealed.generation);
        let segments = segments.map(Arc::new);
        let (format, sealed) = (Arc::new(format), Arc::new(sealed));
        Ok(Some(Self { dir: dir.to_path_buf(), format, images, state, sealed, segments }))
    }

    /// Name of the trail.
    #[must_use]
    pub fn trail(&self) -> &str {
        &self.format.trail
    }

    /// When the Logstore was made, microseconds UTC.
    #[must_use]
    pub fn created_us(&self) -> i64 {
        self.format.created
    }

    /// The stored layout.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.format.layout
    }

    /// The Arrow schema of a store. Segments written before a column was added lack it: fill nulls.
    #[must_use]
    pub fn schema(&self, store: Store) -> SchemaRef {
        self.format.layout.schema(store)
    }

    /// Counters and checkpoints.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The segments of a store in sequence order, without gap or overlap.
    #[must_use]
    pub fn segments(&self, store: Store) -> &[SegmentRef] {
        &self.segments[store.place()]
    }

    /// Sequence number after the last visible row.
    #[must_use]
    pub fn end(&self, store: Store) -> u64 {
        self.state.next(store)
    }

    /// Sequence number of the first row in the tail; equals [`Snapshot::end`] when the tail is empty.
    #[must_use]
    pub fn tail_from(&self, store: Store) -> u64 {
        self.sealed.state.next(store)
    }

    /// Sequence number of the first row that retention has left.
    #[must_use]
    pub fn first_kept(&self, store: Store) -> u64 {
        self.sealed.kept[store.place()]
    }

    /// The data directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn sealed(&self) -> &Sealed {
        &self.sealed
    }

    /// The newest checkpoint: a C2SP signed note over all rows of this snapshot. Keep one elsewhere: it is what exposes
    /// a directory that was put back to an older state.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when there is none that speaks of just these rows: then the writer was stopped in the middle
    /// of a rotation, and its next start signs a new one.
    pub fn checkpoint(&self) -> Result<String, Error> {
        let path = note::path(&self.dir);
        let newest = self.images.iter().rev().find_map(|image| image.frames.last());
        let bytes = match newest {
            Some(frame) => frame.note().to_vec(),
            None => std::fs::read(&path).map_err(|e| Error::read(&path, e))?,
        };
        let text = String::from_utf8(bytes).map_err(|_| Error::corrupt(&path, 0, "it is not text"))?;
        if note::sizes(&text) != Some(self.state.next_seq) {
            return Err(Error::corrupt(
                &path,
                0,
                "it does not speak of the rows that are there; start the writer once",
            ));
        }
        Ok(text)
    }

    /// The public key, as a C2SP verifier key.
    ///
    /// # Errors
    /// When `seal/seal.vkey` cannot be read.
    pub fn vkey(&self) -> Result<String, Error> {
        let path = self.dir.join("seal/seal.vkey");
        Ok(std::fs::read_to_string(&path).map_err(|e| Error::read(&path, e))?.trim_end().to_owned())
    }

    /// Rows that are in no segment yet, in sequence order, in batches of at most 4,096 rows.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when a row of the log is not valid, [`Error::Arrow`].
    pub fn tail(&self, store: Store) -> Result<Vec<RecordBatch>, Error> {
        self.tail_of(store, 0, usize::MAX, &|_| true)
    }

    /// Rows of the tail from `from_seq` on. Frames before it are passed over as a whole: who reads page by page would otherwise
    /// read the lengths of all rows for each page.
    pub(crate) fn tail_rows(&self, store: Store, from_seq: u64) -> impl Iterator<Item = (i64, Option<(u64, &[u8])>)> {
        let from = self.tail_from(store).max(from_seq);
        self.images
            .iter()
            .flat_map(|i| &i.frames)
            .filter(move |f| f.header.parts[store.place()].end() > from)
            .flat_map(move |f| f.rows(store).map(|row| (f.header.now_us, row)))
            .filter(move |(_, row)| row.is_none_or(|(seq, _)| seq >= from))
    }

    /// Up to `limit` rows from `from_seq` on that are in no segment yet, with the lifted columns that are wanted, by name; their
    /// schema is [`Layout::schema_of`]. Making a column costs as much as copying its values, so ask for no more than is read.
    ///
    /// # Errors
    /// As [`Snapshot::tail`].
    pub fn tail_of(
        &self,
        store: Store,
        from_seq: u64,
        limit: usize,
        wanted: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<RecordBatch>, Error> {
        let path = wal::path(&self.dir, self.images.last().map_or(0, |i| i.generation));
        let mut builder = BatchBuilder::of(self.layout(), store, wanted);
        let mut batches = Vec::new();
        for (index, (now_us, row)) in self.tail_rows(store, from_seq).take(limit).enumerate() {
            let (seq, row) = row.ok_or_else(|| Error::corrupt(&path, 0, "a frame has rows that do not fit it"))?;
            if builder.is_full() {
                batches.push(builder.finish()?);
            }
            let pushed = builder.push(seq, now_us, row);
            pushed.map_err(|fault| Error::corrupt(&path, 0, RowError { index, store, fault }.to_string()))?;
        }
        if !builder.is_empty() {
            batches.push(builder.finish()?);
        }
        Ok(batches)
    }

    /// Up to `limit` rows from `from_seq` on, as batches of [`Snapshot::schema`], segments then tail.
    ///
    /// # Errors
    /// [`Error::Parquet`], [`Error::Corrupt`], [`Error::Arrow`], I/O.
    pub fn scan_batches(&self, store: Store, from_seq: u64, limit: usize) -> Result<Vec<RecordBatch>, Error> {
        let schema = self.schema(store);
        let segments = self.segments(store);
        let first = segments.partition_point(|s| s.end() <= from_seq);
        let mut left = limit;
        let mut batches = Vec::new();
        for segment in segments.iter().skip(first) {
            if left == 0 {
                return Ok(batches);
            }
            let skip = from_seq.saturating_sub(segment.first_seq);
            let read = scan::rows(segment, &schema, skip, left)?;
            left -= read.iter().map(RecordBatch::num_rows).sum::<usize>().min(left);
            batches.extend(read);
        }
        batches.extend(self.tail_of(store, from_seq, left, &|_| true)?);
        Ok(batches)
    }

    /// Up to `limit` rows from `from_seq` on, in sequence order.
    ///
    /// # Errors
    /// As [`Snapshot::scan_batches`].
    pub fn scan_rows(&self, store: Store, from_seq: u64, limit: usize) -> Result<Vec<StoredRow>, Error> {
        let batches = self.scan_batches(store, from_seq, limit)?;
        Ok(batches.iter().flat_map(|b| stored::rows(b, self.layout())).collect())
    }

    /// The newest row of a store with this event id. Bloom filters spare most of the reading. `None` when there
    /// is none, or the layout has no key.
    ///
    /// # Errors
    /// As [`Snapshot::scan_batches`].
    pub fn find_by_key(&self, store: Store, id: &str) -> Result<Option<StoredRow>, Error> {
        let layout = self.layout();
        let Some(key) = layout.key else { return Ok(None) };
        let Some(column) = layout.columns.get(usize::from(key)) else { return Ok(None) };
        let has_id = |row: &[u8]| crate::row::RowRef::parse(row).is_ok_and(|r| r.column(key) == Some(id.as_bytes()));
        let in_tail = self.tail_rows(store, 0).filter_map(|(_, row)| row).filter(|(_, row)| has_id(row)).last();
        let mut seq = in_tail.map(|(seq, _)| seq);
        for segment in self.segments(store).iter().rev() {
            if seq.is_some() {
                break;
            }
            seq = scan::find(segment, &column.name, id)?.map(|at| segment.first_seq + at);
        }
        match seq {
            Some(seq) => Ok(self.scan_rows(store, seq, 1)?.pop()),
            None => Ok(None),
        }
    }
}

/// Reads a generation, going on where `known` stopped. `None` when the file is gone.
fn read_image(dir: &Path, generation: u64, known: &[Image]) -> Result<Option<Image>, Error> {
    let Some(mut reader) = WalReader::open(dir, generation)? else { return Ok(None) };
    let known = known.iter().find(|k| k.generation == generation && k.id.is_some() && k.id == reader.id());
    let mut frames = Vec::new();
    if let Some(known) = known.filter(|k| k.offset >= FILE_HEADER as u64 && k.offset <= reader.len()) {
        reader.resume(known.offset, known.frames.len() as u64)?;
        frames.clone_from(&known.frames);
    }
    while let Some(frame) = reader.next()? {
        frames.push(Arc::new(frame));
    }
    Ok(Some(Image { generation, id: reader.id(), offset: reader.offset(), frames }))
}

/// The state at the end of what was read. `None` when a generation is missing between the two.
fn replay(dir: &Path, sealed: &Sealed, images: &[Image]) -> Result<Option<State>, Error> {
    let mut state = sealed.state.clone();
    let live = images.iter().filter(|i| i.generation > sealed.generation);
    for (next, image) in (sealed.generation + 1..).zip(live) {
        if image.generation != next {
            return Ok(None);
        }
        for frame in &image.frames {
            let bad = || Error::corrupt(&wal::path(dir, image.generation), 0, "a frame does not follow the one before");
            let meta = frame.meta().ok_or_else(bad)?;
            if !state.apply(&frame.header, meta) {
                return Err(bad());
            }
        }
    }
    Ok(Some(state))
}

/// A directory whose first opening was cut short: nothing was ever acknowledged.
fn unborn(dir: &Path, format: Format) -> Result<Option<Snapshot>, Error> {
    if !segment::list(dir, Store::Log)?.is_empty() {
        return Err(Error::corrupt(&dir.join("state.json"), 0, "it is missing, but the directory holds records"));
    }
    Ok(Some(Snapshot {
        dir: dir.to_path_buf(),
        format: Arc::new(format),
        images: Vec::new(),
        state: State::default(),
        sealed: Arc::new(Sealed::default()),
        segments: [const { Vec::new() }; STORES].map(Arc::new),
    }))
}
