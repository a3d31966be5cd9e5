//! Opening a data directory: take the lock, find the last good moment, go on from there.
//! It must never cut what was acknowledged: damage is refused, only a torn last write is dropped.

use std::path::Path;
use std::sync::Arc;

use crate::dedup::DedupIndex;
use crate::durable::{self, Disk};
use crate::format::{FORMAT, Format, Sealed};
use crate::frame::{FILE_HEADER, FrameBuilder, WalId};
use crate::lock::Lock;
use crate::row::RowRef;
use crate::seal::{Home, day_of};
use crate::segment::{self, SegmentRef};
use crate::wal::{self, WalReader};
use crate::writer::{Options, Recovery, Wal, Writer};
use crate::{Error, Layout, State, Store, scan};

/// See [`Writer::open`].
pub(crate) fn open(dir: &Path, trail: &str, layout: Layout, options: Options, now_us: i64) -> Result<Writer, Error> {
    layout.check()?;
    if day_of(now_us).is_none() {
        return Err(Error::Transaction(format!("the time {now_us} µs is out of range")));
    }
    let disk = Arc::clone(&options.disk);
    durable::make_dir(disk.as_ref(), dir)?;
    let lock = Lock::take(&dir.join("LOCK"))?;
    let format = settle_format(dir, trail, layout, now_us)?;
    make_folders(disk.as_ref(), dir)?;
    let removed_files = empty_tmp(disk.as_ref(), dir)?;
    if let Some(format) = &format.changed {
        format.write(disk.as_ref(), dir)?;
    }
    let home = Home { dir: dir.to_path_buf(), disk, layout: Arc::new(format.layout) };
    let base = settle_state(&home, now_us)?;
    let replay = Replay::run(&home, base)?;
    let (segments, sealed_end) = settle_segments(&home, &replay)?;
    let mut index = DedupIndex::default();
    fill_index(&home, &segments, &replay.ids, &mut index)?;
    let rows = (0..3).map(|i| replay.state.next_seq[i] - sealed_end[i]).sum();
    let recovery = Recovery { frames: replay.frames, rows, dropped_bytes: replay.dropped, removed_files };
    let mut wal = replay.rewrite(&home)?;
    wal.rows = rows;
    Ok(Writer {
        home,
        options,
        wal,
        state: replay.state,
        sealed_end,
        index,
        recovery,
        frame: FrameBuilder::default(),
        poisoned: None,
        _lock: lock,
    })
}

struct Settled {
    layout: Layout,
    changed: Option<Format>,
}

