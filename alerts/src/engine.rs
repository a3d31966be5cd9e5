//! Records in, firings out: single rules and correlations, each record once.
//!
//! Records of one store come in the order of their sequence numbers; one that was taken before is passed over, so what is
//! delivered again fires nothing. What correlations remember can be taken out and put back between any two records. It
//! reads no clock and no file.

use std::sync::Arc;

use innertrail_plugin::event::columns::Column;
use serde::Serialize;

use crate::record::{Record, Store};
use crate::rule::{self, Level, Rule, Search};
use crate::set::RuleSet;
use crate::track::{Bounds, RuleState, STATE_VERSION, State};

/// Why a snapshot cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the state of the rules is of version {found}, this program knows {known}; begin without it, or use the program that wrote it"
)]
pub struct StateError {
    /// The version that it has.
    pub found: u32,
    /// The version that is known.
    pub known: u32,
}

/// That a rule fired. Text in it comes from records: escape it before it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Firing {
    /// Name of the rule.
    pub rule: String,
    /// Its version.
    pub version: u32,
    /// How grave.
    pub level: Level,
    /// Log Service's number for that.
    pub severity: u8,
    /// The store that the record is in.
    pub store: Store,
    /// Sequence number of the record in its store.
    pub seq: u64,
    /// Id of the event that fired, or that was the last one needed.
    pub event_id: String,
    /// When it happened, as the event says.
    pub time: String,
    /// Who did it.
    pub actor: String,
    /// What was done.
    pub event_name: String,
    /// To what.
    pub resource: String,
    /// Of a correlation: what it was about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation: Option<Counted>,
    /// Of a rule whose alerts another record ends: what both are about, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<Vec<(String, String)>>,
}

/// That a record ended an alert. Text in it comes from records: escape it before it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Name of the rule.
    pub rule: String,
    /// Its title.
    pub title: String,
    /// How grave it was.
    pub level: Level,
    /// The store that the record is in.
    pub store: Store,
    /// What it was about.
    pub about: Vec<(String, String)>,
}

impl Ended {
    /// The id of the alert that it ends: that of [`Firing::id`].
    #[must_use]
    pub fn id(&self) -> String {
        about_id(&self.rule, &self.about)
    }
}

fn about_id(rule: &str, about: &[(String, String)]) -> String {
    alert_id(&["about", rule, &serde_json::json!(about).to_string()])
}

impl Firing {
    /// What it is told apart by, 16 hexadecimal digits: the same whenever the same records are looked at again.
    #[must_use]
    pub fn id(&self) -> String {
        let store = self.store.name();
        if let Some(about) = &self.about {
            return about_id(&self.rule, about);
        }
        match &self.correlation {
            Some(counted) => {
                let (key, interval) = (serde_json::json!(counted.key).to_string(), counted.interval.to_string());
                alert_id(&["count", &self.rule, &key, &interval])
            }
            None if self.event_id.is_empty() => alert_id(&["record", &self.rule, store, &self.seq.to_string()]),
            None => alert_id(&["event", &self.rule, store, &self.event_id]),
        }
    }
}

/// The id of an alert that is about these things.
pub(crate) fn alert_id(parts: &[&str]) -> String {
    rule::digest(&serde_json::json!(parts).to_string())
}

/// What a correlation fired for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Counted {
    /// Fields of `group-by` with their values.
    pub key: Vec<(String, String)>,
    /// First second of the interval; a key fires once in it.
    pub interval: i64,
    /// First and last second of the window that held enough.
    pub window: (i64, i64),
}

/// Rules with what they remember.
#[derive(Debug, Clone)]
pub struct Engine {
    set: Arc<RuleSet>,
    bounds: Bounds,
    state: State,
}

impl Engine {
    /// Rules that remember nothing yet.
    #[must_use]
    pub fn new(set: Arc<RuleSet>, bounds: Bounds) -> Self {
        let mut engine = Self { set, bounds, state: State { version: STATE_VERSION, ..State::default() } };
        engine.renew();
        engine
    }

