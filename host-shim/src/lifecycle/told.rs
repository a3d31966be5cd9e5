//! The life of a Logstore as `status` and `retention show` tell it: to people in lines, to programs as JSON.
//!
//! Must never show a stored text to a terminal as it is: reasons and references come from people and sources.

use std::collections::BTreeMap;

use innertrail_logstore::{Error, Snapshot, Store};
use innertrail_query::terminal_safe;
use serde::Serialize;

use super::day::{day_of, rfc3339, told};
use super::retention::days_told;
use super::sources::{Cause, Paused};
use super::standstill::Standstill;
use super::state::Phase;
use super::{State, hold::Hold};

/// The whole of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Life {
    /// `running`, `paused` or `disabled`.
    pub state: &'static str,
    /// Since when it is enabled or disabled, RFC 3339.
    pub since: String,
    /// Sources that stand still.
    pub paused: BTreeMap<String, PausedSource>,
    /// Days that records are kept; 3650 means for ever.
    pub retention_days: u32,
    /// A shortening that is not in effect yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_pending: Option<Pending>,
    /// Legal holds.
    pub holds: BTreeMap<String, HoldTold>,
    /// Reference of the entitlement, as it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entitlement: Option<String>,
    /// The account, as it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

/// A source that stands still.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PausedSource {
    /// `overdue`, `not_entitled`, `throttled`, `source_gone`, `disk_full` or `other`.
    pub cause: &'static str,
    /// The source's own words.
    pub why: String,
    /// Since when, RFC 3339.
    pub since: String,
    /// The latest moment at which the provider deletes what was not read yet, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_dies_at: Option<String>,
}

/// A shortening that waits for its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pending {
    /// Days from then on.
    pub days: u32,
    /// When it takes effect, RFC 3339.
    pub effective: String,
}

/// A hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HoldTold {
    /// Why.
    pub reason: String,
    /// First day, if it has one.
    pub from: Option<String>,
    /// Last day, if it has one.
    pub to: Option<String>,
    /// When it was set, RFC 3339.
    pub set: String,
}

impl HoldTold {
    fn new(hold: &Hold) -> Self {
        let day = |day: Option<super::hold::Day>| day.map(String::from);
        Self { reason: hold.reason.clone(), from: day(hold.from), to: day(hold.to), set: rfc3339(hold.set_us) }
    }
}

impl PausedSource {
    /// Paused because there is no room, as the note beside the Logstore says.
    pub(crate) fn full(standing: &Standstill) -> Self {
        let cause = Cause::DiskFull.name();
        Self { cause, why: standing.why.clone(), since: rfc3339(standing.since_us), data_dies_at: None }
    }

    fn new(paused: &Paused) -> Self {
        Self {
            cause: paused.cause.name(),
            why: paused.why.clone(),
            since: rfc3339(paused.since_us),
            data_dies_at: paused.data_dies_us.map(rfc3339),
        }
    }
}

impl Life {
    /// What there is to tell.
    #[must_use]
    pub fn new(state: &State) -> Self {
        Self {
            state: match state.phase() {
                Phase::Running => "running",
                Phase::Paused { .. } => "paused",
                Phase::Disabled => "disabled",
            },
            since: rfc3339(state.since_us),
            paused: state.paused.iter().map(|(name, p)| (name.clone(), PausedSource::new(p))).collect(),
            retention_days: state.retention.days,
            retention_pending: state
                .retention
                .pending
                .map(|p| Pending { days: p.days, effective: rfc3339(p.effective_us) }),
            holds: state.holds.iter().map(|(name, hold)| (name.clone(), HoldTold::new(hold))).collect(),
            entitlement: state.entitlement.clone(),
            account: state.account.clone(),
        }
    }
}

/// The lines for people: name and value, safe for a terminal.
#[must_use]
pub fn lines(state: &State) -> Vec<(String, String)> {
    let since = told(state.since_us);
    let mut lines = vec![match state.phase() {
        Phase::Running => ("state".to_owned(), format!("running, enabled since {since}")),
        Phase::Paused { source, pause } => {
            let dies = pause.data_dies_us.map_or_else(String::new, |us| {
                format!("; the provider deletes what was not read by {} at the latest", told(us))
            });
            let (source, cause) = (terminal_safe(source), pause.cause.name());
            ("state".to_owned(), format!("paused: {source} is {cause} since {}{dies}", told(pause.since_us)))
        }
        Phase::Disabled => ("state".to_owned(), format!("disabled since {since}: nothing is appended")),
    }];
    for (source, paused) in &state.paused {
        let name = format!("  {}", terminal_safe(source));
        lines.push((name, format!("{}: {}", paused.cause.name(), terminal_safe(&paused.why))));
    }
    lines.extend(retention_lines(state));
    let recorded = [("entitlement", &state.entitlement), ("account", &state.account)];
    for (name, text) in recorded.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?))) {
        lines.push((name.to_owned(), format!("{} (as given, not checked)", terminal_safe(text))));
    }
    lines
}

/// The lines about retention and holds.
#[must_use]
pub fn retention_lines(state: &State) -> Vec<(String, String)> {
    let mut lines = vec![("retention".to_owned(), state.retention.told())];
    if let Some(pending) = state.retention.pending {
        let text = format!("{} from {} on", days_told(pending.days), told(pending.effective_us));
        lines.push(("  becomes".to_owned(), text));
    }
    lines.extend(hold_lines(state));
    lines
}

/// The lines about holds.
#[must_use]
pub fn hold_lines(state: &State) -> Vec<(String, String)> {
    let line = |(name, hold): (&String, &Hold)| {
        let reason = terminal_safe(&hold.reason);
        (format!("hold {}", terminal_safe(name)), format!("{}: {reason}", hold.days_told()))
    };
    state.holds.iter().map(line).collect()
}

