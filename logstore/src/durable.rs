//! Write, fsync, rename, fsync the directory: the only place that changes the disk.
//! It must never retry a failed sync, and never write a file in place that a reader may already see.
//!
//! [`Disk`] is the seam: tests (and later crash images) put their own disk behind it.
//!
//! Known limit: a disk that acknowledges a sync and does not keep it cannot be seen from here.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::Error;

/// A file that is being written.
pub trait DiskFile: Write + Send {
    /// Makes the content and the length durable (`fdatasync`).
    ///
    /// # Errors
    /// The system's. The caller must not try again.
    fn sync(&mut self) -> io::Result<()>;
}

/// Every operation that changes the disk.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Creates a directory with mode 0700; an existing one is fine. Tells whether it was created.
    ///
    /// # Errors
    /// The system's.
    fn create_dir(&self, path: &Path) -> io::Result<bool>;
    /// Creates a file with mode 0600, or empties an existing one.
    ///
    /// # Errors
    /// The system's.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Renames a file over another in one step.
    ///
    /// # Errors
    /// The system's.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    /// The system's.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty directory; one that is not empty stays, without an error.
    ///
    /// # Errors
    /// The system's.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// Takes the right to write from everybody (mode 0440), before the file gets its final name.
    ///
    /// # Errors
    /// The system's.
    fn protect(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// The system's.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
}

/// The operating system's files.
#[derive(Debug, Default, Clone, Copy)]
pub struct OsDisk;

impl DiskFile for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

impl Disk for OsDisk {
    fn create_dir(&self, path: &Path) -> io::Result<bool> {
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(false),
            Err(e) => Err(e),
        }
    }
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        Ok(Box::new(file))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }
    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        match std::fs::remove_dir(path) {
            Err(e) if matches!(e.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotFound) => Ok(()),
            other => other,
        }
    }
    fn protect(&self, path: &Path) -> io::Result<()> {
        std::fs::set_permissions(path, Permissions::from_mode(0o440))
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

/// Makes a directory and its name in the parent durable.
pub(crate) fn make_dir(disk: &dyn Disk, path: &Path) -> Result<(), Error> {
    if disk.create_dir(path).map_err(|e| Error::write(path, e))? {
        sync_parent(disk, path)?;
    }
    Ok(())
}

/// Makes a directory and everything above it up to `top`, which exists.
pub(crate) fn make_dirs(disk: &dyn Disk, top: &Path, path: &Path) -> Result<(), Error> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|p| p.starts_with(top) && *p != top) {
        make_dirs(disk, top, parent)?;
    }
    make_dir(disk, path)
}

/// Makes the name of `path` durable.
pub(crate) fn sync_parent(disk: &dyn Disk, path: &Path) -> Result<(), Error> {
    let parent = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p.to_path_buf(),
        _ => PathBuf::from("."),
    };
    disk.sync_dir(&parent).map_err(|e| Error::write(&parent, e))
}

/// Puts `to` in place in one step: `write tmp`, `fdatasync tmp`, `rename`, `fsync directory`.
/// A crash leaves the old file or the new one. The open file is returned, positioned at its end.
pub(crate) fn replace(disk: &dyn Disk, tmp: &Path, to: &Path, parts: &[&[u8]]) -> Result<Box<dyn DiskFile>, Error> {
    let mut file = disk.create(tmp).map_err(|e| Error::write(tmp, e))?;
    for part in parts {
        file.write_all(part).map_err(|e| Error::write(tmp, e))?;
    }
    file.sync().map_err(|e| Error::write(tmp, e))?;
    disk.rename(tmp, to).map_err(|e| Error::write(to, e))?;
    sync_parent(disk, to)?;
    Ok(file)
}
