//! What a running pipeline tells: why it ended, and what people should see meanwhile.
//!
//! Nothing is printed here.

use crate::runtime::{CallError, OpenError, RunError};

/// Why a running pipeline ended. Nothing is lost: everything up to the last commit is durable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// The Logstore failed.
    #[error(transparent)]
    Logstore(#[from] innertrail_logstore::Error),
    /// The component failed for good.
    #[error("source {source_name}: {error}")]
    Run {
        /// The source.
        source_name: String,
        /// What happened.
        error: RunError,
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

/// Something to tell people while it runs.
#[derive(Debug, Clone)]
pub enum Notice<'a> {
    /// A note of a source.
    Note(&'a str, String),
    /// A source's new state.
    State(&'a str, String),
    /// Something about the Logstore itself: enabled, days dropped.
    Logstore(String),
    /// A commit is durable: records so far, input bytes so far.
    Progress(u64, u64),
}
