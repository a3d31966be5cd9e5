//! The writer: transactions in, one durable frame each, and the tail into segments from time to time.
//! It must never acknowledge before `fdatasync`, and never go on after a failed write.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use crate::building::{Building, Durable};
use crate::dedup::{DedupIndex, IdProgress};
use crate::durable::{self, Disk, DiskFile, OsDisk, Part};
use crate::format::{Format, Sealed};
use crate::frame::{Draft, FILE_HEADER, FrameBuilder, HEADER, WalId};
use crate::lock::Lock;
use crate::rotate::{self, Home, day_of, hour_of};
use crate::row::RowRef;
use crate::seal::digest::{self, Link};
use crate::seal::note::{self, Place};
use crate::seal::{Seal, SealKey};
use crate::store::STORES;
use crate::tally::Tally;
use crate::{Committed, Error, Layout, State, Store, Transaction, pin, recover, wal};

/// A checkpoint goes to its own file at most this often, in microseconds.
const CHECKPOINT_US: i64 = 1_000_000;

/// Frames of a write-ahead log at most: opening signs each of them again.
const FRAMES: u64 = 8_192;

/// When the tail becomes segments, and through which disk.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// Signs checkpoints and digests.
    pub key: SealKey,
    /// Seal the tail before it holds more rows than this, all stores together. Default 32,768, one row group.
    pub segment_rows: u64,
    /// Seal the tail before the write-ahead log is longer than this many bytes. Default 64 MiB.
    pub segment_bytes: u64,
    /// Event ids kept in memory before they go to files, at 13 bytes a place. Default 524,288: 13 MiB. Fewer cost more
    /// writing: each id is written √(2n/this) times while n come. Opening reads the segments of at most as many again.
    pub ids_in_memory: u64,
    /// Told how far opening is when it reads event ids from segments. Default: nobody.
    pub id_progress: Option<IdProgress>,
    /// The disk. Default: the operating system's.
    pub disk: Arc<dyn Disk>,
}

impl Options {
    /// The defaults, with this key.
    #[must_use]
    pub fn new(key: SealKey) -> Self {
        let disk = Arc::new(OsDisk::default());
        Self { key, segment_rows: 32_768, segment_bytes: 64 << 20, ids_in_memory: 1 << 19, id_progress: None, disk }
    }
}

/// What opening found and repaired.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovery {
    /// Good frames in the write-ahead log.
    pub frames: u64,
    /// Rows of those frames that are not yet in a segment.
    pub rows: u64,
    /// Bytes of a torn last write that were dropped. They were never acknowledged.
    pub dropped_bytes: u64,
    /// Half-written files removed from `tmp/`.
    pub removed_files: u64,
    /// Records whose event ids were read from segments, because no file of the index covered them yet.
    pub ids_read: u64,
    /// Why the index of event ids was made again, where it had to be: a file is missing, damaged, or of another history.
    pub ids_rebuilt: Option<String>,
}

/// The write-ahead log file that is being appended to.
pub(crate) struct Wal {
    file: Box<dyn DiskFile>,
    pub(crate) id: WalId,
    pub(crate) len: u64,
    pub(crate) frames: u64,
    pub(crate) rows: u64,
    /// UTC hour of its newest frame.
    pub(crate) hour: Option<i64>,
}

impl Wal {
    /// Puts a generation in place, durable with its name, holding `content` (good frames of an earlier life).
    pub(crate) fn create(home: &Home, id: WalId, content: &[u8]) -> Result<Self, Error> {
        let path = wal::path(&home.dir, id.generation);
        let tmp = home.dir.join("tmp").join(format!("{:08}.wal", id.generation));
        let mut file = durable::replace(home.disk.as_ref(), Part::Wal, &tmp, &path, &[&id.encode(), content])?;
        file.goes_on_as(Part::Frame);
        let len = (FILE_HEADER + content.len()) as u64;
        Ok(Self { file, id, len, frames: 0, rows: 0, hour: None })
    }

    /// Closes a file that has no name any more. The system frees its space then, which takes 20 ms of 64 MiB: beside the
    /// work, or here when there is no thread.
    fn let_go(self) {
        let _beside = thread::Builder::new().name("old log".to_owned()).spawn(move || drop(self));
    }

