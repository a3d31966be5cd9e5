//! `innertrail top`: a live view of a data directory, by the second. Reads files only, beside a run or without one.
//!
//! Must never show a stored text to a terminal as it is.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use innertrail_logstore::Snapshot;
use innertrail_query::terminal_safe;
use serde::Serialize;

use super::args::{Format, TopArgs};
use super::{Failure, Outcome, json_safe, run};
use crate::clock;
use crate::exit;
use crate::status::Status;

/// Time between two frames.
const EVERY: Duration = Duration::from_secs(1);
/// The longest wait between two looks at whether to stop.
const SLICE: Duration = Duration::from_millis(100);
/// Characters of a name.
const NAME: usize = 24;

pub(super) fn run(args: &TopArgs) -> Outcome {
    let live = !args.once && (args.format == Format::Json || io::stdout().is_terminal());
    let stop = run::stop_flag()?;
    let mut before = Sample::take(args)?;
    loop {
        if !rest(&stop) {
            return Ok(exit::OK);
        }
        let after = Sample::take(args)?;
        let frame = Frame::between(&before, &after);
        let mut out = io::stdout().lock();
        match args.format {
            Format::Json => {
                let json = serde_json::to_string(&frame).map_err(io::Error::from)?;
                writeln!(out, "{}", json_safe(&json))?;
            }
            Format::Text if live => out.write_all(redrawn(&frame.text()).as_bytes())?,
            Format::Text => out.write_all(frame.text().as_bytes())?,
        }
        out.flush()?;
        if !live {
            return Ok(exit::OK);
        }
        before = after;
    }
}

/// Waits until the next frame; `false` when it is to stop.
fn rest(stop: &AtomicBool) -> bool {
    let until = Instant::now() + EVERY;
    while Instant::now() < until {
        if stop.load(Ordering::Relaxed) {
            return false;
        }
        std::thread::sleep(SLICE);
    }
    true
}

/// The text over what is there: from the top left, each line cleared to its end, and all below.
fn redrawn(text: &str) -> String {
    format!("\x1b[H{}\x1b[J", text.replace('\n', "\x1b[K\n"))
}

struct Sample {
    at: Instant,
    status: Status,
}

impl Sample {
    fn take(args: &TopArgs) -> Result<Self, Failure> {
        let snapshot = Snapshot::open(&args.data.data_dir).map_err(|e| Failure::Usage(e.into()))?;
        let at = Instant::now();
        let status = Status::of(&snapshot, clock::now_us()).map_err(|e| Failure::Runtime(e.into()))?;
        Ok(Self { at, status })
    }
}

/// A count, and how fast it grows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Rate {
    total: u64,
    per_second: f64,
}

/// One source.
#[derive(Debug, Serialize)]
struct Source {
    state: String,
    records: Rate,
    bytes: Rate,
    #[serde(skip_serializing_if = "Option::is_none")]
    lag_seconds: Option<i64>,
}

/// One sink.
#[derive(Debug, Serialize)]
struct Sink {
    state: String,
    position: Rate,
    behind: u64,
    parked: u64,
    retried: u64,
}

/// One server of the gate.
#[derive(Debug, Serialize)]
struct Gate {
    received: Rate,
    delivered: Rate,
    refused: Rate,
    later: u64,
}

/// One view.
#[derive(Debug, Serialize)]
struct Frame {
    time_ms: i64,
    trail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    rooms: BTreeMap<&'static str, Rate>,
    quarantine: BTreeMap<String, Rate>,
    sources: BTreeMap<String, Source>,
    sinks: BTreeMap<String, Sink>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    gates: BTreeMap<String, Gate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seal_age_seconds: Option<i64>,
    conserved: bool,
}

