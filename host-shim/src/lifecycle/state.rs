//! What the Logstore remembers of its own life: enabled or not, for whom, how long it keeps, what it must not drop, and
//! which sources stand still. One JSON document in the checkpoint [`KEY`], in the same transaction as its journal entry.
//!
//! Must never be written without an entry that says what changed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::hold::{self, Hold};
use super::retention::{Change, Retention, RetentionError, Wish};
use super::sources::{Paused, Provider, SourceState, Transition};
use super::{LifecycleError, sources};

/// The checkpoint that holds it.
pub const KEY: &str = "@lifecycle";

/// Version of the document.
const VERSION: u32 = 1;

/// Longest reason of a pause that is kept, bytes.
const MAX_WHY: usize = 512;

/// The whole of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    version: u32,
    /// Whether records may be appended.
    pub enabled: bool,
    /// Since when, microseconds UTC.
    pub since_us: i64,
    /// Reference of the entitlement as it was given; never checked with the provider. Hostile text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entitlement: Option<String>,
    /// Account that the trail belongs to, as it was given; never checked with the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// How long records are kept.
    pub retention: Retention,
    /// Legal holds by name.
    #[serde(default)]
    pub holds: BTreeMap<String, Hold>,
    /// Sources that are paused, by name.
    #[serde(default)]
    pub paused: BTreeMap<String, Paused>,
}

/// In which of the three states a Logstore is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase<'a> {
    /// Records are taken.
    Running,
    /// At least one source stands still; the most pressing one.
    Paused {
        /// Name of the source.
        source: &'a str,
        /// Why, and since when.
        pause: &'a Paused,
    },
    /// Nothing is appended any more; what is there stays until it expires.
    Disabled,
}

impl State {
    /// A Logstore that was just enabled for the first time.
    #[must_use]
    pub fn new(retention: Retention, now_us: i64) -> Self {
        Self {
            version: VERSION,
            enabled: true,
            since_us: now_us,
            entitlement: None,
            account: None,
            retention,
            holds: BTreeMap::new(),
            paused: BTreeMap::new(),
        }
    }

    /// Reads it from the Logstore's checkpoints; `None` when the Logstore was never enabled.
    ///
    /// # Errors
    /// [`LifecycleError::Unreadable`].
    pub fn read(state: &innertrail_logstore::State) -> Result<Option<Self>, LifecycleError> {
        state.checkpoint(KEY).map(Self::parse).transpose()
    }

    /// Reads the document.
    ///
    /// # Errors
    /// [`LifecycleError::Unreadable`] for damage and for a document of a newer version.
    pub fn parse(json: &[u8]) -> Result<Self, LifecycleError> {
        let state: Self = serde_json::from_slice(json).map_err(|e| LifecycleError::Unreadable(e.to_string()))?;
        if state.version != VERSION {
            let why = format!("it has version {}, this innertrail knows {VERSION}; use a newer one", state.version);
            return Err(LifecycleError::Unreadable(why));
        }
        Ok(state)
    }

    /// The document.
    #[must_use]
    pub fn json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("maps with text keys and plain values always become JSON")
    }

    /// Enables it again. Without a wish the default is set, unless that would shorten what is kept.
    ///
    /// # Errors
    /// [`RetentionError`] when the wish would shorten and is not forced; then nothing has changed.
    pub fn enable(&mut self, wish: Option<Wish>, now_us: i64) -> Result<Change, RetentionError> {
        let change = match wish {
            Some(wish) => self.retention.set(wish, now_us)?,
            None => self.retention.reset(),
        };
        if !self.enabled {
            (self.enabled, self.since_us) = (true, now_us);
        }
        Ok(change)
    }

    /// Disables it; `false` when it was.
    pub fn disable(&mut self, now_us: i64) -> bool {
        let was = std::mem::replace(&mut self.enabled, false);
        if was {
            self.since_us = now_us;
            self.paused.clear();
        }
        was
    }

    /// Takes in what a source says of itself; gives what is worth an entry in the journal.
    pub fn apply(
        &mut self,
        source: &str,
        provider: Provider,
        said: SourceState<'_>,
        now_us: i64,
    ) -> Option<Transition> {
        match said {
            SourceState::Failed => None,
            SourceState::Going => self.paused.remove(source).map(Transition::Resumed),
            SourceState::Paused(cause, why) => {
                let known = self.paused.get_mut(source).filter(|known| known.cause == cause);
                if let Some(known) = known {
                    known.why = short(why);
                    return None;
                }
                let data_dies_us = provider.data_dies_us(cause, now_us);
                let paused = Paused { cause, why: short(why), since_us: now_us, data_dies_us };
                self.paused.insert(source.to_owned(), paused.clone());
                Some(Transition::Paused(paused))
            }
        }
    }

    /// The state as one word, with what belongs to it. Of several pauses the one that costs data first.
    #[must_use]
    pub fn phase(&self) -> Phase<'_> {
        if !self.enabled {
            return Phase::Disabled;
        }
        let pressing = |p: &&sources::Paused| (p.data_dies_us.unwrap_or(i64::MAX), p.cause, p.since_us);
        match self.paused.iter().min_by_key(|(_, p)| pressing(p)) {
            Some((source, pause)) => Phase::Paused { source, pause },
            None => Phase::Running,
        }
    }

    /// Sets a hold.
    ///
    /// # Errors
    /// [`hold::HoldError`].
    pub fn hold(&mut self, name: &str, hold: Hold) -> Result<(), hold::HoldError> {
        hold::set(&mut self.holds, name, hold)
    }

    /// Releases a hold.
    ///
    /// # Errors
    /// [`hold::HoldError::Unknown`].
    pub fn release(&mut self, name: &str) -> Result<Hold, hold::HoldError> {
        hold::release(&mut self.holds, name)
    }
}

