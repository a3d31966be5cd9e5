//! The delivery: takes records from the Logstore in order, hands them to a [`Sender`], and moves on only when the receiver
//! has answered.
//!
//! One sink is one consumer group (`sink-<name>`) with one holder and one request in flight. What may work later is tried
//! again for ever, ever more slowly; what never will is narrowed down to the records at fault, and those are *parked* with
//! the host before the position passes them. It must never send what is not durable, drop a record, or change the order.
//!
//! At least once: the position is stored after the answer, so a crash in between repeats records. The order in which a
//! receiver sees records for the first time is the Logstore's.

mod ahead;
mod backoff;
mod core;
mod error;
mod memory;
mod position;
mod report;
mod runner;
mod stretch;

#[cfg(test)]
mod core_tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use innertrail_logstore::consumer::Notify;

pub use error::DeliveryError;
pub use position::{group_name, set_position};
pub use report::{Report, State, Status};
pub use runner::{Delivery, Running};

use crate::record::Record;
#[cfg(doc)]
use crate::sender::Sender;

/// Makes the seal mark of a record from its sequence number and its raw bytes.
pub type Mark = Arc<dyn Fn(u64, &[u8]) -> String + Send + Sync>;

/// The host's side of a delivery: where records go that a receiver will never take, and who hears of gaps.
pub trait Parking: Send {
    /// Keeps a record that `sink`'s receiver will never take. The position passes it only after this returned `Ok`; a
    /// crash in between parks it again.
    ///
    /// # Errors
    /// The reason why it could not be kept. It is tried again for ever.
    fn park(&mut self, sink: &str, record: &Record, why: &str) -> Result<(), NotParked>;

    /// Notes that retention dropped records `from..to` before `sink` had sent them.
    ///
    /// # Errors
    /// The reason why it could not be noted. It is tried again for ever.
    fn missed(&mut self, sink: &str, from: u64, to: u64) -> Result<(), NotParked>;
}

/// Why the host could not keep or note something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotParked(pub String);

/// Where a sink without a position begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// At the first record that is kept.
    #[default]
    Begin,
    /// Behind the last durable record.
    End,
    /// At this sequence number.
    At(u64),
}

/// Which sink, and of which Logstore.
#[derive(Debug, Clone)]
pub struct Place {
    /// The sink's name: 1 to 123 of `A-Z a-z 0-9 - _`.
    pub name: String,
    /// The data directory.
    pub dir: PathBuf,
    /// Who holds the group. A name that comes back after a crash takes the group at once; so it must be one that no two
    /// living processes can have, such as that of the data directory's one writer.
    pub consumer: String,
    /// The writer's handle when it lives in this process.
    pub notify: Option<Notify>,
    /// Where to begin without a position.
    pub start: Start,
}

/// How a delivery behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Records in a request at most. Default 1,000. [`Sender::max_request_bytes`] limits it too.
    pub max_records: usize,
    /// The first and the longest pause before a retry; each is shortened by up to a half at random. Default 0.2 s, 60 s.
    pub retry: (Duration, Duration),
    /// Tries after an unclear answer before it counts as a refusal for good. Default 8, which takes about a minute.
    pub unclear_retries: u32,
    /// Records parked without one taken in between before the sink waits instead: a receiver that refuses everything is
    /// misconfigured, and the records are not at fault. Default 64.
    pub parked_in_a_row: u32,
    /// How often the position is stored under load; always when it rests. What a crash repeats. Default 1 s.
    pub store_every: Duration,
    /// After which silence another consumer may take the group; more than the sender's own time limit. Default 2 min.
    pub lease: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_records: 1_000,
            retry: (Duration::from_millis(200), Duration::from_secs(60)),
            unclear_retries: 8,
            parked_in_a_row: 64,
            store_every: Duration::from_secs(1),
            lease: Duration::from_secs(120),
        }
    }
}

/// What makes a batch full.
#[derive(Debug, Clone, Copy)]
struct Limits {
    records: usize,
    bytes: usize,
}
