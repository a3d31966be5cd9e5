//! The folder of compiled code: wasmtime's own cache, in a folder nobody else can write.
//!
//! Compiled code is native code: who can write a file there can run anything as this user. So the folder must belong to
//! this user and be writable by no one else, or the start is refused. wasmtime keys its entries by the component's
//! bytes, its own version and every setting of the engine, and compiles anew when an entry does not fit.
//! It must never repair permissions of a folder that it did not create.

use std::fs::{self, DirBuilder, Metadata};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use wasmtime::{Cache, CacheConfig};

/// Why compiled code cannot be kept in a folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// Neither there nor to be made.
    #[error("cannot use {} for compiled code: {source}; choose another cache folder", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// Not a folder.
    #[error("{} is not a folder, so it cannot keep compiled code; choose another cache folder", .0.display())]
    NotAFolder(PathBuf),
    /// Somebody else owns it.
    #[error(
        "{} belongs to user {owner}, not to user {user}: compiled code from there could be anybody's; choose a folder of \
         your own",
        path.display()
    )]
    Owner {
        /// The folder.
        path: PathBuf,
        /// Its owner's id.
        owner: u32,
        /// Id of the user that runs this.
        user: u32,
    },
    /// Others can write it.
    #[error(
        "{} can be written by others (mode {mode:03o}): compiled code from there could be anybody's; run `chmod 700 {}`",
        path.display(), path.display()
    )]
    Writable {
        /// The folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// wasmtime refused its settings.
    #[error("cannot keep compiled code in {}: {detail}", path.display())]
    Settings {
        /// The folder.
        path: PathBuf,
        /// What wasmtime said.
        detail: String,
    },
}

/// Most bytes of compiled code kept: a component is about 1 MB.
const SIZE_LIMIT: u64 = 64 << 20;

/// How hard compiled code is packed, by zstd's measure. wasmtime packs what was used 256 times again, at level 20, beside the work of
/// whoever uses it then: that takes 170 MiB, to save half a megabyte on the disk.
const PACKED: i32 = 3;

/// Opens the cache in `folder`, which is created if need be.
pub(super) fn open(folder: &Path) -> Result<Cache, CacheError> {
    let io = |source| CacheError::Io { path: folder.into(), source };
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(folder).map_err(io)?;
    // Names may be links; what counts is the folder behind them.
    let folder = folder.canonicalize().map_err(io)?;
    let found = fs::metadata(&folder).map_err(io)?;
    check(&folder, &found, rustix::process::geteuid().as_raw())?;
    let mut config = CacheConfig::new();
    config.with_directory(&folder).with_files_total_size_soft_limit(SIZE_LIMIT);
    config.with_baseline_compression_level(PACKED).with_optimized_compression_level(PACKED);
    Cache::new(config).map_err(|e| CacheError::Settings { path: folder, detail: format!("{e:#}") })
}

/// Whether what lies in the folder can only have come from this user (or root, who can do anything anyway).
fn check(path: &Path, found: &Metadata, user: u32) -> Result<(), CacheError> {
    if !found.is_dir() {
        return Err(CacheError::NotAFolder(path.into()));
    }
    if found.uid() != user {
        return Err(CacheError::Owner { path: path.into(), owner: found.uid(), user });
    }
    let mode = found.mode() & 0o777;
    if mode & 0o022 != 0 {
        return Err(CacheError::Writable { path: path.into(), mode });
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_new_folder_is_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a/b");
        open(&folder).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_folder_that_others_can_write_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o770)).unwrap();
        let text = open(dir.path()).unwrap_err().to_string();
        assert!(text.contains("mode 770") && text.contains("chmod 700"), "{text}");
        assert_eq!(fs::metadata(dir.path()).unwrap().mode() & 0o777, 0o770);
    }

    #[test]
    fn a_folder_of_somebody_else_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let found = fs::metadata(dir.path()).unwrap();
        let other = found.uid() + 1;
        let error = check(dir.path(), &found, other).unwrap_err();
        assert!(matches!(error, CacheError::Owner { user, .. } if user == other));
    }

    #[test]
    fn a_file_is_not_a_folder() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(open(file.path()).is_err());
    }
}
