//! Does this machine's clock agree with the service's? Signatures more than 15 minutes off are refused.

use super::super::evidence::{Answer, Evidence};
use super::super::{Ailment, Finding};

/// From so much on signatures are refused, milliseconds.
const REFUSED_MS: i64 = 15 * 60_000;
/// From so much on it is worth a word: a third of it. `Date` has whole seconds, so less than two mean nothing.
const WORTH_A_WORD_MS: i64 = 30_000;

pub(super) fn look(evidence: &Evidence) -> Vec<Finding> {
    let mut found = Vec::new();
    for source in &evidence.sources {
        let refused = matches!(&source.read, Some(Answer::Said { code, .. })
            if code == "RequestTimeExpired" || code == "RequestTimeTooSkewed");
        let skew = source.skew_ms.unwrap_or(0);
        let ailment = match skew.saturating_abs() {
            _ if refused => Ailment::ClockOff,
            REFUSED_MS.. => Ailment::ClockOff,
            WORTH_A_WORD_MS.. => Ailment::ClockDrifts,
            _ => continue,
        };
        let (seconds, side) = (skew.saturating_abs() / 1000, if skew > 0 { "behind" } else { "ahead of" });
        found.push(Finding::new(
            "clock",
            &source.name,
            ailment,
            format!("this machine's clock is {seconds} s {side} the service's"),
        ));
    }
    found
}
