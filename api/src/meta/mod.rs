//! What there is: the project, its Logstores, their indexes and shards, dashboards, saved searches and alerts. Read-only, but for
//! the one change that an administrator may make, a longer retention.
//! It must never name anything that can be written.

mod index;
mod kept;
mod logstore;
mod project;
mod update;

use chrono::DateTime;

pub(crate) use index::index;
pub(crate) use kept::{Kept, kept};
pub(crate) use logstore::{logstore, logstores, shards};
pub(crate) use project::{asks_for_list, project, projects};
pub(crate) use update::update;

use crate::{ApiError, Call};

/// Most entries of a list in one answer.
const PAGE: usize = 500;

/// One page of a list, by `offset` and `size`; clients send both empty, too.
fn page<T>(call: &Call, all: Vec<T>) -> Result<Vec<T>, ApiError> {
    let number = |name: &str, otherwise: usize| match call.parameters.given(name) {
        None => Ok(otherwise),
        // All there is.
        Some("-1") if name == "size" => Ok(PAGE),
        Some(text) => text.parse().map_err(|_| ApiError::parameter(format!("{name} is no number"))),
    };
    let (offset, size) = (number("offset", 0)?, number("size", PAGE)?.min(PAGE));
    Ok(all.into_iter().skip(offset).take(size).collect())
}

/// A time as Log Service writes it in the metadata of projects.
fn stamp(us: i64) -> String {
    DateTime::from_timestamp_micros(us).map(|time| time.format("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or_default()
}

fn seconds(us: i64) -> i64 {
    us.div_euclid(1_000_000)
}
