//! The rooms of one data directory: records and consumer groups, and searches where there is an engine for them.
//! It must never answer a call itself.

use innertrail_logstore::Store;

use crate::pull::{Data, ShardInfo};
use crate::route::Rooms;
use crate::search::Searches;
use crate::{Answer, ApiError, Call};

/// What a server leads to.
#[derive(Debug)]
pub struct Served {
    data: Data,
    searches: Option<Searches>,
}

impl Served {
    /// The rooms over this data. Without an engine a search is refused as not supported.
    #[must_use]
    pub fn new(data: Data, searches: Option<Searches>) -> Self {
        Self { data, searches }
    }

    fn searches(&self) -> Result<&Searches, ApiError> {
        self.searches
            .as_ref()
            .ok_or_else(|| ApiError::new(400, "NotSupported", "this server has no engine for searches"))
    }
}

impl Rooms for Served {
    fn shards(&self, store: Store) -> Vec<ShardInfo> {
        self.data.shards(store)
    }

    fn cursor(&self, call: &Call, store: Store, shard: u32) -> Result<Answer, ApiError> {
        self.data.cursor(call, store, shard)
    }

    fn cursor_time(&self, call: &Call, store: Store, shard: u32) -> Result<Answer, ApiError> {
        self.data.cursor_time(call, store, shard)
    }

    fn pull(&self, call: &Call, store: Store, shard: u32) -> Result<Answer, ApiError> {
        self.data.pull(call, store, shard)
    }

    fn group_call(&self, call: &Call, store: Store, rest: &[String]) -> Result<Answer, ApiError> {
        self.data.group_call(call, store, rest)
    }

    fn logs_v3(&self, call: &Call, store: Store) -> Result<Answer, ApiError> {
        self.searches()?.logs_v3(call, store)
    }

    fn logs_v1(&self, call: &Call, store: Store) -> Result<Answer, ApiError> {
        self.searches()?.logs_v1(call, store)
    }

    fn histograms(&self, call: &Call, store: Store) -> Result<Answer, ApiError> {
        self.searches()?.histograms(call, store)
    }

    fn context(&self, call: &Call, store: Store) -> Result<Answer, ApiError> {
        self.searches()?.context(call, store)
    }
}
