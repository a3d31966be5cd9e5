//! Reading the folder that is verified. It must never write, never follow a link inside the folder, and never read a
//! file whole that has no limit.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use crate::tree::Hash;

/// How deep folders are looked into: a tile of level 1 of a tree of 2^64 records is 10 deep.
const MAX_DEPTH: usize = 12;

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("it is missing")]
    Missing,
    #[error("it is, or lies behind, a symbolic link; links are not followed")]
    Link,
    #[error("it is not a file")]
    NotAFile,
    #[error("it is longer than the {0} bytes that such a file may have")]
    Long(u64),
    #[error("it cannot be read: {0}")]
    Read(#[from] std::io::Error),
}

/// The folder.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    root: PathBuf,
}

impl Disk {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The place of a path relative to the folder, if nothing on the way is a link or leads out.
    fn place(&self, path: &str) -> Result<PathBuf, Fault> {
        let mut place = self.root.clone();
        for part in path.split('/') {
            if part.is_empty() || part == "." || part == ".." || part.contains('\0') {
                return Err(Fault::NotAFile);
            }
            place.push(part);
            match std::fs::symlink_metadata(&place) {
                Ok(meta) if meta.is_symlink() => return Err(Fault::Link),
                Ok(_) => {}
                Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                    return Err(Fault::Missing);
                }
                Err(e) => return Err(e.into()),
            }
        }
        Ok(place)
    }

    /// Opens a file for reading.
    pub(crate) fn open(&self, path: &str) -> Result<File, Fault> {
        let place = self.place(path)?;
        // Asked before opening, because opening a pipe waits.
        if !std::fs::symlink_metadata(&place)?.is_file() {
            return Err(Fault::NotAFile);
        }
        match File::open(&place) {
            Err(e) if e.kind() == ErrorKind::NotFound => Err(Fault::Missing),
            other => Ok(other?),
        }
    }

    /// Reads a file whole, if it is no longer than `limit` bytes.
    pub(crate) fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::new();
        self.open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit { Err(Fault::Long(limit)) } else { Ok(bytes) }
    }

    /// Whether there is a file.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.open(path).is_ok()
    }

    /// Length of a file in bytes; 0 when there is none.
    pub(crate) fn len(&self, path: &str) -> u64 {
        self.open(path).and_then(|f| Ok(f.metadata()?.len())).unwrap_or(0)
    }

    /// All files below a folder, sorted, relative to the root. Links are listed, not followed. A missing folder has none.
    pub(crate) fn files(&self, folder: &str) -> Result<Vec<String>, Fault> {
        let mut found = Vec::new();
        let mut folders = vec![(folder.to_owned(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            let place = match self.place(&folder) {
                Ok(place) => place,
                Err(Fault::Missing) => continue,
                Err(e) => return Err(e),
            };
            for entry in std::fs::read_dir(place)? {
                let entry = entry?;
                let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
                if entry.file_type()?.is_dir() && depth < MAX_DEPTH {
                    folders.push((path, depth + 1));
                } else {
                    found.push(path);
                }
            }
        }
        found.sort_unstable();
        Ok(found)
    }
}

/// SHA-256 of a file's content from where it stands.
pub(crate) fn hash_file(file: &mut File) -> Result<Hash, std::io::Error> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(read) => hash.update(&buffer[..read]),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}
