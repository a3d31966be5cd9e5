//! The thread of the mirror: looks for new digests, has their files brought, remembers how far it is, waits.
//!
//! Must never hold anything up: it reads what is sealed and needs no lock, and only its own entries go to the writer. Must
//! never pass over a file without a word.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use innertrail_fetch::{Client, Fingerprint};
use innertrail_logstore::Store;
use innertrail_logstore::sealed::{self, Newest};

use super::cause::Trouble;
use super::note::{Note, Progress};
use super::plan::{Facts, Item, Walk, Want, is_copied, unhex};
use super::ship::{From, Ship, Shipped};
use crate::clock;
use crate::hex::hex;
use crate::sink::parking::Parked;

/// The first pause after something went wrong.
pub(super) const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// How often it is noted that a mirror is there though nothing changes; and while files are copied.
const NOTE_EVERY: Duration = Duration::from_secs(5);
/// How long a bucket that takes nothing is waited for when everything else is done.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// What a mirror is made of.
pub(super) struct Work {
    pub(super) dir: PathBuf,
    pub(super) bucket: String,
    pub(super) root: String,
    pub(super) left_out: Vec<Store>,
    pub(super) interval: Duration,
    pub(super) checkpoint: Duration,
    pub(super) retry_max: Duration,
    pub(super) client: Arc<Client>,
    pub(super) stop: Arc<AtomicBool>,
    /// What is shown and remembered; the pipeline reads it, and writes it while a long upload keeps this thread.
    pub(super) note: Arc<Mutex<Note>>,
    /// Hands something to keep to the thread that commits; `false` when that is gone.
    pub(super) post: Box<dyn Fn(Parked) -> bool + Send>,
}

/// Digests that are not copied yet: number, files, when they were sealed.
pub(super) type Backlog = VecDeque<(u64, u64, i64)>;

/// The thread's own.
pub(super) struct Worker {
    pub(super) work: Work,
    pub(super) progress: Progress,
    pub(super) walk: Walk,
    pub(super) backlog: Backlog,
    may_read: bool,
    /// Files of the digest under way that retention dropped first.
    missed: u64,
    pub(super) pause: Duration,
    pub(super) noted: Instant,
    /// Set when everything else is done: it ends as soon as everything is copied, or nothing was since then for long.
    pub(super) last: Option<Instant>,
    wake: Receiver<()>,
}

/// What a look came to.
enum Turn {
    /// Everything that is sealed is there.
    CaughtUp,
    Trouble(Trouble),
    Stopped,
}

impl Worker {
    pub(super) fn new(work: Work, wake: Receiver<()>) -> Self {
        let target = work.note.lock().unwrap_or_else(PoisonError::into_inner).said.target.clone();
        let remembered = Note::of_target(&work.dir, &target);
        let newest = sealed::newest(&work.dir).ok().flatten().map_or(0, |newest| newest.number);
        // Another history, put back from a copy of before, has fewer digests than are remembered: then all is looked for.
        let remembered = remembered.map(|note| note.progress).filter(|progress| progress.digest <= newest);
        let mut progress = remembered.unwrap_or_else(|| Progress { unsure_to: newest, ..Progress::default() });
        let format = progress.format.as_deref().and_then(unhex);
        let walk = Walk::new(progress.digest, format, progress.unsure_to);
        progress.unsure_to = walk.unsure_to();
        let (pause, noted) = (FIRST_PAUSE, Instant::now());
        let backlog = Backlog::new();
        let worker = Self { work, progress, walk, backlog, may_read: true, missed: 0, pause, noted, last: None, wake };
        worker.say(|said| said.digest = worker.progress.digest);
        worker
    }

    /// The thread's life.
    pub(super) fn run(mut self) {
        self.retry_conflicts();
        loop {
            let pause = match self.turn() {
                Turn::Stopped => break,
                Turn::CaughtUp => {
                    self.pause = FIRST_PAUSE;
                    self.state("caught_up", None);
                    if self.last.is_some() {
                        break;
                    }
                    self.work.interval
                }
                Turn::Trouble(trouble) => {
                    self.say(|said| said.failures += 1);
                    self.state("waiting", Some(trouble));
                    if self.last.is_some_and(|success| success.elapsed() >= PATIENCE) {
                        break;
                    }
                    let pause = self.pause;
                    self.pause = (pause * 2).min(self.work.retry_max);
                    pause
                }
            };
            self.enter_untold();
            self.note();
            self.rest(pause);
        }
        self.enter_untold();
        self.state("stopped", None);
        self.note();
    }