    /// Rules with what they remembered. The second part: correlations whose memory was dropped because the rule, or one that
    /// it counts, is another one now, or gone.
    ///
    /// # Errors
    /// [`StateError`] when the snapshot has another form.
    pub fn with_state(set: Arc<RuleSet>, bounds: Bounds, state: State) -> Result<(Self, Vec<String>), StateError> {
        if state.version != STATE_VERSION {
            return Err(StateError { found: state.version, known: STATE_VERSION });
        }
        let mut engine = Self { set, bounds, state };
        let dropped = engine.renew();
        Ok((engine, dropped))
    }

    /// Begins anew for each correlation that the state does not fit.
    fn renew(&mut self) -> Vec<String> {
        let mut dropped = Vec::new();
        let known: Vec<&Rule> = self.set.rules().iter().filter(|rule| rule.is_correlation()).collect();
        self.state.rules.retain(|name, state| {
            let fits = known.iter().any(|rule| rule.name == *name && rule.fingerprint == state.fingerprint);
            if !fits {
                dropped.push(name.clone());
            }
            fits
        });
        for rule in known {
            self.state.rules.entry(rule.name.clone()).or_insert_with(|| RuleState::new(&rule.fingerprint));
        }
        dropped
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &RuleSet {
        &self.set
    }

    /// What is remembered; to be kept together with the position that it belongs to.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Takes one record: its sequence number in its store, and when it was appended (microseconds since the Unix epoch).
    pub fn take(&mut self, seq: u64, received_us: i64, record: &Record<'_>) -> Vec<Firing> {
        if !self.moves_on(record.store(), seq) {
            return Vec::new();
        }
        let mut firings = Vec::new();
        for at in self.set.matching(record) {
            let rule = &self.set.rules()[at];
            // A base that somebody switched off is counted all the same.
            if !rule.is_part && !rule.is_disabled {
                firings.push(firing(rule, seq, record, None));
            }
            for correlation in self.set.counted_by(at) {
                let rule = &self.set.rules()[*correlation];
                if rule.is_disabled {
                    continue;
                }
                let (Search::Several(counts), Some(state)) = (&rule.search, self.state.rules.get_mut(&rule.name))
                else {
                    continue;
                };
                for reached in state.count(counts, record, received_us, &self.bounds) {
                    let names = counts.group_by.iter().map(|(name, _)| name.clone());
                    let key = names.zip(reached.key).collect();
                    let counted = Counted { key, interval: reached.interval, window: reached.window };
                    firings.push(firing(rule, seq, record, Some(counted)));
                }
            }
        }
        firings
    }

    /// The alerts that a record ends. Nothing is remembered for it, so the same record again gives the same ends.
    #[must_use]
    pub fn ended(&self, record: &Record<'_>) -> Vec<Ended> {
        let ended = |(rule, about): (&Rule, _)| {
            let (title, level, store) = (rule.title.clone(), rule.level, record.store());
            Ended { rule: rule.name.clone(), title, level, store, about }
        };
        self.set.ended(record).map(ended).collect()
    }

    /// Whether the record is a new one of its store.
    fn moves_on(&mut self, store: Store, seq: u64) -> bool {
        let name = store.name();
        match self.state.next.get_mut(name) {
            Some(next) if seq < *next => false,
            Some(next) => {
                *next = seq.saturating_add(1);
                true
            }
            None => {
                self.state.next.insert(name.to_owned(), seq.saturating_add(1));
                true
            }
        }
    }
}

fn firing(rule: &Rule, seq: u64, record: &Record<'_>, correlation: Option<Counted>) -> Firing {
    let text = |column| record.text(column).unwrap_or_default().to_owned();
    Firing {
        rule: rule.name.clone(),
        version: rule.version,
        level: rule.level,
        severity: rule.level.severity(),
        store: record.store(),
        seq,
        event_id: text(Column::EventId),
        time: text(Column::EventTime),
        actor: text(Column::Actor),
        event_name: text(Column::EventName),
        resource: text(Column::Resource),
        about: rule.ending.as_ref().and_then(|ending| ending.about(record)),
        correlation,
    }
}
