//! Opening a data directory: take the lock, find the last good moment, go on from there.
//! It must never cut what was acknowledged: damage is refused, only a torn last write is dropped.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::NaiveDate;

use crate::dedup::{Opening, Source};
use crate::durable::{self, Disk, Folders, Part};
use crate::format::{FORMAT, Format, Sealed, read_file};
use crate::frame::{FILE_HEADER, FrameBuilder, WalId};
use crate::leftovers;
use crate::lock::Lock;
use crate::rotate::{Home, day_of, hour_of};
use crate::row::RowRef;
use crate::seal::digest::{self, Link};
use crate::seal::key::{TRAIL, origin};
use crate::seal::note::{self, Place};
use crate::seal::{Seal, SealKey};
use crate::segment;
use crate::wal::{self, WalReader};
use crate::writer::{Options, Recovery, Wal, Writer};
use crate::{Error, Layout, State, Store, pin};

/// See [`Writer::open`].
pub(crate) fn open(dir: &Path, trail: &str, layout: Layout, options: Options, now_us: i64) -> Result<Writer, Error> {
    layout.check()?;
    if day_of(now_us).is_none() {
        return Err(Error::Transaction(format!("the time {now_us} µs is out of range")));
    }
    let disk = Arc::clone(&options.disk);
    let folders = Folders::default();
    folders.make(disk.as_ref(), &[dir.to_path_buf()])?;
    let lock = Arc::new(Lock::take(&dir.join("LOCK"))?);
    locked(dir, trail, layout, options, (lock, folders), now_us)
}

/// See [`Writer::reopen`].
pub(crate) fn reopen(stopped: &Writer, now_us: i64) -> Result<Writer, Error> {
    let (home, options) = (&stopped.home, stopped.options.clone());
    let trail = options.key.name().strip_prefix(TRAIL).unwrap_or_default().to_owned();
    let held = (Arc::clone(&stopped.lock), Folders::default());
    locked(&home.dir, &trail, home.layout.as_ref().clone(), options, held, now_us)
}

fn locked(
    dir: &Path,
    trail: &str,
    layout: Layout,
    options: Options,
    (lock, folders): (Arc<Lock>, Folders),
    now_us: i64,
) -> Result<Writer, Error> {
    let disk = Arc::clone(&options.disk);
    let (layout, new_format) = settle_format(dir, trail, layout, now_us)?;
    if options.key.name() != origin(trail) {
        return Err(Error::Key(format!("it is called {}, but this trail needs {}", options.key.name(), origin(trail))));
    }
    let home = Home { dir: dir.to_path_buf(), disk, layout: Arc::new(layout), folders };
    make_folders(&home)?;
    let removed_files = empty_tmp(home.disk.as_ref(), dir)?;
    let Base { sealed, link, new_format } = settle_state(&home, &options.key, new_format, now_us)?;
    settle_key(&home, &options.key)?;
    leftovers::remove(&home, &sealed, new_format.is_some())?;
    let segments = segment::list_sealed(dir, Store::Log, sealed.kept[0], sealed.state.next(Store::Log))?;
    for store in &Store::ALL[1..] {
        segment::list_sealed(dir, *store, sealed.kept[store.place()], sealed.state.next(*store))?;
    }
    let replay = Replay::run(&home, &options.key, sealed)?;
    replay.refuse_truncation(&home)?;
    let opening = Opening { home: &home, limit: options.ids_in_memory, progress: options.id_progress.as_ref() };
    let (mut index, opened) = opening.open(&Source { sealed: &replay.base, digest: link, segments: &segments })?;
    for (day, seq, ids) in &replay.ids {
        index.enter(*day, *seq);
        ids.iter().for_each(|id| index.enter_id(id));
    }
    let rows = replay.rows();
    let recovery = Recovery {
        frames: replay.frames,
        rows,
        dropped_bytes: replay.dropped,
        removed_files,
        ids_read: opened.read,
        ids_rebuilt: opened.rebuilt,
    };
    let mut wal = replay.rewrite(&home)?;
    wal.rows = rows;
    let mut writer = Writer {
        home,
        options,
        wal,
        sealed_end: replay.base.state.next_seq,
        kept: replay.base.kept,
        state: replay.state,
        seal: replay.seal,
        digest: link,
        new_format,
        note: Vec::new(),
        note_put_us: now_us,
        note_is_new: false,
        index,
        recovery,
        frame: FrameBuilder::default(),
        poisoned: None,
        building: None,
        lock,
    };
    if writer.new_format.is_some() {
        writer.rotate(now_us, writer.kept)?;
    } else {
        writer.write_checkpoint(now_us)?;
    }
    pin::all(&writer.home, writer.sealed_end)?;
    Ok(writer)
}

