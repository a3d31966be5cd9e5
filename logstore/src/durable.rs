//! Write, fsync, rename, fsync the directory: the only place that changes the disk.
//! It must never retry a failed sync, and never write a file in place that a reader may already see.
//!
//! [`Disk`] is the seam: tests put their own disk behind it, one that fails, or one that forgets as a power cut does.
//! Every operation says what it is for ([`Part`]); [`Step`] lists all there are.
//!
//! Known limit: a disk that acknowledges a sync and does not keep it cannot be seen from here.

pub mod immutable;
mod step;

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::Error;
pub use step::{Act, Part, Step};

/// A file that is being written.
pub trait DiskFile: Write + Send {
    /// Makes the content and the length durable (`fdatasync`).
    ///
    /// # Errors
    /// The system's. The caller must not try again.
    fn sync(&mut self) -> io::Result<()>;
    /// Takes the right to write from everybody (mode 0440), then makes content, length and mode durable (`fsync`).
    /// The mode comes before the sync and the sync before the final name: otherwise a power cut leaves a sealed file
    /// that may be written.
    ///
    /// # Errors
    /// The system's. The caller must not try again.
    fn seal(&mut self) -> io::Result<()>;
    /// What is written from here on is for another part: the file has its final name and is appended to.
    fn goes_on_as(&mut self, _part: Part) {}
}

/// Every operation that changes the disk.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Creates a directory with mode 0700; an existing one is fine. Tells whether it was created.
    ///
    /// # Errors
    /// The system's.
    fn create_dir(&self, part: Part, path: &Path) -> io::Result<bool>;
    /// Creates a file with mode 0600. An existing one is removed first, not emptied: after a power cut it may be a
    /// second name of a file that is in place.
    ///
    /// # Errors
    /// The system's.
    fn create(&self, part: Part, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Renames a file over another in one step.
    ///
    /// # Errors
    /// The system's.
    fn rename(&self, part: Part, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file, immutable or not.
    ///
    /// # Errors
    /// The system's.
    fn remove(&self, part: Part, path: &Path) -> io::Result<()>;
    /// Removes an empty directory; one that is not empty stays, without an error.
    ///
    /// # Errors
    /// The system's.
    fn remove_dir(&self, part: Part, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// The system's.
    fn sync_dir(&self, part: Part, path: &Path) -> io::Result<()>;
    /// Whether [`Disk::pin`] does anything.
    fn pins(&self) -> bool {
        false
    }
    /// Makes a file that has its final name immutable, where that is possible.
    ///
    /// # Errors
    /// The system's, but never because it is not possible.
    fn pin(&self, _part: Part, _path: &Path) -> io::Result<()> {
        Ok(())
    }
}

/// The operating system's files.
#[derive(Debug, Default, Clone, Copy)]
pub struct OsDisk {
    /// Whether sealed files get the immutable flag, where file system and rights allow it. Files that have it are
    /// removed by retention either way, as long as the right is there.
    pub immutable: bool,
}

impl DiskFile for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
    fn seal(&mut self) -> io::Result<()> {
        self.set_permissions(Permissions::from_mode(0o440))?;
        self.sync_all()
    }
}

impl Disk for OsDisk {
    fn create_dir(&self, _part: Part, path: &Path) -> io::Result<bool> {
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(false),
            Err(e) => Err(e),
        }
    }
    fn create(&self, part: Part, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let file = match options.open(path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                self.remove(part, path)?;
                options.open(path)?
            }
            other => other?,
        };
        Ok(Box::new(file))
    }
    fn rename(&self, _part: Part, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }
    fn remove(&self, _part: Part, path: &Path) -> io::Result<()> {
        match std::fs::remove_file(path) {
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied && immutable::set(path, false)? => {
                std::fs::remove_file(path)
            }
            other => other,
        }
    }
    fn remove_dir(&self, _part: Part, path: &Path) -> io::Result<()> {
        match std::fs::remove_dir(path) {
            Err(e) if matches!(e.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotFound) => Ok(()),
            other => other,
        }
    }
    fn sync_dir(&self, _part: Part, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
    fn pins(&self) -> bool {
        self.immutable
    }
    fn pin(&self, _part: Part, path: &Path) -> io::Result<()> {
        if self.immutable { immutable::set(path, true).map(drop) } else { Ok(()) }
    }
}

/// The folders that this life has made sure of. One that is there is not therefore durable: an earlier life may have
/// been killed between making it and syncing its name, and a power cut would still take it away with all in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Folders(Arc<Mutex<BTreeSet<PathBuf>>>);

impl Folders {
    /// Makes folders, parents before children, and makes their names durable, each parent synced once. Tells whether
    /// one of them was not known yet.
    pub(crate) fn make(&self, disk: &dyn Disk, folders: &[PathBuf]) -> Result<bool, Error> {
        let mut sure = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut parents = BTreeSet::new();
        let fresh: Vec<&PathBuf> = folders.iter().filter(|f| !sure.contains(*f)).collect();
        for folder in &fresh {
            disk.create_dir(Part::Folder, folder).map_err(|e| Error::write(folder, e))?;
            parents.insert(parent(folder));
        }
        for parent in parents {
            disk.sync_dir(Part::Folder, &parent).map_err(|e| Error::write(&parent, e))?;
        }
        let unknown = !fresh.is_empty();
        sure.extend(fresh.into_iter().cloned());
        Ok(unknown)
    }

    /// A folder that goes away.
    pub(crate) fn forget(&self, folder: &Path) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(folder);
    }

    /// Makes a folder and everything above it up to `top`, which is there.
    pub(crate) fn make_below(&self, disk: &dyn Disk, top: &Path, folder: &Path) -> Result<(), Error> {
        let mut chain: Vec<PathBuf> =
            folder.ancestors().take_while(|f| f.starts_with(top) && *f != top).map(Path::to_path_buf).collect();
        chain.reverse();
        self.make(disk, &chain).map(drop)
    }
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

/// Makes the name of `path` durable.
pub(crate) fn sync_parent(disk: &dyn Disk, part: Part, path: &Path) -> Result<(), Error> {
    let parent = parent(path);
    disk.sync_dir(part, &parent).map_err(|e| Error::write(&parent, e))
}

/// Puts `to` in place in one step: `write tmp`, `fdatasync tmp` (`fsync` and mode 0440 where the part is sealed),
/// `rename`, `fsync directory`. A crash leaves the old file or the new one. The open file is returned, positioned at
/// its end.
///
/// # Errors
/// [`Error::Write`], with the path of the step that failed.
pub fn replace(
    disk: &dyn Disk,
    part: Part,
    tmp: &Path,
    to: &Path,
    parts: &[&[u8]],
) -> Result<Box<dyn DiskFile>, Error> {
    let mut file = disk.create(part, tmp).map_err(|e| Error::write(tmp, e))?;
    for part in parts {
        file.write_all(part).map_err(|e| Error::write(tmp, e))?;
    }
    let sealed = part.acts().contains(&Act::Seal);
    let synced = if sealed { file.seal() } else { file.sync() };
    synced.map_err(|e| Error::write(tmp, e))?;
    disk.rename(part, tmp, to).map_err(|e| Error::write(to, e))?;
    sync_parent(disk, part, to)?;
    Ok(file)
}
