//! The keys of a running server: read again when the file changed, so that a revoked key is refused within a moment. It must
//! never go on with keys of a file that it could not read.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::keyfile::{Change, Content, KeyFile, KeyFileError};
use super::keys::Key;
use crate::ApiError;

/// How long the file is not looked at again, microseconds.
const LOOK_EVERY_US: i64 = 200_000;

/// What tells one content of a file from another without reading it.
type Print = Option<(u64, u64, i64, i64, i64, i64, u32)>;

#[derive(Debug, Default)]
struct Known {
    looked_us: Option<i64>,
    print: Option<Print>,
    keys: Vec<Arc<Key>>,
    changes: Vec<Change>,
    /// Why the file cannot be used, if so.
    broken: Option<String>,
}

/// The keys of one data directory.
#[derive(Debug)]
pub struct Keyring {
    file: KeyFile,
    known: Mutex<Known>,
}

impl Keyring {
    /// The keys of a data directory; the file is read when it is needed.
    #[must_use]
    pub fn of(dir: &Path) -> Self {
        Self { file: KeyFile::of(dir), known: Mutex::default() }
    }

    /// Reads the file once to see whether it can be used; how many keys there are.
    ///
    /// # Errors
    /// [`KeyFileError`]: better not to start than to refuse everybody.
    pub fn check(&self) -> Result<usize, KeyFileError> {
        Ok(self.file.read()?.keys.len())
    }

    /// The key with this id, as of now.
    ///
    /// # Errors
    /// 500 when the file cannot be read; then no key is valid.
    pub fn find(&self, id: &str, now_us: i64) -> Result<Option<Arc<Key>>, ApiError> {
        let known = self.fresh(now_us);
        match &known.broken {
            Some(_) => Err(ApiError::internal("the access keys cannot be read on the server; its log says why")),
            None => Ok(known.keys.iter().find(|key| key.id == id).cloned()),
        }
    }

    /// What was done to keys after the change of this number.
    #[must_use]
    pub fn changes_after(&self, number: u64, now_us: i64) -> Vec<Change> {
        self.fresh(now_us).changes.iter().filter(|change| change.number > number).cloned().collect()
    }

    /// How many keys there are, and why the file cannot be used, if so.
    #[must_use]
    pub fn state(&self, now_us: i64) -> (usize, Option<String>) {
        let known = self.fresh(now_us);
        (known.keys.len(), known.broken.clone())
    }

    fn fresh(&self, now_us: i64) -> std::sync::MutexGuard<'_, Known> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.looked_us.is_some_and(|looked| (0..LOOK_EVERY_US).contains(&now_us.saturating_sub(looked))) {
            return known;
        }
        let print = self.print();
        if known.print != Some(print) || known.broken.is_some() {
            let read = self.file.read();
            let broken = read.as_ref().err().map(ToString::to_string);
            let Content { keys, changes } = read.unwrap_or_default();
            *known = Known {
                looked_us: None,
                print: Some(print),
                keys: keys.into_iter().map(Arc::new).collect(),
                changes,
                broken,
            };
        }
        known.looked_us = Some(now_us);
        known
    }

    fn print(&self) -> Print {
        let meta = std::fs::metadata(self.file.path()).ok()?;
        Some((meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec(), meta.mode()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::Role;

    #[test]
    fn a_change_of_the_file_counts_within_a_moment() {
        let dir = tempfile::tempdir().unwrap();
        let (file, ring) = (KeyFile::of(dir.path()), Keyring::of(dir.path()));
        assert_eq!(ring.find("x", 0), Ok(None));
        let key = file.add(Role::Reader, None, 1).unwrap();
        let mut now = LOOK_EVERY_US;
        assert_eq!(ring.find(&key.id, now).unwrap().unwrap().secret, key.secret);
        assert_eq!(ring.changes_after(0, now).len(), 1);
        assert_eq!(ring.changes_after(1, now).len(), 0);
        file.revoke(&key.id, 2).unwrap();
        assert!(ring.find(&key.id, now + LOOK_EVERY_US - 1).unwrap().is_some());
        now += LOOK_EVERY_US;
        assert_eq!(ring.find(&key.id, now), Ok(None));
        // A clock that was set back is no reason to go on with old keys.
        let key = file.add(Role::Reader, None, 1).unwrap();
        assert!(ring.find(&key.id, 5).unwrap().is_some());
    }

    #[test]
    fn a_file_that_cannot_be_used_lets_nobody_in() {
        let dir = tempfile::tempdir().unwrap();
        let file = KeyFile::of(dir.path());
        let key = file.add(Role::Reader, None, 1).unwrap();
        let ring = Keyring::of(dir.path());
        assert_eq!(ring.check().unwrap(), 1);
        assert!(ring.find(&key.id, 0).unwrap().is_some());
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(ring.find(&key.id, LOOK_EVERY_US).unwrap_err().status, 500);
        assert!(ring.state(LOOK_EVERY_US).1.unwrap().contains("chmod 600"));
        assert!(ring.check().is_err());
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o600)).unwrap();
        assert!(ring.find(&key.id, 2 * LOOK_EVERY_US).unwrap().is_some());
        fs::remove_file(file.path()).unwrap();
        assert_eq!(ring.find(&key.id, 3 * LOOK_EVERY_US), Ok(None));
    }
}
