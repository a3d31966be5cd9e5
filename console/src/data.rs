//! What the console asks of the process that it is in.
//! It must never offer a way to change a record, or anything about the Logstore.

use innertrail_api::search::Engine;
use innertrail_logstore::{Store, StoredRow};
use serde_json::Value;

use crate::Problem;

/// A record, and the store that it is in.
#[derive(Debug, Clone)]
pub struct Found {
    /// The store.
    pub store: Store,
    /// The record.
    pub row: StoredRow,
}

/// One data directory. Calls block: they belong on a thread that may wait.
pub trait Data: Send + Sync {
    /// Name of the trail.
    fn trail(&self) -> &str;

    /// The data directory as people are told it, for commands to copy.
    fn folder(&self) -> String;

    /// What answers searches and SQL. It is read-only and has limits of its own.
    fn engine(&self) -> &dyn Engine;

    /// Columns with a sentence each: name, what it holds, the sentence.
    fn columns(&self) -> Value;

    /// What `innertrail status` tells, as JSON.
    ///
    /// # Errors
    /// When the Logstore cannot be read.
    fn status(&self) -> Result<Value, Problem>;

    /// The newest checkpoint and the public key, as texts to keep elsewhere: members `checkpoint` and `key`.
    ///
    /// # Errors
    /// As [`Data::status`].
    fn seal(&self) -> Result<Value, Problem>;

    /// The record with this event id, in the dedicated Logstore or in quarantine.
    ///
    /// # Errors
    /// As [`Data::status`].
    fn find(&self, id: &str) -> Result<Option<Found>, Problem>;

    /// What each room did with a record, where it is kept, and what proves it: members `rooms`, `rules`, `alerts`, `kept` and `proof`.
    ///
    /// # Errors
    /// As [`Data::status`]. What a single part cannot tell stands in its member.
    fn explain(&self, found: &Found) -> Result<Value, Problem>;

    /// Consumer groups of both kinds.
    ///
    /// # Errors
    /// As [`Data::status`].
    fn groups(&self) -> Result<Value, Problem>;

    /// Dashboards as Log Service has them; names of stores stand in them as words, such as `$logstore`.
    fn dashboards(&self) -> Vec<Value>;

    /// The alert rules with their remedies.
    fn rules(&self) -> Value;

    /// The last verification that this process made, or how far one under way is.
    fn verification(&self) -> Value;

    /// Begins to verify, unless that is under way.
    ///
    /// # Errors
    /// When it cannot begin.
    fn verify(&self) -> Result<(), Problem>;
}
