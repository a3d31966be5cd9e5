//! One writer per data directory: an advisory lock (`flock`) on `LOCK`, released by the kernel with the process.
//! It must never be taken by a reader.
//!
//! A process that forks to start another one leaves the lock to the child for the moment until the child runs its own
//! program. So a lock that was just let go of may still be held for milliseconds: taking it is tried for a short while.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::Error;

const TRIES: u32 = 30;
const BETWEEN: Duration = Duration::from_millis(10);

/// Held for as long as the writer lives.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, or fails after 0.3 s.
    pub(crate) fn take(path: &Path) -> Result<Self, Error> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(|e| Error::write(path, e))?;
        for _ in 0..TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) => thread::sleep(BETWEEN),
                Err(TryLockError::Error(e)) => return Err(Error::write(path, e)),
            }
        }
        Err(Error::Locked { path: path.to_path_buf() })
    }
}
