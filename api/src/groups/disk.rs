//! Small files that are replaced as a whole, through the Logstore's seam for disks.
//! It must never leave a file that is half written under its name, and never try a failed sync again.

use std::io::ErrorKind;
use std::path::Path;

use innertrail_logstore::Error;
use innertrail_logstore::consumer::ConsumerError;
use innertrail_logstore::durable::{self, Disk, Part};

use crate::pull::DataError;

/// A file's bytes; `None` when there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, DataError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(DataError::io(path, e)),
    }
}

/// Puts a file in place in one step, durable with its name: a crash leaves the old one or the new one.
pub(crate) fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<(), DataError> {
    match durable::replace(disk, Part::Group, &path.with_extension("tmp"), path, &[bytes]) {
        Ok(_) => Ok(()),
        // Its words are about the one writer, which this is not.
        Err(Error::Write { source, .. }) => Err(DataError::io(path, source)),
        Err(other) => Err(ConsumerError::from(other).into()),
    }
}

/// Removes a file for good. One that is not there is gone as well.
pub(crate) fn remove(disk: &dyn Disk, path: &Path) -> Result<(), DataError> {
    match disk.remove(Part::Group, path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(DataError::io(path, e)),
        _ => disk.sync_dir(Part::Group, path.parent().unwrap_or(path)).map_err(|e| DataError::io(path, e)),
    }
}

/// Makes a folder durable with its name, and what an earlier life left in it.
pub(crate) fn folder(disk: &dyn Disk, path: &Path) -> Result<(), DataError> {
    let failed = |e| DataError::io(path, e);
    disk.create_dir(Part::Folder, path).map_err(failed)?;
    disk.sync_dir(Part::Folder, path.parent().unwrap_or(path)).map_err(failed)?;
    disk.sync_dir(Part::Group, path).map_err(failed)
}
