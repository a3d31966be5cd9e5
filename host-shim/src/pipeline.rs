//! The one file that wires the rooms together: source → transform → Logstore.
//!
//! A checkpoint goes into the same transaction as the records it covers, so it never passes the last durable record
//! (I2), and a crash at any moment leaves counts as if it had not been. Nothing is acknowledged before the fsync (I1).

mod abandon;
mod alerts;
mod api;
mod committer;
mod full;
mod gates;
mod meter;
pub(crate) mod network;
mod open;
mod show;
mod sinks;
mod steps;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use innertrail_logstore::Transaction;

use crate::alerting::Alerting;
use crate::api::{ApiServer, Asked, Untold};
use crate::channels::Channels;
use crate::clock;
use crate::config::Config;
use crate::console::ConsoleServer;
use crate::fetch::cloud::Plan;
use crate::gate::server::Refusal;
use crate::lag::Lag;
use crate::lifecycle::Custody;
use crate::metrics::{Board, Server};
use crate::mirror::Mirror;
pub use crate::notice::{Notice, PipelineError};
use crate::running::{Answer, Next, Running};
use crate::runtime::{Bisector, LoadedComponent, RunStats};
use crate::setup::HostNative;
use crate::sink::Sinks;
use crate::sink::parking::Parked;
use crate::status::Status;
use crate::tap::Tap;
use committer::{Committer, Emits};
use gates::Gates;
use meter::Meter;
use network::Network;

/// A mirror that outlives its pipeline.
#[derive(Debug)]
pub struct Copying(Mirror);

impl Copying {
    /// Waits until everything is copied, the bucket takes nothing for long, or `stop` is set; gives what is not copied, and why.
    pub fn finish(self, stop: &AtomicBool, tell: &mut dyn FnMut(Notice<'_>)) -> Option<String> {
        self.0.finish(stop, &mut |word| tell(Notice::Mirror(word)))
    }
}

/// Longest sleep between two looks at whether to stop.
const NAP: Duration = Duration::from_millis(50);

/// What the threads beside the pipeline have to tell.
enum Event {
    /// An answer for the source at this place, from its client of this generation.
    Answer { place: usize, generation: u64, done: innertrail_fetch::Done },
    /// The writer is back.
    Committed,
    /// A sink has something to keep.
    Park(Parked),
    /// A server of the gate refused something.
    Gate(Refusal),
    /// The API asks for something.
    Api(Asked),
}

/// The rooms, wired.
pub struct Pipeline {
    config: Config,
    component: LoadedComponent,
    bisector: Bisector,
    native: HostNative,
    committer: Committer,
    custody: Custody,
    told: Vec<String>,
    txn: Transaction,
    begun: Instant,
    failed: BTreeMap<String, String>,
    /// What each source said last of itself.
    states: BTreeMap<String, (&'static str, Option<String>)>,
    /// How far the frames of each source's session have come.
    emits: BTreeMap<String, Emits>,
    /// What the clients did.
    meters: BTreeMap<String, Meter>,
    /// How new the newest event of each source is.
    lag: Lag,
    events: Receiver<Event>,
    post: Sender<Event>,
    sinks: Sinks,
    gates: Gates,
    /// What copies to a bucket, when it is wanted.
    mirror: Option<Mirror>,
    /// What evaluates the alert rules, when it is wanted.
    alerting: Option<Alerting>,
    /// Who is told of what fires, when somebody is.
    channels: Option<Channels>,
    /// What `/metrics` shows, when it is wanted.
    board: Option<Arc<Board>>,
    /// For `innertrail tap`.
    tap: Option<Tap>,
    _server: Option<Server>,
    /// What SDKs read from, when it is wanted.
    api: Option<ApiServer>,
    /// What browsers look at, when it is wanted.
    console: Option<ConsoleServer>,
    /// Changes of the API's keys that are not in the journal yet.
    untold: Untold,
    /// Sinks and servers of the gate that wait for what is in the open transaction, and in the one on its way.
    parked: [Vec<Sender<()>>; 2],
    undelivered: Vec<String>,
    /// Set when it is to end.
    stop: Arc<AtomicBool>,
}

impl Pipeline {
    /// The Logstore's counters, as of the last commit.
    #[must_use]
    pub fn status(&self) -> Status {
        let nothing = innertrail_logstore::State::default();
        Status::new(&self.config.trail, self.committer.state().unwrap_or(&nothing))
    }

