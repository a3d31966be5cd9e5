//! What the groups of a rule are up to: pending, firing, silent, over.
//!
//! It must never tell a group twice for the same run: what is told has an id of rule, group and the moment that was due.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::judge::Pairs;
use super::{Judged, Scheduled};
use crate::engine::alert_id;
use crate::rule::Level;

/// Most groups of a rule that are remembered; beyond it those go that fired longest ago and are over.
const MOST: usize = 5_000;

/// One group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Runs in a row that triggered.
    pub streak: u32,
    /// The alert that is not over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<String>,
    /// How grave that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// When the run was due that was told last, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fired: Option<i64>,
}

/// What one rule remembers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Groups {
    /// Of which form of the rule. Another one begins anew.
    pub fingerprint: String,
    /// The last moment that was due and run, seconds; none: it was never run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<i64>,
    /// By the group's columns and values, as JSON.
    groups: BTreeMap<String, Group>,
}

/// Something to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A group fires.
    Fired {
        /// Id of the alert, 16 hexadecimal digits.
        alert: String,
        /// The group.
        group: Pairs,
        /// How grave.
        level: Level,
        /// The row.
        value: Pairs,
    },
    /// It is over.
    Resolved {
        /// Id of the alert that is over.
        alert: String,
        /// The group.
        group: Pairs,
        /// How grave it was.
        level: Level,
        /// Why.
        why: String,
    },
}

impl Groups {
    /// A rule that was never run.
    #[must_use]
    pub fn new(rule: &Scheduled) -> Self {
        Self { fingerprint: rule.fingerprint.clone(), ..Self::default() }
    }

    /// The groups that are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Takes in what the run that was due at this second came to; gives what is to be told.
    pub fn take(&mut self, rule: &Scheduled, due: i64, judged: Judged) -> Vec<Told> {
        self.due = Some(due);
        if judged.ignored {
            return Vec::new();
        }
        let mut told = Vec::new();
        let mut going: Vec<String> = Vec::new();
        for triggered in judged.triggered {
            let key = key(&triggered.group);
            let group = self.groups.entry(key.clone()).or_default();
            going.push(key.clone());
            group.streak = group.streak.saturating_add(1);
            if group.is_told(rule, due, triggered.level) {
                let alert = alert_id(&["scheduled", &rule.name, &key, &due.to_string()]);
                (group.alert, group.level, group.fired) = (Some(alert.clone()), Some(triggered.level), Some(due));
                let (group, level, value) = (triggered.group, triggered.level, triggered.value);
                told.push(Told::Fired { alert, group, level, value });
            }
        }
        going.sort_unstable();
        self.rest(rule, due, &going, &mut told);
        told
    }

    /// What does not trigger any more.
    fn rest(&mut self, rule: &Scheduled, due: i64, going: &[String], told: &mut Vec<Told>) {
        self.groups.retain(|key, group| {
            if going.binary_search(key).is_ok() {
                return true;
            }
            group.streak = 0;
            let level = group.level.take();
            if let Some(alert) = group.alert.take().filter(|_| rule.recovery) {
                told.push(over(key, alert, level, "it does not trigger any more"));
            }
            group.is_silent(rule, due)
        });
        if self.groups.len() > MOST {
            let mut over: Vec<(Option<i64>, String)> = self
                .groups
                .iter()
                .filter(|(_, group)| group.alert.is_none())
                .map(|(key, group)| (group.fired, key.clone()))
                .collect();
            over.sort_unstable();
            for (_, key) in over.into_iter().take(self.groups.len() - MOST) {
                self.groups.remove(&key);
            }
        }
    }

    /// An alert that is in the journal and not in what was remembered: its state was not kept before a crash.
    pub fn adopt(&mut self, alert: &str, group: &[(String, String)], level: Level, due: i64) {
        let group = self.groups.entry(key(group)).or_default();
        if group.fired.is_none_or(|fired| fired < due) {
            (group.alert, group.level, group.fired) = (Some(alert.to_owned()), Some(level), Some(due));
        }
        group.streak = group.streak.max(1);
        // The run itself is not taken for done: others of its groups may not have come into the journal. Made again, it tells
        // this one no second time.
        self.due = self.due.or(Some(due));
    }

    /// The same of an alert that is over.
    pub fn adopt_end(&mut self, alert: &str) {
        for group in self.groups.values_mut().filter(|group| group.alert.as_deref() == Some(alert)) {
            (group.alert, group.level, group.streak) = (None, None, 0);
        }
    }

    /// Ends every alert that is not over, because its rule is not there any more.
    pub fn close(&mut self, why: &str) -> Vec<Told> {
        let groups = std::mem::take(&mut self.groups).into_iter();
        groups.filter_map(|(key, group)| Some(over(&key, group.alert?, group.level, why))).collect()
    }

    /// Alerts that are not over.
    #[must_use]
    pub fn open(&self) -> usize {
        self.groups.values().filter(|group| group.alert.is_some()).count()
    }
}

impl Group {
    /// Whether it is told now, being triggered: often enough in a row, and not told already; again when the silence is
    /// over, or when it became graver.
    fn is_told(&self, rule: &Scheduled, due: i64, level: Level) -> bool {
        if self.streak < rule.threshold {
            return false;
        }
        match (&self.alert, self.level) {
            (Some(_), Some(before)) if level > before => true,
            (Some(_), _) => rule.silence.is_some() && !self.is_silent(rule, due),
            (None, _) => !self.is_silent(rule, due),
        }
    }

    fn is_silent(&self, rule: &Scheduled, due: i64) -> bool {
        let until = self.fired.zip(rule.silence).map(|(fired, silence)| fired.saturating_add(i64::from(silence)));
        until.is_some_and(|until| due < until)
    }
}

fn over(key: &str, alert: String, level: Option<Level>, why: &str) -> Told {
    // The key was made of a group.
    let group = serde_json::from_str(key).unwrap_or_default();
    Told::Resolved { alert, group, level: level.unwrap_or(Level::Critical), why: why.to_owned() }
}

fn key(group: &[(String, String)]) -> String {
    serde_json::json!(group).to_string()
}
