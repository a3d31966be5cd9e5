//! The one file that wires the rooms together: source → transform → Logstore.
//!
//! A checkpoint goes into the same transaction as the records it covers, so it never passes the last durable record
//! (I2), and a crash at any moment leaves counts as if it had not been. Nothing is acknowledged before the fsync (I1).

mod abandon;
mod full;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use innertrail_logstore::{Transaction, Writer};

use crate::accounting::{broken_promises, frame, push};
use crate::clock;
use crate::config::{Config, Source};
use crate::fetch;
use crate::lifecycle::Custody;
use crate::lifecycle::sources::Provider;
use crate::lifecycle::standstill::Standstill;
pub use crate::notice::{Notice, PipelineError};
use crate::running::{Answer, Next, Running, files, outcome, read_file};
use crate::runtime::wit::source::{Action, CheckpointParam, Emitted, ObjectCheck, State};
use crate::runtime::wit::transform::{Codec, Encoding, Frame, Provenance};
use crate::runtime::{Bisector, CallError, Input, LoadedComponent, RunStats, Session};
use crate::setup::{HostNative, Rooms, SetupError};
use crate::status::{FRAMING_BYTES, SOURCE, STATE, Status, TRANSFORM};

/// Longest sleep between two looks at whether to stop.
const NAP: Duration = Duration::from_millis(50);

/// When a file that could not be read is tried again.
const READ_AGAIN: Duration = Duration::from_secs(5);

/// The rooms, wired.
pub struct Pipeline {
    config: Config,
    component: LoadedComponent,
    bisector: Bisector,
    native: HostNative,
    writer: Writer,
    custody: Custody,
    told: Vec<String>,
    txn: Transaction,
    begun: Instant,
    failed: BTreeMap<String, String>,
    /// What each source said last of itself.
    states: BTreeMap<String, (&'static str, Option<String>)>,
    /// Set when it is to end.
    stop: Arc<AtomicBool>,
}

impl Pipeline {
    /// Starts everything that a configuration names, recovering the Logstore where needed.
    ///
    /// # Errors
    /// See [`SetupError`]; nothing was started then.
    pub fn open(config: &Config) -> Result<Self, SetupError> {
        let Rooms { component, bisector, native, writer, custody, mut told } = Rooms::open(config, "run")?;
        if let Err(e) = Standstill::reserve(&config.data_dir) {
            told.push(format!("`innertrail status` will not show it when the disk is full: no room for its note: {e}"));
        }
        let mut txn = writer.begin();
        if writer.state().checkpoint(TRANSFORM) != Some(config.transform_json().as_bytes()) {
            txn.checkpoint(TRANSFORM, config.transform_json().as_bytes());
        }
        Ok(Self {
            bisector,
            config: config.clone(),
            component,
            native,
            txn,
            writer,
            custody,
            told,
            begun: Instant::now(),
            failed: BTreeMap::new(),
            states: BTreeMap::new(),
            stop: Arc::default(),
        })
    }

    /// The Logstore's counters.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::new(&self.config.trail, self.writer.state())
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

