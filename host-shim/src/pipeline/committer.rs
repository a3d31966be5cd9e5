//! The Logstore's writer on a thread of its own, so that appending, fsync and the building of segments go on while the
//! next batch is read and transformed.
//!
//! One transaction is on its way at a time, and the writer travels with it: whoever needs the writer waits for its return.
//! It must never let two transactions overtake each other, and never say that something is durable before it is.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;
use std::time::Instant;

use innertrail_logstore::{Committed, Error, State, Transaction, Writer};

use super::{Event, Pipeline, PipelineError};
use crate::clock;
use crate::metrics::Board;
use crate::notice::Notice;
use crate::status::SOURCE;

/// While the writer is away a transaction grows to this many times `commit_bytes`; then its maker waits. The transaction is in
/// memory up to four times: growing, on its way, as a frame, and read back into a segment.
const GROWTH: u64 = 4;

/// The writer and a transaction on their way.
struct Job {
    writer: Box<Writer>,
    txn: Transaction,
    now_us: i64,
}

/// Both back again: the writer, and what became of the transaction.
pub(super) struct Returned {
    writer: Box<Writer>,
    result: Result<Committed, Error>,
}

/// The thread, and the writer while it is here.
pub(super) struct Committer {
    writer: Option<Box<Writer>>,
    jobs: Sender<Job>,
    done: Receiver<Returned>,
}

