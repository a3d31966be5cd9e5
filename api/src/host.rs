//! What this library asks of the process it is in: facts for metadata, a longer retention, entries in the journal.
//! It must never ask for anything that changes a record.

use innertrail_charts::Pack;
use innertrail_logstore::Layout;
use serde_json::Value;

use crate::attempts::Told;
use crate::{ApiError, Call};

/// What metadata is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Region of the trail; empty when nobody said it.
    pub region: String,
    /// One line about the project.
    pub description: String,
    /// When the Logstore was made, microseconds UTC.
    pub created_us: i64,
    /// When its life last changed, microseconds UTC.
    pub changed_us: i64,
    /// Days that records are kept; 3650 is for ever.
    pub retention_days: u32,
    /// The lifted columns.
    pub layout: Layout,
}

/// The process.
pub trait Host: Send + Sync {
    /// The facts, as of now.
    ///
    /// # Errors
    /// 500 when the Logstore cannot be read.
    fn facts(&self) -> Result<Facts, ApiError>;

    /// Has records kept for more days, with an entry in the journal that names the key and the request; comes back when both are
    /// durable. What is not longer than now changes nothing.
    ///
    /// # Errors
    /// 503 when nothing can be written now; what the client is told.
    fn lengthen(&self, days: u32, call: &Call) -> Result<(), ApiError>;

    /// Enters refused writes in the journal. It may not block, and may be late: the attempt itself changed nothing.
    fn refused(&self, told: Told);

    /// The dashboards, each as Log Service gives one, with words such as `$logstore` in place of names: by default those that
    /// are built in.
    fn dashboards(&self) -> Vec<Value> {
        innertrail_charts::builtin().iter().map(Pack::log_service).collect()
    }
}
