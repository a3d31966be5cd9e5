//! The file of the key that seals: made once, readable for its owner alone.
//!
//! Must never make a second key for a Logstore that is there, and never print the private half. Randomness and the file
//! are the host's; the key's form is the Logstore's.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use innertrail_logstore::SealKey;

/// The key's file in the data directory.
pub const FILE: &str = "seal.key";

/// No key is longer, bytes.
const MAX_BYTES: u64 = 4096;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or made.
    #[error("cannot use the seal key {path}: {source}; name another folder, or mend its permissions")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Others can read it.
    #[error("{0} can be read by others than its owner; run `chmod 600` on it. Who has it can sign another history")]
    Open(PathBuf),
    /// A Logstore is there, its key is not.
    #[error("{0} is missing, but the folder holds a Logstore that was sealed with it; put the key back from a copy")]
    Missing(PathBuf),
    /// It is no key, or another trail's.
    #[error("{path} cannot be used: {why}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// The key of a data directory; made, with the directory itself, where neither is there. Its parent must exist.
///
/// # Errors
/// See [`KeyError`].
pub fn open(dir: &Path, trail: &str) -> Result<SealKey, KeyError> {
    let path = dir.join(FILE);
    let io = |source| KeyError::Io { path: path.clone(), source };
    match fs::metadata(&path) {
        Ok(meta) if meta.permissions().mode() & 0o077 != 0 => return Err(KeyError::Open(path)),
        Ok(_) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound && born(dir) => return Err(KeyError::Missing(path)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => create(dir, &path, trail)?,
        Err(e) => return Err(io(e)),
    }
    let mut text = String::new();
    fs::File::open(&path).and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text)).map_err(io)?;
    let unusable = |why: String| KeyError::Unusable { path: path.clone(), why };
    let key = SealKey::from_secret_text(&text).map_err(|e| unusable(e.to_string()))?;
    let expected = format!("innertrail/{trail}+");
    if !key.vkey().starts_with(&expected) {
        return Err(unusable(format!("it is not the key of the trail {trail}; put that one back from a copy")));
    }
    Ok(key)
}

/// Whether a Logstore was ever made here.
fn born(dir: &Path) -> bool {
    dir.join("format.json").exists() || dir.join("state.json").exists() || dir.join("seal").exists()
}

/// Writes the key beside its place and renames it there, so that a crash leaves a whole key or none.
fn create(dir: &Path, path: &Path, trail: &str) -> Result<(), KeyError> {
    let io = |source| KeyError::Io { path: path.to_owned(), source };
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|e| io(io::Error::other(e.to_string())))?;
    let key =
        SealKey::new(trail, seed).map_err(|e| KeyError::Unusable { path: path.to_owned(), why: e.to_string() })?;
    match fs::DirBuilder::new().mode(0o700).create(dir) {
        Err(e) if !(e.kind() == io::ErrorKind::AlreadyExists && dir.is_dir()) => return Err(io(e)),
        _ => {}
    }
    let above = dir.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(above).and_then(|above| above.sync_all()).map_err(io)?;
    let half = dir.join("seal.key.new");
    let _ = fs::remove_file(&half);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&half).map_err(io)?;
    file.write_all(format!("{}\n", key.to_secret_text()).as_bytes()).and_then(|()| file.sync_all()).map_err(io)?;
    // Two first starts at the same time must end with one key: a link never replaces.
    match fs::hard_link(&half, path) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(io(e)),
        _ => fs::remove_file(&half).map_err(io)?,
    }
    fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(io)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_is_private_and_belongs_to_its_trail() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("data");
        let vkey = open(&dir, "main-trail").unwrap().vkey().to_owned();
        assert_eq!(open(&dir, "main-trail").unwrap().vkey(), vkey);
        let path = dir.join(FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
        assert!(matches!(open(&dir, "other-trail"), Err(KeyError::Unusable { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(open(&dir, "main-trail"), Err(KeyError::Open(_))));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "PRIVATE+KEY+nonsense").unwrap();
        assert!(matches!(open(&dir, "main-trail"), Err(KeyError::Unusable { .. })));
    }

    /// A new key for an old Logstore would sign a second history over the first one.
    #[test]
    fn a_lost_key_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("format.json"), "{}").unwrap();
        assert!(matches!(open(dir.path(), "main-trail"), Err(KeyError::Missing(_))));
        assert!(!dir.path().join(FILE).exists());
    }
}
