//! The journal: what was done to the Logstore, as rows of its fourth store. Enabled, retention changed, days dropped,
//! writes refused, sources paused; sealed like the records themselves, and never dropped.
//!
//! Must never hold the content of an event, and never a personal name: who acted is told as a command and a user id. What
//! an alert is about is told by the columns that a record is found by.

use innertrail_logstore::row::RowBuilder;
use innertrail_logstore::{Layout, Store, Transaction};
use serde_json::{Map, Value, json};

use crate::lifecycle::day::rfc3339;
use crate::lifecycle::sources::Transition;
use crate::runtime::wit::source::Gap;

/// What an entry tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Records are taken from now on.
    Enabled,
    /// No record is taken any more.
    Disabled,
    /// Records are kept for another time, or will be after the grace.
    RetentionChanged,
    /// A shortening took effect.
    RetentionEffective,
    /// Whole days are about to be dropped.
    RetentionDropped,
    /// A legal hold was set.
    HoldSet,
    /// A legal hold was released.
    HoldReleased,
    /// An agent sent something that is addressed to the Logstore and bears no valid seal, or a client of the API would have
    /// written.
    WriteRefused,
    /// Opening dropped the torn end of the write-ahead log; none of it had been acknowledged.
    Recovered,
    /// Records of a source are missing and cannot be had any more.
    Gap,
    /// Entitlement or account were recorded anew.
    AccountState,
    /// A source stands still.
    Paused,
    /// A source goes on.
    Resumed,
    /// A sink's receiver refuses a record for good; it is in quarantine.
    Undeliverable,
    /// Records wait, and a sink has delivered none for as long as its configuration says.
    SinkWaiting,
    /// Such a sink goes on, or is not configured any more.
    SinkResumed,
    /// An access key of the API was made.
    KeyAdded,
    /// An access key of the API is not valid any more.
    KeyRevoked,
    /// A consumer group of the API was made, changed, deleted or moved back.
    GroupChanged,
    /// A sealed file is not in the mirror's bucket as it was sealed: another object lies there, or the file here was changed.
    MirrorConflict,
    /// A rule fired.
    AlertFired,
    /// What a rule fired for is over.
    AlertResolved,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 22] = [
        Self::Enabled,
        Self::Disabled,
        Self::RetentionChanged,
        Self::RetentionEffective,
        Self::RetentionDropped,
        Self::HoldSet,
        Self::HoldReleased,
        Self::WriteRefused,
        Self::Recovered,
        Self::Gap,
        Self::AccountState,
        Self::Paused,
        Self::Resumed,
        Self::Undeliverable,
        Self::SinkWaiting,
        Self::SinkResumed,
        Self::KeyAdded,
        Self::KeyRevoked,
        Self::GroupChanged,
        Self::MirrorConflict,
        Self::AlertFired,
        Self::AlertResolved,
    ];

    /// Its word, in `kind` and in the column `eventName`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::RetentionChanged => "retention_changed",
            Self::RetentionEffective => "retention_effective",
            Self::RetentionDropped => "retention_dropped",
            Self::HoldSet => "hold_set",
            Self::HoldReleased => "hold_released",
            Self::WriteRefused => "write_refused",
            Self::Recovered => "recovered",
            Self::Gap => "gap",
            Self::AccountState => "account_state",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::Undeliverable => "undeliverable",
            Self::SinkWaiting => "sink_waiting",
            Self::SinkResumed => "sink_resumed",
            Self::KeyAdded => "key_added",
            Self::KeyRevoked => "key_revoked",
            Self::GroupChanged => "group_changed",
            Self::MirrorConflict => "mirror_conflict",
            Self::AlertFired => "alert_fired",
            Self::AlertResolved => "alert_resolved",
        }
    }
}

/// One entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    kind: Kind,
    by: String,
    time_us: i64,
    details: Map<String, Value>,
}

impl Entry {
    /// An entry without details. `by` is the command that acts: `enable`, `run`, `gate`.
    #[must_use]
    pub fn new(kind: Kind, by: &str, time_us: i64) -> Self {
        Self { kind, by: by.to_owned(), time_us, details: Map::new() }
    }