impl Committer {
    /// Starts the thread. It ends when this is dropped. `events` hears of every return, `board` of how long it took.
    pub(super) fn start(writer: Writer, events: Sender<Event>, board: Option<Arc<Board>>) -> std::io::Result<Self> {
        let (jobs, inbox) = channel::<Job>();
        let (outbox, done) = channel();
        thread::Builder::new().name("committer".to_owned()).spawn(move || {
            for Job { mut writer, txn, now_us } in inbox {
                let begun = Instant::now();
                let result = writer.commit(txn, now_us);
                if let (Some(board), Ok(_)) = (&board, &result) {
                    board.committed(begun.elapsed());
                }
                if outbox.send(Returned { writer, result }).is_err() || events.send(Event::Committed).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { writer: Some(Box::new(writer)), jobs, done })
    }

    /// Whether a transaction is on its way.
    pub(super) fn is_busy(&self) -> bool {
        self.writer.is_none()
    }

    /// The writer, if it is here.
    pub(super) fn writer(&mut self) -> Option<&mut Writer> {
        self.writer.as_deref_mut()
    }

    /// Counters and checkpoints as of the last commit, if the writer is here.
    pub(super) fn state(&self) -> Option<&State> {
        self.writer.as_deref().map(Writer::state)
    }

    /// Ends the thread and gives the writer, if it is here.
    pub(super) fn into_writer(self) -> Option<Writer> {
        self.writer.map(|writer| *writer)
    }

    /// Has the writer back, whatever became of a transaction that is on its way: it is read again.
    pub(super) fn forget(&mut self) {
        let _ = self.take_back(true);
    }

    /// Sends a transaction on its way; gives it back when one already is.
    fn send(&mut self, txn: Transaction, now_us: i64) -> Result<(), Transaction> {
        let Some(writer) = self.writer.take() else { return Err(txn) };
        self.jobs.send(Job { writer, txn, now_us }).map_err(|lost| {
            self.writer = Some(lost.0.writer);
            lost.0.txn
        })
    }

    /// Takes the writer back if it has returned, or once it has with `wait`; what became of its transaction.
    fn take_back(&mut self, wait: bool) -> Option<Result<Committed, Error>> {
        if !self.is_busy() {
            return None;
        }
        let returned = match self.done.try_recv() {
            Ok(returned) => returned,
            Err(TryRecvError::Empty) if !wait => return None,
            // A thread that broke down has dropped its end, so this does not wait for ever.
            Err(_) => match self.done.recv() {
                Ok(returned) => returned,
                Err(_) => return Some(Err(Error::Poisoned { cause: "the thread that commits broke down".to_owned() })),
            },
        };
        self.writer = Some(returned.writer);
        Some(returned.result)
    }
}

/// The thread that commits is not there any more, and the writer with it.
pub(super) fn gone() -> Error {
    Error::Poisoned { cause: "the thread that commits is gone".to_owned() }
}

/// How far the frames of one session have come, in `emit` actions.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Emits {
    /// Put into a transaction.
    pub(super) taken: u64,
    /// In the transaction that is on its way, or in an earlier one.
    sent: u64,
    /// Durable.
    pub(super) durable: u64,
    /// Durable, and the session was told.
    pub(super) told: u64,
}

impl Pipeline {
    /// Sends the transaction on its way if there is something in it and the writer is here.
    pub(super) fn begin_commit(&mut self, tell: &mut dyn FnMut(Notice<'_>)) -> Result<(), PipelineError> {
        self.collect(tell)?;
        self.meter();
        if self.committer.is_busy() {
            return Ok(());
        }
        self.begun = Instant::now();
        if self.txn.is_empty() {
            // What brought neither a record nor a position is durable already.
            self.emits.values_mut().for_each(|emits| (emits.sent, emits.durable) = (emits.taken, emits.taken));
            return Ok(());
        }
        self.wait_for_room(tell)?;
        let txn = std::mem::take(&mut self.txn);
        match self.committer.send(txn, clock::now_us()) {
            Ok(()) => {
                self.parked[1] = std::mem::take(&mut self.parked[0]);
                self.emits.values_mut().for_each(|emits| emits.sent = emits.taken);
            }
            Err(txn) => {
                self.txn = txn;
                return Err(gone().into());
            }
        }
        Ok(())
    }

    /// The same, once enough has come together; waits for the writer when too much has.
    pub(super) fn commit_if_full(&mut self, tell: &mut dyn FnMut(Notice<'_>)) -> Result<(), PipelineError> {
        let (bytes, full) = (self.txn.bytes() as u64, self.config.logstore.commit_bytes);
        if bytes >= full.saturating_mul(GROWTH) && self.committer.is_busy() {
            self.wait_for_writer(tell)?;
        }
        if bytes >= full { self.begin_commit(tell) } else { Ok(()) }
    }

    /// Makes everything durable and has the writer back.
    pub(super) fn settle(&mut self, tell: &mut dyn FnMut(Notice<'_>)) -> Result<(), PipelineError> {
        self.wait_for_writer(tell)?;
        self.begin_commit(tell)?;
        self.wait_for_writer(tell)
    }

    /// Takes in a commit that has ended; does not wait for one that has not.
    pub(super) fn collect(&mut self, tell: &mut dyn FnMut(Notice<'_>)) -> Result<(), PipelineError> {
        match self.committer.take_back(false) {
            Some(result) => self.landed(result, tell),
            None => Ok(()),
        }
    }

    fn wait_for_writer(&mut self, tell: &mut dyn FnMut(Notice<'_>)) -> Result<(), PipelineError> {
        match self.committer.take_back(true) {
            Some(result) => self.landed(result, tell),
            None => Ok(()),
        }
    }

    fn landed(
        &mut self,
        result: Result<Committed, Error>,
        tell: &mut dyn FnMut(Notice<'_>),
    ) -> Result<(), PipelineError> {
        let parked = std::mem::take(&mut self.parked[1]);
        result?;
        // A sink that is gone hears nothing: it parks again.
        for answer in &parked {
            let _told = answer.send(());
        }
        if let Some(state) = self.committer.state() {
            self.sinks.committed(state);
        }
        self.emits.values_mut().for_each(|emits| emits.durable = emits.sent);
        if let Some(state) = self.committer.state() {
            let bytes = state.counters.iter().filter(|(n, _)| n.starts_with(SOURCE) && n.ends_with(".bytes_in"));
            tell(Notice::Progress(state.counter("log.records"), bytes.map(|(_, n)| *n).sum()));
        }
        Ok(())
    }
}