    /// What the component did wrong so far.
    #[must_use]
    pub fn component_stats(&self) -> RunStats {
        self.bisector.stats()
    }

    /// Sources that ended in failure, and why.
    #[must_use]
    pub fn failed(&self) -> &BTreeMap<String, String> {
        &self.failed
    }

    /// What is wrong with sinks: those that failed, and those that had not got everything when all else was done.
    #[must_use]
    pub fn undelivered(&self) -> &[String] {
        &self.undelivered
    }

    /// Runs all sources until they are finished, or with the API or a server of the gate until `stop` is set, then makes everything
    /// durable.
    ///
    /// # Errors
    /// See [`PipelineError`].
    pub fn run(&mut self, stop: &Arc<AtomicBool>, tell: &mut dyn FnMut(Notice<'_>)) -> Result<(), PipelineError> {
        self.stop = Arc::clone(stop);
        let names: Vec<String> = self.config.sources.keys().cloned().collect();
        let mut sources = Vec::with_capacity(names.len());
        for (place, name) in names.into_iter().enumerate() {
            sources.push(self.start(place, name)?);
        }
        self.told.drain(..).for_each(|line| tell(Notice::Logstore(line)));
        self.start_alerts()?;
        self.sinks.start()?;
        self.gates.start()?;
        if let Some(mirror) = &mut self.mirror {
            let post = self.post.clone();
            mirror.start(move |parked| post.send(Event::Park(parked)).is_ok()).map_err(PipelineError::Mirror)?;
        }
        let result = loop {
            match self.work(&mut sources, tell) {
                Err(error) if error.is_disk_full() => {
                    if let Err(error) = self.stand_still(&mut sources, tell) {
                        break Err(error);
                    }
                }
                other => break other,
            }
        };
        self.sinks.stop();
        self.look_at_sinks(true, tell);
        self.look_at_mirror(true, tell);
        self.look_at_alerts(true, tell);
        result
    }

    /// The mirror, to be waited for once the Logstore is closed: only then everything is sealed.
    #[must_use]
    pub fn take_mirror(&mut self) -> Option<Copying> {
        self.mirror.take().map(Copying)
    }

    /// Turns until all sources are finished or it is to stop, then makes everything durable.
    fn work(&mut self, sources: &mut [Running], tell: &mut dyn FnMut(Notice<'_>)) -> Result<(), PipelineError> {
        self.keep_up(tell)?;
        let result = self.turns(sources, tell);
        self.meter_all();
        match result {
            Err(error) if error.is_disk_full() => Err(error),
            other => other.and(self.settle(tell)),
        }
    }

    /// Whether somebody may come at any time.
    fn serves(&self) -> bool {
        self.api.is_some() || self.console.is_some() || !self.gates.is_empty()
    }

    fn turns(&mut self, sources: &mut [Running], tell: &mut dyn FnMut(Notice<'_>)) -> Result<(), PipelineError> {
        let going = |s: &Running| !matches!(s.next, Next::Over);
        while !self.stop.load(Ordering::Relaxed) && (self.serves() || sources.iter().any(going)) {
            self.turn(sources, tell)?;
        }
        self.stop_gates(sources, tell)?;
        if !self.sinks.is_empty() {
            self.drain_sinks(sources, tell)?;
        }
        self.drain_alerts(sources, tell)?;
        self.drain_channels(sources, tell)?;
        self.stop_api(sources, tell)
    }

    fn start(&mut self, place: usize, name: String) -> Result<Running, PipelineError> {
        let failed = |error| PipelineError::Network { source_name: name.clone(), error };
        let plan = self.config.sources.get(&name).map(Plan::of).transpose().map_err(failed)?.flatten();
        let network = plan.map(|plan| Network::new(plan, place, self.post.clone())).transpose().map_err(failed)?;
        if let Some(network) = &network {
            self.meters.insert(name.clone(), Meter::new(network.client()));
        }
        let session = self.session(&name, None)?;
        Ok(Running::new(name, session, network))
    }

    /// Seals what is in the write-ahead log into segments and lets the Logstore go.
    ///
    /// # Errors
    /// See [`PipelineError`].
    pub fn close(self) -> Result<(), PipelineError> {
        match self.committer.into_writer() {
            Some(writer) => Ok(writer.close(clock::now_us())?),
            None => Ok(()),
        }
    }

    /// One step of every source that is ready; a nap when none is.
    fn turn(&mut self, sources: &mut [Running], tell: &mut dyn FnMut(Notice<'_>)) -> Result<(), PipelineError> {
        while let Ok(event) = self.events.try_recv() {
            self.hear(event, sources, tell)?;
        }
        self.look_at_sinks(false, tell);
        self.look_at_mirror(false, tell);
        self.look_at_alerts(false, tell);
        self.count_gates(false, tell);
        self.look_at_keys();
        self.show();
        let mut idle = true;
        for source in sources.iter_mut() {
            if let Some(answer) = self.ready(source) {
                idle = false;
                self.step(source, answer, tell)?;
            }
        }
        let interval = Duration::from_millis(self.config.logstore.commit_interval_ms);
        if idle || self.begun.elapsed() >= interval {
            self.begin_commit(tell)?;
        }
        if self.custody.is_due(clock::now_us()) {
            self.settle(tell)?;
        }
        self.keep_up(tell)?;
        if idle && !self.stop.load(Ordering::Relaxed) && !self.has_durable_news(sources) {
            let due = sources.iter().filter_map(|s| match s.next {
                Next::Wake(due) => Some(due.saturating_duration_since(Instant::now())),
                _ => None,
            });
            if let Ok(event) = self.events.recv_timeout(due.min().unwrap_or(NAP).min(NAP)) {
                self.hear(event, sources, tell)?;
            }
        }
        Ok(())
    }

    /// What happened to a source that it can be told now.
    fn ready(&mut self, source: &mut Running) -> Option<Answer> {
        match std::mem::replace(&mut source.next, Next::Listen) {
            Next::Step(answer) => return Some(*answer),
            Next::Wake(due) if source.network.is_none() && due <= Instant::now() => return Some(Answer::Woke),
            Next::Over => {
                source.next = Next::Over;
                return None;
            }
            waiting => source.next = waiting,
        }
        let answer = self.network_ready(source)?;
        // Every step cancels the wait.
        source.next = Next::Listen;
        Some(answer)
    }

    fn hear(
        &mut self,
        event: Event,
        sources: &mut [Running],
        tell: &mut dyn FnMut(Notice<'_>),
    ) -> Result<(), PipelineError> {
        match event {
            Event::Committed => self.collect(tell),
            Event::Park(parked) => {
                self.park(parked);
                Ok(())
            }
            Event::Gate(refusal) => {
                self.refuse(refusal, tell);
                Ok(())
            }
            Event::Api(asked) => {
                self.asked(asked);
                Ok(())
            }
            Event::Answer { place, generation, done } => {
                if let Some(network) = sources.get_mut(place).and_then(|source| source.network.as_mut()) {
                    network.arrive(generation, done);
                }
                Ok(())
            }
        }
    }

    fn has_durable_news(&self, sources: &[Running]) -> bool {
        let told = |s: &&Running| s.network.is_some() && !matches!(s.next, Next::Over);
        sources.iter().filter(told).any(|s| self.emits.get(&s.name).is_some_and(|emits| emits.durable > emits.told))
    }

    /// What the Logstore needs from time to time. Nothing may wait to be committed: retention commits by itself.
    fn keep_up(&mut self, tell: &mut dyn FnMut(Notice<'_>)) -> Result<(), PipelineError> {
        let now_us = clock::now_us();
        if !self.txn.is_empty() {
            return Ok(());
        }
        self.look_after(now_us, tell)
    }

    /// The same while a transaction waits; what it remembers of the Logstore's life is old then.
    fn look_after(&mut self, now_us: i64, tell: &mut dyn FnMut(Notice<'_>)) -> Result<(), PipelineError> {
        let Some(writer) = self.committer.writer() else { return Ok(()) };
        for line in self.custody.tick(writer, now_us)? {
            tell(Notice::Logstore(line));
        }
        Ok(writer.tick(now_us)?)
    }
}
