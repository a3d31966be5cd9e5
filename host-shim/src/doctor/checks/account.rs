//! In which of the four states is the account: overdue, not entitled, throttled, or the source gone? And until when is
//! there data to be read?

use super::super::evidence::{Answer, Evidence, SourceEvidence};
use super::super::{Ailment, Finding};
use crate::lifecycle::day::told;
use crate::lifecycle::sources::Cause;

pub(super) fn look(evidence: &Evidence) -> Vec<Finding> {
    evidence.sources.iter().filter_map(one).collect()
}

fn one(source: &SourceEvidence) -> Option<Finding> {
    let asked = match &source.read {
        Some(answer @ Answer::Said { status, code, message }) => {
            state(*status, code, message).map(|ailment| (ailment, answer.told()))
        }
        _ => None,
    };
    // What the last run saw counts unless the service was asked and is content by now.
    let good = source.read.as_ref().is_some_and(Answer::is_good);
    let left = source.paused.as_ref().filter(|_| !good);
    let (ailment, mut what) = match (asked, left) {
        (Some(found), _) => found,
        (None, Some(paused)) => {
            let ailment = match paused.cause {
                Cause::Overdue => Ailment::Overdue,
                Cause::NotEntitled => Ailment::NotEntitled,
                Cause::Throttled => Ailment::Throttled,
                Cause::SourceGone => Ailment::SourceGone,
                // The disk has a check of its own.
                Cause::DiskFull | Cause::Other => Ailment::Paused,
            };
            (ailment, paused.why.clone())
        }
        (None, None) => return None,
    };
    if let Some(paused) = left {
        what = format!("{what}; so since {}", told(paused.since_us));
        if let Some(dies) = paused.data_dies_us {
            what = format!("{what}; the provider deletes what was not read by {} at the latest", told(dies));
        }
    } else if ailment == Ailment::Overdue {
        what = format!(
            "{what}; the provider deletes all logs 7 days (Log Service) or all objects 15 days (OSS) after the stop"
        );
    }
    Some(Finding::new("account", &source.name, ailment, what))
}

/// The state that an error means; the message has to be read, because one code stands for several.
fn state(status: u16, code: &str, message: &str) -> Option<Ailment> {
    let message = message.to_lowercase();
    Some(match code {
        "Unauthorized" if message.contains("has been forbidden") => Ailment::Overdue,
        "ProjectForbidden"
        | "UserDisable"
        | "AbnormalBucketOwnerStatus"
        | "BucketDisable"
        | "KmsInDebt"
        | "KmsInDebtOverdue" => Ailment::Overdue,
        "InvalidAccessKeyId" if message.contains("not open") => Ailment::NotEntitled,
        "ReadQuotaExceed" | "ShardReadQuotaExceed" | "MetaOperationQpsLimitExceeded" | "QpsLimitExceeded" => {
            Ailment::Throttled
        }
        "ProjectNotExist" | "LogStoreNotExist" | "NoSuchBucket" => Ailment::SourceGone,
        _ if status == 429 => Ailment::Throttled,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_code_stands_for_several_states() {
        assert_eq!(state(401, "Unauthorized", "Your SLS service has been forbidden."), Some(Ailment::Overdue));
        assert_eq!(state(401, "Unauthorized", "denied by sts or ram"), None);
        assert_eq!(state(401, "InvalidAccessKeyId", "Your SLS service has not opened."), Some(Ailment::NotEntitled));
        assert_eq!(state(401, "InvalidAccessKeyId", "the key is unknown"), None);
        assert_eq!(state(403, "UserDisable", ""), Some(Ailment::Overdue));
        assert_eq!(state(404, "LogStoreNotExist", ""), Some(Ailment::SourceGone));
        assert_eq!(state(429, "", ""), Some(Ailment::Throttled));
    }
}
