//! The event ids that the dedicated Logstore holds: the newest in memory, all others in sorted files beside the segments.
//! It must never forget an id while its event is there, never answer from a damaged file, and never keep the id itself.
//!
//! The files are derived: everything in them can be read again from the segments, and is when they are missing, damaged
//! or of another history. `docs/format.md` has their bytes, `docs/scale.md` what they cost.

mod build;
mod entry;
mod epochs;
mod filter;
mod flush;
mod manifest;
mod merge;
mod open;
mod run;

use std::hash::BuildHasherDefault;
use std::path::PathBuf;

use chrono::NaiveDate;
use hashbrown::{HashMap, hash_map};

use crate::durable::Part;
use crate::rotate::Home;
use crate::seal::digest::Link;
use crate::{Error, Store};
use entry::{Key, Packed, Salt, Uniform};
use epochs::Epochs;
use filter::Filter;
pub use open::IdProgress;
pub(crate) use open::{Opening, Source};
use run::{Damage, Run};

/// Ids are flushed after this many rotations, however few they are: opening reads the segments since the last flush.
const ROTATIONS: u64 = 64;

/// The folder of the index.
pub(crate) fn folder(home: &Home) -> PathBuf {
    home.dir.join(Store::Log.name()).join("ids")
}

/// Ids seen, as keyed hashes.
pub(crate) struct DedupIndex {
    /// The column of the ids; without one there are none.
    column: Option<String>,
    salt: Salt,
    /// Ids that are in no file yet, with their epochs.
    recent: HashMap<Packed, u16, BuildHasherDefault<Uniform>>,
    epochs: Epochs,
    /// What most flushes write again.
    middle: Option<Run>,
    /// What the middle run may hold; none before the first flush.
    filter: Option<Filter>,
    /// The rest, divided by key: each with the first key that belongs to it.
    slices: Vec<(Key, Run)>,
    /// The number of the next file.
    number: u64,
    /// The records whose ids are in the files, from the first one that is not dropped.
    covered: std::ops::Range<u64>,
    /// Flush when this many ids are in memory.
    limit: u64,
    /// Rotations since the last flush.
    rotations: u64,
}

impl DedupIndex {
    /// An index without ids, for records from `from` on.
    fn empty(column: Option<String>, limit: u64, from: u64) -> Self {
        Self {
            column,
            salt: Salt::random(),
            recent: HashMap::default(),
            epochs: Epochs::default(),
            middle: None,
            filter: None,
            slices: Vec::new(),
            number: 1,
            covered: from..from,
            limit: limit.max(1),
            rotations: 0,
        }
    }

    /// Enters the ids of rows that are about to be appended on `day`, the first of them as `seq`; a row without an id is
    /// always new. Tells of each whether it is new.
    ///
    /// After an error nothing may be appended any more: ids that are not there have entered.
    pub(crate) fn admit(
        &mut self,
        home: &Home,
        (day, seq): (NaiveDate, u64),
        ids: &[Option<&[u8]>],
    ) -> Result<Vec<bool>, Error> {
        let keys: Vec<Option<Key>> = ids.iter().map(|id| id.map(|id| self.salt.key(id))).collect();
        let mut new = vec![true; ids.len()];
        if let Err(damage) = self.look_up(&keys, &mut new) {
            return Err(self.condemn(home, damage));
        }
        if !ids.is_empty() {
            self.epochs.enter(day, seq);
        }
        for (new, key) in new.iter_mut().zip(&keys) {
            if let Some(key) = key {
                *new = *new && self.insert(*key);
            }
        }
        Ok(new)
    }

    /// Enters a key in the newest epoch; `false` when it is in memory already. What is in memory is not dropped.
    fn insert(&mut self, key: Key) -> bool {
        let hash_map::Entry::Vacant(place) = self.recent.entry(Packed::new(key)) else { return false };
        place.insert(self.epochs.last());
        self.epochs.count();
        true
    }

    /// Says of each key that is in a file that it is not new; in the order of the keys, which is that of the files.
    fn look_up(&self, keys: &[Option<Key>], new: &mut [bool]) -> Result<(), Damage> {
        if self.middle.is_none() && self.slices.is_empty() {
            return Ok(());
        }
        let places = keys.iter().enumerate().filter_map(|(place, key)| Some(((*key)?, place)));
        let mut places: Vec<(Key, usize)> =
            places.filter(|(key, _)| !self.recent.contains_key(&Packed::new(*key))).collect();
        places.sort_unstable();
        for (key, place) in places {
            new[place] = !self.in_files(key)?;
        }
        Ok(())
    }

    fn in_files(&self, key: Key) -> Result<bool, Damage> {
        let slice = self.slices.partition_point(|(first, _)| *first <= key).checked_sub(1);
        let slice = slice.map(|place| &self.slices[place].1);
        let may_hold = self.filter.as_ref().is_none_or(|filter| filter.may_hold(key));
        let middle = self.middle.as_ref().filter(|_| may_hold);
        for run in [slice, middle].into_iter().flatten() {
            if run.find(key)?.is_some_and(|epoch| self.epochs.is_live(epoch)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the record with this id is there.
    pub(crate) fn contains(&self, id: &[u8]) -> Result<bool, Error> {
        let key = self.salt.key(id);
        if self.recent.contains_key(&Packed::new(key)) {
            return Ok(true);
        }
        self.in_files(key).map_err(|damage| Error::Ids { path: damage.path, what: damage.what })
    }

    /// Ids whose records are there.
    pub(crate) fn len(&self) -> u64 {
        self.epochs.ids()
    }

    /// After a rotation: the records up to `end` are in segments, those below `kept` are dropped. Forgets the ids of what
    /// was dropped, and writes those in memory to files when there are enough.
    pub(crate) fn rotated(&mut self, home: &Home, digest: Link, kept: u64, end: u64) -> Result<(), Error> {
        if self.column.is_none() {
            return Ok(());
        }
        if kept > self.covered.start {
            if !self.epochs.retire(kept, end) {
                // Only what was appended since the last segment of its day is left: that is soon read.
                return self.read_again(home, digest, kept, end);
            }
            let epochs = &self.epochs;
            self.recent.retain(|_, epoch| epochs.is_live(*epoch));
            self.covered.start = kept;
        }
        self.rotations += 1;
        if self.is_due() { self.flush(home, digest, kept, end) } else { Ok(()) }
    }

    fn is_due(&self) -> bool {
        self.recent.len() as u64 >= self.limit || self.rotations >= ROTATIONS
    }

    /// Makes the next start read the ids from the segments. Not more: this start has told callers of ids already.
    fn condemn(&self, home: &Home, Damage { path, what }: Damage) -> Error {
        let manifest = folder(home).join(manifest::NAME);
        // If that fails too, the next start finds the same damage again.
        let _ = home.disk.remove(Part::IdRun, &manifest).and_then(|()| home.disk.sync_dir(Part::IdRun, &folder(home)));
        Error::Ids { path, what }
    }
}

impl std::fmt::Debug for DedupIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let files = usize::from(self.middle.is_some()) + self.slices.len();
        write!(f, "DedupIndex({} ids, {} of them in memory, {files} files)", self.len(), self.recent.len())
    }
}
