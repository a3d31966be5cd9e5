//! What the Logstore counts, told to people and programs: `innertrail status` and the summary of `innertrail run`.
//!
//! Every number comes from the Logstore's own durable counters; nothing is kept on the side.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use innertrail_logstore::{Error, Snapshot, State, Store};
use innertrail_query::terminal_safe;
use serde::Serialize;

use crate::alerting::note::{Note as AlertsNote, Said as Evaluated};
use crate::channels::note::{Note as ChannelsNote, Said as Told};
use crate::gate::note as gates;
use crate::gate::{GateStatus, LastAnswer};
use crate::lag;
use crate::lifecycle::day::rfc3339;
use crate::lifecycle::standstill::Standstill;
use crate::lifecycle::told::{Kept, Life, PausedSource, Sealed};
use crate::lifecycle::{self, told};
use crate::mirror::note::{self as mirror, Said as Copied};
use crate::sink::note::{Note, Said};

/// Prefix of the counters of quarantine reasons.
pub const REASON: &str = "reason.";
/// Prefix of a source's counters.
pub const SOURCE: &str = "source.";
/// Bytes between records: blanks, commas, brackets.
pub const FRAMING_BYTES: &str = "framing.bytes";
/// Values that were masked.
pub const REDACTED: &str = "redacted";
/// Keys that stood twice.
pub const DUPLICATE_KEYS: &str = "duplicate_keys";
/// Prefix of the checkpoint that holds a source's state.
pub const STATE: &str = "@state/";
/// Checkpoint that holds the transform's configuration of the last run, for `explain` and `tail`.
pub const TRANSFORM: &str = "@config/transform";

/// One source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SourceStatus {
    /// State and since when, as the source last said it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<serde_json::Value>,
    /// Time of the newest event that it gave, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest_event: Option<String>,
    /// How long ago that is, seconds. A source that has read everything grows older too, until something happens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_seconds: Option<i64>,
    /// `bytes_in`, `records`, `files`, `objects_checked` and what did not match.
    #[serde(flatten)]
    pub counters: BTreeMap<String, u64>,
}

/// Where the input's bytes went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Bytes {
    /// Input, decompressed.
    pub input: u64,
    /// Of records in the dedicated Logstore.
    pub dedicated: u64,
    /// Of records passed through.
    pub passthrough: u64,
    /// Of records in quarantine.
    pub quarantine: u64,
    /// Of records that were there already.
    pub duplicates: u64,
    /// Between records.
    pub framing: u64,
}

/// The whole status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Name of the trail.
    pub trail: String,
    /// Name of the dedicated Logstore.
    pub logstore: String,
    /// Enabled, paused or disabled; retention and holds. None of a Logstore that was never enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Life>,
    /// Entries in the journal.
    pub journal: u64,
    /// What of each store is there. `innertrail status` only.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub kept: BTreeMap<&'static str, Kept>,
    /// How far the newest checkpoint reaches. `innertrail status` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seal: Option<Sealed>,
    /// Records in the dedicated Logstore.
    pub records: u64,
    /// Records passed through.
    pub passthrough: u64,
    /// Records in quarantine, by reason.
    pub quarantine: BTreeMap<String, u64>,
    /// Events that were there already.
    pub duplicates: u64,
    /// Values that were masked.
    pub redacted: u64,
    /// Keys that stood twice in one object.
    pub duplicate_keys: u64,
    /// The sources.
    pub sources: BTreeMap<String, SourceStatus>,
    /// What each server of the gate did.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub gates: BTreeMap<String, GateStatus>,
    /// What each sink is doing, or was when its run ended. `innertrail status` only.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sinks: BTreeMap<String, Said>,
    /// What the mirror is doing, or was when its run ended. `innertrail status` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<Copied>,
    /// What the evaluation of alert rules is doing, or was when its run ended. `innertrail status` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alerts: Option<Evaluated>,
    /// What each channel is doing, or was when its run ended. `innertrail status` only.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub channels: BTreeMap<String, Told>,
    /// Where the input's bytes went.
    pub bytes: Bytes,
    /// Whether every input byte is accounted for (invariant I7).
    pub conserved: bool,
    /// What people are told of the lifecycle.
    #[serde(skip)]
    life_lines: Vec<(String, String)>,
}