    /// The same with a detail. A null is left out; `time`, `kind` and `by` are taken.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        if !value.is_null() && !["time", "kind", "by"].contains(&key) {
            self.details.insert(key.to_owned(), value);
        }
        self
    }

    /// Writes of one batch that were refused, `count` of them; `origin` says where they came in.
    #[must_use]
    pub fn write_refused(by: &str, origin: &str, count: u64, time_us: i64) -> Self {
        Self::new(Kind::WriteRefused, by, time_us).with("count", count).with("origin", origin)
    }

    /// Logs of a source are missing that it had: `what` is where, `key` the position that passes over them.
    #[must_use]
    pub fn gap(by: &str, source: &str, gap: &Gap, time_us: i64) -> Self {
        let time = |ms: Option<i64>| ms.and_then(|ms| ms.checked_mul(1000)).map(rfc3339);
        let entry = Self::new(Kind::Gap, by, time_us).with("source", source).with("what", gap.what.as_str());
        let entry = entry.with("key", gap.key.as_str()).with("why", gap.why.as_str());
        entry.with("from", time(gap.since_ms)).with("to", time(gap.until_ms))
    }

    /// A source stands still, or goes on.
    #[must_use]
    pub fn transition(by: &str, source: &str, transition: &Transition, time_us: i64) -> Self {
        let (kind, pause) = match transition {
            Transition::Paused(pause) => (Kind::Paused, pause),
            Transition::Resumed(pause) => (Kind::Resumed, pause),
        };
        Self::new(kind, by, time_us)
            .with("source", source)
            .with("cause", pause.cause.name())
            .with("why", pause.why.as_str())
            .with("since", rfc3339(pause.since_us))
            .with("data_dies_at", pause.data_dies_us.map(rfc3339))
    }

    /// What it tells.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The payload: one JSON object, `time`, `kind` and `by` in front.
    #[must_use]
    pub fn json(&self) -> String {
        let head = format!(
            "{{\"time\":{},\"kind\":{},\"by\":{}",
            json!(rfc3339(self.time_us)),
            json!(self.kind.name()),
            json!(self.by)
        );
        let details: String = self.details.iter().map(|(key, value)| format!(",{}:{value}", json!(key))).collect();
        format!("{head}{details}}}")
    }
}

/// Makes the rows of entries for one layout.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    time: Option<u8>,
    name: Option<u8>,
    actor: Option<u8>,
}

impl Rows {
    /// Finds the columns by name; one that the layout does not have stays empty.
    #[must_use]
    pub fn new(layout: &Layout) -> Self {
        let at = |name| layout.position(name).and_then(|p| u8::try_from(p).ok());
        Self { time: at("eventTime"), name: at("eventName"), actor: at("it_actor") }
    }

    /// The row of an entry.
    #[must_use]
    pub fn row(&self, entry: &Entry) -> Vec<u8> {
        let mut row = RowBuilder::new();
        row.begin(entry.json().as_bytes());
        for (column, text) in [
            (self.time, rfc3339(entry.time_us).as_str()),
            (self.name, entry.kind.name()),
            (self.actor, entry.by.as_str()),
        ] {
            if let Some(column) = column {
                row.text(column, text);
            }
        }
        row.finish().to_vec()
    }

    /// Puts an entry into a transaction. It accounts for no input bytes.
    pub fn push(&self, txn: &mut Transaction, entry: &Entry) {
        txn.push(Store::Journal, &self.row(entry), 0);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use innertrail_logstore::row::RowRef;
    use innertrail_logstore::{Column, Encoding, Kind as Holds};

    use super::*;

    const NOW: i64 = 1_795_392_000_000_001;

    #[test]
    fn an_entry_is_one_json_object_with_its_head_in_front() {
        let entry =
            Entry::write_refused("gate", "stdin/\u{1b}\"1", 3, NOW).with("nothing", Value::Null).with("by", "x");
        let json = entry.json();
        let head = r#"{"time":"2026-11-23T00:00:00.000001Z","kind":"write_refused","by":"gate","#;
        assert!(json.starts_with(head), "{json}");
        let value: Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&value["count"], &value["origin"]), (&json!(3), &json!("stdin/\u{1b}\"1")));
        assert_eq!(value.as_object().unwrap().len(), 5);
    }

    #[test]
    fn words_of_kinds_are_unique() {
        let mut words: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Kind::ALL.len());
    }

    #[test]
    fn a_row_fills_the_columns_that_there_are() {
        let text = |name| Column::new(name, Holds::Text, Encoding::Plain);
        let columns = vec![text("eventId"), text("it_actor"), text("eventTime"), text("eventName")];
        let entry = Entry::new(Kind::Enabled, "run", NOW);
        let layout = Layout { columns, key: Some(0) };
        let row = Rows::new(&layout).row(&entry);
        let row = RowRef::parse(&row).unwrap();
        assert!(row.check(&layout, Store::Journal).is_ok());
        assert_eq!(row.payload(), entry.json().as_bytes());
        assert_eq!(
            [0, 1, 2, 3].map(|c| row.column(c).map(String::from_utf8_lossy).unwrap_or_default().into_owned()),
            ["", "run", "2026-11-23T00:00:00.000001Z", "enabled"]
        );
        let none = Rows::new(&Layout::default()).row(&entry);
        assert_eq!(RowRef::parse(&none).unwrap().slots().count(), 0);
    }
}
