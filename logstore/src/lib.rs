//! The dedicated Logstore: one data directory, one writer, many lock-free readers.
//! It must never know the plugin, SQL or HTTP, and it must never read the clock: the caller passes the time.
//!
//! A [`Writer`] turns each [`Transaction`] into one frame of the write-ahead log with one `fdatasync`, and from
//! time to time turns the log into immutable Parquet segments. A [`Snapshot`] reads both without any lock.
//! `docs/format.md` holds the format byte for byte, and the rules of recovery.
//!
//! ```
//! use innertrail_logstore::{row::RowBuilder, Column, Encoding, Kind, Layout, Options, SealKey, Snapshot, Store, Writer};
//! # let parent = std::env::temp_dir().join(format!("logstore-doc-{}", std::process::id()));
//! # let dir = parent.join("d"); std::fs::create_dir_all(&parent).unwrap();
//! let layout = Layout { columns: vec![Column::new("eventId", Kind::Text, Encoding::Plain).with_bloom()], key: Some(0) };
//! let now_us = 1_800_000_000_000_000;
//! let key = SealKey::new("main", [7; 32])?; // 32 random bytes in earnest
//! let mut writer = Writer::open(&dir, "main", layout, Options::new(key), now_us)?;
//! let mut builder = RowBuilder::new();
//! builder.begin(br#"{"eventId":"e-1"}"#);
//! builder.text(0, "e-1");
//! let mut txn = writer.begin();
//! txn.push(Store::Log, builder.finish(), 17);
//! txn.checkpoint("source", b"cursor-1");
//! assert_eq!(writer.commit(txn, now_us)?.log, 1);
//!
//! let snapshot = Snapshot::open(&dir)?;
//! assert_eq!(snapshot.scan_rows(Store::Log, 0, 10)?.len(), 1);
//! assert_eq!(snapshot.state().checkpoint("source"), Some(&b"cursor-1"[..]));
//! # drop(writer); std::fs::remove_dir_all(&parent).unwrap();
//! # Ok::<(), innertrail_logstore::Error>(())
//! ```

mod batch;
mod building;
pub mod consumer;
mod dedup;
pub mod durable;
mod encoder;
mod error;
pub mod export;
mod format;
mod frame;
pub mod index;
mod lane;
mod layout;
mod leftovers;
mod lock;
mod pin;
mod recover;
mod retire;
mod rotate;
pub mod row;
mod scan;
pub mod seal;
pub mod sealed;
mod segment;
mod snapshot;
mod state;
mod store;
mod stored;
mod tally;
mod transaction;
mod wal;
mod writer;

pub use dedup::IdProgress;
pub use error::{Error, RowError, RowFault};
pub use layout::{Column, Encoding, Kind, Layout, MAX_COLUMNS, RECEIVED, SEQ};
pub use retire::Retired;
pub use scan::conform;
pub use seal::key::SealKey;
pub use seal::proof::Proof;
pub use segment::{ROW_GROUP_ROWS, SegmentRef};
pub use snapshot::Snapshot;
pub use state::State;
pub use store::Store;
pub use stored::{StoredRow, Value};
pub use transaction::{Committed, Transaction};
pub use writer::{Options, Recovery, Writer};
