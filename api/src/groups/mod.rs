//! Consumer groups as Log Service has them: named checkpoints, one for each shard, and consumers that share the shards.
//! Nothing here may touch what is sealed, move a checkpoint back unasked, or let a consumer that lost a shard move its
//! checkpoint unless it forces that.
//!
//! # What is kept where
//! The Logstore's own groups (`consumers/<name>.json`, used by sinks and `tail`) have one position in the whole append order, and one
//! holder. A group here has a position in each shard and many holders, so it is another thing in a folder of its own:
//! `consumers/sls/<store>/<name>.json`. It is replaced as a whole (write, sync, rename, sync the folder) before a checkpoint is
//! answered; a crash leaves the old one or the new one. Heartbeats are not written. After a restart whoever stored a shard's
//! checkpoint is presumed to hold it until the group's timeout has passed since, so that two do not read one shard.
//! `consumers/sls/LOCK` is held while a process serves.
//!
//! # Codes
//! `ConsumerNotExsit` and `ShardNotExsit` are spelt as the service spells them: the Go consumer looks for these texts.
//! A checkpoint that is no cursor of its shard, lies behind its end, or lies before the stored one without `forceSuccess`, is
//! `InvalidShardCheckPoint`. The Python consumer (0.9.52) forces every checkpoint; so one of its processes that was taken for
//! dead can move a checkpoint back when it wakes. That costs repeats, never a loss: it moves it to where it has read.
//!
//! Reading groups is for every key, making and moving them for consumers.

pub(crate) mod disk;
mod file;
mod lease;
mod requests;
mod told;

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use innertrail_logstore::Store;
use innertrail_logstore::durable::{Disk, Part};

use crate::pull::{Cursors, DataError};
use crate::{Answer, ApiError, Call};
use file::{Checkpoint, Kept};
use lease::{Leases, NotHeld};
use told::Teller;
pub use told::{Done, EACH, GroupChange, Listener};

/// Groups of one Logstore at the most, as in Log Service.
const MOST_GROUPS: usize = 30;

/// The Logstore that is asked, and how far its shards go: looked up only where that matters.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a> {
    pub(crate) store: Store,
    pub(crate) ends: &'a dyn Fn() -> Result<Vec<u64>, ApiError>,
}

/// The folder of the groups, held by this process.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    _lock: File,
}

/// A group as it stands. The file of one that is damaged says nothing, and is replaced by nothing but its deletion.
#[derive(Debug)]
struct Group {
    kept: Result<Kept, String>,
    leases: Leases,
    /// It was deleted while somebody waited for it.
    gone: bool,
}

type Shared = Arc<Mutex<Group>>;

/// All groups of a data directory.
#[derive(Debug)]
pub(crate) struct Groups {
    folder: Folder,
    disk: Arc<dyn Disk>,
    shards: u32,
    cursors: Cursors,
    trail: String,
    teller: Teller,
    map: RwLock<BTreeMap<(Store, String), Shared>>,
}

fn no_group(name: &str) -> ApiError {
    ApiError::new(404, "ConsumerGroupNotExist", format!("consumer group {name} does not exist; create it first"))
}

fn unkept(e: &DataError) -> ApiError {
    ApiError::internal(format!("nothing was changed for certain, ask again: {e}"))
}

