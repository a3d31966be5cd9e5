//! The life of a Logstore: enabled, running, paused, disabled; how long it keeps, and what it must not drop.
//!
//! The rules ([`retention`], [`hold`], [`sources`], [`State`], [`plan`]) read no clock and touch no file; [`Custody`] is
//! them at work beside a running writer, [`change`] is one change made by a command. Whatever changes is in the journal
//! in the same transaction. Nothing here may append a record, or decide what an event is.

mod change;
mod custody;
pub mod day;
pub mod hold;
pub mod key;
mod plan;
pub mod retention;
pub mod sources;
pub mod standstill;
mod state;
pub mod told;

use std::path::PathBuf;

pub use change::{Changed, Enabling, Entered, Existing, apply, change, enable, enter};
pub(crate) use custody::retention_entry;
pub use custody::{Custody, Dropped, Opening, planned};
pub use plan::{Drop, Present, STORES, plan};
pub use state::{KEY, Phase, State};

/// Why something about a Logstore's life is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LifecycleError {
    /// Nothing is appended to a Logstore that is disabled.
    #[error(
        "the Logstore in {dir} is disabled since {since}: nothing is appended to it. `innertrail enable --data-dir {dir}` \
         enables it again; what it holds stays until it expires"
    )]
    Disabled {
        /// The data directory.
        dir: PathBuf,
        /// Since when, RFC 3339.
        since: String,
    },
    /// It was never enabled.
    #[error("the Logstore in {0} was never enabled; run `innertrail enable` on it first")]
    NeverEnabled(PathBuf),
    /// What is remembered of its life cannot be read.
    #[error("the checkpoint @lifecycle of the Logstore cannot be read: {0}")]
    Unreadable(String),
    /// The retention.
    #[error(transparent)]
    Retention(#[from] retention::RetentionError),
    /// A hold.
    #[error(transparent)]
    Hold(#[from] hold::HoldError),
    /// The key that seals.
    #[error(transparent)]
    Key(#[from] key::KeyError),
    /// The Logstore cannot be opened.
    #[error(transparent)]
    Open(innertrail_logstore::Error),
    /// The Logstore failed once it was open.
    #[error(transparent)]
    Logstore(#[from] innertrail_logstore::Error),
}

impl LifecycleError {
    /// Whether it is that the disk is full.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Open(error) | Self::Logstore(error) if error.is_disk_full())
    }
}
