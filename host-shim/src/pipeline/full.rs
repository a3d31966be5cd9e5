//! A disk without room: everything stands still, and goes on by itself when there is room again.
//! It must never leave a record out to go on, and never acknowledge one that is not durable.
//!
//! There are two ways into it. Below `logstore.min_free_bytes` the open transaction waits in memory; what is left of the
//! disk takes the journal's entry and the state that `status` shows. When the disk is full all the same, because something
//! else filled it or the bound is 0, the writer has stopped in the middle of a write: then the open transaction is
//! forgotten, the writer recovers as after a crash, and the sources are read again from the durable positions.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use innertrail_logstore::Transaction;

use super::{NAP, Pipeline, committer};
use crate::clock;
use crate::lifecycle::sources::{Cause, Provider, SourceState};
use crate::lifecycle::standstill::{Standstill, free_bytes};
use crate::lifecycle::{Custody, Opening};
use crate::notice::{Notice, PipelineError};
use crate::running::{Answer, Running};
use crate::status::{STATE, TRANSFORM};

/// How often a disk below its bound is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// The first and the longest wait between two tries to open the Logstore on a disk that was full.
const OPEN_AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));

impl Pipeline {
    /// Returns at once where there is room; else when there is room again, or [`PipelineError::DiskFull`] when it is to
    /// stop. The open transaction waits meanwhile.
    pub(super) fn wait_for_room(&mut self, tell: &mut dyn FnMut(Notice<'_>)) -> Result<(), PipelineError> {
        let Some(free) = self.short_of_room() else { return Ok(()) };
        self.pause_sources(free, tell)?;
        while self.short_of_room().is_some() {
            self.wait(LOOK_AGAIN)?;
            self.show();
            // Retention goes on, and may make the room that is missing.
            self.look_after(clock::now_us(), tell)?;
        }
        let now_us = clock::now_us();
        for name in self.config.sources.keys() {
            self.custody.source_state(&mut self.txn, name, Provider::Local, SourceState::Going, now_us);
        }
        // What the open transaction remembered of the Logstore's life is older than what was committed meanwhile.
        self.custody.remember(&mut self.txn);
        for (name, (word, why)) in &self.states {
            self.txn.checkpoint(&format!("{STATE}{name}"), state_json(word, why.as_deref()).as_bytes());
        }
        tell(Notice::Logstore("there is room on the disk again; the sources go on".to_owned()));
        Ok(())
    }

    /// Bytes free, when that is less than the configuration wants.
    fn short_of_room(&self) -> Option<u64> {
        let bound = self.config.logstore.min_free_bytes;
        // A file system that does not tell is not one that is full.
        let free = (bound > 0).then(|| free_bytes(&self.config.data_dir).ok()).flatten()?;
        (free < bound).then_some(free)
    }

    /// Enters the pause in the journal and in what `status` shows, past the transaction that waits.
    fn pause_sources(&mut self, free: u64, tell: &mut dyn FnMut(Notice<'_>)) -> Result<(), PipelineError> {
        let why = self.told(free);
        let (now_us, said) = (clock::now_us(), format!("disk_full: {why}"));
        tell(Notice::DiskFull(format!("paused: {why}")));
        let mut txn = Transaction::default();
        for name in self.config.sources.keys() {
            self.custody.source_state(
                &mut txn,
                name,
                Provider::Local,
                SourceState::Paused(Cause::DiskFull, &why),
                now_us,
            );
            txn.checkpoint(&format!("{STATE}{name}"), state_json("paused", Some(&said)).as_bytes());
            tell(Notice::State(name, format!("paused: {said}")));
        }
        if let Some(writer) = self.committer.writer() {
            writer.commit(txn, now_us)?;
            writer.tick(now_us)?;
        }
        Ok(())
    }

    fn told(&self, free: u64) -> String {
        let bound = self.config.logstore.min_free_bytes;
        let dir = self.config.data_dir.display();
        format!(
            "the disk of {dir} has {free} bytes free, logstore.min_free_bytes is {bound}; nothing is lost, and it goes on \
             by itself when there is room"
        )
    }

    /// The writer has stopped because the disk is full: waits until it opens again, and puts all sources back to what
    /// is durable.
    pub(super) fn stand_still(
        &mut self,
        sources: &mut [Running],
        tell: &mut dyn FnMut(Notice<'_>),
    ) -> Result<(), PipelineError> {
        self.committer.forget();
        let since_us = clock::now_us();
        let why = self.told(free_bytes(&self.config.data_dir).unwrap_or(0));
        tell(Notice::DiskFull(format!("paused, the disk is full: {why}")));
        let note = Standstill { since_us, why };
        if let Err(e) = note.note(&self.config.data_dir) {
            tell(Notice::DiskFull(format!("`innertrail status` cannot show the pause: {e}")));
        }
        let mut pause = OPEN_AGAIN.0;
        loop {
            self.wait(pause)?;
            match self.recover() {
                Ok(told) => break told.into_iter().for_each(|line| tell(Notice::Logstore(line))),
                Err(e) if e.is_disk_full() => pause = (pause * 2).min(OPEN_AGAIN.1),
                Err(e) => return Err(e),
            }
        }
        if let Err(e) = Standstill::reserve(&self.config.data_dir) {
            tell(Notice::DiskFull(format!("`innertrail status` goes on to show a pause that is over: {e}")));
        }
        self.read_again(sources, &note)?;
        tell(Notice::Logstore(
            "there is room on the disk again; sources are read again from what is durable".to_owned(),
        ));
        Ok(())
    }

    /// Opens the writer again as after a crash, and with it what is remembered of the Logstore's life.
    fn recover(&mut self) -> Result<Vec<String>, PipelineError> {
        let Some(writer) = self.committer.writer() else { return Err(committer::gone().into()) };
        writer.reopen(clock::now_us())?;
        let (dir, account) = (&self.config.data_dir, self.config.account.as_deref());
        let opening = Opening { by: "run", dir, retention_days: self.config.logstore.retention_days, account };
        let (custody, told) = Custody::open(writer, opening, clock::now_us())?;
        self.custody = custody;
        Ok(told)
    }

    /// Fresh sessions behind what is durable, also for sources that were over: their last records may not be durable. The
    /// journal gets the pause and its end.
    fn read_again(&mut self, sources: &mut [Running], note: &Standstill) -> Result<(), PipelineError> {
        self.txn = Transaction::default();
        // What sinks had to keep is forgotten with it, and they are told so.
        self.parked = Default::default();
        if let Some(state) = self.committer.state() {
            self.untold.again(state);
            self.sinks.again(state);
        }
        let known = self.committer.state().and_then(|state| state.checkpoint(TRANSFORM));
        if known != Some(self.config.transform_json().as_bytes()) {
            self.txn.checkpoint(TRANSFORM, self.config.transform_json().as_bytes());
        }
        self.states.clear();
        self.failed.clear();
        for (place, source) in sources.iter_mut().enumerate() {
            let paused = SourceState::Paused(Cause::DiskFull, &note.why);
            self.custody.source_state(&mut self.txn, &source.name, Provider::Local, paused, note.since_us);
            self.custody.source_state(
                &mut self.txn,
                &source.name,
                Provider::Local,
                SourceState::Going,
                clock::now_us(),
            );
            if source.network.is_some() {
                source.failed_at = None;
                self.reopen(source, Answer::Started)?;
            } else {
                let name = std::mem::take(&mut source.name);
                *source = self.start(place, name)?;
            }
        }
        Ok(())
    }

    /// Sleeps, unless it is to stop.
    fn wait(&self, time: Duration) -> Result<(), PipelineError> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            if self.stop.load(Ordering::Relaxed) {
                let dir = self.config.data_dir.clone();
                let free = free_bytes(&dir).unwrap_or(0);
                return Err(PipelineError::DiskFull { dir, free, needed: self.config.logstore.min_free_bytes });
            }
            thread::sleep(NAP);
        }
        Ok(())
    }
}

/// A source's state, as `status` reads it.
pub(super) fn state_json(word: &str, why: Option<&str>) -> String {
    serde_json::json!({ "state": word, "why": why, "since_ms": clock::now_ms() }).to_string()
}