/// Compares the directory's identity with what is wanted; a directory without one must be empty.
fn settle_format(dir: &Path, trail: &str, layout: Layout, now_us: i64) -> Result<Settled, Error> {
    let path = dir.join("format.json");
    let Some(stored) = Format::read(dir)? else {
        let used = !wal::list(dir)?.is_empty() || Sealed::read(dir)?.is_some() || any_segment(dir)?;
        if used {
            return Err(Error::corrupt(&path, 0, "it is missing, but the directory holds records"));
        }
        let format = Format {
            format: FORMAT,
            created: now_us,
            trail: trail.to_owned(),
            layout_version: 1,
            layout: layout.clone(),
        };
        return Ok(Settled { layout, changed: Some(format) });
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
    Ok(Settled { layout, changed })
}

fn any_segment(dir: &Path) -> Result<bool, Error> {
    for store in Store::ALL {
        if !segment::list(dir, store)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn make_folders(disk: &dyn Disk, dir: &Path) -> Result<(), Error> {
    for name in ["tmp", "wal"] {
        durable::make_dir(disk, &dir.join(name))?;
    }
    for store in Store::ALL {
        durable::make_dir(disk, &dir.join(store.name()))?;
        durable::make_dir(disk, &segment::data_dir(dir, store))?;
    }
    Ok(())
}

fn empty_tmp(disk: &dyn Disk, dir: &Path) -> Result<u64, Error> {
    let tmp = dir.join("tmp");
    let mut removed = 0;
    for entry in std::fs::read_dir(&tmp).map_err(|e| Error::read(&tmp, e))? {
        let path = entry.map_err(|e| Error::read(&tmp, e))?.path();
        disk.remove(&path).map_err(|e| Error::write(&path, e))?;
        removed += 1;
    }
    Ok(removed)
}

/// The state of the last sealed generation. A directory that never got one must hold no record yet.
fn settle_state(home: &Home, now_us: i64) -> Result<Sealed, Error> {
    if let Some(sealed) = Sealed::read(&home.dir)? {
        return Ok(sealed);
    }
    let mut fresh = !any_segment(&home.dir)?;
    for generation in wal::list(&home.dir)? {
        let reader = WalReader::open(&home.dir, generation)?;
        fresh &= generation == 1 && reader.is_none_or(|r| r.len() <= FILE_HEADER as u64);
    }
    if !fresh {
        let path = home.dir.join("state.json");
        return Err(Error::corrupt(&path, 0, "it is missing, but the directory holds records"));
    }
    Wal::create(home, WalId { generation: 1, salt: Wal::salt() }, &[])?;
    Sealed::write(0, now_us, &State::default(), home.disk.as_ref(), &home.dir)?;
    Ok(Sealed::default())
}

/// What the live generation of the write-ahead log says.
struct Replay {
    base: Sealed,
    id: Option<WalId>,
    state: State,
    frames: u64,
    dropped: u64,
    good: u64,
    last_us: i64,
    ids: Vec<Vec<u8>>,
    superseded: Vec<u64>,
}

impl Replay {
    /// Reads the live generation. Older ones are already in segments; one newer one may exist, without
    /// a frame, when a crash came between its creation and the state that goes with it.
    fn run(home: &Home, base: Sealed) -> Result<Self, Error> {
        let live = base.generation + 1;
        let path = wal::path(&home.dir, live);
        let mut superseded = Vec::new();
        for generation in wal::list(&home.dir)? {
            if generation < live {
                superseded.push(generation);
            } else if generation > live {
                let reader = WalReader::open(&home.dir, generation)?;
                if generation > live + 1 || reader.is_some_and(|r| r.len() > FILE_HEADER as u64) {
                    let what = format!("generation {live} is the live one, but this newer one holds data");
                    return Err(Error::corrupt(&wal::path(&home.dir, generation), 0, what));
                }
                superseded.push(generation);
            }
        }
        let gone = || Error::corrupt(&path, 0, "the write-ahead log named by state.json is missing");
        let mut reader = WalReader::open(&home.dir, live)?.ok_or_else(gone)?;
        let state = base.state.clone();
        let mut replay = Self {
            base,
            id: reader.id(),
            state,
            frames: 0,
            dropped: 0,
            good: 0,
            last_us: 0,
            ids: Vec::new(),
            superseded,
        };
        replay.frames(home, &mut reader)?;
        replay.good = reader.offset();
        replay.dropped = reader.len().saturating_sub(reader.offset());
        Ok(replay)
    }

    fn frames(&mut self, home: &Home, reader: &mut WalReader) -> Result<(), Error> {
        let path = wal::path(&home.dir, self.base.generation + 1);
        loop {
            let at = reader.offset();
            let Some(frame) = reader.next()? else { return Ok(()) };
            let bad = || Error::corrupt(&path, at, "a frame with a valid checksum does not follow the one before");
            let meta = frame.meta().ok_or_else(bad)?;
            if day_of(frame.header.now_us).is_none() || !self.state.apply(&frame.header, meta) {
                return Err(bad());
            }
            for row in frame.rows(Store::Log) {
                let (_, row) = row.ok_or_else(bad)?;
                let row = RowRef::parse(row).map_err(|_| bad())?;
                self.ids.extend(home.layout.key.and_then(|k| row.column(k)).map(<[u8]>::to_vec));
            }
            self.frames += 1;
            self.last_us = frame.header.now_us;
        }
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
            disk.remove(&old).map_err(|e| Error::write(&old, e))?;
            durable::sync_parent(disk, &old)?;
        }
        wal.frames = self.frames;
        wal.day = if self.frames > 0 { day_of(self.last_us) } else { None };
        Ok(wal)
    }
}

/// Segments must be dense, reach at least the sealed state, and never beyond the log.
fn settle_segments(home: &Home, replay: &Replay) -> Result<([Vec<SegmentRef>; 3], [u64; 3]), Error> {
    let mut all = [const { Vec::new() }; 3];
    let mut end = replay.base.state.next_seq;
    for store in Store::ALL {
        let place = store.place();
        let segments = segment::list(&home.dir, store)?;
        segment::check_dense(&home.dir, store, &segments, replay.base.state.next_seq[place])?;
        if let Some(last) = segments.last() {
            let (low, high) = (replay.base.state.next_seq[place], replay.state.next_seq[place]);
            if last.end() < low || last.end() > high {
                let expected = if last.end() < low { low } else { high };
                let path = last.path.clone();
                return Err(Error::Gap { store, path, expected, found: last.end() });
            }
            end[place] = last.end();
        }
        // A segment of the live generation may have its name only in memory: its rename was not synced.
        for segment in segments.iter().filter(|s| s.end() > replay.base.state.next_seq[place]) {
            durable::sync_parent(home.disk.as_ref(), &segment.path)?;
            durable::sync_parent(home.disk.as_ref(), &segment::day_dir(&home.dir, store, segment.day))?;
        }
        all[place] = segments;
    }
    Ok((all, end))
}

fn fill_index(
    home: &Home,
    segments: &[Vec<SegmentRef>; 3],
    tail: &[Vec<u8>],
    index: &mut DedupIndex,
) -> Result<(), Error> {
    let Some(key) = home.layout.key.and_then(|k| home.layout.columns.get(usize::from(k))) else { return Ok(()) };
    let segments = &segments[Store::Log.place()];
    let rows: u64 = segments.iter().map(|s| s.rows).sum();
    index.reserve(usize::try_from(rows).unwrap_or(0).min(1 << 32) + tail.len());
    for segment in segments {
        scan::each_text(segment, &key.name, |id| {
            index.insert(id);
        })?;
    }
    for id in tail {
        index.insert(id);
    }
    Ok(())
}
