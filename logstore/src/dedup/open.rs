//! The index when a writer opens: the files that fit the sealed state, and the ids of the segments after them.
//! It must never make opening fail because a file of the index is missing or damaged: then the segments are read again.

use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::NaiveDate;

use super::manifest::{Manifest, NAME};
use super::run::{Damage, Run};
use super::{DedupIndex, folder};
use crate::durable::Part;
use crate::format::{Sealed, read_file};
use crate::rotate::Home;
use crate::seal::digest::{self, Link};
use crate::segment::{self, SegmentRef};
use crate::{Error, Store, scan};

/// Called while opening reads ids from segments: records read, records to read.
#[derive(Clone)]
pub struct IdProgress(Arc<dyn Fn(u64, u64) + Send + Sync>);

impl IdProgress {
    /// Calls `watch` after each segment.
    pub fn new(watch: impl Fn(u64, u64) + Send + Sync + 'static) -> Self {
        Self(Arc::new(watch))
    }
}

impl fmt::Debug for IdProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdProgress")
    }
}

/// What the sealed part of a directory is.
pub(crate) struct Source<'a> {
    pub(crate) sealed: &'a Sealed,
    pub(crate) digest: Link,
    /// The segments of the dedicated Logstore, without a gap.
    pub(crate) segments: &'a [SegmentRef],
}

/// How an index is opened.
pub(crate) struct Opening<'a> {
    pub(crate) home: &'a Home,
    /// Ids in memory before they are flushed.
    pub(crate) limit: u64,
    pub(crate) progress: Option<&'a IdProgress>,
}

/// What opening the index took.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Opened {
    /// Records whose ids were read from segments.
    pub(crate) read: u64,
    /// Why the files that were there could not be used.
    pub(crate) rebuilt: Option<String>,
}

impl Opening<'_> {
    /// The index of all records in segments.
    pub(crate) fn open(&self, source: &Source<'_>) -> Result<(DedupIndex, Opened), Error> {
        let Self { home, limit, .. } = *self;
        let key = home.layout.key.and_then(|k| home.layout.columns.get(usize::from(k)));
        let column = key.map(|column| column.name.clone());
        let kept = source.sealed.kept[Store::Log.place()];
        let empty = || DedupIndex::empty(column.clone(), limit, kept);
        if column.is_none() {
            return Ok((empty(), Opened::default()));
        }
        let why = match self.load(source, empty()) {
            Ok(Some(mut index)) => {
                self.remove_others(&index)?;
                match self.fill(source, &mut index) {
                    Ok(read) => return Ok((index, Opened { read, rebuilt: None })),
                    // Only merging reads every block, so only it finds this damage.
                    Err(Error::Ids { path, what }) => Some(said(&Damage { path, what })),
                    Err(e) => return Err(e),
                }
            }
            Ok(None) => None,
            Err(damage) => Some(said(&damage)),
        };
        clear(home)?;
        let mut index = empty();
        let read = self.fill(source, &mut index)?;
        Ok((index, Opened { read, rebuilt: why }))
    }

    /// The index that the manifest names, if it belongs to the sealed state; `None` when there is none.
    fn load(&self, source: &Source<'_>, mut index: DedupIndex) -> Result<Option<DedupIndex>, Damage> {
        let folder = folder(self.home);
        let path = folder.join(NAME);
        let damage = |what: &str| Damage { path: path.clone(), what: what.to_owned() };
        let Some(manifest) = Manifest::read(&path)? else {
            let lost = std::fs::read_dir(&folder).is_ok_and(|mut files| files.next().is_some());
            return if lost { Err(damage("it is missing, but there are files that it would name")) } else { Ok(None) };
        };
        let (place, state) = (Store::Log.place(), source.sealed);
        let (kept, end) = (state.kept[place], state.state.next(Store::Log));
        if index.column.as_ref() != Some(&manifest.key) {
            return Err(damage("it is of another column"));
        }
        let inside = |segment: &SegmentRef| segment.first_seq < manifest.to && manifest.to < segment.end();
        if manifest.to > end || manifest.from > kept || source.segments.iter().any(inside) {
            return Err(damage("it covers other records than the segments"));
        }
        if !self.has_digest(source, manifest.digest) {
            return Err(damage("it is of another history than state.json"));
        }
        index.salt = manifest.salt;
        index.epochs = manifest.epochs;
        index.covered = kept..manifest.to;
        if index.epochs.worn_out() || !index.epochs.retire(kept, manifest.to) {
            return Err(damage("it does not tell which ids were dropped"));
        }
        let open = |id| Run::open(&folder, id, manifest.salt);
        index.middle = manifest.middle.map(open).transpose()?;
        index.slices = manifest.slices.iter().map(|(key, id)| Ok((*key, open(*id)?))).collect::<Result<_, Damage>>()?;
        let numbers =
            index.slices.iter().map(|(_, run)| run.id.number).chain(index.middle.iter().map(|run| run.id.number));
        index.number = numbers.max().unwrap_or(0) + 1;
        Ok(Some(index))
    }

    /// Whether a digest belongs to the history of the sealed state.
    fn has_digest(&self, source: &Source<'_>, link: Link) -> bool {
        let path = digest::path(&self.home.dir, link.number);
        let found = || read_file(&path).ok().flatten().is_some_and(|bytes| digest::sha256(&bytes) == link.sha256);
        link == source.digest || link.number < source.digest.number && found()
    }

    /// Removes files that the index does not name: left of a flush that was cut short.
    fn remove_others(&self, index: &DedupIndex) -> Result<(), Error> {
        let named = |path: &PathBuf| {
            let mut runs = index.slices.iter().map(|(_, run)| run).chain(&index.middle);
            path.file_name().is_some_and(|name| name == NAME) || runs.any(|run| run.path() == path)
        };
        remove(self.home, files(self.home)?.into_iter().filter(|path| !named(path)))
    }

    /// Enters the ids of the segments that no file covers; how many records were read. Memory stays within the limit.
    fn fill(&self, source: &Source<'_>, index: &mut DedupIndex) -> Result<u64, Error> {
        let column = index.column.clone().unwrap_or_default();
        let from = index.covered.end;
        let left = source.segments.iter().filter(|segment| segment.end() > from);
        let (total, mut read) = (left.clone().map(|segment| segment.rows).sum::<u64>(), 0);
        for segment in left {
            index.enter(segment.day, segment.first_seq);
            scan::each_text(segment, &column, |id| {
                let key = index.salt.key(id);
                index.insert(key);
            })?;
            read += segment.rows;
            if let Some(IdProgress(watch)) = self.progress {
                watch(read, total);
            }
            index.rotations += 1;
            if index.is_due() {
                let kept = source.sealed.kept[Store::Log.place()];
                index.flush(self.home, source.digest, kept, segment.end())?;
            }
        }
        Ok(read)
    }
}

