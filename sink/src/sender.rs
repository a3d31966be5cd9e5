//! What the delivery asks of a protocol: send this batch, say what became of it.
//! It must never call a batch delivered before the receiver has answered for all of it.

use std::time::Duration;

use innertrail_logstore::Layout;

use crate::record::{Batch, Record};
use crate::trouble::Trouble;

/// Writes records of a trail down into [`Record::written`]. One that cannot be written stays as it is.
pub type Prepare = Box<dyn FnMut(&str, &Layout, &mut [Record]) + Send>;

/// A protocol towards one receiver. It holds no position and never retries by itself: that is the delivery's.
pub trait Sender: Send {
    /// Sends the batch and waits for the receiver's answer, within the sender's own time limit.
    ///
    /// # Errors
    /// [`Refused`] when the receiver has not taken all of it.
    fn send(&mut self, batch: &Batch<'_>) -> Result<(), Refused>;

    /// Bytes that one request may have at most, encoded and before compression.
    fn max_request_bytes(&self) -> usize;

    /// Encoded size of one record within a request, the request's own frame not counted.
    fn encoded_len(&self, batch: &Batch<'_>, at: usize) -> usize;

    /// How records are written down for this sender before it is asked to send them: on the thread that reads ahead, so while it
    /// waits for an answer. `None`: it writes them when it sends them.
    fn prepare(&self) -> Option<Prepare> {
        None
    }

    /// Bytes of the body that was sent last, as they went out: compressed, without the protocol's head. 0 before the first
    /// one; `None`, always, of a sender that does not know them.
    fn body_bytes(&self) -> Option<u64> {
        None
    }

    /// What kind of failure the last refusal was.
    fn trouble(&self) -> Trouble {
        Trouble::Request
    }
}

/// Why a batch was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It may work later, unchanged: unreachable, overloaded, a failed sink behind the receiver.
    #[error("{why}")]
    Later {
        /// What happened, where.
        why: String,
        /// When the receiver wants to be asked again.
        after: Option<Duration>,
    },
    /// The receiver accepted a connection and closed it without an answer. It may be in trouble, or the request longer than
    /// it takes: a batch is tried in halves after a while, and a record alone like [`Refused::Later`], for ever.
    #[error("{why}")]
    Closed {
        /// What happened, where.
        why: String,
    },
    /// It will never work with these records: smaller batches find the culprit.
    #[error("{why}")]
    Never {
        /// What happened, where.
        why: String,
    },
    /// The answer may mean either (HTTP 500 of Vector): retried a bounded number of times, then like [`Refused::Never`].
    #[error("{why}")]
    Unclear {
        /// What happened, where.
        why: String,
    },
}