    /// A salt nobody can guess: the standard library seeds its hashers from the system.
    pub(crate) fn salt() -> u64 {
        RandomState::new().build_hasher().finish()
    }
}

impl std::fmt::Debug for Wal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wal({:?}, {} bytes, {} frames)", self.id, self.len, self.frames)
    }
}

/// The one writer of a data directory. Dropping it is the same as a crash: nothing is lost.
#[derive(Debug)]
pub struct Writer {
    pub(crate) home: Home,
    pub(crate) options: Options,
    pub(crate) wal: Wal,
    pub(crate) state: State,
    /// End of the segments of each store.
    pub(crate) sealed_end: [u64; STORES],
    /// First record that retention has left.
    pub(crate) kept: [u64; STORES],
    pub(crate) seal: Seal,
    /// The newest digest.
    pub(crate) digest: Link,
    /// A layout that is not yet on the disk.
    pub(crate) new_format: Option<Format>,
    /// The newest checkpoint, and when one was last written to its own file.
    pub(crate) note: Vec<u8>,
    pub(crate) note_put_us: i64,
    pub(crate) note_is_new: bool,
    pub(crate) index: DedupIndex,
    pub(crate) recovery: Recovery,
    pub(crate) frame: FrameBuilder,
    pub(crate) poisoned: Option<String>,
    /// Who builds segments of the write-ahead log; nobody before its first frame.
    pub(crate) building: Option<Building>,
    /// Shared with the writer that [`Writer::reopen`] makes of this one.
    pub(crate) lock: Arc<Lock>,
}

impl Writer {
    /// Takes the lock, creates or recovers the data directory. The parent directory must exist.
    /// `now_us` is the time in microseconds UTC, noted as the creation time of a new directory.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::OtherTrail`], [`Error::Layout`], [`Error::Corrupt`], [`Error::Gap`], I/O.
    pub fn open(dir: &Path, trail: &str, layout: Layout, options: Options, now_us: i64) -> Result<Self, Error> {
        recover::open(dir, trail, layout, options, now_us)
    }

    /// Recovers as a new start does, after a failure whose cause is gone, without letting the lock go meanwhile. What was
    /// acknowledged is there; of what was not, [`Writer::state`] tells. When this fails the writer stays stopped, and it
    /// may be called again.
    ///
    /// # Errors
    /// As [`Writer::open`].
    pub fn reopen(&mut self, now_us: i64) -> Result<(), Error> {
        self.poisoned.get_or_insert_with(|| "it is opened again".to_owned());
        *self = recover::reopen(self, now_us)?;
        Ok(())
    }

    /// A new transaction.
    #[must_use]
    pub fn begin(&self) -> Transaction {
        Transaction::default()
    }

    /// Makes the transaction durable, all of it or nothing; returns after `fdatasync`. `now_us` is the append
    /// time in microseconds UTC. Rows of the dedicated Logstore whose id is there already are dropped; the
    /// first one wins. An empty transaction writes nothing.
    ///
    /// # Errors
    /// [`Error::Row`] and [`Error::Transaction`] leave everything as it was; any other error poisons the writer.
    pub fn commit(&mut self, txn: Transaction, now_us: i64) -> Result<Committed, Error> {
        self.refuse_if_poisoned()?;
        if txn.is_empty() {
            return Ok(Committed { log_first_seq: self.state.next(Store::Log), ..Committed::default() });
        }
        txn.check(&self.home.layout)?;
        if day_of(now_us).is_none() {
            return Err(Error::Transaction(format!("the time {now_us} µs is out of range")));
        }
        if self.must_seal_first(&txn, now_us) {
            self.seal_tail(now_us)?;
        }
        let result = self.append(txn, now_us).and_then(|committed| self.checkpoint_if_due(now_us).map(|()| committed));
        self.poison_on_error(result)
    }

    /// Writes the newest checkpoint to `seal/checkpoint` when the last one was written a second ago or earlier. Call it
    /// while nothing is committed; `commit` does it by itself.
    ///
    /// # Errors
    /// Any error poisons the writer.
    pub fn tick(&mut self, now_us: i64) -> Result<(), Error> {
        self.refuse_if_poisoned()?;
        let result = self.checkpoint_if_due(now_us);
        self.poison_on_error(result)
    }