/// Compares the directory's identity with what is wanted; a directory without one must be empty. Gives the layout to
/// use, and the content of a `format.json` that has to be written.
fn settle_format(dir: &Path, trail: &str, layout: Layout, now_us: i64) -> Result<(Layout, Option<Format>), Error> {
    let path = dir.join("format.json");
    let Some(stored) = Format::read(dir)? else {
        if Sealed::read(dir)?.is_some() || holds_records(dir)? {
            return Err(Error::corrupt(&path, 0, "it is missing, but the directory holds records"));
        }
        let trail = trail.to_owned();
        let format = Format { format: FORMAT, created: now_us, trail, layout_version: 1, layout: layout.clone() };
        return Ok((layout, Some(format)));
    };
    if stored.trail != trail {
        return Err(Error::OtherTrail { path, found: stored.trail, wanted: trail.to_owned() });
    }
    layout.check_continues(&stored.layout)?;
    let changed = (layout != stored.layout).then(|| Format {
        layout_version: stored.layout_version + 1,
        layout: layout.clone(),
        ..stored
    });
    Ok((layout, changed))
}

/// Whether there is a segment, or a write-ahead log with more in it than its header.
fn holds_records(dir: &Path) -> Result<bool, Error> {
    for store in Store::ALL {
        if !segment::list(dir, store)?.is_empty() {
            return Ok(true);
        }
    }
    for generation in wal::list(dir)? {
        let reader = WalReader::open(dir, generation)?;
        if generation != 1 || reader.is_some_and(|r| r.len() > FILE_HEADER as u64) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Makes the folders. It syncs what holds them as well, though they may be there: what an earlier life was killed in the
/// middle of must be durable before anything is removed because of it.
fn make_folders(home: &Home) -> Result<(), Error> {
    let names = ["tmp", "wal", "seal", "seal/digest", "seal/leaf", "seal/tile"];
    let mut folders: Vec<PathBuf> = names.iter().map(|name| home.dir.join(name)).collect();
    for store in Store::ALL {
        folders.push(home.dir.join(store.name()));
        folders.push(segment::data_dir(&home.dir, store));
    }
    home.folders.make(home.disk.as_ref(), &folders).map(drop)
}

fn empty_tmp(disk: &dyn Disk, dir: &Path) -> Result<u64, Error> {
    let tmp = dir.join("tmp");
    let mut removed = 0;
    for entry in std::fs::read_dir(&tmp).map_err(|e| Error::read(&tmp, e))? {
        let path = entry.map_err(|e| Error::read(&tmp, e))?.path();
        disk.remove(Part::Scratch, &path).map_err(|e| Error::write(&path, e))?;
        removed += 1;
    }
    Ok(removed)
}

/// Where replaying begins.
struct Base {
    sealed: Sealed,
    link: Link,
    new_format: Option<Format>,
}

/// The state of the last sealed generation. A directory that never got one must hold no record yet; it gets its first
/// digest and its first state here.
fn settle_state(home: &Home, key: &SealKey, new_format: Option<Format>, now_us: i64) -> Result<Base, Error> {
    if let Some(sealed) = Sealed::read(&home.dir)? {
        let (link, ahead) = digest::check(&home.dir, sealed.digest)?;
        // The layout on the disk is named by no digest that counts: a rotation names it again.
        let unsigned = if ahead { Format::read(&home.dir)? } else { None };
        return Ok(Base { sealed, link, new_format: new_format.or(unsigned) });
    }
    if holds_records(&home.dir)? {
        let path = home.dir.join("state.json");
        return Err(Error::corrupt(&path, 0, "it is missing, but the directory holds records"));
    }
    let sealed = Sealed { digest: 1, ..Sealed::default() };
    let draft = digest::Draft { sealed: &sealed, format: new_format.as_ref(), previous: Link::default(), now_us };
    let settlement = draft.settle(home, key, &Seal::default(), &[])?;
    settlement.put_digest(home)?;
    let (vkey, tmp) = (home.dir.join("seal/seal.vkey"), home.dir.join("tmp/seal.vkey"));
    durable::replace(home.disk.as_ref(), Part::PublicKey, &tmp, &vkey, &[key.vkey().as_bytes(), b"\n"])?;
    Wal::create(home, WalId { generation: 1, salt: Wal::salt() }, &[])?;
    settlement.put_state(home)?;
    Ok(Base { sealed, link: settlement.link, new_format: None })
}

/// Whoever signs must hold the key that signed so far.
fn settle_key(home: &Home, key: &SealKey) -> Result<(), Error> {
    let path = home.dir.join("seal/seal.vkey");
    let found = std::fs::read_to_string(&path).map_err(|e| Error::read(&path, e))?;
    if found.trim_end() == key.vkey() {
        return Ok(());
    }
    Err(Error::Key(format!("it is not the one that {} names; put the original key back", path.display())))
}

/// What the live generation of the write-ahead log says.
struct Replay {
    base: Sealed,
    id: Option<WalId>,
    state: State,
    seal: Seal,
    frames: u64,
    dropped: u64,
    good: u64,
    last_us: i64,
    /// Event ids of each frame, with the day and the first sequence number of its rows.
    ids: Vec<(NaiveDate, u64, Vec<Vec<u8>>)>,
    superseded: Vec<u64>,
}

impl Replay {
    /// Reads the live generation. Older ones are already in segments; one newer one may exist, without
    /// a frame, when a crash came between its creation and the state that goes with it.
    fn run(home: &Home, key: &SealKey, base: Sealed) -> Result<Self, Error> {
        let live = base.generation + 1;
        let path = wal::path(&home.dir, live);
        let superseded = superseded(home, live)?;
        let gone = || Error::corrupt(&path, 0, "the write-ahead log named by state.json is missing");
        let mut reader = WalReader::open(&home.dir, live)?.ok_or_else(gone)?;
        let unfit = || Error::corrupt(&home.dir.join("state.json"), 0, "its trees do not fit its sizes");
        let seal = Seal::restore(&base).ok_or_else(unfit)?;
        let state = base.state.clone();
        let (id, ids) = (reader.id(), Vec::new());
        let mut replay = Self { base, id, state, seal, frames: 0, dropped: 0, good: 0, last_us: 0, ids, superseded };
        replay.frames(home, key, &mut reader)?;
        replay.good = reader.offset();
        replay.dropped = reader.len().saturating_sub(reader.offset());
        Ok(replay)
    }

    fn frames(&mut self, home: &Home, key: &SealKey, reader: &mut WalReader) -> Result<(), Error> {
        let path = wal::path(&home.dir, self.base.generation + 1);
        loop {
            let at = reader.offset();
            let Some(frame) = reader.next()? else { return Ok(()) };
            let bad = |what: &str| Error::corrupt(&path, at, what);
            let follows = "a frame with a valid checksum does not follow the one before";
            let meta = frame.meta().ok_or_else(|| bad(follows))?;
            let now_us = frame.header.now_us;
            let day = day_of(now_us).ok_or_else(|| bad(follows))?;
            if !self.state.apply(&frame.header, meta) {
                return Err(bad(follows));
            }
            self.seal.absorb(frame.draft()).ok_or_else(|| bad(follows))?;
            self.frames += 1;
            let place = Place { generation: self.base.generation + 1, frames: self.frames };
            if key.sign(&note::checkpoint(key.name(), &self.seal, place, now_us))? != frame.note() {
                return Err(bad("a frame does not match the checkpoint that was signed with it: it was changed"));
            }
            let part = frame.header.parts[Store::Log.place()];
            let mut ids = Vec::new();
            for row in frame.rows(Store::Log) {
                let row = row.and_then(|(_, row)| RowRef::parse(row).ok()).ok_or_else(|| bad(follows))?;
                ids.extend(home.layout.key.and_then(|k| row.column(k)).map(<[u8]>::to_vec));
            }
            if part.rows > 0 {
                self.ids.push((day, part.first_seq, ids));
            }
            self.last_us = now_us;
        }
    }

    /// Rows that are in no segment yet.
    fn rows(&self) -> u64 {
        let sealed = self.base.state.next_seq.iter().sum::<u64>();
        self.state.next_seq.iter().sum::<u64>().saturating_sub(sealed)
    }

    /// What was signed and put beside the log must be in it: a shorter log is not a torn last write.
    fn refuse_truncation(&self, home: &Home) -> Result<(), Error> {
        let path = note::path(&home.dir);
        let Some(bytes) = read_file(&path)? else {
            let fresh = self.frames == 0 && self.base.generation == 0;
            return if fresh { Ok(()) } else { Err(Error::corrupt(&path, 0, "it is missing")) };
        };
        let unread = || Error::corrupt(&path, 0, "it is no checkpoint of this trail");
        let sizes = std::str::from_utf8(&bytes).ok().and_then(note::sizes).ok_or_else(unread)?;
        for store in Store::ALL {
            let (signed, found) = (sizes[store.place()], self.state.next(store));
            if signed > found {
                return Err(Error::Truncated { path, store, signed, found });
            }
        }
        Ok(())
    }

    /// Writes the good frames into a new file that replaces the old one, then removes what is superseded.
    ///
    /// A copy and not a cut: after a failed sync the old file may look whole in memory and be torn on the
    /// disk. The new file has its own sync, so what follows stands on firm ground.
    fn rewrite(&self, home: &Home) -> Result<Wal, Error> {
        let generation = self.base.generation + 1;
        let path = wal::path(&home.dir, generation);
        let disk = home.disk.as_ref();
        let bytes = std::fs::read(&path).map_err(|e| Error::read(&path, e))?;
        let to = usize::try_from(self.good).unwrap_or(usize::MAX);
        let content = bytes.get(FILE_HEADER..to).unwrap_or_default();
        let id = self.id.unwrap_or_else(|| WalId { generation, salt: Wal::salt() });
        let mut wal = Wal::create(home, id, content)?;
        for old in &self.superseded {
            let old = wal::path(&home.dir, *old);
            disk.remove(Part::OldWal, &old).map_err(|e| Error::write(&old, e))?;
            durable::sync_parent(disk, Part::OldWal, &old)?;
        }
        wal.frames = self.frames;
        wal.hour = (self.frames > 0).then(|| hour_of(self.last_us));
        Ok(wal)
    }
}

/// Generations beside the live one: older ones are in segments, a newer one must not hold data.
fn superseded(home: &Home, live: u64) -> Result<Vec<u64>, Error> {
    let mut found = wal::list(&home.dir)?;
    found.retain(|generation| *generation != live);
    for generation in found.iter().filter(|g| **g > live) {
        let reader = WalReader::open(&home.dir, *generation)?;
        if *generation > live + 1 || reader.is_some_and(|r| r.len() > FILE_HEADER as u64) {
            let what = format!("generation {live} is the live one, but this newer one holds data");
            return Err(Error::corrupt(&wal::path(&home.dir, *generation), 0, what));
        }
    }
    Ok(found)
}
