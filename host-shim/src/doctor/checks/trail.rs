//! Does the trail itself record and deliver, by what ActionTrail says of it?

use chrono::DateTime;

use super::super::evidence::Evidence;
use super::super::{Ailment, Finding};
use crate::lifecycle::day::{HOUR_US, told};
use crate::reconcile::provider;

pub(super) fn look(evidence: &Evidence) -> Vec<Finding> {
    let finding = |ailment, what| Finding::new("trail", "ActionTrail", ailment, what);
    match &evidence.trail {
        None => Vec::new(),
        Some(Err(why)) => vec![finding(Ailment::TrailUnknown, why.clone())],
        Some(Ok(status)) => {
            let mut found: Vec<Finding> =
                provider::troubles(status).into_iter().map(|what| finding(Ailment::TrailTroubled, what)).collect();
            found.extend(unread(evidence, status.latest_delivery_time.as_deref()));
            found
        }
    }
}

/// "No events, and the provider says there were", for buckets: their services tell no time of the newest event.
fn unread(evidence: &Evidence, delivered: Option<&str>) -> Option<Finding> {
    let delivered = DateTime::parse_from_rfc3339(delivered?).ok()?.timestamp_micros();
    let source = evidence.sources.iter().find(|source| source.is_bucket)?;
    let newest = source.newest_us;
    if newest.is_some_and(|newest| delivered.saturating_sub(newest) < HOUR_US) {
        return None;
    }
    let here = newest
        .map_or_else(|| "there is none here".to_owned(), |us| format!("the newest event here is of {}", told(us)));
    let what = format!("ActionTrail delivered objects at {}, {here}", told(delivered));
    Some(Finding::new("trail", &source.name, Ailment::Silent, what))
}