/// What of a store is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// Sequence number of the first record that is kept.
    pub first_seq: u64,
    /// Records that are kept.
    pub records: u64,
    /// UTC day on which the first of them was appended.
    pub first_day: String,
    /// UTC day on which the last of them was appended.
    pub last_day: String,
}

impl Kept {
    /// Looks; `None` for an empty store.
    ///
    /// # Errors
    /// The Logstore's.
    pub fn of(snapshot: &Snapshot, store: Store) -> Result<Option<Self>, Error> {
        let (first_seq, end) = (snapshot.first_kept(store), snapshot.end(store));
        if first_seq >= end {
            return Ok(None);
        }
        let segments = snapshot.segments(store);
        let tail_from = snapshot.tail_from(store);
        let day_at = |seq: u64| -> Result<Option<String>, Error> {
            let row = snapshot.scan_rows(store, seq, 1)?;
            Ok(row.first().and_then(|row| day_of(row.received_us)).map(|day| day.to_string()))
        };
        let first_day = match segments.first() {
            Some(segment) => Some(segment.day.to_string()),
            None => day_at(first_seq)?,
        };
        let last_day = match segments.last() {
            Some(segment) if tail_from == end => Some(segment.day.to_string()),
            _ => day_at(end - 1)?,
        };
        let day = |day: Option<String>| day.unwrap_or_default();
        Ok(Some(Self { first_seq, records: end - first_seq, first_day: day(first_day), last_day: day(last_day) }))
    }
}

/// How far the newest checkpoint reaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sealed {
    /// Records of the dedicated Logstore under it.
    pub records: u64,
    /// When it was signed, RFC 3339.
    pub time: String,
    /// How long ago that is, seconds; negative when the clock was set back.
    pub age_seconds: i64,
}

impl Sealed {
    /// Reads a checkpoint; `None` when it is none of ours.
    #[must_use]
    pub fn of(note: &str, now_us: i64) -> Option<Self> {
        let records = note.lines().nth(1)?.parse().ok()?;
        let time_us: i64 =
            note.lines().take_while(|l| !l.is_empty()).find_map(|l| l.strip_prefix("time "))?.parse().ok()?;
        let age_seconds = now_us.saturating_sub(time_us).div_euclid(1_000_000);
        Some(Self { records, time: rfc3339(time_us), age_seconds })
    }

    /// For people.
    #[must_use]
    pub fn told(&self) -> String {
        let age = match self.age_seconds {
            ..0 => "in the future".to_owned(),
            s @ 0..=119 => format!("{s} s ago"),
            s @ 120..=7199 => format!("{} min ago", s / 60),
            s => format!("{} h ago", s / 3600),
        };
        format!("{} records, signed {age}", self.records)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::retention::{Retention, Wish};
    use super::super::sources::{Cause, Provider, SourceState};
    use super::*;

    const NOW: i64 = 1_795_392_000_000_000; // 2026-11-23T00:00:00Z

    #[test]
    fn hostile_words_reach_no_terminal() {
        let mut state = State::new(Retention::first(Some(365)).unwrap(), NOW);
        state.entitlement = Some("ticket \u{1b}[2J\u{202e}".to_owned());
        state
            .holds
            .insert("h".to_owned(), Hold { reason: "\u{1b}]0;x\u{7}".to_owned(), from: None, to: None, set_us: 0 });
        state.apply("sls\u{1b}", Provider::LogService, SourceState::Paused(Cause::Overdue, "\u{1b}[31m403"), NOW);
        let text: String = lines(&state).into_iter().map(|(name, value)| format!("{name}  {value}\n")).collect();
        assert!(text.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'), "{text:?}");
    }

    #[test]
    fn what_people_read() {
        let mut state = State::new(Retention::first(Some(365)).unwrap(), NOW);
        state.apply("bucket", Provider::ObjectStorage, SourceState::Paused(Cause::Overdue, "403 UserDisable"), NOW);
        state.retention.set(Wish { forced: true, ..Wish::of(184) }, NOW).unwrap();
        state.hold("case-17", Hold { reason: "a claim".to_owned(), from: None, to: None, set_us: NOW }).unwrap();
        state.account = Some("1000000000000001".to_owned());
        let text: String = lines(&state).into_iter().map(|(name, value)| format!("{name:<14}{value}\n")).collect();
        insta::assert_snapshot!(text, @r"
        state         paused: bucket is overdue since 2026-11-23T00:00:00Z; the provider deletes what was not read by 2026-12-08T00:00:00Z at the latest
          bucket      overdue: 403 UserDisable
        retention     365 days
          becomes     184 days from 2026-11-24T00:00:00Z on
        hold case-17  all days: a claim
        account       1000000000000001 (as given, not checked)
        ");
        state.disable(NOW);
        assert_eq!(lines(&state)[0].1, "disabled since 2026-11-23T00:00:00Z: nothing is appended");
    }

    #[test]
    fn a_checkpoint_is_read_or_left_alone() {
        let note =
            "innertrail/main-trail\n17\nAAAA\njournal 2 AAAA\ntime 1795392000000000\n\n— innertrail/main-trail AAAA\n";
        let sealed = Sealed::of(note, NOW + 90_500_000).unwrap();
        assert_eq!((sealed.records, sealed.age_seconds), (17, 90));
        assert_eq!(sealed.told(), "17 records, signed 90 s ago");
        assert_eq!(Sealed::of(note, NOW - 1).unwrap().told(), "17 records, signed in the future");
        for wrong in ["", "a\nb\n", "a\n1\n\ntime 5\n", "a\n-1\ntime 5\n"] {
            assert_eq!(Sealed::of(wrong, NOW), None, "{wrong:?}");
        }
    }
}
