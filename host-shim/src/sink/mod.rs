//! Sinks beside a run: starts one delivery a sink, hears how it goes, stops it.
//!
//! Must never keep a source waiting: a delivery has a thread and a position of its own, and reads what is durable.

pub(crate) mod build;
pub(crate) mod note;
pub(crate) mod parking;
pub(crate) mod stall;
pub(crate) mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use innertrail_logstore::consumer::Notify;
use innertrail_logstore::{State, Store};
use innertrail_sink::delivery::{self, Delivery, Mark, Parking, Place, Report, Running, Settings, Start};

use crate::clock;
use crate::config::Config;
use crate::config::sinks::Beginning;
use crate::seal_mark::SealKey;
use note::{Note, Said};
use stall::{Begin, Now, Stalls, Turn};
use watch::{Watch, Weight, Word};

/// Who holds a sink's group during a run. One process at a time: it is the one that has the data directory's lock.
pub(crate) const CONSUMER: &str = "run";

/// How often the reports of deliveries are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often they are noted for `status` though nothing changed.
const NOTE_EVERY: Duration = Duration::from_secs(5);
/// How long a sink that cannot deliver is waited for when everything else is done.
const PATIENCE: Duration = Duration::from_secs(30);

/// The deliveries of a run.
pub(crate) struct Sinks {
    dir: PathBuf,
    notify: Notify,
    ready: Vec<Delivery>,
    running: Vec<Running>,
    said: BTreeMap<String, Said>,
    watch: Watch,
    stalls: Stalls,
    /// What the journal is to be told.
    turns: Vec<Turn>,
    /// Behind the last durable record.
    end: u64,
    looked: Option<Instant>,
    noted: Option<Instant>,
    /// Since when a sink has stood still while it is waited for.
    stuck: BTreeMap<String, Instant>,
}

/// How a delivery behaves by configuration.
pub(crate) fn settings(options: &crate::config::sinks::Delivery) -> Settings {
    let defaults = Settings::default();
    let longest = Duration::from_secs(u64::from(options.retry_max_secs));
    let max_records = usize::try_from(options.max_records).unwrap_or(usize::MAX);
    // A request may take ten minutes by configuration: nobody else may take the group meanwhile.
    Settings { max_records, retry: (defaults.retry.0, longest), lease: Duration::from_secs(900), ..defaults }
}

/// Makes seal marks under the trail's key.
pub(crate) fn mark(key: SealKey) -> Mark {
    Arc::new(move |seq, bytes| key.mark(seq, bytes))
}

impl Sinks {
    /// Deliveries of these senders, none started yet.
    pub(crate) fn new(
        config: &Config,
        senders: Vec<build::Named>,
        key: &SealKey,
        state: &State,
        parking: impl Fn() -> Box<dyn Parking>,
    ) -> Self {
        let notify = Notify::new();
        let ready = senders.into_iter().filter_map(|(name, sender)| {
            let options = config.sinks.get(&name)?.delivery();
            let start = match options.from {
                Beginning::Begin => Start::Begin,
                Beginning::End => Start::End,
            };
            let (dir, consumer, notify) = (config.data_dir.clone(), CONSUMER.to_owned(), Some(notify.clone()));
            let place = Place { name, dir, consumer, notify, start };
            Some(Delivery::new(place, settings(options), sender, parking(), mark(key.clone())))
        });
        let end = state.next(Store::Log);
        let stalls = config.sinks.iter().map(|(name, sink)| {
            let options = sink.delivery();
            (name.clone(), options.waiting_alert_secs, Begin::of(&config.data_dir, name, end))
        });
        Self {
            stalls: Stalls::new(stalls, state, now()),
            turns: Vec::new(),
            end,
            dir: config.data_dir.clone(),
            ready: ready.collect(),
            notify,
            running: Vec::new(),
            said: BTreeMap::new(),
            watch: Watch::default(),
            looked: None,
            noted: None,
            stuck: BTreeMap::new(),
        }
    }

    /// Starts those that are not.
    pub(crate) fn start(&mut self) -> Result<(), innertrail_sink::delivery::DeliveryError> {
        for delivery in self.ready.drain(..) {
            self.running.push(delivery.spawn()?);
        }
        Ok(())
    }

    /// What they hear by of what is durable, for others who read along.
    pub(crate) fn notify(&self) -> Notify {
        self.notify.clone()
    }

