//! Consumption: shards, cursors, pages of records, and the calls of consumer groups.
//! Nothing here may change a record, or give one that a power cut could take back.
//!
//! # What is given and what is not known
//! - A shard is a fixed share of the append order (`shape`), a cursor a place in it (`cursor`). `end` is one past the last
//!   durable record of the shard, and the cursor of a page that reaches it is the same text.
//! - Each log group holds one record, so `count` counts records, a cursor moves by one a group, and the group's tags speak of
//!   this record alone. A page has at most 1,000 of them and 10 MB, one record in any case. [`crate::record`] says what
//!   a record becomes.
//! - `x-log-end-of-cursor` is 1 when the end that the client named is reached, else 0: a shard here is never closed.
//!   `x-log-read-last-cursor` is the last record's. `x-log-cursor-time` is its arrival, or now when there is none. What the
//!   provider puts there in such a case is not documented.
//! - A cursor before the first record that is kept: `ParameterInvalid`, `Invalid cursor …`. The provider documents that code and cue
//!   for one that is older than the retention (`actiontrail.md` §8.2). `InvalidCursor` would be the nearer word, but the Python
//!   consumer (0.9.52, read in its source) then goes on at the *end*, past everything that is still kept, and says nothing.
//!   Any other cursor that is none is `InvalidCursor`; so is one that GetCursorTime cannot place, as clients want it.
//! - GetCursorTime at the end is now. Not documented either; a consumer that has everything then shows no lag.
//! - A filter (`query`, `processor`) is refused with `NotSupported`: whoever asks for some records must not get all of them.

mod blocks;
mod compress;
mod cursor;
mod data;
mod error;
mod fields;
mod page;
mod shape;
mod view;
mod wire;

pub use data::{Data, DataOptions};
pub use error::DataError;
pub use shape::ShardInfo;

pub(crate) use compress::Codec;
pub(crate) use cursor::Cursors;
pub(crate) use error::unread;
pub(crate) use shape::Shape;
pub(crate) use view::Watch;

use innertrail_logstore::Store;

/// Place of a store in arrays and cursors.
pub(crate) fn place(store: Store) -> u64 {
    match store {
        Store::Log => 0,
        Store::Quarantine => 1,
        Store::Passthrough => 2,
        Store::Journal => 3,
    }
}
