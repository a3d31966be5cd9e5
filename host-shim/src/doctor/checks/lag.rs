//! Is the Logstore as new as its source? And is there a gap?
//!
//! The rule for silence: the provider received a log more than an hour after the newest event that is here.

use super::super::evidence::Evidence;
use super::super::{Ailment, Finding};
use crate::lifecycle::day::{HOUR_US, told};

/// Log Service promises minutes, OSS ten of them; an hour without is worth a word.
const SILENCE_US: i64 = HOUR_US;
/// Nobody's account is silent for so long: worth a word even if the provider was not asked, microseconds.
const OLD_US: i64 = 24 * HOUR_US;

pub(super) fn look(evidence: &Evidence) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in &evidence.sources {
        let mut say = |ailment, what| found.push(Finding::new("lag", &source.name, ailment, what));
        if source.gaps > 0 {
            say(Ailment::Gaps, format!("{} gaps are in the journal", source.gaps));
        }
        let Some(newest) = source.newest_us else {
            if let Some(theirs) = source.provider_newest_ms {
                let at = told(theirs.saturating_mul(1000));
                say(Ailment::Silent, format!("nothing was read yet; the provider received its newest log at {at}"));
            }
            continue;
        };
        match source.provider_newest_ms.map(|ms| ms.saturating_mul(1000)) {
            Some(theirs) if theirs.saturating_sub(newest) > SILENCE_US => say(
                Ailment::Silent,
                format!(
                    "the newest event here is of {}; the provider received a log at {}",
                    told(newest),
                    told(theirs)
                ),
            ),
            None if evidence.now_us.saturating_sub(newest) > OLD_US => {
                say(Ailment::Lagging, format!("the newest event here is of {}", told(newest)));
            }
            _ => {}
        }
    }
    found
}
