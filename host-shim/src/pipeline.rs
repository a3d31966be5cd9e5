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
mod show;
mod sinks;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use innertrail_api::auth::Keyring;
use innertrail_logstore::Transaction;

use crate::accounting::{broken_promises, frame, push};
use crate::alerting::Alerting;
use crate::alerting::load::{self, Loaded};
use crate::api::{ApiServer, Asked, Serving, Untold};
use crate::channels::{Channels, Surrounding};
use crate::clock;
use crate::config::{Config, Source};
use crate::console::ConsoleServer;
use crate::fetch;
use crate::fetch::cloud::Plan;
use crate::gate::server::{self as gate_server, Refusal};
use crate::lag::Lag;
use crate::ledger;
use crate::lifecycle::Custody;
use crate::lifecycle::sources::Provider;
use crate::lifecycle::standstill::Standstill;
use crate::metrics::{Board, Server};
use crate::mirror::Mirror;
pub use crate::notice::{Notice, PipelineError};
use crate::running::{Answer, Next, Running, files, headers, outcome, read_file};
use crate::runtime::wit::source::{Action, CheckpointParam, Emitted, ObjectCheck, State};
use crate::runtime::wit::transform::{Codec, Encoding, Frame, Provenance};
use crate::runtime::{Bisector, Input, LoadedComponent, Reads, RunStats, Session};
use crate::setup::{HostNative, Rooms, SetupError};
use crate::sink::Sinks;
use crate::sink::parking::{Parked, ToWriter};
use crate::status::{FRAMING_BYTES, SOURCE, STATE, Status, TRANSFORM};
use crate::tap::Tap;
use committer::{Committer, Emits};
use gates::Gates;
use meter::Meter;
use network::{Network, wake_at};

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

/// The channels that are told of alerts. They are made before anything fires, so that a new one begins behind what was there.
fn channels(
    config: &Config,
    rules: Option<&Loaded>,
    state: &innertrail_logstore::State,
    sinks: &Sinks,
) -> Result<Option<Channels>, SetupError> {
    let Some((options, rules)) = config.alerts.as_ref().zip(rules) else { return Ok(None) };
    let journal = state.next(innertrail_logstore::Store::Journal);
    let around = Surrounding { config, set: Arc::clone(&rules.set), journal, notify: sinks.notify() };
    Ok(Channels::new(options, &around)?)
}

impl Pipeline {
    /// Starts everything that a configuration names, recovering the Logstore where needed.
    ///
    /// # Errors
    /// See [`SetupError`]; nothing was started then.
    pub fn open(config: &Config) -> Result<Self, SetupError> {
        // A sink that cannot be set up is told before there is a Logstore.
        let senders = crate::sink::build::all(config)?;
        let mirror = config.mirror.as_ref().map(|options| Mirror::new(config, options)).transpose();
        let mirror = mirror.map_err(SetupError::Mirror)?;
        let rules = config.alerts.as_ref().map(Alerting::load).transpose()?;
        for (name, channel) in config.alerts.iter().flat_map(|alerts| &alerts.channels) {
            crate::channels::check(name, channel)?;
        }
        let mut server = config.metrics.as_ref().map(|metrics| Server::bind(&metrics.listen)).transpose()?;
        let board = server.as_ref().map(|_| Arc::new(Board::new(config)));
        let mut api = config.api.as_ref().map(|api| ApiServer::bind(config, api)).transpose()?;
        let mut console = config.console.as_ref().map(ConsoleServer::bind).transpose()?;
        let Rooms { component, bisector, native, writer, custody, mut told } = Rooms::open(config, "run")?;
        if let Err(e) = Standstill::reserve(&config.data_dir) {
            told.push(format!("`innertrail status` will not show it when the disk is full: no room for its note: {e}"));
        }
        let tap = Tap::open(&config.data_dir);
        if let Err(e) = &tap {
            told.push(format!("`innertrail tap` cannot look into this run: no socket in the data directory: {e}"));
        }
        let tap = tap.ok();
        let mut txn = writer.begin();
        if writer.state().checkpoint(TRANSFORM) != Some(config.transform_json().as_bytes()) {
            txn.checkpoint(TRANSFORM, config.transform_json().as_bytes());
        }
        let lag = Lag::new(writer.layout());
        let keys = Arc::new(Keyring::of(&config.data_dir));
        let untold = Untold::new(Arc::clone(&keys), writer.state());
        let (post, events) = channel();
        let layout = writer.layout().clone();
        let sinks = Sinks::new(config, senders, &native.key, || {
            let post = post.clone();
            Box::new(ToWriter::new(&layout, move |parked| post.send(Event::Park(parked)).is_ok()))
        });
        let alerting = config.alerts.as_ref().zip(rules.as_ref());
        let alerting =
            alerting.map(|(options, rules)| Alerting::new(config, options, rules, writer.state(), sinks.notify()));
        let channels = channels(config, rules.as_ref(), writer.state(), &sinks)?;
        let gates = gate_server::bind(config, &component, &native, || {
            let post = post.clone();
            move |refusal| post.send(Event::Gate(refusal)).is_ok()
        })?;
        told.extend(gates.iter().map(|(name, server)| format!("gate.{name} listens on {}", server.address())));
        let committer = Committer::start(writer, post.clone(), board.clone()).map_err(SetupError::Thread)?;
        if let (Some(server), Some(board)) = (&mut server, &board) {
            server.start(Arc::clone(board)).map_err(SetupError::Thread)?;
            told.push(format!("metrics are on http://{}/metrics", server.address()));
        }
        if let Some(api) = &mut api {
            let post = Mutex::new(post.clone());
            let count = keys.check()?;
            let serving = Serving { dir: &config.data_dir, keys, notify: sinks.notify() };
            api.start(serving, move |asked| post.lock().is_ok_and(|post| post.send(Event::Api(asked)).is_ok()))?;
            told.extend(api.told(count));
            if let Some(board) = &board {
                board.counts(api.counts());
            }
        }
        if let Some(console) = &mut console {
            let rules = rules.as_ref().map_or_else(load::of_the_pack, |loaded| Arc::clone(&loaded.set));
            console.start(&config.data_dir, rules)?;
            told.extend(console.told());
        }
        Ok(Self {
            bisector,
            config: config.clone(),
            component,
            native,
            txn,
            committer,
            custody,
            told,
            begun: Instant::now(),
            failed: BTreeMap::new(),
            states: BTreeMap::new(),
            emits: BTreeMap::new(),
            meters: BTreeMap::new(),
            lag,
            events,
            post,
            sinks,
            gates: Gates::new(gates),
            mirror,
            alerting,
            channels,
            board,
            tap,
            _server: server,
            api,
            console,
            untold,
            parked: Default::default(),
            undelivered: Vec::new(),
            stop: Arc::default(),
        })
    }

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
                self.refuse(refusal);
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

