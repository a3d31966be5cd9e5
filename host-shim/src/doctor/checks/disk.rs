//! Is there space for the time to come?

use super::super::evidence::Evidence;
use super::super::{Ailment, Finding};

/// Who the findings about the machine are about.
pub(super) const HERE: &str = "this machine";

/// Segments are built beside the write-ahead log: less than a few of them stops the writer.
const FULL: u64 = 512 << 20;
/// Less than this share of the file system is worth a word.
const SMALL_PERCENT: u64 = 10;

pub(super) fn look(evidence: &Evidence) -> Vec<Finding> {
    let Some((free, size)) = evidence.local.space else { return Vec::new() };
    let ailment = if free < FULL {
        Ailment::DiskFull
    } else if free < size / 100 * SMALL_PERCENT {
        Ailment::DiskSmall
    } else {
        return Vec::new();
    };
    let what = format!("{} MiB of {} MiB are free under {}", free >> 20, size >> 20, evidence.local.dir.display());
    vec![Finding::new("disk", HERE, ailment, what)]
}
