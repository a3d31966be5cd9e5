//! What ActionTrail itself says of the trail: does it record, and how many events did it deliver where?
//!
//! It must never turn no answer into a good one: what could not be asked is said. Its counts are by time of delivery, ours by
//! time of the event; nobody has documented whether an event that is delivered twice counts twice.

use chrono::NaiveDate;
use innertrail_fetch::{Client, Delivery, Failure, TrailStatus};

use super::Missing;
use crate::config::{Config, Source};
use crate::fetch::cloud::{ACTIONTRAIL, Plan};

/// What was delivered to one destination in a span of days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Delivered {
    /// Events that arrived there.
    pub events: u64,
    /// Events that did not.
    pub failed: u64,
}

/// What ActionTrail answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Told {
    /// The state of the trail.
    pub status: Option<TrailStatus>,
    /// To Log Service, when a source reads it.
    pub sls: Option<Delivered>,
    /// To OSS, when a source reads it.
    pub oss: Option<Delivered>,
    /// What could not be asked, and why. Holds text of the service: hostile.
    pub unanswered: Vec<String>,
}

/// Asks about the days `from..=to`. `None`: the configuration does not say how.
#[must_use]
pub fn ask(config: &Config, from: NaiveDate, to: NaiveDate) -> Option<Told> {
    let options = config.actiontrail.as_ref()?;
    let trail = options.trail.as_deref().unwrap_or(&config.trail);
    let mut told = Told::default();
    let made = Plan::of_actiontrail(options).and_then(|plan| plan.client(plan.credentials()?));
    let client = match made {
        Ok(client) => client,
        Err(error) => {
            told.unanswered.push(error.to_string());
            return Some(told);
        }
    };
    let midnight = |day: NaiveDate| day.and_hms_opt(0, 0, 0).map_or(0, |time| time.and_utc().timestamp());
    let span = (midnight(from), midnight(to.succ_opt().unwrap_or(to)));
    let reads = |wanted: fn(&Source) -> bool| config.sources.values().any(wanted);
    told.status = kept(client.trail_status(ACTIONTRAIL, trail), &mut told.unanswered);
    if reads(|source| matches!(source, Source::Sls(_))) {
        told.sls = counted(&client, trail, (Delivery::SlsSuccess, Delivery::SlsFail), span, &mut told.unanswered);
    }
    if reads(|source| matches!(source, Source::Oss(_))) {
        told.oss = counted(&client, trail, (Delivery::OssSuccess, Delivery::OssFail), span, &mut told.unanswered);
    }
    Some(told)
}

/// The state of the trail alone. `None`: the configuration does not say how to ask.
#[must_use]
pub fn status(config: &Config) -> Option<Result<TrailStatus, String>> {
    let options = config.actiontrail.as_ref()?;
    let trail = options.trail.as_deref().unwrap_or(&config.trail);
    let client = Plan::of_actiontrail(options).and_then(|plan| plan.client(plan.credentials()?));
    Some(client.map_err(|e| e.to_string()).and_then(|c| c.trail_status(ACTIONTRAIL, trail).map_err(|e| e.to_string())))
}

fn counted(
    client: &Client,
    trail: &str,
    (success, fail): (Delivery, Delivery),
    (from, to): (i64, i64),
    unanswered: &mut Vec<String>,
) -> Option<Delivered> {
    let mut count = |what| kept(client.delivered(ACTIONTRAIL, trail, what, from, to), unanswered);
    Some(Delivered { events: count(success)?, failed: count(fail)? })
}

fn kept<T>(answer: Result<T, Failure>, unanswered: &mut Vec<String>) -> Option<T> {
    answer.map_err(|failure| unanswered.push(failure.to_string())).ok()
}

/// What of it is missing here: `arrived` are all records of the days, whatever became of them.
pub(super) fn missing(told: &Told, arrived: u64, from: NaiveDate, to: NaiveDate) -> Vec<Missing> {
    let mut out = Vec::new();
    let mut found = |what: String| {
        let day = |day: NaiveDate| Some(day.to_string());
        out.push(Missing { source: "ActionTrail".to_owned(), from: day(from), to: day(to), what });
    };
    for (place, delivered) in [("Log Service", told.sls), ("OSS", told.oss)] {
        let Some(Delivered { events, failed }) = delivered else { continue };
        if failed > 0 {
            found(format!("ActionTrail says that it could not deliver {failed} events to {place}"));
        }
        if events > arrived {
            found(format!(
                "ActionTrail says that it delivered {events} events to {place}, {arrived} of these days are here: {} are not \
                 (it counts by time of delivery, so those of the last minutes before midnight are counted on the next day)",
                events - arrived
            ));
        }
    }
    for trouble in told.status.iter().flat_map(troubles) {
        found(trouble);
    }
    out
}

/// What is wrong with a trail, by its own status. Holds text of the service: hostile.
#[must_use]
pub fn troubles(status: &TrailStatus) -> Vec<String> {
    let mut out = Vec::new();
    if status.is_logging == Some(false) {
        let since = status.stop_logging_time.as_deref().unwrap_or("a time that it does not tell");
        out.push(format!("the trail records nothing since {since}"));
    }
    let errors = [
        ("OSS", &status.latest_delivery_error, status.oss_bucket_status),
        ("Log Service", &status.latest_delivery_log_service_error, status.sls_log_store_status),
    ];
    for (place, error, usable) in errors {
        if let Some(error) = error.as_deref().filter(|error| !error.is_empty()) {
            out.push(format!("its last delivery to {place} failed: {error}"));
        } else if usable == Some(false) {
            out.push(format!("it cannot use its place in {place}"));
        }
    }
    out
}