impl Frame {
    fn between(before: &Sample, after: &Sample) -> Self {
        let seconds = after.at.saturating_duration_since(before.at).as_secs_f64().max(0.001);
        let rate = |old: u64, new: u64| {
            #[allow(clippy::cast_precision_loss)]
            let per_second = new.saturating_sub(old) as f64 / seconds;
            Rate { total: new, per_second: (per_second * 10.0).round() / 10.0 }
        };
        let (old, new) = (&before.status, &after.status);
        let quarantined = |status: &Status| status.quarantine.values().sum();
        let records = |status: &Status| status.sources.values().filter_map(|s| s.counters.get("records")).sum();
        let rooms = [
            ("source", rate(records(old), records(new))),
            ("logstore", rate(old.records, new.records)),
            ("passthrough", rate(old.passthrough, new.passthrough)),
            ("quarantine", rate(quarantined(old), quarantined(new))),
            ("duplicates", rate(old.duplicates, new.duplicates)),
            ("journal", rate(old.journal, new.journal)),
        ];
        let reason =
            |(reason, n): (&String, &u64)| (reason.clone(), rate(old.quarantine.get(reason).copied().unwrap_or(0), *n));
        let source = |(name, source): (&String, &crate::status::SourceStatus)| {
            let was = |counter: &str| old.sources.get(name).and_then(|s| s.counters.get(counter)).copied().unwrap_or(0);
            let is = |counter: &str| source.counters.get(counter).copied().unwrap_or(0);
            let of = |counter: &str| rate(was(counter), is(counter));
            let state = source.state.as_ref().and_then(|s| s["state"].as_str()).unwrap_or("unknown").to_owned();
            let told = Source { state, records: of("records"), bytes: of("bytes_in"), lag_seconds: source.lag_seconds };
            (name.clone(), told)
        };
        let sink = |(name, sink): (&String, &crate::sink::note::Said)| {
            let was = old.sinks.get(name).map_or(sink.position, |sink| sink.position);
            let (state, position) = (sink.state.clone(), rate(was, sink.position));
            (name.clone(), Sink { state, position, behind: sink.behind, parked: sink.parked, retried: sink.retried })
        };
        let gate = |(name, gate): (&String, &crate::gate::GateStatus)| {
            let was = |counter: &str| old.gates.get(name).map_or(0, |gate| gate.count(counter));
            let of = |counter: &str| rate(was(counter), gate.count(counter));
            let later = gate.count("later");
            (name.clone(), Gate { received: of("received"), delivered: of("delivered"), refused: of("refused"), later })
        };
        Self {
            time_ms: clock::now_ms(),
            trail: new.trail.clone(),
            state: new.lifecycle.as_ref().map(|life| life.state),
            rooms: rooms.into(),
            quarantine: new.quarantine.iter().map(reason).collect(),
            sources: new.sources.iter().map(source).collect(),
            sinks: new.sinks.iter().map(sink).collect(),
            gates: new.gates.iter().map(gate).collect(),
            seal_age_seconds: new.seal.as_ref().map(|seal| seal.age_seconds),
            conserved: new.conserved,
        }
    }

    fn text(&self) -> String {
        let mut out = String::new();
        let seal = self.seal_age_seconds.map_or_else(|| "-".to_owned(), |age| format!("{age} s"));
        let conserved = if self.conserved { "yes" } else { "NO" };
        let state = self.state.unwrap_or("never enabled");
        let trail = name(&self.trail);
        let _ = writeln!(out, "innertrail {trail}  {state}  sealed {seal} ago  conserved {conserved}\n");
        let mut row = |what: &str, state: &str, records: Rate, rest: &str| {
            let _ = writeln!(
                out,
                "{what:<34}{:<12}{:>14}{:>12.1}  {}",
                name(state),
                records.total,
                records.per_second,
                terminal_safe(rest)
            );
        };
        for room in ["source", "logstore", "passthrough", "quarantine", "duplicates", "journal"] {
            row(room, "", self.rooms[room], "");
            if room == "quarantine" {
                self.quarantine.iter().for_each(|(reason, rate)| row(&format!("  {}", name(reason)), "", *rate, ""));
            }
        }
        for (source, told) in &self.sources {
            let lag = told.lag_seconds.map_or_else(String::new, |lag| format!(", newest event {lag} s ago"));
            let rest = format!("{:.1} KB/s{lag}", told.bytes.per_second / 1e3);
            row(&format!("source {}", name(source)), &told.state, told.records, &rest);
        }
        for (gate, told) in &self.gates {
            let rest = format!(
                "{} delivered, {} refused, {} to be sent again",
                told.delivered.total, told.refused.total, told.later
            );
            row(&format!("gate {}", name(gate)), "", told.received, &rest);
        }
        for (sink, told) in &self.sinks {
            let rest = format!("{} behind, {} parked, {} tried again", told.behind, told.parked, told.retried);
            row(&format!("sink {}", name(sink)), &told.state, told.position, &rest);
        }
        out
    }
}

/// A name, harmless and not too long.
fn name(text: &str) -> String {
    let safe = terminal_safe(text);
    if safe.chars().count() <= NAME { safe } else { safe.chars().take(NAME - 1).chain(['…']).collect() }
}
