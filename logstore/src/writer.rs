//! The writer: transactions in, one durable frame each, and the tail into segments from time to time.
//! It must never acknowledge before `fdatasync`, and never go on after a failed write.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::path::Path;
use std::sync::Arc;

use chrono::NaiveDate;

use crate::dedup::DedupIndex;
use crate::durable::{self, Disk, DiskFile, OsDisk};
use crate::format::Sealed;
use crate::frame::{FILE_HEADER, FrameBuilder, HEADER, WalId};
use crate::lock::Lock;
use crate::seal::{self, Home, day_of};
use crate::{Committed, Error, Layout, State, Store, Transaction, recover, wal};

/// When the tail becomes segments, and through which disk.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// Seal the tail before it holds more rows than this, all stores together. Default 32,768, one row group.
    pub segment_rows: u64,
    /// Seal the tail before the write-ahead log is longer than this many bytes. Default 64 MiB.
    pub segment_bytes: u64,
    /// The disk. Default: the operating system's.
    pub disk: Arc<dyn Disk>,
}

impl Default for Options {
    fn default() -> Self {
        Self { segment_rows: 32_768, segment_bytes: 64 << 20, disk: Arc::new(OsDisk) }
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
}

/// The write-ahead log file that is being appended to.
pub(crate) struct Wal {
    file: Box<dyn DiskFile>,
    pub(crate) id: WalId,
    pub(crate) len: u64,
    pub(crate) frames: u64,
    pub(crate) rows: u64,
    /// Day of its newest frame.
    pub(crate) day: Option<NaiveDate>,
}

impl Wal {
    /// Puts a generation in place, durable with its name, holding `content` (good frames of an earlier life).
    pub(crate) fn create(home: &Home, id: WalId, content: &[u8]) -> Result<Self, Error> {
        let path = wal::path(&home.dir, id.generation);
        let tmp = home.dir.join("tmp").join(format!("{:08}.wal", id.generation));
        let file = durable::replace(home.disk.as_ref(), &tmp, &path, &[&id.encode(), content])?;
        let len = (FILE_HEADER + content.len()) as u64;
        Ok(Self { file, id, len, frames: 0, rows: 0, day: None })
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
    pub(crate) sealed_end: [u64; 3],
    pub(crate) index: DedupIndex,
    pub(crate) recovery: Recovery,
    pub(crate) frame: FrameBuilder,
    pub(crate) poisoned: Option<String>,
    pub(crate) _lock: Lock,
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
        let day = day_of(now_us).ok_or_else(|| Error::Transaction(format!("the time {now_us} µs is out of range")))?;
        if self.must_seal_first(&txn, day) {
            self.seal_tail(now_us)?;
        }
        let result = self.append(txn, now_us, day);
        self.poison_on_error(result)
    }

    /// Turns the write-ahead log into segments and starts a new one. Does nothing when it holds no frame.
    /// `commit` calls it before the tail outgrows [`Options`] and when the UTC day changes.
    ///
    /// # Errors
    /// Any error poisons the writer.
    pub fn seal_tail(&mut self, now_us: i64) -> Result<(), Error> {
        self.refuse_if_poisoned()?;
        if self.wal.frames == 0 {
            return Ok(());
        }
        let result = self.rotate(now_us);
        self.poison_on_error(result)
    }

    /// Seals the tail and releases the lock.
    ///
    /// # Errors
    /// As [`Writer::seal_tail`].
    pub fn close(mut self, now_us: i64) -> Result<(), Error> {
        self.seal_tail(now_us)
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
    #[must_use]
    pub fn contains(&self, id: &str) -> bool {
        self.index.contains(id.as_bytes())
    }

    /// Event ids known to the Logstore.
    #[must_use]
    pub fn ids(&self) -> usize {
        self.index.len()
    }

    fn refuse_if_poisoned(&self) -> Result<(), Error> {
        match &self.poisoned {
            Some(cause) => Err(Error::Poisoned { cause: cause.clone() }),
            None => Ok(()),
        }
    }

    fn poison_on_error<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(e) = &result {
            self.poisoned.get_or_insert_with(|| e.to_string());
        }
        result
    }

