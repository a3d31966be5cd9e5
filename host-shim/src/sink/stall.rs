//! When the journal is told that a sink delivers nothing though records wait, and that it goes on: once a waiting period.
//!
//! What was entered is a checkpoint in the entry's own transaction, so a sink that waits through a restart is told once, and its
//! end is told by whatever run sees it. Must never take a sink that has everything for one that waits.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use innertrail_logstore::State;
use innertrail_logstore::consumer::{Groups, Reader, ReaderOptions};
use innertrail_sink::delivery::group_name;
use serde::{Deserialize, Serialize};

use super::note::Said;
use crate::journal::{Entry, Kind};
use crate::lifecycle::day::rfc3339;

/// Prefix of the checkpoint that holds since when a sink waits, as the journal was told.
const PREFIX: &str = "@waiting/";
/// A run has so long to deliver what a run before it had not, before that is called waiting.
const GRACE: Duration = Duration::from_secs(10);
/// Longest reason that is taken over, characters.
const LONGEST: usize = 1_024;

/// What is durable: since when a sink waits, microseconds UTC; none once it went on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Open {
    since_us: Option<i64>,
}

/// Something to enter, with the checkpoint that belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Turn {
    pub(crate) entry: Entry,
    pub(crate) key: String,
    pub(crate) value: String,
}

/// Where a sink stands when a run begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Begin {
    /// The first record that it has not delivered.
    pub(crate) position: u64,
    /// Since when that record has waited and nothing was delivered, microseconds UTC; none: no record waits.
    pub(crate) waits_us: Option<i64>,
}

/// Now, twice: for spans, and for people.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) at: Instant,
    pub(crate) us: i64,
}

/// One sink.
#[derive(Debug)]
struct Stall {
    /// After so long the journal is told; none: never.
    after: Option<Duration>,
    position: u64,
    /// Records of this run that the receiver took or refused for good. What retention dropped is none of them.
    answered: u64,
    /// Since when nothing was delivered, or nothing waited: in this run, how long before it, and for people.
    from: Instant,
    before: Duration,
    since_us: i64,
    /// The waiting that the journal was told of.
    told_us: Option<i64>,
}

/// All sinks of a run.
#[derive(Debug)]
pub(crate) struct Stalls {
    begun: Instant,
    sinks: BTreeMap<String, Stall>,
    /// Sinks of which the journal was told, and that the configuration does not have any more.
    gone: BTreeMap<String, i64>,
}

impl Begin {
    /// Where the sink's group stands. Without one, or where nothing can be read, nothing is taken for waiting yet.
    pub(crate) fn of(dir: &Path, sink: &str, end: u64) -> Self {
        let groups = Groups::open(dir).ok();
        let group = groups.and_then(|groups| groups.get(&group_name(sink)).ok());
        let Some((cursor, moved_us)) = group.and_then(|group| Some((group.cursor?, group.updated_us))) else {
            return Self { position: end, waits_us: None };
        };
        let received = || Reader::open(dir, ReaderOptions::default()).ok()?.received_at(cursor).ok()?;
        let waits_us = (cursor.seq() < end).then(|| received().map_or(moved_us, |received| received.max(moved_us)));
        Self { position: cursor.seq(), waits_us }
    }
}

impl Stalls {
    /// Sinks with the seconds after which they are told (0: never) and where they stand.
    pub(crate) fn new(sinks: impl IntoIterator<Item = (String, u32, Begin)>, state: &State, now: Now) -> Self {
        let one = |(name, secs, begin): (String, u32, Begin)| {
            let since_us = begin.waits_us.filter(|us| *us <= now.us).unwrap_or(now.us);
            let before = Duration::from_micros(u64::try_from(now.us - since_us).unwrap_or(0));
            let after = (secs > 0).then(|| Duration::from_secs(u64::from(secs)));
            let position = begin.position;
            (name, Stall { after, position, answered: 0, from: now.at, before, since_us, told_us: None })
        };
        let mut stalls = Self { begun: now.at, sinks: sinks.into_iter().map(one).collect(), gone: BTreeMap::new() };
        stalls.again(state);
        stalls
    }

