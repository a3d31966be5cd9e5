//! What `status` shows of sinks: a small file beside the Logstore, `sinks.json`, written anew by a run as things change.
//!
//! It is outside the seal and proves nothing; positions come from the sinks' consumer groups. Must never be what a
//! decision depends on.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use innertrail_logstore::Store;
use innertrail_logstore::consumer::{Groups, Reader, ReaderOptions};
use innertrail_query::terminal_safe;
use innertrail_sink::delivery::{Report, State, group_name};
use serde::{Deserialize, Serialize};

use crate::lifecycle::day::told;

/// The file in the data directory.
const FILE: &str = "sinks.json";
/// A run without news for so long is not there any more, microseconds.
const STALE_US: i64 = 15_000_000;

/// What a run noted of its sinks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// When, microseconds UTC.
    pub at_us: i64,
    /// By name.
    pub sinks: BTreeMap<String, Said>,
}

/// What one sink said of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// `starting`, `held`, `running`, `caught_up`, `waiting`, `stopped`, `failed`; `unknown` when its run broke off.
    pub state: String,
    /// Since when, microseconds UTC.
    pub since_us: i64,
    /// Why, when something failed: may hold a receiver's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// First record that was neither taken nor parked.
    pub position: u64,
    /// Durable records from there on.
    pub behind: u64,
    /// Records taken since the run began.
    pub sent: u64,
    /// Bytes of the bodies that were taken, as they went out, since then; `None` where the protocol's sender does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_bytes: Option<u64>,
    /// Encoded size of the records taken, before compression, without what frames a request.
    #[serde(default)]
    pub sent_event_bytes: u64,
    /// The same of the records that were put into quarantine.
    #[serde(default)]
    pub parked_event_bytes: u64,
    /// Failures since then, by kind. That a batch was halved is none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub errors: BTreeMap<String, u64>,
    /// Why the last record was put into quarantine: a receiver's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked_why: Option<String>,
    /// What had to be done again since then.
    pub retried: u64,
    /// Records put into quarantine since then.
    pub parked: u64,
    /// Records that retention dropped since then.
    pub missed: u64,
    /// When the receiver last answered, microseconds UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_answer_us: Option<i64>,
}

impl Said {
    pub(crate) fn of(report: &Report, before: Option<&Self>, now_us: i64) -> Self {
        let mut since = None;
        let (state, why) = match &report.state {
            State::Starting => ("starting", None),
            State::Held { by, since_us } => {
                since = Some(*since_us);
                ("held", Some(format!("consumer {by} has the group")))
            }
            State::Running => ("running", None),
            State::CaughtUp => ("caught_up", None),
            State::Waiting { why, since_us } => {
                since = Some(*since_us);
                ("waiting", Some(why.clone()))
            }
            // Why it waited when it was told to stop is what people ask for afterwards.
            State::Stopped => ("stopped", before.and_then(|said| said.why.clone())),
            State::Failed { why } => ("failed", Some(why.clone())),
        };
        let same = before.filter(|said| said.state == state).map(|said| said.since_us);
        Self {
            state: state.to_owned(),
            since_us: since.or(same).unwrap_or(now_us),
            why,
            position: report.position,
            behind: report.behind,
            sent: report.sent,
            sent_bytes: report.sent_bytes,
            sent_event_bytes: report.sent_event_bytes,
            parked_event_bytes: report.parked_event_bytes,
            errors: report.troubles.iter().map(|(trouble, count)| (trouble.name().to_owned(), count)).collect(),
            parked_why: report.parked_why.clone(),
            retried: report.retried,
            parked: report.parked,
            missed: report.missed,
            last_answer_us: report.last_answer_us,
        }
    }

    /// Whether it delivers nothing, though it would.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        matches!(self.state.as_str(), "waiting" | "held")
    }

    /// State, since when and why, for people.
    #[must_use]
    pub fn told(&self) -> String {
        let why = self.why.as_ref().map(|why| format!(": {}", terminal_safe(why))).unwrap_or_default();
        format!("{} since {}{why}", terminal_safe(&self.state), told(self.since_us))
    }
}

impl Note {
    pub(crate) fn write(&self, dir: &Path) -> io::Result<()> {
        // Written beside and renamed: a reader sees the old or the new. Not synced: a crash of the machine may lose it.
        let half = dir.join("sinks.json.new");
        fs::write(&half, serde_json::to_vec(self)?)?;
        fs::rename(half, dir.join(FILE))
    }

    /// What a data directory's sinks are doing, or were when their run ended; positions as their groups have them.
    #[must_use]
    pub(crate) fn read(dir: &Path, now_us: i64) -> BTreeMap<String, Said> {
        let found = fs::read(dir.join(FILE)).ok().and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok());
        let Some(mut note) = found else { return BTreeMap::new() };
        let groups = Groups::open(dir).ok();
        let reader = Reader::open(dir, ReaderOptions::default()).ok();
        let stale = now_us.saturating_sub(note.at_us) > STALE_US;
        for (name, said) in &mut note.sinks {
            let group = groups.as_ref().and_then(|groups| groups.get(&group_name(name)).ok());
            if let Some(cursor) = group.and_then(|group| group.cursor) {
                said.position = cursor.seq();
            }
            if let Some(reader) = &reader {
                said.behind = reader.end(Store::Log).seq().saturating_sub(said.position);
            }
            if stale && !matches!(said.state.as_str(), "stopped" | "failed") {
                said.why = Some(format!("its run broke off; it was {}", said.told()));
                said.state = "unknown".to_owned();
                said.since_us = note.at_us;
            }
        }
        note.sinks
    }
}
