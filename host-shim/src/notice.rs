//! What a running pipeline tells: why it ended, and what people should see meanwhile.
//!
//! Nothing is printed here.

use std::path::PathBuf;

use crate::lifecycle::LifecycleError;
use crate::runtime::{CallError, OpenError, RunError};
use crate::sink::watch::Word;

/// Why a running pipeline ended. Nothing is lost: everything up to the last commit is durable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// The Logstore failed.
    #[error(transparent)]
    Logstore(#[from] innertrail_logstore::Error),
    /// What is remembered of the Logstore's life cannot be read or written.
    #[error(transparent)]
    Lifecycle(#[from] LifecycleError),
    /// Asked to stop while there was no room.
    #[error(
        "stopped while the disk of {dir} was full: {free} bytes free, {needed} needed. Nothing is lost: what was read since \
         the last commit is read again at the next start; free space first"
    )]
    DiskFull {
        /// The data directory.
        dir: PathBuf,
        /// Bytes free.
        free: u64,
        /// Bytes that have to be free.
        needed: u64,
    },
    /// The component failed for good.
    #[error("source {source_name}: {error}")]
    Run {
        /// The source.
        source_name: String,
        /// What happened.
        error: RunError,
    },
    /// A sink could not be started.
    #[error(transparent)]
    Sink(#[from] innertrail_sink::delivery::DeliveryError),
    /// The mirror could not be started.
    #[error("mirror: no thread for it: {0}; raise the limit of threads")]
    Mirror(std::io::Error),
    /// Alerts could not be started.
    #[error("alerts: no thread for them: {0}; raise the limit of threads")]
    Alerts(std::io::Error),
    /// A server of the gate could not be started.
    #[error("gate.{name}: {error}")]
    Gate {
        /// The server.
        name: &'static str,
        /// What happened.
        error: innertrail_gate::ServerError,
    },
    /// A session could not be opened.
    #[error("source {source_name}: {error}")]
    Open {
        /// The source.
        source_name: String,
        /// What happened.
        error: OpenError,
    },
    /// The client of a source cannot be set up.
    #[error("source {source_name}: {error}")]
    Network {
        /// The source.
        source_name: String,
        /// What is wrong.
        error: innertrail_fetch::ConfigError,
    },
    /// A session failed twice without anything to blame.
    #[error("source {source_name}: the component failed twice without a file or an answer at hand: {error}")]
    Step {
        /// The source.
        source_name: String,
        /// What happened.
        error: CallError,
    },
}

impl PipelineError {
    /// Whether it is that the disk is full, so that waiting helps.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Logstore(error) => error.is_disk_full(),
            Self::Lifecycle(error) => error.is_disk_full(),
            _ => false,
        }
    }
}

/// Something to tell people while it runs.
#[derive(Debug, Clone)]
pub enum Notice<'a> {
    /// A note of a source.
    Note(&'a str, String),
    /// A source's new state.
    State(&'a str, String),
    /// Something about the Logstore itself: enabled, days dropped.
    Logstore(String),
    /// What is behind a server of the gate did not take a request, and why; or takes them again.
    Gate(&'a str, Option<String>),
    /// So many events that came to a server of the gate were kept in quarantine, for this reason.
    Refused(&'a str, u64, &'static str),
    /// A sink's new state, that it has waited for long, or that it delivers again.
    Sink(&'a str, Word),
    /// The mirror's new state, what it could not copy as it was sealed, that it has waited for long.
    Mirror(Word),
    /// Alerts: what is broken, the state of evaluation, what could not be looked at.
    Alerts(Word),
    /// There is no room on the disk: everything stands still until there is.
    DiskFull(String),
    /// A commit is durable: records so far, input bytes so far.
    Progress(u64, u64),
}
