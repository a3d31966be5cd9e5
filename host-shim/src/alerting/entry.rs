//! From a firing to its entry in the journal.
//!
//! Others read these members by their names (`read.rs`): none may change. Must never put more of a record into the
//! journal, which is never dropped, than the columns that it is found by.

use innertrail_alerts::{Ended, Firing, Level, Scheduled, Told};
use serde_json::{Value, json};

use crate::journal::{Entry, Kind};
use crate::lifecycle::day::rfc3339;

/// Longest text of a record that is taken over, characters.
const LONGEST: usize = 1_024;

/// An entry with the id of its alert.
#[derive(Debug, Clone)]
pub(super) struct Out {
    pub(super) alert: String,
    /// Word of the level; none: an alert that is over.
    pub(super) level: Option<&'static str>,
    pub(super) rule: String,
    pub(super) entry: Entry,
}

impl Out {
    /// What it is told apart by in the journal: an alert and its end have one id.
    pub(super) fn key(&self) -> String {
        key(&self.alert, self.level.is_some())
    }
}

/// The key of an entry about an alert.
pub(super) fn key(alert: &str, fired: bool) -> String {
    if fired { alert.to_owned() } else { format!("{alert} over") }
}

/// That a rule fired on a record.
pub(super) fn fired(firing: &Firing, title: &str, now_us: i64) -> Out {
    let alert = firing.id();
    let second = |second: i64| rfc3339(second.saturating_mul(1_000_000));
    let window = firing.correlation.as_ref().map(|counted| json!([second(counted.window.0), second(counted.window.1)]));
    let key = firing.correlation.as_ref().map(|counted| json!(counted.key));
    let entry = Entry::new(Kind::AlertFired, "run", now_us)
        .with("alert", alert.as_str())
        .with("rule", firing.rule.as_str())
        .with("version", firing.version)
        .with("title", title)
        .with("level", firing.level.name())
        .with("severity", firing.severity)
        .with("store", firing.store.name())
        .with("seq", firing.seq)
        .with("event_id", text(&firing.event_id))
        .with("event_time", text(&firing.time))
        .with("actor", text(&firing.actor))
        .with("event_name", text(&firing.event_name))
        .with("resource", text(&firing.resource))
        .with("key", key)
        .with("group", firing.about.as_ref().map(|about| json!(shortened(about))))
        .with("window", window);
    Out { alert, level: Some(firing.level.name()), rule: firing.rule.clone(), entry }
}

/// That a scheduled rule fired for a group, or that it is over.
pub(super) fn told(rule: &Scheduled, told: &Told, due: i64, now_us: i64) -> Out {
    match told {
        Told::Resolved { alert, group, level, why } => {
            let over =
                Over { rule: &rule.name, title: &rule.title, store: rule.store.name(), group, level: *level, why };
            resolved(&over, alert, now_us)
        }
        Told::Fired { alert, group, level, value } => {
            let second = |second: i64| rfc3339(second.saturating_mul(1_000_000));
            let (from, to) = rule.window_of(due);
            let entry = Entry::new(Kind::AlertFired, "run", now_us)
                .with("alert", alert.as_str())
                .with("rule", rule.name.as_str())
                .with("version", rule.version)
                .with("title", rule.title.as_str())
                .with("level", level.name())
                .with("severity", level.severity())
                .with("store", rule.store.name())
                .with("event_time", second(due))
                .with("window", json!([second(from), second(to)]))
                .with("value", json!(value))
                .with("group", json!(group))
                .with("query", rule.query());
            Out { alert: alert.clone(), level: Some(level.name()), rule: rule.name.clone(), entry }
        }
    }
}

/// What is known of an alert that is over: as much as filters and receivers asked of it when it fired.
#[derive(Debug, Clone, Copy)]
pub(super) struct Over<'a> {
    pub(super) rule: &'a str,
    pub(super) title: &'a str,
    pub(super) store: &'a str,
    pub(super) group: &'a [(String, String)],
    pub(super) level: Level,
    pub(super) why: &'a str,
}

/// That an alert is over.
pub(super) fn resolved(over: &Over<'_>, alert: &str, now_us: i64) -> Out {
    let entry = Entry::new(Kind::AlertResolved, "run", now_us)
        .with("alert", alert)
        .with("rule", over.rule)
        .with("title", over.title)
        .with("level", over.level.name())
        .with("severity", over.level.severity())
        .with("store", over.store)
        .with("group", json!(over.group))
        .with("why", over.why);
    Out { alert: alert.to_owned(), level: None, rule: over.rule.to_owned(), entry }
}

/// That a record ended an alert.
pub(super) fn ended(ended: &Ended, now_us: i64) -> Out {
    let group = shortened(&ended.about);
    let (rule, title, store) = (ended.rule.as_str(), ended.title.as_str(), ended.store.name());
    let over = Over { rule, title, store, group: &group, level: ended.level, why: "an entry says that it is over" };
    resolved(&over, &ended.id(), now_us)
}

/// Names with values, those cut that are too long.
fn shortened(pairs: &[(String, String)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| (name.clone(), value.chars().take(LONGEST).collect())).collect()
}

/// A text that is there, cut where it is too long.
fn text(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { text.chars().take(LONGEST).collect::<String>().into() }
}