impl Groups {
    /// Makes the folder of a data directory, and takes it for this process.
    pub(crate) fn claim(dir: &Path, disk: &dyn Disk) -> Result<Folder, DataError> {
        let path = dir.join("consumers/sls");
        disk::folder(disk, &dir.join("consumers"))?;
        disk::folder(disk, &path)?;
        let lock = path.join("LOCK");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&lock).map_err(|e| DataError::io(&lock, e))?;
        match file.try_lock() {
            Ok(()) => Ok(Folder { path, _lock: file }),
            Err(TryLockError::WouldBlock) => Err(DataError::Locked { path: lock }),
            Err(TryLockError::Error(e)) => Err(DataError::io(&lock, e)),
        }
    }

    /// Reads all groups.
    pub(crate) fn open(
        folder: Folder,
        (disk, listener): (Arc<dyn Disk>, Option<Listener>),
        shards: u32,
        cursors: Cursors,
        trail: &str,
    ) -> Result<Self, DataError> {
        let (map, trail, teller) = (RwLock::default(), trail.to_owned(), Teller::new(listener));
        let groups = Self { folder, disk, shards, cursors, trail, teller, map };
        for store in Store::ALL {
            disk::folder(groups.disk.as_ref(), &groups.of(store))?;
            groups.load(store)?;
        }
        Ok(groups)
    }

    fn of(&self, store: Store) -> PathBuf {
        self.folder.path.join(store.name())
    }

    fn load(&self, store: Store) -> Result<(), DataError> {
        let folder = self.of(store);
        let failed = |e| DataError::io(&folder, e);
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|ending| ending == "tmp") {
                // What an earlier life was killed in the middle of.
                self.disk.remove(Part::Group, &path).map_err(failed)?;
                continue;
            }
            let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
            if file::path(&folder, &name).as_ref() != Some(&path) {
                continue;
            }
            let Some(bytes) = disk::read(&path)? else { continue };
            let kept = Kept::decode(&path, &bytes, store, &self.trail, self.cursors);
            let leases = kept.as_ref().map(Kept::presumed).unwrap_or_default();
            self.write().insert((store, name), Arc::new(Mutex::new(Group { kept, leases, gone: false })));
        }
        Ok(())
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<(Store, String), Shared>> {
        // The map is changed by single calls, whole or not at all.
        self.map.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a call below `consumergroups`.
    pub(crate) fn answer(&self, call: &Call, known: Known<'_>, rest: &[String]) -> Result<Answer, ApiError> {
        requests::answer(self, call, &known, rest)
    }

    fn list(&self, store: Store) -> Vec<(String, u32, bool)> {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        let of_store = map.iter().filter(|((of, _), _)| *of == store);
        of_store
            .map(|((_, name), group)| {
                // A damaged one is listed as well, or nobody could find it and delete it.
                let group = locked(group);
                let (timeout, order) = group.kept.as_ref().map_or((0, false), |kept| (kept.timeout_secs, kept.order));
                (name.clone(), timeout, order)
            })
            .collect()
    }

    fn create(&self, store: Store, name: &str, settings: (u32, bool)) -> Result<(), ApiError> {
        let path = self.path(store, name)?;
        let mut map = self.write();
        if map.contains_key(&(store, name.to_owned())) {
            let what = format!("consumer group {name} exists already");
            return Err(ApiError::new(400, "ConsumerGroupAlreadyExist", what));
        }
        if map.keys().filter(|(of, _)| *of == store).count() >= MOST_GROUPS {
            let what = format!("there are {MOST_GROUPS} consumer groups already, which is the most; delete one first");
            return Err(ApiError::new(400, "ConsumerGroupQuotaExceed", what));
        }
        let kept = Kept::new(name, store, &self.trail, settings);
        self.keep(&path, &kept)?;
        let group = Group { kept: Ok(kept), leases: Leases::default(), gone: false };
        map.insert((store, name.to_owned()), Arc::new(Mutex::new(group)));
        Ok(())
    }

    fn delete(&self, store: Store, name: &str) -> Result<(), ApiError> {
        let path = self.path(store, name)?;
        let mut map = self.write();
        let key = (store, name.to_owned());
        let group = map.get(&key).ok_or_else(|| no_group(name))?;
        let mut group = locked(group);
        disk::remove(self.disk.as_ref(), &path).map_err(|e| unkept(&e))?;
        group.gone = true;
        drop(group);
        map.remove(&key);
        Ok(())
    }

    /// Whether anything is another than before: a client's library asks for what is there at each start.
    fn update(&self, store: Store, name: &str, change: impl FnOnce(&mut Kept)) -> Result<bool, ApiError> {
        self.with(store, name, |path, kept, _| {
            let mut changed = kept.clone();
            change(&mut changed);
            if *kept == changed {
                return Ok(false);
            }
            self.keep(path, &changed)?;
            *kept = changed;
            Ok(true)
        })
    }

    fn heartbeat(
        &self,
        store: Store,
        name: &str,
        consumer: &str,
        held: &[u32],
        now_us: i64,
    ) -> Result<Vec<u32>, ApiError> {
        self.with(store, name, |_, kept, leases| {
            let timeout = kept.timeout_us();
            if !leases.has_room(consumer, timeout, now_us) {
                let what = format!("the consumer group has {} consumers, which is the most", lease::MOST_CONSUMERS);
                return Err(ApiError::new(400, "ConsumerGroupQuotaExceed", what));
            }
            let held = held.iter().copied().collect();
            Ok(leases.heartbeat(consumer, &held, self.shards, (timeout, now_us)))
        })
    }

    /// Whether it was moved back.
    fn checkpoint(
        &self,
        known: &Known<'_>,
        name: &str,
        (shard, wanted): (u32, Checkpoint),
        force: bool,
    ) -> Result<bool, ApiError> {
        if shard >= self.shards {
            return Err(ApiError::new(404, "ShardNotExsit", format!("shard {shard} does not exist")));
        }
        let invalid = |what: &str| {
            ApiError::new(400, "InvalidShardCheckPoint", format!("the checkpoint of shard {shard} {what}"))
        };
        let at = self.cursors.ordinal(known.store, shard, &wanted.cursor);
        let at = at.ok_or_else(|| invalid("is no cursor of this Logstore and shard"))?;
        if (known.ends)()?.get(shard as usize).is_none_or(|end| at > *end) {
            return Err(invalid("lies behind the shard's end"));
        }
        self.with(known.store, name, |path, kept, leases| {
            let held = leases.may_move(&wanted.consumer, shard, kept.timeout_us(), wanted.updated_us);
            if let (Err(why), false) = (held, force) {
                return Err(not_held(why, shard));
            }
            let stored = kept.checkpoints.get(&shard);
            let stored = stored.and_then(|stored| self.cursors.ordinal(known.store, shard, &stored.cursor));
            let back = stored.is_some_and(|stored| at < stored);
            if back && !force {
                return Err(invalid("lies before the stored one; force it to go back"));
            }
            let mut changed = kept.clone();
            let cursor = self.cursors.text(known.store, shard, at);
            changed.checkpoints.insert(shard, Checkpoint { cursor, ..wanted });
            self.keep(path, &changed)?;
            *kept = changed;
            Ok(back)
        })
    }

    /// All checkpoints, or one; a shard without one is there as well, because a client takes an empty list for a failure.
    fn checkpoints(&self, store: Store, name: &str, only: Option<u32>) -> Result<Vec<(u32, Checkpoint)>, ApiError> {
        if let Some(shard) = only.filter(|shard| *shard >= self.shards) {
            return Err(ApiError::new(404, "ShardNotExsit", format!("shard {shard} does not exist")));
        }
        self.with(store, name, |_, kept, _| {
            let wanted = (0..self.shards).filter(|shard| only.is_none_or(|only| only == *shard));
            Ok(wanted.map(|shard| (shard, kept.checkpoints.get(&shard).cloned().unwrap_or_default())).collect())
        })
    }

    fn path(&self, store: Store, name: &str) -> Result<PathBuf, ApiError> {
        file::path(&self.of(store), name).ok_or_else(|| {
            ApiError::parameter(
                "a consumer group's name has 1 to 128 of A-Z a-z 0-9 - _ and begins with a letter or a digit",
            )
        })
    }

    fn with<T>(
        &self,
        store: Store,
        name: &str,
        with: impl FnOnce(&Path, &mut Kept, &mut Leases) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let path = self.path(store, name)?;
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        let group = map.get(&(store, name.to_owned())).cloned();
        drop(map);
        let group = group.ok_or_else(|| no_group(name))?;
        let mut group = locked(&group);
        if group.gone {
            return Err(no_group(name));
        }
        let Group { kept, leases, .. } = &mut *group;
        match kept {
            Ok(kept) => with(&path, kept, leases),
            Err(what) => Err(ApiError::internal(format!(
                "the file of consumer group {name} is damaged: {what}; delete the group and create it again"
            ))),
        }
    }

    fn keep(&self, path: &Path, kept: &Kept) -> Result<(), ApiError> {
        let bytes = kept.encode(path).map_err(|e| unkept(&e))?;
        disk::replace(self.disk.as_ref(), path, &bytes).map_err(|e| unkept(&e))
    }
}

fn locked(group: &Shared) -> MutexGuard<'_, Group> {
    // What is kept is replaced as a whole after it is on the disk; leases of a call that panicked are corrected by the next one.
    group.lock().unwrap_or_else(PoisonError::into_inner)
}

fn not_held(why: NotHeld, shard: u32) -> ApiError {
    match why {
        NotHeld::Unknown => {
            let what =
                "the consumer is not one of this group, or was silent for longer than its timeout; send a heartbeat";
            ApiError::new(404, "ConsumerNotExsit", what)
        }
        NotHeld::Other => {
            let what =
                format!("shard {shard} is not held by this consumer; send a heartbeat, and read what you are given");
            ApiError::new(400, "ConsumerNotMatch", what)
        }
    }
}