    fn must_seal_first(&self, txn: &Transaction, day: NaiveDate) -> bool {
        let rows = self.wal.rows + txn.rows() as u64;
        let bytes = self.wal.len + (HEADER + txn.frame_bytes()) as u64;
        let full = rows > self.options.segment_rows || bytes > self.options.segment_bytes;
        self.wal.frames > 0 && (full || self.wal.day != Some(day))
    }

    fn append(&mut self, txn: Transaction, now_us: i64, day: NaiveDate) -> Result<Committed, Error> {
        let mut tally = Tally::default();
        self.frame.begin(self.state.next_seq);
        for store in Store::ALL {
            for entry in txn.entries().iter().filter(|e| e.store == store) {
                let row = txn.row(entry);
                if store == Store::Log && !self.is_new(row) {
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
        let (frame, header) = self.frame.finish(self.wal.id, self.wal.frames, now_us, &meta);
        let path = || wal::path(&self.home.dir, self.wal.id.generation);
        let written = self.wal.file.write_all(frame).and_then(|()| self.wal.file.sync());
        written.map_err(|e| Error::write(&path(), e))?;
        if !self.state.apply(&header, meta) {
            return Err(Error::corrupt(&path(), self.wal.len, "a frame does not follow the one before"));
        }
        self.wal.len += frame.len() as u64;
        self.wal.frames += 1;
        self.wal.rows += committed.log + committed.quarantine + committed.passthrough;
        self.wal.day = Some(day);
        Ok(committed)
    }

    /// Enters the id of a row into the index; `false` when it was there.
    fn is_new(&mut self, row: &[u8]) -> bool {
        let id = self.home.layout.key.and_then(|key| crate::row::RowRef::parse(row).ok()?.column(key));
        id.is_none_or(|id| self.index.insert(id))
    }

    /// Segments, new generation, state, old generation away: in this order, each step durable.
    /// `docs/format.md` says what a crash after each step leaves, and how it is recovered.
    fn rotate(&mut self, now_us: i64) -> Result<(), Error> {
        let old = self.wal.id.generation;
        let old_path = wal::path(&self.home.dir, old);
        let (frames, end) = seal::write_segments(&self.home, old, self.sealed_end)?;
        if frames != self.wal.frames || end != self.state.next_seq {
            return Err(Error::corrupt(&old_path, 0, "the write-ahead log changed under the writer"));
        }
        let new = Wal::create(&self.home, WalId { generation: old + 1, salt: Wal::salt() }, &[])?;
        let disk = self.home.disk.as_ref();
        Sealed::write(old, now_us, &self.state, disk, &self.home.dir)?;
        disk.remove(&old_path).map_err(|e| Error::write(&old_path, e))?;
        durable::sync_parent(disk, &old_path)?;
        self.sealed_end = end;
        self.wal = new;
        Ok(())
    }
}

/// Counts the rows of one commit.
#[derive(Default)]
struct Tally {
    records: [u64; 3],
    bytes: [u64; 3],
    duplicates: (u64, u64),
}

impl Tally {
    fn add(&mut self, store: Store, consumed: u64) {
        self.records[store.place()] += 1;
        let bytes = &mut self.bytes[store.place()];
        *bytes = bytes.saturating_add(consumed);
    }

    fn duplicate(&mut self, consumed: u64) {
        self.duplicates.0 += 1;
        self.duplicates.1 = self.duplicates.1.saturating_add(consumed);
    }

    fn committed(&self, log_first_seq: u64) -> Committed {
        let [log, quarantine, passthrough] = self.records;
        Committed { log, quarantine, passthrough, duplicates: self.duplicates.0, log_first_seq }
    }

    /// Adds what was counted to the counters of the frame.
    fn count(&self, counters: &mut Vec<(String, u64)>) {
        let mut add = |name: &str, records: u64, bytes: u64| {
            if records > 0 {
                counters.push((format!("{name}.records"), records));
                counters.push((format!("{name}.bytes"), bytes));
            }
        };
        for store in Store::ALL {
            add(store.name(), self.records[store.place()], self.bytes[store.place()]);
        }
        add("duplicates", self.duplicates.0, self.duplicates.1);
    }
}