/// The beginning of a text, cut at a character.
fn short(text: &str) -> String {
    let mut end = text.len().min(MAX_WHY);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::day::DAY_US;
    use super::super::sources::Cause;
    use super::*;
    use crate::runtime::wit::source::{Cause as SaidCause, Paused as SaidPaused, State as Said};

    fn state() -> State {
        State::new(Retention::first(None).unwrap(), 1)
    }

    #[test]
    fn the_document_survives_and_a_newer_one_is_refused() {
        let mut before = state();
        before.entitlement = Some("contract \u{1b}[31m 17".to_owned());
        before.hold("case-17", super::hold::tests::hold(None, Some("2026-01-10"))).unwrap();
        before.apply("sls", Provider::LogService, SourceState::Paused(Cause::Overdue, "x"), 5);
        assert_eq!(State::parse(&before.json()).unwrap(), before);
        let newer = String::from_utf8(before.json()).unwrap().replace("\"version\":1", "\"version\":2");
        let told = State::parse(newer.as_bytes()).unwrap_err().to_string();
        assert!(told.contains("version 2"), "{told}");
        assert!(State::parse(b"{}").is_err() && State::parse(b"").is_err());
    }

    fn said(cause: SaidCause, why: &str) -> Said {
        Said::Paused(SaidPaused { cause, why: why.to_owned() })
    }

    /// The component's own words for its state, as the contract has them.
    #[test]
    fn a_source_pauses_and_resumes_once_for_each_cause() {
        let mut state = state();
        let mut apply = |said: &Said, now| {
            let transition = state.apply("sls", Provider::LogService, said.into(), now);
            (transition, matches!(state.phase(), Phase::Running))
        };
        assert_eq!(apply(&Said::Running, 1), (None, true));
        assert_eq!(apply(&Said::Idle, 2), (None, true));
        let overdue = |why: &str, since_us| Paused {
            cause: Cause::Overdue,
            why: why.to_owned(),
            since_us,
            data_dies_us: Some(since_us + 7 * DAY_US),
        };
        let (transition, running) = apply(&said(SaidCause::Overdue, "403"), 3);
        assert_eq!((transition, running), (Some(Transition::Paused(overdue("403", 3))), false));
        // Said again at every poll: no entry, and above all no later date.
        assert_eq!(apply(&said(SaidCause::Overdue, "401"), 4), (None, false));
        assert_eq!(apply(&Said::Failed("broken".to_owned()), 5), (None, false));
        assert_eq!(apply(&Said::Running, 6), (Some(Transition::Resumed(overdue("401", 3))), true));
        let (transition, _) = apply(&said(SaidCause::Throttled, "403 ReadQuotaExceed"), 7);
        assert!(matches!(transition, Some(Transition::Paused(p)) if p.data_dies_us.is_none()));
        let (transition, _) = apply(&said(SaidCause::NotEntitled, "SLS is not opened"), 8);
        assert!(matches!(transition, Some(Transition::Paused(p)) if p.cause == Cause::NotEntitled && p.since_us == 8));
        assert!(matches!(apply(&Said::Finished, 9), (Some(Transition::Resumed(_)), true)));
    }

    #[test]
    fn the_pause_that_costs_data_first_is_shown() {
        let mut state = state();
        state.apply("a", Provider::Local, SourceState::Paused(Cause::SourceGone, "x"), 1);
        state.apply("b", Provider::ObjectStorage, SourceState::Paused(Cause::Overdue, "x"), 2);
        state.apply("c", Provider::LogService, SourceState::Paused(Cause::Overdue, "x"), 3);
        assert!(matches!(state.phase(), Phase::Paused { source: "c", .. }));
        assert!(state.disable(4) && !state.disable(5));
        assert_eq!((state.phase(), state.since_us), (Phase::Disabled, 4));
        state.enable(None, 6).unwrap();
        assert_eq!((state.phase(), state.since_us), (Phase::Running, 6));
    }

    #[test]
    fn a_refused_wish_enables_nothing() {
        let mut state = state();
        state.disable(2);
        assert!(state.enable(Some(Wish::of(30)), 3).is_err());
        assert!(!state.enabled);
        let forced = Wish { forced: true, ..Wish::of(30) };
        assert!(matches!(state.enable(Some(forced), 4), Ok(Change::Shorter { .. })));
        assert_eq!((state.enabled, state.retention.days), (true, 180));
    }

    #[test]
    fn long_reasons_are_cut_at_a_character() {
        let mut state = state();
        state.apply("a", Provider::Local, SourceState::Paused(Cause::Other, &"桶".repeat(1000)), 1);
        assert_eq!(state.paused["a"].why.len(), 510);
    }
}