impl DedupIndex {
    /// What comes next is appended on `day`, as `seq`.
    pub(crate) fn enter(&mut self, day: NaiveDate, seq: u64) {
        self.epochs.enter(day, seq);
    }

    /// Enters an id of the write-ahead log that was found to be new before.
    pub(crate) fn enter_id(&mut self, id: &[u8]) {
        let key = self.salt.key(id);
        self.insert(key);
    }

    /// Begins again with the records that are left.
    pub(super) fn read_again(&mut self, home: &Home, digest: Link, kept: u64, end: u64) -> Result<(), Error> {
        let segments = segment::list_sealed(&home.dir, Store::Log, kept, end)?;
        let mut sealed = Sealed::default();
        sealed.kept[Store::Log.place()] = kept;
        clear(home)?;
        *self = Self::empty(self.column.clone(), self.limit, kept);
        let opening = Opening { home, limit: self.limit, progress: None };
        opening.fill(&Source { sealed: &sealed, digest, segments: &segments }, self).map(drop)
    }
}

fn said(Damage { path, what }: &Damage) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!("log/ids/{name}: {what}")
}

/// Removes the files of the index, the manifest first.
fn clear(home: &Home) -> Result<(), Error> {
    let mut all = files(home)?;
    all.sort_by_key(|path| path.file_name().is_none_or(|name| name != NAME));
    remove(home, all.into_iter())
}

fn files(home: &Home) -> Result<Vec<PathBuf>, Error> {
    let folder = folder(home);
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::read(&folder, e)),
    };
    let paths = entries.map(|entry| Ok(entry.map_err(|e| Error::read(&folder, e))?.path()));
    paths.filter(|path| path.as_ref().map_or(true, |path| !path.is_dir())).collect()
}

fn remove(home: &Home, paths: impl Iterator<Item = PathBuf>) -> Result<(), Error> {
    let mut removed = false;
    for path in paths {
        home.disk.remove(Part::IdRun, &path).map_err(|e| Error::write(&path, e))?;
        removed = true;
    }
    let folder = folder(home);
    if removed { home.disk.sync_dir(Part::IdRun, &folder).map_err(|e| Error::write(&folder, e)) } else { Ok(()) }
}
