//! The note beside a Logstore that says it stands still because its disk is full.
//!
//! A full disk takes no journal entry and no checkpoint, so the note is a file whose room was taken while there was some
//! (`standstill.note`, 4,096 bytes, padded with blanks) and that is only ever written over. It is outside the seal and
//! proves nothing. It must never be what a decision depends on: a torn one is no note.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::day::told;

/// The note's file in the data directory.
pub const FILE: &str = "standstill.note";

/// Bytes of it, always. One block of nearly every file system.
const BYTES: usize = 4096;

/// Since when there is no room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standstill {
    /// Since when, microseconds UTC.
    pub since_us: i64,
    /// What people should know.
    pub why: String,
}

impl Standstill {
    /// Takes the room for the note, and removes what an earlier run noted.
    ///
    /// # Errors
    /// The system's.
    pub fn reserve(dir: &Path) -> io::Result<()> {
        write(dir, b"")
    }

    /// Writes the note.
    ///
    /// # Errors
    /// The system's.
    pub fn note(&self, dir: &Path) -> io::Result<()> {
        write(dir, &serde_json::to_vec(self)?)
    }

    /// The note of a Logstore; `None` when it does not stand still, or nobody can say.
    #[must_use]
    pub fn read(dir: &Path) -> Option<Self> {
        let mut bytes = [0; BYTES];
        File::open(dir.join(FILE)).and_then(|file| file.read_exact_at(&mut bytes, 0)).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// The state, for people. It holds no text from outside.
    #[must_use]
    pub fn told(&self) -> String {
        format!("paused: disk_full since {}: {}", told(self.since_us), innertrail_query::terminal_safe(&self.why))
    }
}

fn write(dir: &Path, text: &[u8]) -> io::Result<()> {
    let mut bytes = [b' '; BYTES];
    let room = bytes.get_mut(..text.len()).ok_or_else(|| io::Error::other("the note is too long"))?;
    room.copy_from_slice(text);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(dir.join(FILE))?;
    file.write_all_at(&bytes, 0)?;
    file.sync_data()
}

/// Bytes that this process may still write to the file system of a folder.
///
/// # Errors
/// The system's.
pub fn free_bytes(dir: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(dir)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_note_keeps_its_size_and_a_torn_one_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let size = || std::fs::metadata(dir.path().join(FILE)).unwrap().len();
        assert_eq!(Standstill::read(dir.path()), None);
        Standstill::reserve(dir.path()).unwrap();
        assert_eq!((Standstill::read(dir.path()), size()), (None, 4096));
        let note = Standstill { since_us: 7, why: "3 bytes free".to_owned() };
        note.note(dir.path()).unwrap();
        assert_eq!((Standstill::read(dir.path()), size()), (Some(note.clone()), 4096));
        let long = Standstill { why: "x".repeat(5000), ..note.clone() };
        assert!(long.note(dir.path()).is_err());
        assert_eq!(Standstill::read(dir.path()), Some(note));
        std::fs::write(dir.path().join(FILE), b"{\"since_us\":7,\"wh").unwrap();
        assert_eq!(Standstill::read(dir.path()), None);
        Standstill::reserve(dir.path()).unwrap();
        assert_eq!((Standstill::read(dir.path()), size()), (None, 4096));
    }

    #[test]
    fn there_is_some_room_here() {
        assert!(free_bytes(Path::new(".")).unwrap() > 0);
        assert!(free_bytes(Path::new("/no/such/folder")).is_err());
    }
}
