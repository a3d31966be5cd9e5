//! Spool files: lines of JSON in files that any agent with a tailer reads.
//! It must never answer before the lines are on the disk, leave a broken line for good, or delete a file unasked.
//!
//! Files are `<prefix>-<number>.ndjson`, twenty digits, so they sort in order; lines are appended to the one with the
//! highest number. A file is full at [`SpoolConfig::rotate_bytes`]; a batch is never spread over two. A file that somebody
//! removed is not written any more. What a crash left of
//! a line is cut off when the spool is opened again: the delivery sends its record once more, as nothing had been answered.
//!
//! Readers that are told are let in whatever the umask says, and nobody else; without them files are as the umask leaves
//! 0600, the folder as it leaves 0700.

mod files;
mod readers;

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use self::files::{Lock, Newest};
use self::readers::Access;
pub use self::readers::Readers;
use crate::encode::{Encoder, Encoding};
use crate::record::Batch;
use crate::sender::{Refused, Sender};
use crate::trouble::Trouble;

/// Bytes written at a time.
const MAX_LINES: usize = 4 << 20;

/// Where files are spooled, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolConfig {
    /// The folder; made where there is none. No two spools share one prefix in it.
    pub dir: PathBuf,
    /// What file names begin with: 1 to 100 of `A-Z a-z 0-9 - _ .`, no dot first.
    pub prefix: String,
    /// [`Encoding::NativeJson`] or [`Encoding::Json`].
    pub encoding: Encoding,
    /// A file of at least so many bytes gets no more lines. Default 64 MiB.
    pub rotate_bytes: u64,
    /// Full files are deleted when nothing was appended to them for so long. `None`, the default: never.
    pub keep: Option<Duration>,
    /// Group of the folder and the files, by name or number. `None`, the default: the process's.
    pub group: Option<String>,
    /// Who may read. `None`, the default: the owner, and what is there already stays as it is.
    pub readers: Option<Readers>,
}

impl SpoolConfig {
    /// The defaults for a folder: `native_json`, prefix `innertrail`.
    #[must_use]
    pub fn of(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            prefix: "innertrail".to_owned(),
            encoding: Encoding::NativeJson,
            rotate_bytes: 64 << 20,
            keep: None,
            group: None,
            readers: None,
        }
    }

    /// Whether a spool of these can be opened, as far as that can be told without touching anything.
    ///
    /// # Errors
    /// [`SpoolError`].
    pub fn check(&self) -> Result<(), SpoolError> {
        if self.encoding == Encoding::Native {
            return Err(SpoolError::Encoding);
        }
        files::check_prefix(&self.prefix)?;
        Access::of(self.group.as_deref(), self.readers).map(|_| ())
    }
}

