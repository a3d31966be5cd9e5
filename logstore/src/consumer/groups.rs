//! The consumer groups of one Logstore: files in `consumers/`, shared by every process that reads.
//! Nothing here may touch the sealed record, move a group back unasked, or let a consumer that lost it move it at all.
//!
//! Every change happens under one `flock` (`consumers/LOCK`) and replaces one small file: `write tmp`, `fdatasync`,
//! `rename`, `fsync` of the folder. So a crash leaves the old position or the new one, and a consumer that writes
//! its checkpoint after it handed its records on repeats some after a crash, and loses none.
//! The lock is a file of its own because a group's file is replaced: a lock on it would be a lock on the file before.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::consumer::cursor::{self, Cursor};
use crate::consumer::group::{self, Group, GroupOptions, Owner};
use crate::consumer::{ConsumerError, Reader};
use crate::durable::{self, Disk, Folders, OsDisk, Part};
use crate::format::Format;
use crate::{Error, Store};

/// Groups that one Logstore may have, as in Log Service.
pub const MAX_GROUPS: usize = 30;

/// How long a lock that another process holds is waited for: 500 × 10 ms.
const TRIES: u32 = 500;
const BETWEEN: Duration = Duration::from_millis(10);

/// What a heartbeat is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lease {
    /// The consumer holds the group until then, and longer with each heartbeat.
    Held {
        /// Microseconds UTC.
        until_us: i64,
    },
    /// Another consumer holds it; it can be taken when that one is silent until then.
    Waiting {
        /// The other consumer: hostile text.
        owner: String,
        /// Microseconds UTC.
        until_us: i64,
    },
}

/// The consumer groups of one Logstore. Any process may have one; all see the same groups.
#[derive(Debug, Clone)]
pub struct Groups {
    folder: PathBuf,
    disk: Arc<dyn Disk>,
    folders: Folders,
    trail: String,
    tag: u16,
}

impl Groups {
    /// The groups of the Logstore in `dir`. Creates nothing yet.
    ///
    /// # Errors
    /// [`Error::NotALogstore`], [`Error::Version`], [`Error::Corrupt`], I/O.
    pub fn open(dir: &Path) -> Result<Self, ConsumerError> {
        Self::with_disk(dir, Arc::new(OsDisk::default()))
    }

    /// The same through a disk of the caller's.
    ///
    /// # Errors
    /// As [`Groups::open`].
    pub fn with_disk(dir: &Path, disk: Arc<dyn Disk>) -> Result<Self, ConsumerError> {
        let format = Format::read(dir)?.ok_or_else(|| Error::NotALogstore { path: dir.to_path_buf() })?;
        let tag = cursor::tag(&format.trail, format.created);
        Ok(Self { folder: dir.join("consumers"), disk, folders: Folders::default(), trail: format.trail, tag })
    }

    /// Makes a group without a position.
    ///
    /// # Errors
    /// [`ConsumerError::GroupName`], [`ConsumerError::Timeout`], [`ConsumerError::Exists`],
    /// [`ConsumerError::TooManyGroups`], I/O.
    pub fn create(&self, name: &str, store: Store, options: GroupOptions, now_us: i64) -> Result<Group, ConsumerError> {
        let path = group::file(&self.folder, name)?;
        let options = options.check()?;
        let _lock = self.lock()?;
        let names = self.names()?;
        if names.iter().any(|n| n == name) {
            return Err(ConsumerError::Exists { group: name.to_owned() });
        }
        if names.len() >= MAX_GROUPS {
            return Err(ConsumerError::TooManyGroups { limit: MAX_GROUPS });
        }
        let name = name.to_owned();
        let group = Group { name, store, options, cursor: None, updated_us: now_us, updated_by: None, owner: None };
        self.write(&path, &group)?;
        Ok(group)
    }

