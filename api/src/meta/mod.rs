//! What there is: the project, its Logstores, their indexes and shards, and the lists of what a console keeps. Read-only, but for
//! the one change that an administrator may make, a longer retention.
//! It must never name anything that can be written.

mod index;
mod logstore;
mod project;
mod update;

use chrono::DateTime;
use serde_json::json;

pub(crate) use index::index;
pub(crate) use logstore::{logstore, logstores, shards};
pub(crate) use project::{asks_for_list, project, projects};
pub(crate) use update::update;

use crate::{Answer, ApiError, Call};

/// Most entries of a list in one answer.
const PAGE: usize = 500;

/// What a console keeps beside the records. There is none of it here yet, and none can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    Dashboards,
    SavedSearches,
    Jobs,
}

/// An empty list, or that there is no such thing.
pub(crate) fn kept(kept: Kept, rest: &[String]) -> Result<Answer, ApiError> {
    let code = match kept {
        Kept::Dashboards => "DashboardNotExist",
        Kept::SavedSearches => "SavedSearchNotExist",
        Kept::Jobs => "JobNotExist",
    };
    if !rest.is_empty() {
        return Err(ApiError::new(404, code, "there is none of this name"));
    }
    let none: [u8; 0] = [];
    Answer::json(&match kept {
        Kept::Dashboards => json!({"count": 0, "total": 0, "dashboards": none, "dashboardItems": none}),
        Kept::SavedSearches => json!({"count": 0, "total": 0, "savedsearches": none, "savedsearchItems": none}),
        Kept::Jobs => json!({"count": 0, "total": 0, "results": none}),
    })
}

/// One page of a list, by `offset` and `size`; clients send both empty, too.
fn page<T>(call: &Call, all: Vec<T>) -> Result<Vec<T>, ApiError> {
    let number = |name: &str, otherwise: usize| match call.parameters.given(name) {
        None => Ok(otherwise),
        Some("-1") => Ok(PAGE),
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