impl Status {
    /// Reads the counters, and adds what only the files tell: what is kept, and how far it is sealed.
    ///
    /// # Errors
    /// The Logstore's.
    pub fn of(snapshot: &Snapshot, now_us: i64) -> Result<Self, Error> {
        let mut status = Self::new(snapshot.trail(), snapshot.state());
        for store in Store::ALL {
            if let Some(kept) = Kept::of(snapshot, store)? {
                status.kept.insert(store.name(), kept);
            }
        }
        if let Some(standing) = Standstill::read(snapshot.dir()) {
            status.stands_still(&standing);
        }
        for (name, newest_us) in lag::newest(snapshot.state()) {
            if let Some(source) = status.sources.get_mut(&name) {
                source.lag_seconds = Some(now_us.saturating_sub(newest_us).div_euclid(1_000_000));
            }
        }
        status.sinks = Note::read(snapshot.dir(), now_us);
        status.mirror = mirror::Note::read(snapshot.dir(), now_us);
        status.alerts = AlertsNote::read(snapshot, now_us);
        status.channels = ChannelsNote::read(snapshot.dir(), now_us);
        // Right after a writer was killed in a rotation there is none; that is no reason to say nothing.
        status.seal = snapshot.checkpoint().ok().and_then(|note| Sealed::of(&note, now_us));
        Ok(status)
    }

    /// The Logstore itself cannot be told that there is no room; a note beside it can.
    fn stands_still(&mut self, standing: &Standstill) {
        if let Some(life) = &mut self.lifecycle {
            life.state = "paused";
            life.paused.extend(self.sources.keys().map(|source| (source.clone(), PausedSource::full(standing))));
        }
        self.life_lines.retain(|(name, _)| name != "state");
        self.life_lines.insert(0, ("state".to_owned(), standing.told()));
    }

    /// Reads the counters.
    #[must_use]
    pub fn new(trail: &str, state: &State) -> Self {
        let count = |name: &str| state.counter(name);
        let (sources, gates) = (sources(state), gates::read(state));
        let refused: u64 = gates.values().map(|gate| gate.count("bytes_in")).sum();
        let bytes = Bytes {
            input: sources.values().filter_map(|s| s.counters.get("bytes_in")).sum::<u64>() + refused,
            dedicated: count("log.bytes"),
            passthrough: count("passthrough.bytes"),
            quarantine: count("quarantine.bytes"),
            duplicates: count("duplicates.bytes"),
            framing: count(FRAMING_BYTES),
        };
        let out = bytes.dedicated + bytes.passthrough + bytes.quarantine + bytes.duplicates + bytes.framing;
        let quarantine: BTreeMap<String, u64> =
            state.counters.iter().filter_map(|(name, n)| Some((name.strip_prefix(REASON)?.to_owned(), *n))).collect();
        let reasons: u64 = quarantine.values().sum();
        let life = lifecycle::State::read(state);
        let life_lines = match &life {
            Ok(Some(life)) => told::lines(life),
            Ok(None) => vec![("state".to_owned(), "never enabled".to_owned())],
            Err(error) => vec![("state".to_owned(), format!("unknown: {error}"))],
        };
        Self {
            trail: trail.to_owned(),
            logstore: format!("innertrail_{trail}"),
            lifecycle: life.ok().flatten().as_ref().map(Life::new),
            journal: count("journal.records"),
            kept: BTreeMap::new(),
            seal: None,
            life_lines,
            records: count("log.records"),
            passthrough: count("passthrough.records"),
            conserved: bytes.input == out && reasons == count("quarantine.records"),
            quarantine,
            duplicates: count("duplicates.records"),
            redacted: count(REDACTED),
            duplicate_keys: count(DUPLICATE_KEYS),
            sources,
            gates,
            sinks: BTreeMap::new(),
            mirror: None,
            alerts: None,
            channels: BTreeMap::new(),
            bytes,
        }
    }

