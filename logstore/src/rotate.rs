//! The tail becomes segments: what `building` has written under temporary names gets its final ones.
//! It must never give a file its final name before all files of the generation are durable.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate};

use crate::building::Built;
use crate::durable::{Disk, Folders, Part};
use crate::lane::Written;
use crate::seal::Seal;
use crate::seal::digest::NamedFile;
use crate::segment::{self, HashedFile, SegmentRef};
use crate::store::STORES;
use crate::{Error, Layout, Store};

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
pub(crate) fn rotate(home: &Home, built: Built, from: [u64; STORES], seal: &mut Seal) -> Result<Rotated, Error> {
    let mut end = from;
    let mut pending = Vec::new();
    for (store, Written { segment, index }) in built.segments {
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
    Ok(Rotated { frames: built.frames, end, files })
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
