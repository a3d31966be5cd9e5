//! The immutable flag of a file (`chattr +i`): while it is set, not even root can change, rename or remove the file.
//! It must never be set on a file that is still to be renamed, and never make a failure of what works without it.
//!
//! Linux has it (`FS_IMMUTABLE_FL`) on ext4, XFS, Btrfs, F2FS and tmpfs, for a process with `CAP_LINUX_IMMUTABLE`.
//! Elsewhere, and without the right, these functions do nothing and say so.

use std::io;
use std::path::Path;

/// Whether files in `folder` can have the flag: tries it on a file of its own, `.immutable-probe`. The folder should be
/// one that is emptied sometimes, such as `tmp/`.
///
/// # Errors
/// The system's: the folder cannot be written to.
pub fn possible(folder: &Path) -> io::Result<bool> {
    let probe = folder.join(".immutable-probe");
    std::fs::write(&probe, b"")?;
    let possible = set(&probe, true)? && set(&probe, false)?;
    std::fs::remove_file(&probe)?;
    Ok(possible)
}

/// Sets the flag or clears it; `false` when this file system or this process cannot.
///
/// # Errors
/// The system's, when it is not about the flag: the file is not there, the disk failed.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn set(path: &Path, immutable: bool) -> io::Result<bool> {
    use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
    use rustix::io::Errno;

    let file = std::fs::File::open(path)?;
    let changed = ioctl_getflags(&file).and_then(|flags| {
        let wanted = if immutable { flags | IFlags::IMMUTABLE } else { flags - IFlags::IMMUTABLE };
        if wanted == flags { Ok(()) } else { ioctl_setflags(&file, wanted) }
    });
    match changed {
        Ok(()) => Ok(true),
        Err(Errno::NOTTY | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::PERM | Errno::ACCESS) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Sets the flag or clears it: never, on this system.
///
/// # Errors
/// None.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub fn set(_path: &Path, _immutable: bool) -> io::Result<bool> {
    Ok(false)
}
