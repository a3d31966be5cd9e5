//! What fires, for receivers that forget what does not come again: Alertmanager.
//! It must never forget an alert that an entry will end, while there is room, and never grow without an end.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::alert::Alert;

/// Most alerts that are kept. One over a single record goes first: its end was told when it was first sent.
const MOST: usize = 1_000;
/// A receiver takes an alert for over that did not come for so many times the interval.
const MISSED: i64 = 4;
/// Most characters of a text that is kept, of one in a pair, and most pairs: more than is ever sent, so that labels stay the same.
const TEXT: usize = 1_200;
const PAIR: usize = 300;
const PAIRS: usize = 8;

/// How long things fire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Recovery {
    /// For alerts whose end no entry tells.
    pub(crate) resolve_after_ms: i64,
    pub(crate) resend_ms: i64,
}

/// An alert that fires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Firing {
    alert: Alert,
    /// When it is over by itself; none if an entry will say so.
    until_ms: Option<i64>,
}

/// What fires, by the alerts' ids.
#[derive(Debug)]
pub(crate) struct Firings {
    recovery: Option<Recovery>,
    kept: BTreeMap<String, Firing>,
    /// When the next round begins, and how far this one is.
    round_at: i64,
    done: Option<String>,
}

impl Firings {
    /// After a restart everything is sent again at once: the receiver may have forgotten it.
    pub(crate) fn new(recovery: Option<Recovery>, kept: Vec<Firing>, now: i64) -> Self {
        let kept = kept.into_iter().map(|f| (f.alert.alert.clone(), f)).collect();
        Self { recovery, kept, round_at: now, done: None }
    }

    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }

    pub(crate) fn list(&self) -> Vec<Firing> {
        self.kept.values().cloned().collect()
    }

    /// The clock was set back by so much.
    pub(crate) fn go_back(&mut self, ms: i64) {
        self.round_at -= ms;
        self.kept.values_mut().for_each(|f| f.until_ms = f.until_ms.map(|until| until - ms));
    }

    /// When firing alerts are to be sent again.
    pub(crate) fn due(&self, now: i64) -> Option<i64> {
        (self.recovery.is_some() && self.kept.values().any(|f| f.fires(now))).then_some(self.round_at)
    }

    /// The next of this round, with their ends.
    pub(crate) fn chunk(&self, now: i64, most: usize) -> Vec<(Alert, i64)> {
        let left = self.kept.iter().filter(|(id, f)| self.done.as_ref().is_none_or(|d| *id > d) && f.fires(now));
        left.take(most).map(|(_, f)| (f.alert.clone(), self.end(f.until_ms, now))).collect()
    }

    /// So many of the chunk were taken.
    pub(crate) fn sent_again(&mut self, covered: usize, most: usize, now: i64) {
        self.kept.retain(|_, f| f.fires(now));
        let chunk = self.chunk(now, most);
        let whole = covered >= chunk.len() && chunk.len() < most;
        self.done = match chunk.get(covered.min(chunk.len()).saturating_sub(1)) {
            Some((alert, _)) if !whole => Some(alert.alert.clone()),
            _ => None,
        };
        if self.done.is_none() {
            self.round_at = now + self.resend();
        }
    }

    /// An alert as it is told: one that is over as it fired, so that it has the same labels.
    pub(crate) fn timed(&self, alert: &Alert, now: i64) -> (Alert, i64) {
        if alert.fired {
            return (alert.clone(), self.end(self.until(alert, now), now));
        }
        let mut told = self.kept.get(&alert.alert).map_or_else(|| alert.clone(), |f| f.alert.clone());
        (told.fired, told.position, told.time_us) = (false, alert.position, alert.time_us);
        (told, alert.time_ms().min(now))
    }

    /// An alert was taken. Gives how many had to be forgotten that an entry would have ended.
    pub(crate) fn taken(&mut self, alert: Alert, now: i64) -> u64 {
        if self.recovery.is_none() {
            return 0;
        }
        if !alert.fired {
            self.kept.remove(&alert.alert);
            return 0;
        }
        if self.kept.is_empty() {
            self.round_at = now + self.resend();
        }
        let until_ms = self.until(&alert, now);
        self.kept.insert(alert.alert.clone(), Firing { alert: shortened(alert), until_ms });
        self.make_room()
    }

    fn make_room(&mut self) -> u64 {
        if self.kept.len() <= MOST {
            return 0;
        }
        // The end that comes first; those without one last, the oldest of them first.
        let key = |f: &Firing| (f.until_ms.unwrap_or(i64::MAX), f.alert.position);
        let first = self.kept.iter().min_by_key(|(_, f)| key(f)).map(|(id, f)| (id.clone(), f.until_ms.is_none()));
        first.map_or(0, |(id, counts)| {
            self.kept.remove(&id);
            u64::from(counts)
        })
    }

    fn until(&self, alert: &Alert, now: i64) -> Option<i64> {
        let after = self.recovery.map_or(0, |r| r.resolve_after_ms);
        // One that is told late fires from when it is told: it would be over before anybody saw it.
        (!alert.recovers()).then(|| match self.kept.get(&alert.alert).and_then(|f| f.until_ms) {
            Some(until) => until,
            None => alert.time_ms().max(now) + after,
        })
    }

    fn end(&self, until: Option<i64>, now: i64) -> i64 {
        until.unwrap_or_else(|| now + MISSED * self.resend())
    }

    fn resend(&self) -> i64 {
        self.recovery.map_or(60_000, |r| r.resend_ms)
    }
}

