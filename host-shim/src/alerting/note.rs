//! What `status` and `/metrics` show of alerts: a small file beside the Logstore, `alerts.json`, written anew as things change.
//!
//! It is outside the seal and proves nothing; what fired is in the journal. Must never be what a decision depends on.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use innertrail_logstore::{Snapshot, Store};
use innertrail_query::terminal_safe;
use serde::{Deserialize, Serialize};

use super::keep::Counts;
use crate::lifecycle::day::{rfc3339, told};

/// The file in the data directory.
const FILE: &str = "alerts.json";
/// A run without news for so long is not there any more, microseconds.
const STALE_US: i64 = 15_000_000;
/// Most faults that are shown one by one.
const MOST_SHOWN: usize = 20;

/// What a run noted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// When, microseconds UTC.
    pub(crate) at_us: i64,
    /// What it said of itself.
    pub(crate) said: Said,
}

/// What evaluation says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// `starting`, `running`, `caught_up`, `waiting`, `stopped`, `failed`; `unknown` when its run broke off.
    pub state: String,
    /// Since when, microseconds UTC.
    pub since_us: i64,
    /// Why it waits or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Rules over records that can fire.
    pub rules: u64,
    /// Rules that ask from time to time.
    pub scheduled: u64,
    /// Rules that are switched off.
    pub disabled: u64,
    /// What is broken, with its place: may hold text of rule files.
    pub broken: Vec<String>,
    /// First record of the dedicated Logstore that was not looked at.
    pub log: u64,
    /// First entry of the journal that was not looked at.
    pub journal: u64,
    /// Records and entries behind that, as far as is known.
    pub behind: u64,
    /// Records that came too late for a correlation to count them.
    pub late: u64,
    /// Keys and entries of correlations that were forgotten because they were too many.
    pub forgotten: u64,
    /// Groups of scheduled rules that fired and are not over.
    pub open: u64,
    /// Scheduled rules whose last run failed, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failing: BTreeMap<String, String>,
    /// Counts since evaluation began.
    pub counts: Counts,
}

impl Note {
    /// Written beside and renamed: a reader sees the old or the new. Not synced: a crash of the machine may lose it.
    pub(super) fn write(&self, dir: &Path) -> io::Result<()> {
        let half = dir.join("alerts.json.new");
        fs::write(&half, serde_json::to_vec(self)?)?;
        fs::rename(half, dir.join(FILE))
    }

    /// What evaluation is doing in a data directory, or was when its run ended.
    pub(crate) fn read(snapshot: &Snapshot, now_us: i64) -> Option<Said> {
        let bytes = fs::read(snapshot.dir().join(FILE)).ok()?;
        let Self { at_us, mut said } = serde_json::from_slice(&bytes).ok()?;
        let (log, journal) = (snapshot.end(Store::Log), snapshot.end(Store::Journal));
        said.behind = log.saturating_sub(said.log) + journal.saturating_sub(said.journal);
        if now_us.saturating_sub(at_us) > STALE_US && !matches!(said.state.as_str(), "stopped" | "failed") {
            said.why = Some(format!("its run broke off; it was {}", said.told()));
            (said.state, said.since_us) = ("unknown".to_owned(), at_us);
        }
        Some(said)
    }
}

impl Said {
    /// Alerts in total.
    #[must_use]
    pub fn fired(&self) -> u64 {
        self.counts.fired.values().sum()
    }

    /// State, since when and why, for people.
    #[must_use]
    pub fn told(&self) -> String {
        let why = self.why.as_ref().map(|why| format!(": {}", terminal_safe(why))).unwrap_or_default();
        format!("{} since {}{why}", terminal_safe(&self.state), told(self.since_us))
    }

    /// Lines for `status`: name and value.
    #[must_use]
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let Self { rules, scheduled, disabled, broken, log, journal, behind, counts, .. } = self;
        let mut lines = vec![("alerts", self.told())];
        let broken = if broken.is_empty() { String::new() } else { format!(", {} BROKEN", broken.len()) };
        lines
            .push(("  rules", format!("{rules} over records, {scheduled} scheduled, {disabled} switched off{broken}")));
        lines.extend(self.broken.iter().take(MOST_SHOWN).map(|fault| ("  broken", terminal_safe(fault))));
        lines.push(("  position", format!("record {log}, journal {journal}; {behind} behind")));
        let levels = counts.fired.iter().map(|(level, n)| format!("{n} {}", terminal_safe(level))).collect::<Vec<_>>();
        let levels = if levels.is_empty() { String::new() } else { format!(": {}", levels.join(", ")) };
        lines.push(("  fired", format!("{}{levels}; {} over", self.fired(), counts.resolved)));
        if let Some(last) = &counts.last {
            let (alert, rule) = (terminal_safe(&last.alert), terminal_safe(&last.rule));
            lines.push(("  last", format!("{} {} {rule} {alert}", rfc3339(last.at_us), terminal_safe(&last.level))));
        }
        if self.late + self.forgotten > 0 {
            let (late, forgotten) = (self.late, self.forgotten);
            lines.push(("  not counted", format!("{late} records came too late, {forgotten} were too many")));
        }
        if counts.missed > 0 {
            lines.push(("  NEVER SEEN", format!("{} records: retention dropped them first", counts.missed)));
        }
        for (rule, why) in &self.failing {
            lines.push(("  FAILING", format!("{}: {}", terminal_safe(rule), terminal_safe(why))));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerting::keep::Last;

    #[test]
    fn status_tells_what_has_to_be_known_and_shows_no_strangers_escapes() {
        let last = Last {
            at_us: 1_795_392_000_000_000,
            alert: "00ff00ff00ff00ff".to_owned(),
            rule: "mine\u{1b}[2J".to_owned(),
            level: "high".to_owned(),
        };
        let counts = Counts {
            fired: [("high".to_owned(), 3), ("low".to_owned(), 1)].into(),
            resolved: 1,
            missed: 9,
            failed_runs: 2,
            last: Some(last),
        };
        let said = Said {
            state: "caught_up".to_owned(),
            since_us: 1_795_392_000_000_000,
            rules: 72,
            scheduled: 5,
            disabled: 1,
            broken: vec!["rules/x.yml:3:1: \u{1b}no".to_owned()],
            log: 100,
            journal: 7,
            behind: 2,
            late: 4,
            failing: [("asks".to_owned(), "no column".to_owned())].into(),
            counts,
            ..Said::default()
        };
        let lines: Vec<String> = said.lines().into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        alerts: caught_up since 2026-11-23T00:00:00Z
          rules: 72 over records, 5 scheduled, 1 switched off, 1 BROKEN
          broken: rules/x.yml:3:1: \u{1b}no
          position: record 100, journal 7; 2 behind
          fired: 4: 3 high, 1 low; 1 over
          last: 2026-11-23T00:00:00Z high mine\u{1b}[2J 00ff00ff00ff00ff
          not counted: 4 records came too late, 0 were too many
          NEVER SEEN: 9 records: retention dropped them first
          FAILING: asks: no column
        ");
    }
}