    /// What was told is what is durable: what was about to be is forgotten.
    pub(crate) fn again(&mut self, state: &State) {
        self.gone.clear();
        self.sinks.values_mut().for_each(|stall| stall.told_us = None);
        for (key, value) in &state.checkpoints {
            let Some(name) = key.strip_prefix(PREFIX) else { continue };
            // A value that is none was not written by this program: nothing is open then.
            let open: Open = serde_json::from_slice(value).unwrap_or_default();
            match (self.sinks.get_mut(name), open.since_us) {
                (Some(stall), Some(since_us)) => (stall.told_us, stall.since_us) = (Some(since_us), since_us),
                (None, Some(since_us)) => {
                    self.gone.insert(name.to_owned(), since_us);
                }
                (_, None) => {}
            }
        }
    }

    /// What the journal is to be told, now that a sink says this; `end` is behind the last durable record.
    pub(crate) fn look(&mut self, name: &str, said: &Said, end: u64, now: Now) -> Option<Turn> {
        let stall = self.sinks.get_mut(name)?;
        // One that has no place yet says 0.
        let position = if matches!(said.state.as_str(), "starting" | "held") { stall.position } else { said.position };
        let answered = said.sent.saturating_add(said.parked);
        let came_forward = answered > stall.answered;
        (stall.position, stall.answered) = (position, answered);
        if came_forward || position >= end {
            let told_us = stall.told_us.take();
            (stall.from, stall.before, stall.since_us) = (now.at, Duration::ZERO, now.us);
            return told_us.map(|since_us| resumed(name, since_us, now.us, end.saturating_sub(position), None));
        }
        let here = now.at.saturating_duration_since(stall.from);
        let after = stall.after.filter(|after| stall.before + here >= *after && stall.told_us.is_none())?;
        if now.at.saturating_duration_since(self.begun) < GRACE.min(after) || said.state == "stopped" {
            return None;
        }
        stall.told_us = Some(stall.since_us);
        let why = said.why.as_ref().map(|why| why.chars().take(LONGEST).collect::<String>());
        let entry = Entry::new(Kind::SinkWaiting, "run", now.us)
            .with("sink", name)
            .with("since", rfc3339(stall.since_us))
            .with("waited_secs", (stall.before + here).as_secs())
            .with("state", said.state.as_str())
            .with("why", why)
            .with("position", position)
            .with("behind", end.saturating_sub(position));
        Some(turn(name, entry, Some(stall.since_us)))
    }

    /// Ends the waiting of sinks that are not configured any more: nobody would see it end.
    pub(crate) fn leave(&mut self, now_us: i64) -> Vec<Turn> {
        let gone = std::mem::take(&mut self.gone);
        let why = "the configuration does not have this sink any more";
        gone.into_iter().map(|(name, since_us)| resumed(&name, since_us, now_us, 0, Some(why))).collect()
    }
}

fn resumed(name: &str, since_us: i64, now_us: i64, behind: u64, why: Option<&str>) -> Turn {
    let entry = Entry::new(Kind::SinkResumed, "run", now_us)
        .with("sink", name)
        .with("since", rfc3339(since_us))
        .with("waited_secs", u64::try_from(now_us.saturating_sub(since_us)).unwrap_or(0) / 1_000_000)
        .with("behind", why.is_none().then_some(behind))
        .with("why", why);
    turn(name, entry, None)
}