    /// Runs all sources until they are finished or `stop` is set, then seals the tail.
    ///
    /// # Errors
    /// See [`PipelineError`].
    pub fn run(&mut self, stop: &Arc<AtomicBool>, tell: &mut dyn FnMut(Notice<'_>)) -> Result<(), PipelineError> {
        self.stop = Arc::clone(stop);
        let names: Vec<String> = self.config.sources.keys().cloned().collect();
        let mut sources = Vec::with_capacity(names.len());
        for name in names {
            let session = self.session(&name)?;
            sources.push(Running::new(name, session));
        }
        self.told.drain(..).for_each(|line| tell(Notice::Logstore(line)));
        loop {
            match self.work(&mut sources, tell) {
                Err(error) if error.is_disk_full() => self.stand_still(&mut sources, tell)?,
                other => return other,
            }
        }
    }

    /// Turns until all sources are finished or it is to stop.
    fn work(&mut self, sources: &mut [Running], tell: &mut dyn FnMut(Notice<'_>)) -> Result<(), PipelineError> {
        self.keep_up(tell)?;
        while !self.stop.load(Ordering::Relaxed) && sources.iter().any(|s| !matches!(s.next, Next::Over)) {
            self.turn(sources, tell)?;
        }
        self.commit(tell)
    }

    /// Seals what is in the write-ahead log into segments and lets the Logstore go.
    ///
    /// # Errors
    /// See [`PipelineError`].
    pub fn close(self) -> Result<(), PipelineError> {
        Ok(self.writer.close(clock::now_us())?)
    }

    /// One step of every source that is ready; a nap when none is.
    fn turn(&mut self, sources: &mut [Running], tell: &mut dyn FnMut(Notice<'_>)) -> Result<(), PipelineError> {
        let mut idle = true;
        for source in sources.iter_mut() {
            let answer = match std::mem::replace(&mut source.next, Next::Over) {
                Next::Step(answer) => *answer,
                Next::Wake(due) if due <= Instant::now() => Answer::Woke,
                waiting => {
                    source.next = waiting;
                    continue;
                }
            };
            idle = false;
            self.step(source, &answer, tell)?;
        }
        let interval = Duration::from_millis(self.config.logstore.commit_interval_ms);
        if idle || self.begun.elapsed() >= interval {
            self.commit(tell)?;
            self.keep_up(tell)?;
        }
        if idle && !self.stop.load(Ordering::Relaxed) {
            let due = sources.iter().filter_map(|s| match s.next {
                Next::Wake(due) => Some(due.saturating_duration_since(Instant::now())),
                _ => None,
            });
            thread::sleep(due.min().unwrap_or_default().min(NAP));
        }
        Ok(())
    }

    /// What the Logstore needs from time to time. Nothing may wait to be committed: retention commits by itself.
    fn keep_up(&mut self, tell: &mut dyn FnMut(Notice<'_>)) -> Result<(), PipelineError> {
        let now_us = clock::now_us();
        for line in self.custody.tick(&mut self.writer, now_us)? {
            tell(Notice::Logstore(line));
        }
        Ok(self.writer.tick(now_us)?)
    }

    fn session(&self, name: &str) -> Result<Session, PipelineError> {
        let config = self.config.source_json(name).unwrap_or_default();
        let prefix = format!("{name}/");
        let stored: Vec<CheckpointParam<'_>> = self
            .writer
            .state()
            .checkpoints
            .iter()
            .filter_map(|(key, value)| Some(CheckpointParam { key: key.strip_prefix(&prefix)?, value }))
            .collect();
        Session::open(&self.component, &config, &stored)
            .map_err(|error| PipelineError::Open { source_name: name.to_owned(), error })
    }

    fn step(
        &mut self,
        source: &mut Running,
        answer: &Answer,
        tell: &mut dyn FnMut(Notice<'_>),
    ) -> Result<(), PipelineError> {
        match source.session.step(outcome(answer, &files(answer))) {
            Ok(actions) => self.carry_out(source, actions, tell),
            Err(error) => self.step_failed(source, error, tell),
        }
    }

    /// A failed session is replaced by one that begins behind what is durable. If that fails on the same file, the
    /// file goes into quarantine as it is, and the source goes on behind it.
    fn step_failed(
        &mut self,
        source: &mut Running,
        error: CallError,
        tell: &mut dyn FnMut(Notice<'_>),
    ) -> Result<(), PipelineError> {
        self.commit(tell)?;
        let path = source.at_file.take();
        if source.failed_at.as_ref() != Some(&path) {
            tell(Notice::Note(&source.name, format!("the component failed: {error}; a fresh one tries again")));
            source.failed_at = Some(path);
            source.session = self.session(&source.name)?;
            source.next = Next::Step(Box::new(Answer::Started));
            return Ok(());
        }
        let Some(path) = path else {
            return Err(PipelineError::Step { source_name: source.name.clone(), error });
        };
        tell(Notice::Note(
            &source.name,
            format!("{path}: the component fails on this file; it goes to quarantine raw"),
        ));
        source.session = self.session(&source.name)?;
        match self.abandon(source, &path, &error) {
            Ok(()) => source.next = Next::Step(Box::new(Answer::Abandoned(path))),
            Err(abandon::AbandonError::Commit(error)) => return Err(error),
            Err(abandon::AbandonError::Read(why)) => {
                tell(Notice::Note(&source.name, format!("cannot read {path}: {why}; tried again in a while")));
                source.failed_at = None;
                source.next = Next::Wake(Instant::now() + READ_AGAIN);
            }
        }
        Ok(())
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
                Action::Wait(0) => source.next = Next::Step(Box::new(Answer::Woke)),
                Action::Wait(ms) => {
                    source.at_file = None;
                    source.next = Next::Wake(Instant::now() + Duration::from_millis(u64::from(ms)));
                }
                Action::Finish => source.next = Next::Over,
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
        let between = emitted.input_bytes.saturating_sub(emitted.data.len() as u64);
        self.txn.count(FRAMING_BYTES, between);
        self.count(name, "bytes_in", emitted.input_bytes);
        self.count(name, "records", routed.entries.len() as u64);
        for checkpoint in &emitted.checkpoints {
            self.txn.checkpoint(&format!("{name}/{}", checkpoint.key), &checkpoint.value);
        }
        if self.txn.bytes() as u64 >= self.config.logstore.commit_bytes {
            self.commit(tell)?;
        }
        Ok(())
    }

    fn checked(&mut self, name: &str, check: &ObjectCheck, tell: &mut dyn FnMut(Notice<'_>)) {
        self.count(name, "objects_checked", 1);
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
            State::Paused(why) => ("paused", Some(why)),
            State::Failed(why) => ("failed", Some(why)),
            State::Finished => ("finished", None),
        };
        self.custody.source_state(&mut self.txn, name, Provider::Local, state.into(), clock::now_us());
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

    fn commit(&mut self, tell: &mut dyn FnMut(Notice<'_>)) -> Result<(), PipelineError> {
        self.begun = Instant::now();
        if self.txn.is_empty() {
            return Ok(());
        }
        self.wait_for_room(tell)?;
        let txn = std::mem::replace(&mut self.txn, self.writer.begin());
        self.writer.commit(txn, clock::now_us())?;
        let state = self.writer.state();
        let bytes = state.counters.iter().filter(|(n, _)| n.starts_with(SOURCE) && n.ends_with(".bytes_in"));
        tell(Notice::Progress(state.counter("log.records"), bytes.map(|(_, n)| *n).sum()));
        Ok(())
    }
}
