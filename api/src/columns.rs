//! The columns that say something of a log as a whole, and how a column's moment is written.
//! It must never know what becomes of them: pages and searches decide that, each for its clients.

use chrono::{DateTime, SecondsFormat};

/// The topic under which a record came.
pub(crate) const TOPIC: &str = "__topic__";
/// Where it came from.
pub(crate) const SOURCE: &str = "__source__";
/// The time of its log, seconds since 1970.
pub(crate) const UNIX: &str = "__time__";
/// The time of its event.
pub(crate) const TIME: &str = "it_time";
/// Platform, audit, insight.
pub(crate) const FAMILY: &str = "it_family";
/// What stood around the event.
pub(crate) const ENVELOPE: &str = "it_envelope";

/// RFC 3339 UTC with six digits of a second; the number, microseconds, where the calendar ends.
pub(crate) fn moment(us: i64) -> String {
    DateTime::from_timestamp_micros(us)
        .map_or_else(|| us.to_string(), |at| at.to_rfc3339_opts(SecondsFormat::Micros, true))
}