    /// Tells them what is durable.
    pub(crate) fn committed(&mut self, state: &State) {
        self.end = state.next(Store::Log);
        self.notify.committed(state);
    }

    /// Looks at the reports when it is time; gives what is to be told of them, and notes what changed for `status`.
    pub(crate) fn look(&mut self, at_once: bool) -> Vec<(String, Word)> {
        let recent = |at: Option<Instant>, every| at.is_some_and(|at| at.elapsed() < every);
        self.turns.extend(self.stalls.leave(clock::now_us()));
        if self.running.is_empty() || (!at_once && recent(self.looked, LOOK_EVERY)) {
            return Vec::new();
        }
        self.looked = Some(Instant::now());
        let (mut told, mut changed) = (Vec::new(), false);
        for report in self.running.iter().map(|running| running.status().report()) {
            let before = self.said.get(&report.name);
            let now = Said::of(&report, before, clock::now_us());
            let words = self.watch.look(&report.name, before, &now, Instant::now());
            self.turns.extend(self.stalls.look(&report.name, &now, self.end, self::now()));
            told.extend(words.into_iter().map(|word| (report.name.clone(), word)));
            if before != Some(&now) {
                changed = true;
                self.said.insert(report.name, now);
            }
        }
        if changed || at_once || !recent(self.noted, NOTE_EVERY) {
            self.noted = Some(Instant::now());
            let note = Note { at_us: clock::now_us(), sinks: self.said.clone() };
            if let Err(e) = note.write(&self.dir) {
                let text = format!("`innertrail status` cannot show the sinks: {e}");
                told.push(("status".to_owned(), Word { weight: Weight::Detail, text }));
            }
        }
        told
    }

    /// What the journal is to be told since this was asked last, each with the checkpoint that belongs to it.
    pub(crate) fn turns(&mut self) -> Vec<Turn> {
        std::mem::take(&mut self.turns)
    }

    /// What was to be entered may be forgotten: what is durable counts.
    pub(crate) fn again(&mut self, state: &State) {
        self.turns.clear();
        self.stalls.again(state);
    }

    /// The reports as they were looked at last.
    pub(crate) fn said(&self) -> &BTreeMap<String, Said> {
        &self.said
    }

    /// Whether every sink has taken what is before `end`, or is given up.
    pub(crate) fn done(&mut self, end: u64) -> bool {
        let mut done = true;
        for running in &self.running {
            let report = running.status().report();
            if reached(&report, end) || running.is_finished() {
                self.stuck.remove(&report.name);
                continue;
            }
            let stands = matches!(
                report.state,
                delivery::State::Waiting { .. } | delivery::State::Held { .. } | delivery::State::Starting
            );
            if !stands {
                self.stuck.remove(&report.name);
                done = false;
            } else if self.stuck.entry(report.name).or_insert_with(Instant::now).elapsed() < PATIENCE {
                done = false;
            }
        }
        done
    }

    /// What has not got everything before `end`, and why.
    pub(crate) fn undelivered(&self, end: u64) -> Vec<String> {
        let reports = self.running.iter().map(|running| running.status().report());
        reports
            .filter(|report| !reached(report, end))
            .map(|report| {
                let why = self.said.get(&report.name).map(Said::told).unwrap_or_default();
                format!("sink {} is at record {} of {end}: {why}", report.name, report.position)
            })
            .collect()
    }

    /// Sinks that ended by an error of their own.
    pub(crate) fn failed(&self) -> Vec<String> {
        let failed = |report: Report| match report.state {
            delivery::State::Failed { why } => Some(format!("sink {} failed: {why}", report.name)),
            _ => None,
        };
        self.running.iter().filter_map(|running| failed(running.status().report())).collect()
    }

    /// Tells all to stop; each does after its request under way, and stores its position.
    pub(crate) fn stop(&self) {
        self.running.iter().for_each(Running::stop);
    }

    /// Whether all have stopped.
    pub(crate) fn stopped(&self) -> bool {
        self.running.iter().all(Running::is_finished)
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_empty() && self.ready.is_empty()
    }
}

fn now() -> Now {
    Now { at: Instant::now(), us: clock::now_us() }
}

fn reached(report: &Report, end: u64) -> bool {
    report.position >= end
}