    /// Names of all groups, in order. Damaged ones are among them, so that one of them hides no other.
    ///
    /// # Errors
    /// I/O.
    pub fn names(&self) -> Result<Vec<String>, ConsumerError> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(Error::read(&self.folder, e).into()),
        };
        let mut names = Vec::new();
        for entry in entries {
            let file = entry.map_err(|e| Error::read(&self.folder, e))?.file_name();
            let name = file.to_str().and_then(|f| f.strip_suffix(".json"));
            names.extend(name.filter(|n| group::file(&self.folder, n).is_ok()).map(str::to_owned));
        }
        names.sort_unstable();
        Ok(names)
    }

    /// One group as it stands.
    ///
    /// # Errors
    /// [`ConsumerError::NoGroup`], [`ConsumerError::Damaged`], [`ConsumerError::OtherTrail`] when the file was made for
    /// another Logstore, [`Error::Version`], I/O.
    pub fn get(&self, name: &str) -> Result<Group, ConsumerError> {
        let path = group::file(&self.folder, name)?;
        match std::fs::read(&path) {
            Ok(bytes) => Group::decode(&path, &bytes, &self.trail, self.tag),
            Err(e) if e.kind() == ErrorKind::NotFound => Err(ConsumerError::NoGroup { group: name.to_owned() }),
            Err(e) => Err(Error::read(&path, e).into()),
        }
    }

    /// Changes what the maker of a group decided. Position and owner stay.
    ///
    /// # Errors
    /// [`ConsumerError::Timeout`], and as [`Groups::get`].
    pub fn update(&self, name: &str, options: GroupOptions) -> Result<Group, ConsumerError> {
        let options = options.check()?;
        self.change(name, |group| {
            group.options = options;
            Ok(())
        })
    }

    /// Removes a group and its position, damaged or not.
    ///
    /// # Errors
    /// [`ConsumerError::NoGroup`], I/O.
    pub fn delete(&self, name: &str) -> Result<(), ConsumerError> {
        let path = group::file(&self.folder, name)?;
        let _lock = self.lock()?;
        match self.disk.remove(Part::Group, &path) {
            Ok(()) => Ok(durable::sync_parent(self.disk.as_ref(), Part::Group, &path)?),
            Err(e) if e.kind() == ErrorKind::NotFound => Err(ConsumerError::NoGroup { group: name.to_owned() }),
            Err(e) => Err(Error::write(&path, e).into()),
        }
    }

    /// Takes or keeps the group for a consumer. A free group, or one whose holder was silent for its timeout, goes to
    /// the first who asks. Two processes under one name are one consumer: give each a name of its own.
    ///
    /// # Errors
    /// [`ConsumerError::ConsumerName`], and as [`Groups::get`].
    pub fn heartbeat(&self, name: &str, consumer: &str, now_us: i64) -> Result<Lease, ConsumerError> {
        group::check_consumer(consumer)?;
        let path = group::file(&self.folder, name)?;
        let _lock = self.lock()?;
        let mut group = self.get(name)?;
        let timeout = group.options.timeout_us;
        match &mut group.owner {
            Some(owner) if owner.consumer == consumer => owner.heartbeat_us = now_us,
            Some(owner) if owner.holds(timeout, now_us) => {
                let until_us = owner.heartbeat_us.saturating_add(timeout);
                return Ok(Lease::Waiting { owner: owner.consumer.clone(), until_us });
            }
            owner => {
                *owner = Some(Owner { consumer: consumer.to_owned(), since_us: now_us, heartbeat_us: now_us });
            }
        }
        self.write(&path, &group)?;
        Ok(Lease::Held { until_us: now_us.saturating_add(timeout) })
    }

    /// Lets the group go, so that the next consumer need not wait for the timeout. `false` when another one holds it.
    ///
    /// # Errors
    /// As [`Groups::get`].
    pub fn release(&self, name: &str, consumer: &str) -> Result<bool, ConsumerError> {
        let path = group::file(&self.folder, name)?;
        let _lock = self.lock()?;
        let mut group = self.get(name)?;
        let held = group.owner.take_if(|owner| owner.consumer == consumer).is_some();
        if held {
            self.write(&path, &group)?;
        }
        Ok(held)
    }

    /// Stores how far the group came: everything before `cursor` was handed on. To be called after it was.
    ///
    /// The consumer must hold the group; a holder whose lease ran out and was not taken counts as holding it, and is
    /// heard of by this. `force` lets it go back. Without a consumer it is an administrator's reset, which needs
    /// `force` and takes the group from whoever holds it, so that the next reading begins there.
    ///
    /// The cursor's place is not looked up; a cursor from outside goes through [`Reader::parse`] first.
    ///
    /// # Errors
    /// [`ConsumerError::NotOwner`], [`ConsumerError::Backwards`], [`ConsumerError::OtherStore`],
    /// [`ConsumerError::OtherTrail`], and as [`Groups::get`].
    pub fn checkpoint(
        &self,
        name: &str,
        consumer: Option<&str>,
        cursor: Cursor,
        force: bool,
        now_us: i64,
    ) -> Result<Group, ConsumerError> {
        if cursor.tag() != self.tag {
            return Err(ConsumerError::OtherTrail { trail: self.trail.clone() });
        }
        self.change(name, |group| {
            hold(group, consumer, force, now_us)?;
            if cursor.store() != group.store {
                return Err(ConsumerError::OtherStore { found: cursor.store(), wanted: group.store });
            }
            if let Some(stored) = group.cursor.filter(|stored| cursor.seq() < stored.seq() && !force) {
                let (stored, wanted) = (stored.seq(), cursor.seq());
                return Err(ConsumerError::Backwards { group: group.name.clone(), stored, wanted });
            }
            group.cursor = Some(cursor);
            group.updated_us = now_us;
            group.updated_by = consumer.map(str::to_owned);
            Ok(())
        })
    }

    /// Where a consumer of the group begins: its checkpoint, or else the begin of its store.
    ///
    /// # Errors
    /// As [`Groups::get`]. Whether the place is still kept shows in the first pull.
    pub fn position(&self, name: &str, reader: &Reader) -> Result<Cursor, ConsumerError> {
        let group = self.get(name)?;
        Ok(group.cursor.unwrap_or_else(|| reader.begin(group.store)))
    }

    fn change(
        &self,
        name: &str,
        change: impl FnOnce(&mut Group) -> Result<(), ConsumerError>,
    ) -> Result<Group, ConsumerError> {
        let path = group::file(&self.folder, name)?;
        let _lock = self.lock()?;
        let mut group = self.get(name)?;
        change(&mut group)?;
        self.write(&path, &group)?;
        Ok(group)
    }

    fn write(&self, path: &Path, group: &Group) -> Result<(), ConsumerError> {
        let bytes = group.encode(&self.trail).map_err(|e| Error::write(path, e.into()))?;
        durable::replace(self.disk.as_ref(), Part::Group, &path.with_extension("tmp"), path, &[&bytes])?;
        Ok(())
    }

    fn lock(&self) -> Result<File, ConsumerError> {
        if self.folders.make(self.disk.as_ref(), std::slice::from_ref(&self.folder))? {
            // What another process was killed in the middle of, this one may answer with `Exists` or `NoGroup`.
            self.disk.sync_dir(Part::Group, &self.folder).map_err(|e| Error::write(&self.folder, e))?;
        }
        let path = self.folder.join("LOCK");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path).map_err(|e| Error::write(&path, e))?;
        for _ in 0..TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => thread::sleep(BETWEEN),
                Err(TryLockError::Error(e)) => return Err(Error::write(&path, e).into()),
            }
        }
        Err(ConsumerError::Busy { path })
    }
}

/// Refuses who does not hold the group; notes that the holder is alive, or that an administrator took it away.
fn hold(group: &mut Group, consumer: Option<&str>, force: bool, now_us: i64) -> Result<(), ConsumerError> {
    match (consumer, &mut group.owner) {
        (None, owner) if force => *owner = None,
        (Some(consumer), Some(owner)) if owner.consumer == consumer => owner.heartbeat_us = now_us,
        (_, owner) => {
            let owner = owner.as_ref().map(|o| o.consumer.clone());
            return Err(ConsumerError::NotOwner { group: group.name.clone(), owner });
        }
    }
    Ok(())
}
