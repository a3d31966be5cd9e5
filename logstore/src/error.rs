//! Every way the Logstore can refuse. Each message says what happened, where, and what to do.
//! It must never carry the content of a row: rows may hold personal data.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::Store;

/// The reason why one row was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RowFault {
    /// The row ends before its fixed part, its slots or its payload do.
    #[error("the row is {have} bytes long but needs at least {need}")]
    Short {
        /// Bytes the row should have at least.
        need: u64,
        /// Bytes it has.
        have: u64,
    },
    /// The row is longer than [`crate::row::MAX_ROW`].
    #[error("the row is {have} bytes long, above the limit of {limit}")]
    Long {
        /// Bytes the row has.
        have: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The flags field is not zero; no flag is defined in this version.
    #[error("unknown flags {0:#06x}; this version defines none")]
    Flags(u16),
    /// A slot names a column that the layout does not have.
    #[error("a slot names column {column}, but the layout has {columns}")]
    UnknownColumn {
        /// The column index in the slot.
        column: u8,
        /// How many columns the layout has.
        columns: usize,
    },
    /// Two slots name the same column.
    #[error("two slots name column {0}")]
    RepeatedColumn(u8),
    /// A slot points outside payload and extra.
    #[error("the slot of column {column} covers {offset}+{len}, outside the row's {have} bytes")]
    OutOfBounds {
        /// The column index.
        column: u8,
        /// Offset from the start of the payload.
        offset: u32,
        /// Length in bytes.
        len: u32,
        /// Bytes of payload and extra together.
        have: u64,
    },
    /// The slot of an integer or timestamp column is not 8 bytes long.
    #[error("column {column} is a number and needs 8 bytes, its slot has {len}")]
    NumberWidth {
        /// The column index.
        column: u8,
        /// Length of the slot.
        len: u32,
    },
    /// A text column is not valid UTF-8.
    #[error("the text of column {column} is not valid UTF-8")]
    ColumnNotUtf8 {
        /// The column index.
        column: u8,
    },
    /// The payload of a row for the dedicated Logstore is not valid UTF-8.
    #[error("the payload is not valid UTF-8 at byte {valid_up_to}; such a record belongs in quarantine")]
    PayloadNotUtf8 {
        /// The first invalid byte.
        valid_up_to: u64,
    },
}

/// A refused row: which one, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row {index} for {store}: {fault}")]
pub struct RowError {
    /// Position of the row in the transaction, in push order, from 0.
    pub index: usize,
    /// The store it was pushed to.
    pub store: Store,
    /// Why it was refused.
    pub fault: RowFault,
}

/// Every error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another process (or another writer of this one) holds the lock.
    #[error("another writer holds {path}; one Logstore has one writer: stop the other one first")]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The directory belongs to another trail.
    #[error("{path} belongs to trail `{found}`, not to `{wanted}`; give each trail its own directory")]
    OtherTrail {
        /// The file that says so.
        path: PathBuf,
        /// The trail it names.
        found: String,
        /// The trail that was asked for.
        wanted: String,
    },
    /// No Logstore in this directory.
    #[error("{path} is not a Logstore: there is no format.json; check the directory, or start the writer once")]
    NotALogstore {
        /// The directory.
        path: PathBuf,
    },
    /// Written by another version.
    #[error(
        "{path} has format {found}, this version reads {supported}; use the version that wrote it, or a new directory"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Format found.
        found: u64,
        /// The format this version reads.
        supported: u64,
    },
    /// A file is damaged. The Logstore refuses to go on, because going on would lose or repeat records.
    #[error("{path} is damaged at byte {offset}: {what}; restore the file from a copy, do not delete it")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Byte offset of the damage (0 when the whole file is meant).
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// Segments do not follow each other: records are missing or present twice.
    #[error(
        "{store}: the segment {path} starts at {found}, but {expected} was expected; a segment file is missing or was added"
    )]
    Gap {
        /// The store.
        store: Store,
        /// The segment after the gap, or the store's directory when the end is missing.
        path: PathBuf,
        /// Sequence number expected.
        expected: u64,
        /// Sequence number found.
        found: u64,
    },
    /// The signing key cannot be used, or is not the one this Logstore is sealed with.
    #[error("the signing key: {0}")]
    Key(String),
    /// The directory holds less than its own signed checkpoint says: its end was cut off, or put back to an older state.
    #[error(
        "{path} says that {store} held {signed} records, but only {found} are there: the end was cut off; restore the directory from a copy"
    )]
    Truncated {
        /// The file with the checkpoint.
        path: PathBuf,
        /// The store.
        store: Store,
        /// Records according to the checkpoint.
        signed: u64,
        /// Records found.
        found: u64,
    },
    /// A file of the index of event ids is damaged. Nothing was written, and nothing is lost: the index is derived.
    #[error("{path}: {what}; nothing was written, start the writer again: it makes the index of event ids again")]
    Ids {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A proof that cannot be made.
    #[error("there is no such proof: {0}")]
    Proof(String),
    /// An export that cannot be made.
    #[error("cannot export: {0}")]
    Export(String),
    /// The layout cannot be used, or does not continue the stored one.
    #[error("layout refused: {0}")]
    Layout(String),
    /// A row was refused; nothing of its transaction was written.
    #[error("transaction refused, nothing was written: {0}")]
    Row(#[from] RowError),
    /// The transaction is too large, or uses a reserved or overlong name.
    #[error("transaction refused, nothing was written: {0}")]
    Transaction(String),
    /// Reading failed.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Writing or syncing failed. The writer is poisoned from here on.
    #[error("cannot write {path}: {source}; the writer stops, free space or repair the disk, then start it again")]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// An earlier write failed; nothing is written any more.
    #[error("the writer stopped after an earlier failure ({cause}); start it again once that is repaired")]
    Poisoned {
        /// The first failure.
        cause: String,
    },
    /// Parquet or Arrow refused a file or a batch.
    #[error("{path}: {source}")]
    Parquet {
        /// The segment.
        path: PathBuf,
        /// The library's reason.
        source: parquet::errors::ParquetError,
    },
    /// Arrow refused to build a batch.
    #[error("cannot build a record batch: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
}

impl Error {
    /// Whether it is that there is no room: the disk is full, or a quota is used up.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        let full = |e: &std::io::Error| matches!(e.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
        matches!(self, Self::Write { source, .. } if full(source))
    }

    /// Wraps a read failure.
    pub(crate) fn read(path: &Path, source: std::io::Error) -> Self {
        Self::Read { path: path.to_path_buf(), source }
    }
    /// Wraps a write failure.
    pub(crate) fn write(path: &Path, source: std::io::Error) -> Self {
        Self::Write { path: path.to_path_buf(), source }
    }
    /// Damage at `offset` of `path`.
    pub(crate) fn corrupt(path: &Path, offset: u64, what: impl Into<String>) -> Self {
        Self::Corrupt { path: path.to_path_buf(), offset, what: what.into() }
    }
    /// Wraps a Parquet failure.
    pub(crate) fn parquet(path: &Path, source: parquet::errors::ParquetError) -> Self {
        Self::Parquet { path: path.to_path_buf(), source }
    }
}