    /// A new session of a source, which begins behind what is durable. Everything must be: the writer is here.
    fn session(&mut self, name: &str, max_in_flight: Option<u32>) -> Result<Session, PipelineError> {
        let config = self.config.session_json(name, max_in_flight).unwrap_or_default();
        let reads = match self.config.sources.get(name) {
            Some(Source::Sls(_) | Source::Oss(_)) => Reads::Network,
            _ => Reads::Files,
        };
        self.emits.insert(name.to_owned(), Emits::default());
        let prefix = format!("{name}/");
        let stored: Vec<CheckpointParam<'_>> = self
            .committer
            .state()
            .into_iter()
            .flat_map(|state| &state.checkpoints)
            .filter_map(|(key, value)| Some(CheckpointParam { key: key.strip_prefix(&prefix)?, value }))
            .collect();
        Session::open(&self.component, &config, &stored, reads)
            .map_err(|error| PipelineError::Open { source_name: name.to_owned(), error })
    }

    fn step(
        &mut self,
        source: &mut Running,
        answer: Answer,
        tell: &mut dyn FnMut(Notice<'_>),
    ) -> Result<(), PipelineError> {
        let undurable = self.emits.get(&source.name).is_some_and(|emits| emits.taken > emits.told);
        source.session.set_undurable(undurable);
        let stepped = {
            let (files, headers) = (files(&answer), headers(&answer));
            source.session.step(outcome(&answer, &files, &headers))
        };
        match stepped {
            Ok(actions) => {
                self.carry_out(source, actions, tell)?;
                self.went_well(source, &answer, tell)
            }
            Err(error) if source.network.is_some() => self.network_failed(source, answer, error, tell),
            Err(error) => self.step_failed(source, error, tell),
        }
    }

    fn carry_out(
        &mut self,
        source: &mut Running,
        actions: Vec<Action>,
        tell: &mut dyn FnMut(Notice<'_>),
    ) -> Result<(), PipelineError> {
        for action in actions {
            match action {
                Action::Emit(emitted) => self.emit(&source.name, &emitted, tell)?,
                Action::Checked(check) => self.checked(&source.name, &check, tell),
                Action::Note(note) => tell(Notice::Note(&source.name, note)),
                Action::State(state) => self.state(&source.name, &state, tell),
                Action::ListFiles((include, exclude)) => {
                    source.at_file = None;
                    source.next = Next::Step(Box::new(self.list(source, &include, &exclude, tell)));
                }
                Action::ReadFile(read) => {
                    source.next = Next::Step(Box::new(read_file(source, &read)));
                    source.at_file = Some(read.path);
                }
                Action::Fetch(request) => {
                    if let Some(network) = &mut source.network {
                        network.ask(request);
                    }
                }
                Action::Gap(gap) => self.gap(&source.name, &gap, tell),
                Action::Wait(ms) if source.network.is_some() => source.next = Next::Wake(wake_at(ms)),
                Action::Wait(0) => source.next = Next::Step(Box::new(Answer::Woke)),
                Action::Wait(ms) => {
                    source.at_file = None;
                    source.next = Next::Wake(Instant::now() + Duration::from_millis(u64::from(ms)));
                }
                Action::Finish => {
                    source.next = Next::Over;
                    source.network = None;
                }
            }
        }
        Ok(())
    }

    /// Lists what the configuration's own globs match, whatever the component asks for.
    fn list(
        &self,
        source: &mut Running,
        include: &[String],
        exclude: &[String],
        tell: &mut dyn FnMut(Notice<'_>),
    ) -> Answer {
        let Some(Source::File(config)) = self.config.sources.get(&source.name) else {
            return Answer::Failed("the configuration has no such file source".to_owned());
        };
        if (include, exclude) != (&config.include, &config.exclude) {
            return Answer::Failed("the component asked for other globs than the configuration's".to_owned());
        }
        match fetch::list(include, exclude) {
            Ok((found, notes)) => {
                notes.into_iter().for_each(|note| tell(Notice::Note(&source.name, note)));
                source.listed = found.iter().map(|file| file.path.clone()).collect();
                Answer::Files(found)
            }
            Err(why) => Answer::Failed(why),
        }
    }

    /// Frames through the transform into the transaction, with the checkpoints that cover them.
    fn emit(&mut self, name: &str, emitted: &Emitted, tell: &mut dyn FnMut(Notice<'_>)) -> Result<(), PipelineError> {
        let frames: Vec<Frame> = emitted.frames.iter().map(frame).collect();
        if let Some(tap) = &self.tap {
            tap.offer(name, &emitted.origin, &emitted.data, &frames);
        }
        let input = Input {
            provenance: Provenance::OwnSource,
            source: name,
            origin: &emitted.origin,
            codec: Codec::Actiontrail,
            data: &emitted.data,
            frames: &frames,
        };
        let run = self.bisector.run(&input, Encoding::Row, &mut self.native);
        let routed = run.map_err(|error| PipelineError::Run { source_name: name.to_owned(), error })?;
        push(&mut self.txn, &routed);
        self.lag.see(name, &routed, &mut self.txn);
        self.emits.entry(name.to_owned()).or_default().taken += 1;
        let between = emitted.input_bytes.saturating_sub(emitted.data.len() as u64);
        self.txn.count(FRAMING_BYTES, between);
        self.count(name, "bytes_in", emitted.input_bytes);
        self.count(name, "records", routed.entries.len() as u64);
        for checkpoint in &emitted.checkpoints {
            self.txn.checkpoint(&format!("{name}/{}", checkpoint.key), &checkpoint.value);
        }
        self.commit_if_full(tell)
    }

    fn checked(&mut self, name: &str, check: &ObjectCheck, tell: &mut dyn FnMut(Notice<'_>)) {
        self.count(name, "objects_checked", 1);
        ledger::enter(&mut self.txn, name, check);
        let broken = broken_promises(check);
        broken.iter().for_each(|(counter, _)| self.count(name, counter, 1));
        let wrong: Vec<&str> = broken.iter().map(|(_, text)| text.as_str()).collect();
        if !wrong.is_empty() {
            tell(Notice::Note(name, format!("{}: {}; ask where it was changed or cut", check.path, wrong.join(", "))));
        }
    }

    fn state(&mut self, name: &str, state: &State, tell: &mut dyn FnMut(Notice<'_>)) {
        let (word, why) = match state {
            State::Running => ("running", None),
            State::Idle => ("idle", None),
            State::Paused(paused) => ("paused", Some(&paused.why)),
            State::Failed(why) => ("failed", Some(why)),
            State::Finished => ("finished", None),
        };
        let provider = self.config.sources.get(name).map_or(Provider::Local, Provider::from);
        self.custody.source_state(&mut self.txn, name, provider, state.into(), clock::now_us());
        if let State::Failed(why) = state {
            self.failed.insert(name.to_owned(), why.clone());
        }
        // A source that stays idle says so at every poll; only a change is worth a transaction.
        let said = (word, why.cloned());
        if self.states.get(name) == Some(&said) {
            return;
        }
        self.states.insert(name.to_owned(), said);
        let json = full::state_json(word, why.map(String::as_str));
        self.txn.checkpoint(&format!("{STATE}{name}"), json.as_bytes());
        tell(Notice::State(name, why.map_or_else(|| word.to_owned(), |why| format!("{word}: {why}"))));
    }

    fn count(&mut self, name: &str, counter: &str, delta: u64) {
        self.txn.count(&format!("{SOURCE}{name}.{counter}"), delta);
    }
}
