//! Why a source stands still, told apart: a bill that is not paid, a right that is missing, a limit, a source that is
//! gone, a disk of our own that is full. Each calls for somebody else, and one of them has a date on which the provider deletes data.
//!
//! Must never guess a cause: a source that stands still and does not say why is paused for another reason.

use serde::{Deserialize, Serialize};

use super::day::DAY_US;
use crate::config::Source;
use crate::runtime::wit::source::{Cause as SaidCause, State as Said};

/// What the causes have in common: somebody has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The account has a bill that is not paid; the provider stopped the service and will delete the data.
    Overdue,
    /// The account has no right to the service or to these logs.
    NotEntitled,
    /// The provider refuses for a while because of a quota.
    Throttled,
    /// The project, Logstore or bucket is not there any more.
    SourceGone,
    /// The disk of this machine is full, so nothing that is read could be kept.
    DiskFull,
    /// Paused, and the source did not name one of the others.
    Other,
}

impl Cause {
    /// The word for it, in JSON and for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Overdue => "overdue",
            Self::NotEntitled => "not_entitled",
            Self::Throttled => "throttled",
            Self::SourceGone => "source_gone",
            Self::DiskFull => "disk_full",
            Self::Other => "other",
        }
    }
}

impl From<SaidCause> for Cause {
    fn from(said: SaidCause) -> Self {
        match said {
            SaidCause::Overdue => Self::Overdue,
            SaidCause::NotEntitled => Self::NotEntitled,
            SaidCause::Throttled => Self::Throttled,
            SaidCause::SourceGone => Self::SourceGone,
            SaidCause::Other => Self::Other,
        }
    }
}

/// Who keeps the data that a source reads, and so how long it survives a stop for an unpaid bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// Files of this machine: nobody else deletes them.
    Local,
    /// Log Service: the project and all its logs are reclaimed 7 days after the stop
    /// (AlibabaCloudDocs/sls, "service status after an overdue payment").
    LogService,
    /// OSS: all data is deleted 15 days after the stop (AlibabaCloudDocs/oss, page of the same subject).
    ObjectStorage,
}

impl From<&Source> for Provider {
    fn from(source: &Source) -> Self {
        match source {
            Source::File(_) => Self::Local,
            Source::Sls(_) => Self::LogService,
            Source::Oss(_) => Self::ObjectStorage,
        }
    }
}

impl Provider {
    /// When data that the source holds is deleted, counted from a stop that was seen at `since_us`. The service may have
    /// been stopped before anybody looked, so it is the latest moment, not the earliest.
    #[must_use]
    pub fn data_dies_us(self, cause: Cause, since_us: i64) -> Option<i64> {
        let days = match (cause, self) {
            (Cause::Overdue, Self::LogService) => 7,
            (Cause::Overdue, Self::ObjectStorage) => 15,
            _ => return None,
        };
        Some(since_us.saturating_add(days * DAY_US))
    }
}

/// What a source says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceState<'a> {
    /// It reads, waits for more, or has read everything.
    Going,
    /// It cannot go on by itself for now, and says why.
    Paused(Cause, &'a str),
    /// It will not go on. That is the source's own failure and says nothing about the account.
    Failed,
}

impl<'a> From<&'a Said> for SourceState<'a> {
    fn from(said: &'a Said) -> Self {
        match said {
            Said::Running | Said::Idle | Said::Finished => Self::Going,
            Said::Paused(paused) => Self::Paused(paused.cause.into(), &paused.why),
            Said::Failed(_) => Self::Failed,
        }
    }
}

/// A source that is paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// Which of the causes.
    pub cause: Cause,
    /// The source's own words. Hostile text.
    pub why: String,
    /// Since when, microseconds UTC.
    pub since_us: i64,
    /// The latest moment at which the provider deletes what was not read yet, microseconds UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_dies_us: Option<i64>,
}

/// A change worth an entry in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transition {
    /// It stands still, or for another reason than before.
    Paused(Paused),
    /// It goes on after this pause.
    Resumed(Paused),
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_an_unpaid_bill_has_a_date_and_files_have_none() {
        let days = |provider: Provider, cause| provider.data_dies_us(cause, 0).map(|us| us / DAY_US);
        assert_eq!(days(Provider::LogService, Cause::Overdue), Some(7));
        assert_eq!(days(Provider::ObjectStorage, Cause::Overdue), Some(15));
        assert_eq!(days(Provider::Local, Cause::Overdue), None);
        for cause in [Cause::NotEntitled, Cause::Throttled, Cause::SourceGone, Cause::Other] {
            assert_eq!(days(Provider::LogService, cause), None, "{cause:?}");
        }
    }
}