/// Why there is no spool.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The prefix cannot begin a file's name.
    #[error("`{0}` cannot begin a spool file's name; use 1 to 100 of A-Z a-z 0-9 - _ . and no dot first")]
    Prefix(String),
    /// The group is none of this machine's.
    #[error("there is no group `{0}` in /etc/group; name the group that the agent runs in, or give its number")]
    Group(String),
    /// Readers cannot be let in.
    #[error(
        "{path}: its group or mode cannot be set: {source}; innertrail has to own it, and be in the group or be root"
    )]
    Access {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Protobuf has no lines.
    #[error("spool files hold lines; use native_json or json")]
    Encoding,
    /// Another process writes here.
    #[error("{0} is held by another process that spools here; end it, or use another folder or prefix")]
    Held(PathBuf),
    /// The system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// The files of one sink. One process has them at a time.
#[derive(Debug)]
pub struct Spool {
    config: SpoolConfig,
    access: Access,
    encoder: Encoder,
    _lock: Lock,
    /// The file that lines go to. `None`: the next batch begins one.
    open: Option<Newest>,
    /// Number of the next file.
    next: u64,
    buffer: Vec<u8>,
    /// Bytes of the last batch.
    sent: u64,
}

impl Spool {
    /// Opens the spool, and cuts what a crash left of a line.
    ///
    /// # Errors
    /// [`SpoolError`].
    pub fn open(config: SpoolConfig) -> Result<Self, SpoolError> {
        config.check()?;
        let access = Access::of(config.group.as_deref(), config.readers)?;
        files::make_folder(&config.dir, access)?;
        let lock = Lock::take(&config.dir, &config.prefix)?;
        let mut newest = None;
        let mut open = None;
        for number in files::list(&config.dir, &config.prefix)? {
            newest = Some(number);
            let file = Newest::reopen(&config.dir, &config.prefix, number)?;
            access.give(&file.handle, &file.path)?;
            open = Some(file);
        }
        let next = newest.map_or(0, |number| number + 1);
        let encoder = Encoder::new(config.encoding);
        Ok(Self { config, access, encoder, _lock: lock, open, next, buffer: Vec::new(), sent: 0 })
    }

    fn append(&mut self) -> Result<(), SpoolError> {
        let full = |file: &Newest| file.len >= self.config.rotate_bytes;
        let mended = self.open.as_ref().map(Newest::mend).transpose()?.unwrap_or(false);
        if !mended || self.open.as_ref().is_none_or(full) {
            self.rotate()?;
        }
        let Some(mut file) = self.open.take() else { return Ok(()) };
        match write(&file, &self.buffer) {
            Ok(()) => {
                file.len += self.buffer.len() as u64;
                self.open = Some(file);
                Ok(())
            }
            Err(Failed::Write(source)) => {
                // What got there is taken back at once, so that no line is broken while the disk is full; if that fails
                // too, the next batch begins with it.
                let _mended = file.mend();
                let path = file.path.clone();
                self.open = Some(file);
                Err(SpoolError::Io { path, source })
            }
            // After a sync that failed nobody knows what the disk holds, and a second one may lie: the file gets no more
            // lines, and the batch goes to the next one.
            Err(Failed::Sync(source)) => Err(SpoolError::Io { path: file.path, source }),
        }
    }

    fn rotate(&mut self) -> Result<(), SpoolError> {
        self.open = None;
        self.open = Some(Newest::create(&self.config.dir, &self.config.prefix, self.next, self.access)?);
        self.next += 1;
        match self.config.keep {
            Some(keep) => self.expire(keep, SystemTime::now()),
            None => Ok(()),
        }
    }

    /// Deletes full files whose last line is older than `keep`.
    fn expire(&self, keep: Duration, now: SystemTime) -> Result<(), SpoolError> {
        let full = files::list(&self.config.dir, &self.config.prefix)?;
        for number in full.into_iter().filter(|number| number + 1 < self.next) {
            let path = files::path(&self.config.dir, &self.config.prefix, number);
            let io = |source| SpoolError::Io { path: path.clone(), source };
            let appended = std::fs::metadata(&path).and_then(|m| m.modified()).map_err(io)?;
            // A time in the future is a clock that was set back: not old.
            if now.duration_since(appended).is_ok_and(|age| age > keep) {
                std::fs::remove_file(&path).map_err(io)?;
            }
        }
        Ok(())
    }
}

enum Failed {
    Write(io::Error),
    Sync(io::Error),
}

fn write(file: &Newest, lines: &[u8]) -> Result<(), Failed> {
    let mut handle: &File = &file.handle;
    handle.write_all(lines).map_err(Failed::Write)?;
    handle.sync_data().map_err(Failed::Sync)
}

impl Sender for Spool {
    fn send(&mut self, batch: &Batch<'_>) -> Result<(), Refused> {
        self.buffer.clear();
        for record in batch.records {
            let written = self.encoder.append(batch, record, &mut self.buffer);
            written.map_err(|e| Refused::Never { why: e.to_string() })?;
            self.buffer.push(b'\n');
        }
        self.sent = self.buffer.len() as u64;
        let appended = self.append();
        self.buffer.shrink_to(1 << 16);
        appended.map_err(|e| Refused::Later { why: e.to_string(), after: None })
    }

    fn max_request_bytes(&self) -> usize {
        MAX_LINES
    }

    fn encoded_len(&self, batch: &Batch<'_>, at: usize) -> usize {
        batch.records.get(at).map_or(0, |record| self.encoder.len(batch, record) + 1)
    }

    fn body_bytes(&self) -> Option<u64> {
        Some(self.sent)
    }

    fn trouble(&self) -> Trouble {
        Trouble::Writer
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
