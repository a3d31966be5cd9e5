//! A search as a question to one table: [`innertrail_search`] has the grammar, this room says what terms mean for columns.
//! It must never find by guessing: what a term means is written here, and what has no meaning is an error.
//!
//! # Fields
//! Columns are found without regard to case, with or without `event.`. What is no column is looked up in the event's
//! JSON by its dotted path, keys exactly first, then without regard to case; lists are not walked into, but an object
//! or list at the path is searched as a whole. There a number is found as the word it is written as when it is an
//! integer, and by comparison in any case. `source:` is `__source__:`; tags are `__tag__:name:value`. In a number column
//! `field:5` is `field = 5`. A timestamp column compares with seconds since 1970, or with a quoted time. A comparison on
//! a text column is an error; Log Service would quietly look for the words instead.
//!
//! The entry is the event's own text, as stored and with JSON escapes replaced. Columns that were worked out (`it_…`) or
//! came with the record (`__topic__`) are searched by name only. An audit event that came without a topic is found under
//! `actiontrail_audit_event`, as if ActionTrail had delivered it to Log Service; the column itself holds what came.
//!
//! # `search` alone
//! All columns, newest first by event time, then by sequence number, at most [`DEFAULT_LIMIT`] rows: the console's habit.

mod condition;
mod document;
mod function;
mod needs;
mod predicate;
mod request;
mod text;
mod topic;

pub use innertrail_search::{
    Bound, Comparison, MAX_DEPTH, MAX_TERM_CHARS, MAX_TERMS, MAX_WORDS, Node, Pattern, PatternPart, Search,
    SearchFault, Term, Test,
};

pub(crate) use needs::Needs;
pub(crate) use predicate::{is_lifted, predicate};
pub(crate) use request::Request;
pub(crate) use topic::topic;

/// Rows of a search without SQL.
pub const DEFAULT_LIMIT: usize = 100;
