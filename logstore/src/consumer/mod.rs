//! Consumers: readers that go through a store in append order and remember where they are.
//! Nothing here may write into what is sealed, know a protocol, or hand on a record that a power cut could take back.
//!
//! * A [`Cursor`] is a place in the append order. It has a text form that survives restarts and other processes.
//! * A [`Reader`] hands out durable records from a cursor on, and waits for new ones. [`Notify`] wakes it at once when
//!   the writer lives in the same process.
//! * [`Groups`] keeps named positions in `consumers/`, outside the seal: who holds a group, and how far it came.
//!
//! ```
//! use innertrail_logstore::consumer::{Groups, GroupOptions, Lease, Reader, ReaderOptions};
//! # use innertrail_logstore::{row::RowBuilder, Column, Encoding, Kind, Layout, Options, SealKey, Store, Writer};
//! # let parent = std::env::temp_dir().join(format!("consumer-doc-{}", std::process::id()));
//! # let dir = parent.join("d"); std::fs::create_dir_all(&parent).unwrap();
//! # let layout = Layout { columns: vec![Column::new("eventId", Kind::Text, Encoding::Plain)], key: Some(0) };
//! # let now_us = 1_800_000_000_000_000;
//! # let mut writer = Writer::open(&dir, "main", layout, Options::new(SealKey::new("main", [7; 32])?), now_us)?;
//! # let mut builder = RowBuilder::new();
//! # builder.begin(br#"{"eventId":"e-1"}"#);
//! # let mut txn = writer.begin();
//! # txn.push(Store::Log, builder.finish(), 17);
//! # writer.commit(txn, now_us)?;
//! # writer.seal_tail(now_us)?;
//! let mut reader = Reader::open(&dir, ReaderOptions::default())?;
//! let groups = Groups::open(&dir)?;
//! groups.create("siem", Store::Log, GroupOptions::default(), now_us)?;
//! assert!(matches!(groups.heartbeat("siem", "worker-1", now_us)?, Lease::Held { .. }));
//! let from = groups.get("siem")?.cursor.unwrap_or(reader.begin(Store::Log));
//! let page = reader.pull(from, 1000, 1 << 20)?;
//! assert_eq!(page.rows.len(), 1);
//! // … the rows are handed on, and only then:
//! groups.checkpoint("siem", Some("worker-1"), page.next, false, now_us)?;
//! # drop(writer); std::fs::remove_dir_all(&parent).unwrap();
//! # Ok::<(), innertrail_logstore::consumer::ConsumerError>(())
//! ```

mod arrival;
mod cursor;
mod error;
mod follow;
mod group;
mod groups;
mod notify;
mod reader;
mod tail;

pub use cursor::Cursor;
pub use error::ConsumerError;
pub use group::{Group, GroupOptions, Owner, TIMEOUT_US};
pub use groups::{Groups, Lease, MAX_GROUPS};
pub use notify::Notify;
pub use reader::{Page, Reader, ReaderOptions};
pub use tail::{TailPage, TailRow};
