//! Are records kept for six months at least?

use super::super::evidence::Evidence;
use super::super::{Ailment, Finding};

/// Six calendar months, the longest of them.
const SIX_MONTHS: u32 = 184;

pub(super) fn look(evidence: &Evidence) -> Vec<Finding> {
    let short = evidence.local.retention_days.filter(|days| *days < SIX_MONTHS);
    let finding = short.map(|days| {
        let what = format!("records are kept for {days} days, less than six calendar months ({SIX_MONTHS} days)");
        Finding::new("retention", super::disk::HERE, Ailment::ShortRetention, what)
    });
    finding.into_iter().collect()
}
