//! What the mirror tells: its state, what it counts, what the journal has to know.
//!
//! Must never wait for the journal for long: what it does not take now is entered another time.

use std::sync::PoisonError;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::cause::Trouble;
use super::note::{Conflict, MOST_CONFLICTS, Said};
use super::work::{FIRST_PAUSE, Worker};
use crate::clock;
use crate::journal::{Entry, Kind};
use crate::lifecycle::day::rfc3339;
use crate::lifecycle::sources::{Cause, Provider};
use crate::sink::parking::Parked;

/// How long the journal is waited for.
const ENTER: Duration = Duration::from_secs(5);

impl Worker {
    /// The bucket took or showed something.
    pub(super) fn success(&mut self, count: impl FnOnce(&mut Said)) {
        if let Some(last) = &mut self.last {
            *last = Instant::now();
        }
        self.pause = FIRST_PAUSE;
        self.say(|said| {
            count(said);
            said.last_success_us = Some(clock::now_us());
        });
        if let Some(cause) = self.progress.paused
            && self.enter(self.pause_entry(Kind::Resumed, cause))
        {
            self.progress.paused = None;
        }
    }

    pub(super) fn conflict(&mut self, to: &str, why: String) {
        let conflicts = &mut self.progress.conflicts;
        if conflicts.len() < MOST_CONFLICTS || conflicts.contains_key(to) {
            conflicts.entry(to.to_owned()).or_insert(Conflict { why, at_us: clock::now_us(), entered: false });
        }
        self.tell_conflicts();
    }

    pub(super) fn tell_conflicts(&self) {
        let first = self.progress.conflicts.iter().next().map(|(path, conflict)| format!("{path}: {}", conflict.why));
        let count = self.progress.conflicts.len() as u64;
        self.say(|said| (said.conflicts, said.conflict) = (count, first));
    }

    pub(super) fn tell_behind(&self) {
        let mut digests = self.backlog.iter();
        let first = digests.next().map_or(0, |(_, files, _)| self.walk.left().unwrap_or(*files));
        let behind = digests.fold(first, |sum, (_, files, _)| sum.saturating_add(*files));
        let oldest = self.backlog.front().map(|(.., time_us)| *time_us);
        let (digest, missed) = (self.progress.digest, self.progress.missed.files);
        self.say(|said| {
            (said.digest, said.behind_files, said.oldest_us, said.missed) = (digest, behind, oldest, missed);
        });
    }

    pub(super) fn say(&self, change: impl FnOnce(&mut Said)) {
        change(&mut self.work.note.lock().unwrap_or_else(PoisonError::into_inner).said);
    }

    fn said(&self) -> Said {
        self.work.note.lock().unwrap_or_else(PoisonError::into_inner).said.clone()
    }

    /// An object was put.
    pub(super) fn put(&mut self, bytes: u64) {
        self.success(|said| {
            (said.objects, said.bytes) = (said.objects.saturating_add(1), said.bytes.saturating_add(bytes));
        });
    }

    /// Another state, or the same for another reason. Pauses of the bucket's account are entered in the journal, once; their end
    /// is when the bucket takes or shows something again.
    pub(super) fn state(&mut self, word: &str, trouble: Option<Trouble>) {
        let now_us = clock::now_us();
        let before = self.said();
        let cause = trouble.as_ref().map(|trouble| trouble.cause);
        let since_us = if before.state == word && before.cause == cause { before.since_us } else { now_us };
        self.say(|said| {
            (said.state, said.since_us) = (word.to_owned(), since_us);
            // Why it waited when it was told to stop is what people ask for afterwards, and what the next run goes on from.
            if word != "stopped" {
                (said.cause, said.why) = (cause, trouble.map(|trouble| trouble.why));
                said.copy_dies_us = cause.and_then(|cause| Provider::ObjectStorage.data_dies_us(cause, since_us));
            }
        });
        // What passes by itself is not worth an entry.
        let cause = cause.filter(|cause| *cause != Cause::Other && Some(*cause) != self.progress.paused);
        if let Some(cause) = cause
            && self.enter(self.pause_entry(Kind::Paused, cause))
        {
            self.progress.paused = Some(cause);
        }
    }

    fn pause_entry(&self, kind: Kind, cause: Cause) -> Entry {
        let said = self.said();
        Entry::new(kind, "run", clock::now_us())
            .with("mirror", said.target)
            .with("cause", cause.name())
            .with("why", said.why)
            .with("data_dies_at", said.copy_dies_us.map(rfc3339))
    }

    /// Enters what the journal does not have yet; what it does not take now is entered another time.
    pub(super) fn enter_untold(&mut self) {
        let target = self.said().target;
        let untold: Vec<(String, Conflict)> = self.progress.conflicts.clone().into_iter().collect();
        for (path, conflict) in untold.into_iter().filter(|(_, conflict)| !conflict.entered) {
            let entry = Entry::new(Kind::MirrorConflict, "run", conflict.at_us)
                .with("mirror", target.as_str())
                .with("file", path.as_str())
                .with("why", conflict.why.as_str());
            if !self.enter(entry) {
                return;
            }
            if let Some(conflict) = self.progress.conflicts.get_mut(&path) {
                conflict.entered = true;
            }
        }
        let missed = &self.progress.missed;
        if missed.files > missed.entered {
            let (files, count) = (missed.files, missed.files - missed.entered);
            let entry = Entry::new(Kind::Gap, "run", clock::now_us())
                .with("mirror", target.as_str())
                .with("what", format!("{count} files, named by digests up to {}", missed.digest))
                .with("why", "retention dropped them before the mirror had copied them");
            if self.enter(entry) {
                self.progress.missed.entered = files;
            }
        }
    }

    /// Whether the journal has it, durably.
    pub(super) fn enter(&self, entry: Entry) -> bool {
        let (answer, kept) = channel();
        if !(self.work.post)(Parked { row: None, entry, answer }) {
            return false;
        }
        let until = Instant::now() + ENTER;
        while !self.stopped() && Instant::now() < until {
            match kept.recv_timeout(Duration::from_millis(50)) {
                Ok(()) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        false
    }

    pub(super) fn note(&mut self) {
        self.noted = Instant::now();
        let mut note = self.work.note.lock().unwrap_or_else(PoisonError::into_inner);
        note.progress = self.progress.clone();
        note.write_now(&self.work.dir);
    }
}
