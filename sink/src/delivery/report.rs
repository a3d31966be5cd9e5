//! What a sink says of itself, for status pages and metrics.
//! It must never hold a record's content; a receiver's words are hostile text and shown as such.

use std::sync::{Arc, Mutex, PoisonError};

use crate::trouble::Troubles;

/// What a sink is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum State {
    /// Not begun.
    #[default]
    Starting,
    /// Another consumer holds the group: one sink has one sender.
    Held {
        /// Its name: hostile text.
        by: String,
        /// Microseconds UTC.
        since_us: i64,
    },
    /// Records are on their way.
    Running,
    /// Everything durable was taken.
    CaughtUp,
    /// Something failed and is tried again, for ever; nothing is passed over.
    Waiting {
        /// What happened last: may hold a receiver's words.
        why: String,
        /// When the first of the failures came, microseconds UTC.
        since_us: i64,
    },
    /// Told to stop, or at the end of what it was to send.
    Stopped,
    /// Ended by an error.
    Failed {
        /// The error.
        why: String,
    },
}

/// What a sink reports.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// The sink.
    pub name: String,
    /// Sequence number of the first record that was neither taken nor parked.
    pub position: u64,
    /// Durable records from there on.
    pub behind: u64,
    /// What it is doing.
    pub state: State,
    /// Records that the receiver took, since the start; one sent twice counts twice.
    pub sent: u64,
    /// Bytes of the bodies with these records, as they went out; `None` where the sender does not know them.
    pub sent_bytes: Option<u64>,
    /// Encoded size of these records, before compression and without what frames a request.
    pub sent_event_bytes: u64,
    /// The same of the records that were parked.
    pub parked_event_bytes: u64,
    /// Why the last record was parked: a receiver's words.
    pub parked_why: Option<String>,
    /// Failures by their kind, since the start. That a batch was halved is none.
    pub troubles: Troubles,
    /// Requests, reads and parkings that had to be done again, since the start.
    pub retried: u64,
    /// Records that the receiver will never take, handed to the host, since the start.
    pub parked: u64,
    /// Records that retention dropped before they were sent, since the start.
    pub missed: u64,
    /// When the receiver last took or refused something for good, microseconds UTC.
    pub last_answer_us: Option<i64>,
}

/// The report of a running sink, to be read from other threads. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Status(Arc<Mutex<Report>>);

impl Status {
    /// The report as it is now.
    #[must_use]
    pub fn report(&self) -> Report {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Report)) {
        // A report is overwritten as a whole by each change, so a panic leaves nothing half-done that lasts.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