    pub(super) fn stopped(&self) -> bool {
        self.work.stop.load(Ordering::Relaxed)
    }

    /// Waits, unless it is to stop or to come to its end.
    fn rest(&mut self, pause: Duration) {
        let until = Instant::now() + pause;
        while !self.stopped() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            match self.wake.recv_timeout(left.min(NOTE_EVERY)) {
                Ok(()) => {
                    self.last.get_or_insert_with(Instant::now);
                    return;
                }
                // Who held the other end has ended: so does this.
                Err(RecvTimeoutError::Disconnected) => return self.work.stop.store(true, Ordering::Relaxed),
                Err(RecvTimeoutError::Timeout) => self.note(),
            }
        }
    }

    /// Copies until everything that is sealed is there, or something goes wrong.
    fn turn(&mut self) -> Turn {
        if self.wake.try_recv().is_ok() {
            self.last.get_or_insert_with(Instant::now);
        }
        let newest = match sealed::newest(&self.work.dir) {
            Ok(Some(newest)) => newest,
            Ok(None) => return Turn::CaughtUp,
            Err(e) => return Turn::Trouble(Trouble::other(e.to_string())),
        };
        if let Err(trouble) = self.count_backlog(&newest) {
            return Turn::Trouble(trouble);
        }
        loop {
            if self.stopped() {
                return Turn::Stopped;
            }
            let done = match self.walk.want(newest.number) {
                Want::Rest => break,
                Want::Read(number) => self.read(number, &newest),
                Want::Copy(item) => self.copy(&item),
                Want::Note(number) => {
                    self.finished(number);
                    self.copy_checkpoint(true)
                }
            };
            if let Err(trouble) = done {
                return if self.stopped() { Turn::Stopped } else { Turn::Trouble(trouble) };
            }
        }
        match self.copy_checkpoint(false) {
            Ok(()) => Turn::CaughtUp,
            Err(_) if self.stopped() => Turn::Stopped,
            Err(trouble) => Turn::Trouble(trouble),
        }
    }

    fn read(&mut self, number: u64, newest: &Newest) -> Result<(), Trouble> {
        let digest = sealed::read(&self.work.dir, number).map_err(|e| Trouble::other(e.to_string()))?;
        let format = Fingerprint::of(&self.work.dir.join("format.json")).ok().map(|content| content.sha256);
        self.walk.take(&digest, Facts { newest, format, left_out: &self.work.left_out });
        self.state("running", None);
        Ok(())
    }

    fn copy(&mut self, item: &Item) -> Result<(), Trouble> {
        let shipped = self.ship(|ship| ship.bring(item))?;
        self.settle(item, shipped)?;
        self.state("running", None);
        self.walk.copied();
        self.tell_behind();
        if self.noted.elapsed() >= NOTE_EVERY {
            self.note();
        }
        Ok(())
    }

    fn ship<T>(&mut self, with: impl FnOnce(&mut Ship<'_>) -> T) -> T {
        let Work { client, bucket, root, dir, .. } = &self.work;
        let mut ship = Ship { client, bucket, root, dir, may_read: self.may_read };
        let result = with(&mut ship);
        self.may_read = ship.may_read;
        result
    }

    /// Counts what became of a file, and keeps a word about what went wrong for good.
    fn settle(&mut self, item: &Item, shipped: Shipped) -> Result<(), Trouble> {
        match shipped {
            Shipped::Put(bytes) => self.put(bytes),
            Shipped::Found => self.success(|said| said.found += 1),
            Shipped::Unseen => self.success(|said| said.unseen += 1),
            Shipped::Conflict(why) => self.conflict(&item.to, why),
            // What was read of the state is older than the drop where retention came just now.
            Shipped::Gone if item.may_be_gone || self.is_dropped(item) => self.missed += 1,
            Shipped::Gone => {
                let place = item.from.display();
                return Err(Trouble::other(format!(
                    "{place} is not there, though a digest names it; run `innertrail verify`"
                )));
            }
        }
        Ok(())
    }

    /// Whether retention has dropped a file since the digest was planned.
    fn is_dropped(&self, item: &Item) -> bool {
        let Ok(Some(newest)) = sealed::newest(&self.work.dir) else { return false };
        let Ok(digest) = sealed::read(&self.work.dir, self.progress.digest.saturating_add(1)) else { return false };
        let dropped = |file: &sealed::SealedFile| file.span.is_some_and(|(_, end)| end <= newest.kept(file.store));
        digest.files.iter().any(|file| file.path == item.to && dropped(file))
    }

    /// Somebody may have mended since what was not as it was sealed.
    fn retry_conflicts(&mut self) {
        let paths: Vec<String> = self.progress.conflicts.keys().cloned().collect();
        for to in paths {
            let Ok(item) = self.item_again(&to) else { continue };
            match self.ship(|ship| ship.bring(&item)) {
                Ok(Shipped::Put(bytes)) => self.put(bytes),
                Ok(Shipped::Found) => self.success(|said| said.found += 1),
                _ => continue,
            }
            self.progress.conflicts.remove(&to);
        }
        self.tell_conflicts();
    }

    /// A file that was in conflict, from the digests that name it.
    fn item_again(&self, to: &str) -> Result<Item, innertrail_logstore::Error> {
        for number in (1..=self.progress.digest.saturating_add(1)).rev() {
            let digest = sealed::read(&self.work.dir, number)?;
            let newest = Newest { number, kept: [0; 4] };
            let facts = Facts { newest: &newest, format: None, left_out: &self.work.left_out };
            let mut walk = Walk::new(number.saturating_sub(1), None, number);
            walk.take(&digest, facts);
            while let Want::Copy(item) = walk.want(number) {
                if item.to == to {
                    return Ok(*item);
                }
                walk.copied();
            }
        }
        Err(innertrail_logstore::Error::Export("no digest names it".to_owned()))
    }

    fn finished(&mut self, number: u64) {
        // Only now: a digest that is begun anew after a kill counts its files anew.
        let missed = std::mem::take(&mut self.missed);
        if missed > 0 {
            self.progress.missed.files = self.progress.missed.files.saturating_add(missed);
            self.progress.missed.digest = number;
        }
        self.progress.digest = number;
        self.progress.format = self.walk.format().map(|hash| hex(&hash));
        while self.backlog.front().is_some_and(|(first, ..)| *first <= number) {
            self.backlog.pop_front();
        }
        self.walk.noted();
        self.tell_behind();
        self.note();
    }

    /// Copies the newest checkpoint under its place in the write-ahead log, if it is another than the last, and with a digest
    /// or when it is time.
    fn copy_checkpoint(&mut self, with_digest: bool) -> Result<(), Trouble> {
        let now_us = clock::now_us();
        let every = i64::try_from(self.work.checkpoint.as_micros()).unwrap_or(i64::MAX);
        let before = self.progress.checkpoint;
        let due = before.is_none_or(|(.., at_us)| now_us < at_us || now_us - at_us >= every);
        if !(with_digest || due || self.last.is_some()) || self.progress.digest == 0 {
            return Ok(());
        }
        let found = sealed::checkpoint(&self.work.dir).map_err(|e| Trouble::other(e.to_string()))?;
        let Some(checkpoint) = found else { return Ok(()) };
        let place = (checkpoint.generation, checkpoint.frames);
        if before.is_some_and(|(generation, frames, _)| (generation, frames) == place) {
            return Ok(());
        }
        let to = format!("seal/checkpoints/{:08}-{:08}.checkpoint", place.0, place.1);
        match self.ship(|ship| ship.put(&to, From::Bytes(&checkpoint.note)))? {
            Shipped::Conflict(why) => self.conflict(&to, why),
            Shipped::Put(bytes) => self.put(bytes),
            Shipped::Found => self.success(|said| said.found += 1),
            Shipped::Unseen | Shipped::Gone => self.success(|said| said.unseen += 1),
        }
        self.progress.checkpoint = Some((place.0, place.1, now_us));
        Ok(())
    }

    /// Takes in the digests that are new.
    fn count_backlog(&mut self, newest: &Newest) -> Result<(), Trouble> {
        let from = self.backlog.back().map_or(self.progress.digest, |(last, ..)| *last).saturating_add(1);
        for number in from..=newest.number {
            if self.stopped() {
                return Ok(());
            }
            let digest = sealed::read(&self.work.dir, number).map_err(|e| Trouble::other(e.to_string()))?;
            let files = digest.files.iter().filter(|file| is_copied(file, &self.work.left_out)).count() as u64;
            self.backlog.push_back((number, files.saturating_add(1), digest.time_us));
        }
        self.tell_behind();
        Ok(())
    }
}
