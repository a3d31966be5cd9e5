//! The files of a spool: names, the lock, the newest one.
//! It must never touch a file that is not named like the spool's own.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::SpoolError;
use super::readers::Access;

const ENDING: &str = ".ndjson";
const DIGITS: usize = 20;
/// Bytes looked at backwards at a time for the end of the last whole line.
const BACK: u64 = 64 << 10;

/// How long a lock is waited for.
const TRIES: u32 = 20;
const BETWEEN: Duration = Duration::from_millis(25);

/// Held by one process: the kernel lets go of it when the process ends, however it does.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn take(dir: &Path, prefix: &str) -> Result<Self, SpoolError> {
        let path = dir.join(format!(".{prefix}.lock"));
        let io = |source| SpoolError::Io { path: path.clone(), source };
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(io)?;
        for _ in 0..TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                // A process that was started meanwhile has it too, until its own program begins.
                Err(TryLockError::WouldBlock) => thread::sleep(BETWEEN),
                Err(TryLockError::Error(source)) => return Err(io(source)),
            }
        }
        Err(SpoolError::Held(path))
    }
}

/// The file that lines are appended to.
#[derive(Debug)]
pub(super) struct Newest {
    pub(super) handle: File,
    pub(super) path: PathBuf,
    /// Its length: whole lines, all of them on the disk.
    pub(super) len: u64,
}

impl Newest {
    /// Begins a file. Its name is on the disk before any line is.
    pub(super) fn create(dir: &Path, prefix: &str, number: u64, access: Access) -> Result<Self, SpoolError> {
        let path = path(dir, prefix, number);
        let io = |source| SpoolError::Io { path: path.clone(), source };
        let mut options = OpenOptions::new();
        let handle = options.append(true).create_new(true).mode(0o600).open(&path).map_err(io)?;
        // Left behind, it would keep its number from the next try.
        access.give(&handle, &path).inspect_err(|_| drop(fs::remove_file(&path)))?;
        File::open(dir).and_then(|folder| folder.sync_all()).map_err(io)?;
        Ok(Self { handle, path, len: 0 })
    }

    /// Opens a file after a start, cuts a broken line off, and puts what is there on the disk.
    pub(super) fn reopen(dir: &Path, prefix: &str, number: u64) -> Result<Self, SpoolError> {
        let path = path(dir, prefix, number);
        let io = |source| SpoolError::Io { path: path.clone(), source };
        let mut handle = OpenOptions::new().read(true).append(true).open(&path).map_err(io)?;
        let whole = whole_lines(&mut handle).map_err(io)?;
        if whole < handle.metadata().map_err(io)?.len() {
            handle.set_len(whole).map_err(io)?;
        }
        handle.sync_all().map_err(io)?;
        Ok(Self { handle, path, len: whole })
    }

    /// Takes back what a failed write left; `false` when somebody removed the file.
    pub(super) fn mend(&self) -> Result<bool, SpoolError> {
        let io = |source| SpoolError::Io { path: self.path.clone(), source };
        let found = self.handle.metadata().map_err(io)?;
        if found.len() != self.len {
            self.handle.set_len(self.len).and_then(|()| self.handle.sync_all()).map_err(io)?;
        }
        Ok(found.nlink() > 0)
    }
}

/// Where the last whole line ends.
fn whole_lines(file: &mut File) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    let mut block = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(BACK);
        file.seek(SeekFrom::Start(start))?;
        block.clear();
        (&mut *file).take(end - start).read_to_end(&mut block)?;
        if let Some(at) = block.iter().rposition(|b| *b == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

pub(super) fn path(dir: &Path, prefix: &str, number: u64) -> PathBuf {
    dir.join(format!("{prefix}-{number:0DIGITS$}{ENDING}"))
}

/// The numbers of the spool's files, ascending.
pub(super) fn list(dir: &Path, prefix: &str) -> Result<Vec<u64>, SpoolError> {
    let io = |source| SpoolError::Io { path: dir.to_owned(), source };
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir).map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        numbers.extend(name.to_str().and_then(|name| number(name, prefix)));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn number(name: &str, prefix: &str) -> Option<u64> {
    let digits = name.strip_prefix(prefix)?.strip_prefix('-')?.strip_suffix(ENDING)?;
    let ours = digits.len() == DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| ours)
}

pub(super) fn check_prefix(prefix: &str) -> Result<(), SpoolError> {
    let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let ok = (1..=100).contains(&prefix.len()) && !prefix.starts_with('.') && prefix.chars().all(inner);
    if ok { Ok(()) } else { Err(SpoolError::Prefix(prefix.to_owned())) }
}

/// Makes the folder, and lets readers into it and into what had to be made above it.
pub(super) fn make_folder(dir: &Path, access: Access) -> Result<(), SpoolError> {
    let missing: Vec<&Path> = dir.ancestors().take_while(|at| !at.as_os_str().is_empty() && !at.exists()).collect();
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|source| SpoolError::Io { path: dir.to_owned(), source })?;
    missing.iter().chain(std::iter::once(&dir)).try_for_each(|at| access.enter(at))
}