/// The alert without what is never sent of it: its texts can be of any length, and the state is written with each message.
fn shortened(mut alert: Alert) -> Alert {
    fn shorten(text: &mut String, most: usize) {
        let trimmed = text.trim();
        if let Some((end, _)) = trimmed.char_indices().nth(most) {
            // With something behind blanks, or they would be trimmed away when it is shown.
            *text = format!("{}…", &trimmed[..end]);
        }
    }
    let cut = |text: &mut String| shorten(text, TEXT);
    for pairs in [&mut alert.key, &mut alert.group] {
        pairs.truncate(PAIRS);
        pairs.iter_mut().for_each(|(name, value)| {
            shorten(name, PAIR);
            shorten(value, PAIR);
        });
    }
    [&mut alert.rule, &mut alert.title, &mut alert.store, &mut alert.trail].into_iter().for_each(cut);
    let options =
        [&mut alert.event_id, &mut alert.event_time, &mut alert.actor, &mut alert.event_name, &mut alert.resource];
    options.into_iter().flatten().for_each(cut);
    let options = [&mut alert.window, &mut alert.value, &mut alert.query, &mut alert.remedy];
    options.into_iter().flatten().for_each(cut);
    alert
}

impl Firing {
    fn fires(&self, now: i64) -> bool {
        self.until_ms.is_none_or(|until| until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_has_the_same_labels_and_an_end() {
        for long in [
            format!("{}{}", " ".repeat(9_000), "a b".repeat(90_000)),
            format!("a{}b", " ".repeat(9_000)),
            "中".repeat(150),
        ] {
            kept_alike(&long);
        }
    }

    fn kept_alike(long: &str) {
        let long = || long.to_owned();
        let pairs = || (0..99).map(|n| (format!("{n}{}", long()), long())).collect::<Vec<_>>();
        let alert = Alert {
            title: long(),
            rule: long(),
            store: long(),
            trail: long(),
            actor: Some(long()),
            query: Some(long()),
            key: pairs(),
            group: pairs(),
            ..Alert::default()
        };
        let kept = shortened(alert.clone());
        assert_eq!(crate::encode::alertmanager::labels(&kept), crate::encode::alertmanager::labels(&alert));
        let state = serde_json::to_vec(&kept).map_or(usize::MAX, |json| json.len());
        assert!(state < 32 << 10, "{state}");
    }
}
