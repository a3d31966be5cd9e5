//! The Logstore as Log Service (SLS) serves one: its HTTP API for readers, consumers and administrators.
//! It must never know the component, SQL's engine or a source, and no call of it may change a record.
//!
//! A request becomes a [`Call`] when its signature was checked. A room answers it with an [`Answer`] or an [`ApiError`].
//! What would write is refused before its body is read. Facts about the wire: the clients' own behaviour, as noted where
//! it is used.
//!
//! | part | what it does |
//! |---|---|
//! | [`server`] | connections, TLS, limits, one request from its first byte to its answer |
//! | [`auth`] | signatures of versions 1 and 4, keys, dates, the replay window |
//! | [`refuse`], [`attempts`] | what would write, and how it is told to the journal |
//! | [`route`] | from a call to its room |
//! | [`pull`] | shards, cursors, pages of records |
//! | [`groups`] | consumer groups |
//! | [`search`] | searches, histograms, contexts, over an engine that the host brings |
//! | `meta` | project, Logstores, index, shards, a longer retention |

mod answer;
pub mod attempts;
pub mod auth;
mod call;
mod columns;
mod denial;
mod error;
pub mod groups;
mod head;
mod host;
mod meta;
mod names;
pub mod pull;
mod record;
pub mod refuse;
pub mod route;
pub mod search;
mod served;
pub mod server;

pub use answer::Answer;
pub use call::{Access, Call, Parameters, Role};
pub use error::ApiError;
pub use head::Head;
pub use host::{Facts, Host};
pub use names::Names;
pub use pull::{Data, DataError, DataOptions, ShardInfo};
pub use served::Served;