    /// Turns the write-ahead log into segments and starts a new one. Does nothing when it holds no frame.
    /// `commit` calls it before the tail outgrows [`Options`] and when the UTC hour changes.
    ///
    /// # Errors
    /// Any error poisons the writer.
    pub fn seal_tail(&mut self, now_us: i64) -> Result<(), Error> {
        self.refuse_if_poisoned()?;
        if self.wal.frames == 0 {
            return Ok(());
        }
        let result = self.rotate(now_us, self.kept);
        self.poison_on_error(result)
    }

    /// Seals the tail and releases the lock.
    ///
    /// # Errors
    /// As [`Writer::seal_tail`].
    pub fn close(mut self, now_us: i64) -> Result<(), Error> {
        self.seal_tail(now_us)
    }

    /// The newest checkpoint: a C2SP signed note over everything committed so far.
    #[must_use]
    pub fn checkpoint(&self) -> &[u8] {
        &self.note
    }

    /// Counters and checkpoints as of the last commit.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What opening found.
    #[must_use]
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// The columns in use.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.home.layout
    }

    /// Whether an event id is already in the dedicated Logstore.
    ///
    /// # Errors
    /// [`Error::Ids`].
    pub fn contains(&self, id: &str) -> Result<bool, Error> {
        self.index.contains(id.as_bytes())
    }

    /// Event ids of records that the dedicated Logstore holds.
    #[must_use]
    pub fn ids(&self) -> u64 {
        self.index.len()
    }

    pub(crate) fn refuse_if_poisoned(&self) -> Result<(), Error> {
        match &self.poisoned {
            Some(cause) => Err(Error::Poisoned { cause: cause.clone() }),
            None => Ok(()),
        }
    }

    pub(crate) fn poison_on_error<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(e) = &result {
            self.poisoned.get_or_insert_with(|| e.to_string());
        }
        result
    }

    fn must_seal_first(&self, txn: &Transaction, now_us: i64) -> bool {
        let rows = self.wal.rows + txn.rows() as u64;
        let bytes = self.wal.len + (HEADER + txn.frame_bytes()) as u64;
        let full = rows > self.options.segment_rows || bytes > self.options.segment_bytes || self.wal.frames >= FRAMES;
        self.wal.frames > 0 && (full || self.wal.hour != Some(hour_of(now_us)))
    }

    fn append(&mut self, txn: Transaction, now_us: i64) -> Result<Committed, Error> {
        let mut tally = Tally::default();
        let new = self.admit(&txn, now_us)?;
        let mut new = new.into_iter();
        self.frame.begin(self.state.next_seq);
        for store in Store::ALL {
            for entry in txn.entries().iter().filter(|e| e.store == store) {
                let row = txn.row(entry);
                if store == Store::Log && !new.next().unwrap_or(true) {
                    tally.duplicate(entry.consumed);
                } else {
                    tally.add(store, entry.consumed);
                    self.frame.row(store, row);
                }
            }
        }
        let committed = tally.committed(self.state.next(Store::Log));
        let mut meta = txn.into_meta();
        tally.count(&mut meta.counters);
        let path = || wal::path(&self.home.dir, self.wal.id.generation);
        let place = Place { generation: self.wal.id.generation, frames: self.wal.frames + 1 };
        let (seal, key) = (&mut self.seal, &self.options.key);
        let sealed = |draft: Draft<'_>| {
            let fits = seal.absorb(draft);
            fits.ok_or_else(|| Error::corrupt(&path(), self.wal.len, "a checked row does not fit its frame"))?;
            key.sign(&note::checkpoint(key.name(), seal, place, now_us))
        };
        let (frame, header) = self.frame.finish(self.wal.id, self.wal.frames, now_us, &meta, sealed)?;
        self.note.clear();
        self.note.extend_from_slice(&frame[frame.len() - header.note_len as usize..]);
        self.note_is_new = true;
        let written = self.wal.file.write_all(frame).and_then(|()| self.wal.file.sync());
        written.map_err(|e| Error::write(&path(), e))?;
        if !self.state.apply(&header, meta) {
            return Err(Error::corrupt(&path(), self.wal.len, "a frame does not follow the one before"));
        }
        self.wal.len += frame.len() as u64;
        self.wal.frames += 1;
        self.wal.rows += tally.records.iter().sum::<u64>();
        self.wal.hour = Some(hour_of(now_us));
        self.building = Some(self.build()?);
        Ok(committed)
    }

    /// Has segments built of what is durable, beside what comes next, and gives who does it.
    fn build(&mut self) -> Result<Building, Error> {
        let building = match self.building.take() {
            Some(building) => building,
            None => Building::begin(&self.home, self.wal.id.generation, self.sealed_end)?,
        };
        building.grown(Durable { frames: self.wal.frames, len: self.wal.len });
        Ok(building)
    }

    /// Enters the ids of the rows for the dedicated Logstore; of each in turn whether it is new.
    fn admit(&mut self, txn: &Transaction, now_us: i64) -> Result<Vec<bool>, Error> {
        let id = |row| self.home.layout.key.and_then(|key| RowRef::parse(row).ok()?.column(key));
        let rows = txn.entries().iter().filter(|e| e.store == Store::Log).map(|e| txn.row(e));
        let ids: Vec<Option<&[u8]>> = rows.map(id).collect();
        // The time was found to be in range.
        let day = day_of(now_us).unwrap_or_default();
        self.index.admit(&self.home, (day, self.state.next(Store::Log)), &ids)
    }

    /// Segments, digest, new generation, state, checkpoint, old generation away: in this order, each step durable.
    /// `docs/format.md` says what a crash after each step leaves, and how it is recovered.
    pub(crate) fn rotate(&mut self, now_us: i64, kept: [u64; STORES]) -> Result<(), Error> {
        let old = self.wal.id.generation;
        let old_path = wal::path(&self.home.dir, old);
        let built = self.build()?.finish()?;
        let rotated = rotate::rotate(&self.home, built, self.sealed_end, &mut self.seal)?;
        if rotated.frames != self.wal.frames || rotated.end != self.state.next_seq {
            return Err(Error::corrupt(&old_path, 0, "the write-ahead log changed under the writer"));
        }
        let sealed = Sealed {
            generation: old,
            state: self.state.clone(),
            kept,
            digest: self.digest.number + 1,
            chain: self.seal.chain,
            trees: self.seal.levels(),
        };
        let draft = digest::Draft { sealed: &sealed, format: self.new_format.as_ref(), previous: self.digest, now_us };
        let settlement = draft.settle(&self.home, &self.options.key, &self.seal, &rotated.files)?;
        settlement.put_digest(&self.home)?;
        let new = Wal::create(&self.home, WalId { generation: old + 1, salt: Wal::salt() }, &[])?;
        settlement.put_state(&self.home)?;
        self.digest = settlement.link;
        self.new_format = None;
        self.sealed_end = rotated.end;
        self.kept = kept;
        let old_wal = std::mem::replace(&mut self.wal, new);
        self.write_checkpoint(now_us)?;
        self.home.disk.remove(Part::OldWal, &old_path).map_err(|e| Error::write(&old_path, e))?;
        durable::sync_parent(self.home.disk.as_ref(), Part::OldWal, &old_path)?;
        old_wal.let_go();
        pin::rotated(&self.home, &rotated.files, self.digest.number)?;
        let log = Store::Log.place();
        self.index.rotated(&self.home, self.digest, self.kept[log], self.sealed_end[log])
    }

    fn checkpoint_if_due(&mut self, now_us: i64) -> Result<(), Error> {
        let since = now_us.saturating_sub(self.note_put_us);
        if self.note_is_new && !(0..CHECKPOINT_US).contains(&since) { self.put_checkpoint(now_us) } else { Ok(()) }
    }

    /// Signs where things stand, also without a new frame, and writes it to its file.
    pub(crate) fn write_checkpoint(&mut self, now_us: i64) -> Result<(), Error> {
        let place = Place { generation: self.wal.id.generation, frames: self.wal.frames };
        let key = &self.options.key;
        self.note = key.sign(&note::checkpoint(key.name(), &self.seal, place, now_us))?;
        self.put_checkpoint(now_us)
    }

    fn put_checkpoint(&mut self, now_us: i64) -> Result<(), Error> {
        let dir = &self.home.dir;
        let (tmp, path) = (dir.join("tmp/checkpoint"), note::path(dir));
        durable::replace(self.home.disk.as_ref(), Part::Checkpoint, &tmp, &path, &[&self.note])?;
        self.note_is_new = false;
        self.note_put_us = now_us;
        Ok(())
    }
}