fn turn(name: &str, entry: Entry, since_us: Option<i64>) -> Turn {
    let value = serde_json::json!(Open { since_us }).to_string();
    Turn { entry, key: format!("{PREFIX}{name}"), value }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_392_000_000_000; // 2026-11-23T00:00:00Z

    struct Clock(Instant);

    impl Clock {
        fn at(&self, seconds: u64) -> Now {
            Now { at: self.0 + Duration::from_secs(seconds), us: NOW + i64::try_from(seconds).unwrap() * 1_000_000 }
        }
    }

    fn said(state: &str, position: u64, sent: u64) -> Said {
        Said { state: state.to_owned(), position, sent, why: Some("refused".to_owned()), ..Said::default() }
    }

    fn stalls(clock: &Clock, at: u64, begin: Begin, state: &State) -> Stalls {
        Stalls::new([("siem".to_owned(), 300, begin)], state, clock.at(at))
    }

    /// What was committed with an entry.
    fn keep(state: &mut State, turn: &Turn) {
        state.checkpoints.insert(turn.key.clone(), turn.value.clone().into_bytes());
    }

    /// The story: an agent was away for a night. The log had a line about it, and nobody reads logs at night.
    #[test]
    fn a_long_wait_is_entered_once_and_so_is_its_end() {
        let clock = Clock(Instant::now());
        let mut stalls = stalls(&clock, 0, Begin::default(), &State::default());
        let mut turns = Vec::new();
        for second in 0..8 * 3600 {
            // Nothing waits in the first minute.
            let end = if second < 60 { 0 } else { 270 };
            turns.extend(stalls.look("siem", &said("waiting", 0, 0), end, clock.at(second)));
        }
        turns.extend(stalls.look("siem", &said("running", 100, 100), 270, clock.at(8 * 3600)));
        let told: Vec<String> = turns.iter().map(|turn| format!("{} {}", turn.entry.json(), turn.value)).collect();
        insta::assert_snapshot!(told.join("\n"));
    }

    /// The story: each restart of a run whose agent was away would have told people once more, or, with a restart every few
    /// minutes, nobody ever.
    #[test]
    fn a_wait_goes_over_restarts_and_is_entered_once() {
        let (clock, mut state) = (Clock(Instant::now()), State::default());
        let waits = Begin { position: 7, waits_us: Some(NOW) };
        let mut turns = Vec::new();
        for run in 0..20 {
            let mut stalls = stalls(&clock, run * 60, waits, &state);
            for second in run * 60..run * 60 + 50 {
                if let Some(turn) = stalls.look("siem", &said("waiting", 7, 0), 9, clock.at(second)) {
                    keep(&mut state, &turn);
                    turns.push((second, turn));
                }
            }
        }
        assert_eq!(turns.len(), 1, "{turns:?}");
        assert_eq!((turns[0].0, turns[0].1.entry.kind()), (310, Kind::SinkWaiting), "with the grace of its run");
        // The run that sees it deliver says so, with the same beginning.
        let mut stalls = stalls(&clock, 2_000, waits, &state);
        let end = stalls.look("siem", &said("caught_up", 9, 2), 9, clock.at(2_001)).unwrap();
        assert!(end.entry.json().contains("\"since\":\"2026-11-23T00:00:00Z\""), "{}", end.entry.json());
        keep(&mut state, &end);
        assert!(Stalls::new([], &state, clock.at(0)).leave(NOW).is_empty(), "it is over");
    }

    #[test]
    fn what_delivers_or_has_everything_does_not_wait() {
        let clock = Clock(Instant::now());
        let mut stalls = stalls(&clock, 0, Begin::default(), &State::default());
        for second in 0..3_600 {
            // It fails most of the time, and one record gets through every four minutes.
            let taken = second / 240;
            assert_eq!(stalls.look("siem", &said("waiting", taken, taken), 5_000, clock.at(second)), None, "{second}");
        }
        for second in 3_600..7_200 {
            assert_eq!(stalls.look("siem", &said("caught_up", 5_000, 20), 5_000, clock.at(second)), None);
        }
        // What retention drops is not delivered, though the position passes it.
        let turn = (7_200..7_600).find_map(|s| stalls.look("siem", &said("waiting", s, 20), 9_000, clock.at(s)));
        assert!(turn.unwrap().entry.json().contains("\"state\":\"waiting\""));
        assert!(stalls.look("siem", &said("caught_up", 9_000, 21), 9_000, clock.at(7_700)).is_some());
        // Another process holds its place: it does not know its own.
        let turn = (7_700..8_100).find_map(|s| stalls.look("siem", &said("held", 0, 21), 9_001, clock.at(s)));
        assert!(turn.unwrap().entry.json().contains("\"state\":\"held\""));
        let mut never = Stalls::new([("siem".to_owned(), 0, Begin::default())], &State::default(), clock.at(0));
        assert!((0..9_999).all(|s| never.look("siem", &said("waiting", 0, 0), 9, clock.at(s)).is_none()), "0 is never");
    }

    #[test]
    fn what_was_not_committed_is_told_again_and_a_sink_that_is_gone_waits_no_more() {
        let (clock, mut state) = (Clock(Instant::now()), State::default());
        let mut stalls = stalls(&clock, 0, Begin::default(), &state);
        let first = stalls.look("siem", &said("waiting", 0, 0), 9, clock.at(300)).unwrap();
        assert_eq!(stalls.look("siem", &said("waiting", 0, 0), 9, clock.at(301)), None);
        // The disk was full, and the transaction is forgotten.
        stalls.again(&state);
        let second = stalls.look("siem", &said("waiting", 0, 0), 9, clock.at(302)).unwrap();
        assert_eq!(first.value, second.value);
        keep(&mut state, &second);
        let mut without = Stalls::new([], &state, clock.at(400));
        let turns = without.leave(clock.at(400).us);
        assert_eq!((turns.len(), turns[0].entry.kind()), (1, Kind::SinkResumed));
        assert!(without.leave(0).is_empty());
    }
}
