//! What a source's session asks for, done: frames through the transform into the transaction, files listed, states told.
//!
//! Must never do what the component asks beyond the configuration: it is not trusted.

use std::time::{Duration, Instant};

use super::committer::Emits;
use super::network::wake_at;
use super::{Notice, Pipeline, PipelineError, full};
use crate::accounting::{broken_promises, frame, push};
use crate::clock;
use crate::config::Source;
use crate::fetch;
use crate::ledger;
use crate::lifecycle::sources::Provider;
use crate::running::{Answer, Next, Running, files, headers, outcome, read_file};
use crate::runtime::wit::source::{Action, CheckpointParam, Emitted, ObjectCheck, State};
use crate::runtime::wit::transform::{Codec, Encoding, Frame, Provenance};
use crate::runtime::{Input, Reads, Session};
use crate::status::{FRAMING_BYTES, SOURCE, STATE};

impl Pipeline {
    /// A new session of a source, which begins behind what is durable. Everything must be: the writer is here.
    pub(super) fn session(&mut self, name: &str, max_in_flight: Option<u32>) -> Result<Session, PipelineError> {
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

    pub(super) fn step(
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

    pub(super) fn count(&mut self, name: &str, counter: &str, delta: u64) {
        self.txn.count(&format!("{SOURCE}{name}.{counter}"), delta);
    }
}
