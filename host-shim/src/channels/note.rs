//! What `status` and `/metrics` show of channels: a small file beside the Logstore, `channels.json`, written anew as things change.
//!
//! It is outside the seal and proves nothing. Must never hold a secret: the channels take theirs out of what they say.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use innertrail_notify::Report;
use innertrail_query::terminal_safe;
use serde::{Deserialize, Serialize};

use crate::lifecycle::day::told;

/// The file in the data directory.
const FILE: &str = "channels.json";
/// A run without news for so long is not there any more, microseconds.
const STALE_US: i64 = 15_000_000;

/// What a run noted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// When, microseconds UTC.
    pub(crate) at_us: i64,
    /// What each channel said of itself.
    pub(crate) channels: BTreeMap<String, Said>,
}

/// What a channel says of itself. Counts are since the run began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// `webhook`, `slack` and so on.
    pub kind: String,
    /// `starting`, `well`, `retrying`, `refused`, `waiting` (for the journal), `stopped`, `failed`; `unknown` when its run broke off.
    pub state: String,
    /// Why it does not get on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Since when messages are not taken, microseconds UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since_us: Option<i64>,
    /// When a message was taken last, microseconds UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success_us: Option<i64>,
    /// First entry of the journal that may have to be told again after a restart.
    pub position: u64,
    /// Entries of the journal that it has not looked at, as far as is known.
    pub behind: u64,
    /// Alerts that wait in it.
    pub waiting: u64,
    /// Messages that were taken.
    pub sent: u64,
    /// Messages that were not taken.
    pub failed: u64,
    /// Alerts that were told.
    pub told: u64,
    /// Of these, those that were told as a number only.
    pub left_out: u64,
    /// Alerts that are sent again while they fire.
    pub firing: u64,
}

impl Note {
    /// Written beside and renamed: a reader sees the old or the new. Not synced: a crash of the machine may lose it.
    pub(super) fn write(&self, dir: &Path) -> io::Result<()> {
        let half = dir.join("channels.json.new");
        fs::write(&half, serde_json::to_vec(self)?)?;
        fs::rename(half, dir.join(FILE))
    }

    /// What the channels of a data directory are doing, or were when their run ended.
    pub(crate) fn read(dir: &Path, now_us: i64) -> BTreeMap<String, Said> {
        let Some(note) = fs::read(dir.join(FILE)).ok().and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok())
        else {
            return BTreeMap::new();
        };
        let mut channels = note.channels;
        let is_stale = now_us.saturating_sub(note.at_us) > STALE_US;
        for said in
            channels.values_mut().filter(|said| is_stale && !matches!(said.state.as_str(), "stopped" | "failed"))
        {
            said.why = Some(format!("its run broke off; it was {}", said.told()));
            said.state = "unknown".to_owned();
        }
        channels
    }
}

impl Said {
    /// Takes over what a channel reports.
    pub(super) fn update(&mut self, report: Report) {
        let whole = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        self.state = report.doing.as_str().to_owned();
        self.why = (report.failing_since_ms.is_some()).then_some(report.last_error).flatten();
        self.failing_since_us = report.failing_since_ms.map(|ms| ms.saturating_mul(1_000));
        self.last_success_us = report.last_success_ms.map(|ms| ms.saturating_mul(1_000));
        self.position = report.position.map_or(0, |position| position + 1);
        self.waiting = whole(report.waiting);
        (self.sent, self.failed) = (report.sent, report.failed);
        (self.told, self.left_out) = (report.told, report.left_out);
        self.firing = whole(report.firing);
    }

    /// Grows as it comes forward.
    pub(super) fn moved(&self) -> u64 {
        self.position + self.sent
    }

    /// State, since when and why, for people.
    #[must_use]
    pub fn told(&self) -> String {
        let since = self.failing_since_us.map(|us| format!(" since {}", told(us))).unwrap_or_default();
        let why = self.why.as_ref().map(|why| format!(": {}", terminal_safe(why))).unwrap_or_default();
        format!("{}{since}{why}", terminal_safe(&self.state))
    }

    /// One line for `status`.
    #[must_use]
    pub fn line(&self) -> String {
        let Self { kind, waiting, sent, failed, told: alerts, .. } = self;
        let last = self.last_success_us.map(|us| format!(", last {}", told(us))).unwrap_or_default();
        let kind = terminal_safe(kind);
        format!("{kind} {}; {alerts} alerts in {sent} messages{last}, {failed} failed, {waiting} waiting", self.told())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_broke_off_is_told_and_no_strangers_escapes_are_shown() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Note::read(dir.path(), 0), BTreeMap::new());
        let said = Said {
            kind: "slack".to_owned(),
            state: "refused".to_owned(),
            why: Some("404: no\u{1b}[2J".to_owned()),
            failing_since_us: Some(1_795_392_000_000_000),
            waiting: 2,
            failed: 3,
            ..Said::default()
        };
        let channels = BTreeMap::from([("ops".to_owned(), said)]);
        Note { at_us: 1_795_392_000_000_000, channels }.write(dir.path()).unwrap();
        let line = |now| Note::read(dir.path(), now)["ops"].line();
        insta::assert_snapshot!(line(1_795_392_001_000_000), @r"slack refused since 2026-11-23T00:00:00Z: 404: no\u{1b}[2J; 0 alerts in 0 messages, 3 failed, 2 waiting");
        insta::assert_snapshot!(line(1_795_392_060_000_000), @r"slack unknown since 2026-11-23T00:00:00Z: its run broke off; it was refused since 2026-11-23T00:00:00Z: 404: no\u{1b}[2J; 0 alerts in 0 messages, 3 failed, 2 waiting");
    }
}
