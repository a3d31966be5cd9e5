//! What the threads of evaluation share with each other and with the pipeline.
//!
//! No lock here is ever held while something is read, asked or waited for.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use innertrail_alerts::{Groups, RuleSet};
use innertrail_logstore::consumer::Notify;

use super::entry::Out;
use super::keep::Counts;
use super::note::Said;
use super::read::{self, Alert};
use crate::clock;
use crate::sink::parking::Parked;
use crate::sink::watch::{Weight, Word};

/// How often it is looked at whether to stop while the journal is waited for.
const NAP: Duration = Duration::from_millis(20);

/// After so long somebody who waits for the journal says so.
const WHILE: Duration = Duration::from_secs(5);

/// Hands something to keep to the thread that commits; `false` when that is gone.
pub(super) type Post = Box<dyn Fn(Parked) -> bool + Send>;

/// What all of them know.
pub(super) struct Shared {
    pub(super) dir: PathBuf,
    pub(super) set: Arc<RuleSet>,
    pub(super) notify: Notify,
    /// Stop at once; what is on its way is made again.
    pub(super) stop: AtomicBool,
    /// Everything else is done: end when everything is looked at.
    pub(super) finish: AtomicBool,
    /// The thread that asks has ended, or there is none.
    pub(super) asked: AtomicBool,
    state: Mutex<State>,
}

/// What changes.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) said: Said,
    pub(super) counts: Counts,
    pub(super) scheduled: BTreeMap<String, Groups>,
    /// First entry of the journal that the thread that reads has not looked at.
    pub(super) journal: u64,
    /// From this entry on there may be alerts of scheduled rules that `scheduled` does not know: a run is being told.
    pub(super) telling: Option<u64>,
    /// What is to be kept now, and not only when it is time.
    pub(super) keep_now: bool,
    /// What people are to be told.
    pub(super) words: Vec<Word>,
}

impl Shared {
    pub(super) fn new(dir: PathBuf, set: Arc<RuleSet>, notify: Notify, state: State) -> Self {
        let (stop, finish, asked) = Default::default();
        Self { dir, set, notify, stop, finish, asked, state: Mutex::new(state) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(super) fn finishing(&self) -> bool {
        self.finish.load(Ordering::Relaxed)
    }

    pub(super) fn tell(&self, weight: Weight, text: String) {
        self.lock().words.push(Word { weight, text });
    }

    /// Another state of evaluation, or another reason for it.
    pub(super) fn state(&self, word: &str, why: Option<String>) {
        let mut state = self.lock();
        if state.said.state != word {
            (state.said.state, state.said.since_us) = (word.to_owned(), clock::now_us());
        }
        state.said.why = why;
    }

    /// Counts entries that are durable.
    pub(super) fn count(&self, out: &[Out]) {
        let mut state = self.lock();
        for out in out.iter().filter(|out| !out.alert.is_empty()) {
            match out.level {
                None => state.counts.resolved += 1,
                Some(level) => {
                    *state.counts.fired.entry(level.to_owned()).or_default() += 1;
                    state.counts.last = Some(super::keep::Last {
                        at_us: clock::now_us(),
                        alert: out.alert.clone(),
                        rule: out.rule.clone(),
                        level: level.to_owned(),
                    });
                }
            }
        }
    }

    /// All alerts of the journal from an entry on.
    pub(super) fn learn(&self, from: u64) -> Result<Vec<Alert>, innertrail_logstore::Error> {
        read::seen(&self.dir, from)
    }
}

/// Entries on their way into the journal.
pub(super) struct Mail {
    pub(super) out: Vec<Out>,
    answers: Receiver<()>,
    durable: usize,
}

/// What became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivered {
    /// All are durable.
    All,
    /// Some were not taken, or nobody knows: look into the journal.
    Lost,
    /// Told to stop before it was known.
    Stopped,
    /// Nothing is known yet, after a good while: wait again.
    Waiting,
}

impl Mail {
    /// Hands entries to the thread that commits.
    pub(super) fn send(post: &Post, out: Vec<Out>) -> Self {
        let (answer, answers): (Sender<()>, Receiver<()>) = channel();
        for out in &out {
            // One that is not taken drops its end, and is found missing.
            let _taken = post(Parked { row: None, entry: out.entry.clone(), answer: answer.clone() });
        }
        Self { out, answers, durable: 0 }
    }

    /// Waits until all of them are durable, for a good while, and at most for `patience` once it is to stop.
    pub(super) fn wait(&mut self, shared: &Shared, patience: Duration) -> Delivered {
        let (mut told, begun) = (None, Instant::now());
        while self.durable < self.out.len() {
            match self.answers.recv_timeout(NAP) {
                Ok(()) => self.durable += 1,
                Err(RecvTimeoutError::Disconnected) => return Delivered::Lost,
                Err(RecvTimeoutError::Timeout) if shared.stopped() => {
                    let since = *told.get_or_insert_with(Instant::now);
                    if since.elapsed() >= patience {
                        return Delivered::Stopped;
                    }
                }
                Err(RecvTimeoutError::Timeout) if begun.elapsed() >= WHILE => return Delivered::Waiting,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        Delivered::All
    }

    /// Whether some were certainly not taken: nobody has them any more, and not all were answered for. What is only on its
    /// way is not lost, and would be told twice if it were handed over again.
    pub(super) fn is_lost(&mut self) -> bool {
        while self.durable < self.out.len() {
            match self.answers.try_recv() {
                Ok(()) => self.durable += 1,
                Err(TryRecvError::Empty) => return false,
                Err(TryRecvError::Disconnected) => return true,
            }
        }
        false
    }

    /// Takes in answers that are there, without waiting; whether all are.
    pub(super) fn is_done(&mut self) -> bool {
        while self.durable < self.out.len() && self.answers.try_recv().is_ok() {
            self.durable += 1;
        }
        self.durable == self.out.len()
    }
}