    /// The status in lines for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = String::new();
        let mut line = |name: &str, value: &dyn std::fmt::Display| {
            let _ = writeln!(out, "{name:<22}{value}");
        };
        line("dedicated Logstore", &self.logstore);
        for (name, value) in &self.life_lines {
            line(name, value);
        }
        if let Some(kept) = self.kept.get("log") {
            line("kept", &format!("{} records, {} to {}", kept.records, kept.first_day, kept.last_day));
        }
        if let Some(seal) = &self.seal {
            line("sealed", &seal.told());
        }
        line("journal", &format!("{} entries", self.journal));
        line("records", &self.records);
        line("passed through", &self.passthrough);
        line("in quarantine", &self.quarantine.values().sum::<u64>());
        for (reason, count) in &self.quarantine {
            line(&format!("  {reason}"), count);
        }
        line("duplicates dropped", &self.duplicates);
        line("values masked", &self.redacted);
        for (name, source) in &self.sources {
            let state = source.state.as_ref().and_then(|s| s.get("state")?.as_str()).unwrap_or("unknown");
            line(&format!("source {name}"), &state);
            if let Some(newest) = &source.newest_event {
                line("  newest event", newest);
            }
            for (counter, count) in &source.counters {
                line(&format!("  {counter}"), count);
            }
        }
        for (name, gate) in &self.gates {
            let count = |counter| gate.count(counter);
            line(&format!("gate {name}"), &format!("{} events received", count("received")));
            line("  passed", &format!("{} delivered, {} refused", count("delivered"), count("refused")));
            let (requests, later, never) = (count("requests"), count("later"), count("never"));
            line("  requests", &format!("{requests}, {later} to be sent again, {never} never to be taken"));
            if let Some(LastAnswer { at_us, why }) = &gate.last_answer {
                let why = why.as_ref().map_or_else(|| "taken".to_owned(), |why| terminal_safe(why));
                line("  last answer", &format!("{}: {why}", rfc3339(*at_us)));
            }
        }
        for (name, sink) in &self.sinks {
            line(&format!("sink {name}"), &sink.told());
            line("  position", &format!("{}, {} behind", sink.position, sink.behind));
            let Said { sent, retried, parked, missed, .. } = sink;
            line("  in that run", &format!("{sent} sent, {retried} tried again, {parked} parked, {missed} missed"));
            if let Some(at) = sink.last_answer_us {
                line("  last answer", &rfc3339(at));
            }
        }
        for (name, value) in self.mirror.iter().flat_map(Copied::lines) {
            line(name, &value);
        }
        for (name, value) in self.alerts.iter().flat_map(Evaluated::lines) {
            line(name, &value);
        }
        for (name, channel) in &self.channels {
            line(&format!("  channel {name}"), &channel.line());
        }
        let b = &self.bytes;
        let sum = format!(
            "{} in = {} dedicated + {} passed through + {} quarantine + {} duplicates + {} framing",
            b.input, b.dedicated, b.passthrough, b.quarantine, b.duplicates, b.framing
        );
        line("bytes", &sum);
        line("conserved", if self.conserved { &"yes" } else { &"NO: bytes are missing or counted twice; report this" });
        out
    }
}

/// The counters `<prefix><name>.<counter>`: name, counter, count.
pub(crate) fn counters<'a>(state: &'a State, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str, u64)> {
    state.counters.iter().filter_map(move |(key, count)| {
        let (name, counter) = key.strip_prefix(prefix)?.rsplit_once('.')?;
        Some((name, counter, *count))
    })
}

fn sources(state: &State) -> BTreeMap<String, SourceStatus> {
    let mut sources: BTreeMap<String, SourceStatus> = BTreeMap::new();
    for (source, counter, count) in counters(state, SOURCE) {
        sources.entry(source.to_owned()).or_default().counters.insert(counter.to_owned(), count);
    }
    for (key, value) in &state.checkpoints {
        if let Some(source) = key.strip_prefix(STATE) {
            sources.entry(source.to_owned()).or_default().state = serde_json::from_slice(value).ok();
        }
    }
    for (name, newest_us) in lag::newest(state) {
        sources.entry(name).or_default().newest_event = Some(rfc3339(newest_us));
    }
    sources
}
