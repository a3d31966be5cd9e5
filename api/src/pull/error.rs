//! Why the data of a Logstore cannot be served. Each message says what happened, where, and what to do.
//! It must never hold the content of a record.

use std::path::{Path, PathBuf};

use innertrail_logstore::consumer::ConsumerError;

use crate::ApiError;

/// Opening failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The Logstore cannot be read.
    #[error(transparent)]
    Logstore(#[from] ConsumerError),
    /// Shards that cannot be.
    #[error(
        "{shards} shards with blocks of {block} records are out of range; use 1 to 128 shards and 1 to 1,048,576 records"
    )]
    Options {
        /// Shards.
        shards: u32,
        /// Records of a block.
        block: u64,
    },
    /// Other shards than the Logstore has.
    #[error(
        "{path} says {shards} shards with blocks of {block} records, and every cursor that was given away stands on that; ask for the same, or for none"
    )]
    Fixed {
        /// The note.
        path: PathBuf,
        /// Shards that are kept.
        shards: u32,
        /// Records of a block that are kept.
        block: u64,
    },
    /// The note about shards is not what was written there.
    #[error(
        "{path}: {what}; put back a copy, or remove the folder it is in: its consumer groups are then gone, and every cursor is another"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Another process serves the same directory.
    #[error(
        "{path} is locked: another process serves this Logstore; end it first, because both would share out its shards"
    )]
    Locked {
        /// The lock.
        path: PathBuf,
    },
    /// A file of the consumer groups cannot be read or written.
    #[error("{path}: {source}; see whether the disk is full and who may write there")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl DataError {
    pub(crate) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_path_buf(), what: what.into() }
    }

    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_path_buf(), source }
    }
}

/// What a client is told when the Logstore cannot be read: that it may ask again. It is no fault of the call.
pub(crate) fn unread(e: &dyn std::error::Error) -> ApiError {
    ApiError::internal(format!("the Logstore could not be read: {e}"))
}
