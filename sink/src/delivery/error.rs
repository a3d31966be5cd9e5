//! Why a delivery ends by itself. What can get better is no reason: see [`super::State::Waiting`].

use innertrail_logstore::consumer::ConsumerError;

/// Why a delivery ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// The Logstore or the group refused.
    #[error("sink `{name}`: {source}")]
    Consumer {
        /// The sink.
        name: String,
        /// The refusal.
        source: ConsumerError,
    },
    /// The group belongs to another store.
    #[error(
        "sink `{name}`: its consumer group reads `{found}`, not the dedicated Logstore; delete the group or rename the sink"
    )]
    OtherStore {
        /// The sink.
        name: String,
        /// The store.
        found: innertrail_logstore::Store,
    },
    /// A replay's range does not exist.
    #[error("sink `{name}`: there is no record {seq}; the Logstore keeps {first} to {}", end.saturating_sub(1))]
    NoSuchRecord {
        /// The sink.
        name: String,
        /// What was asked for.
        seq: u64,
        /// First record that is kept.
        first: u64,
        /// Behind the last durable one.
        end: u64,
    },
    /// The system gave no thread.
    #[error("sink `{name}`: no thread: {source}")]
    Thread {
        /// The sink.
        name: String,
        /// The system's reason.
        source: std::io::Error,
    },
}
