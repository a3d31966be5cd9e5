//! A segment in the making on a thread of its own: rows become Parquet while the next ones are read and their words are
//! taken.
//! It must never do anything to the disk once it is dropped, nor finish a segment that it was not told to finish.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use arrow::array::RecordBatch;
use chrono::NaiveDate;

use crate::rotate::Home;
use crate::segment::{Finished, SegmentWriter};
use crate::{Error, Store};

enum Step {
    Rows(RecordBatch),
    Finish,
}

/// The thread, while its segment grows. Dropping it stops the thread; the segment is given up.
pub(crate) struct Encoder {
    /// Day of all rows.
    pub(crate) day: NaiveDate,
    /// Of the segment, under its temporary name.
    tmp: PathBuf,
    /// `None` when no more comes. It keeps nothing: at most one batch is encoded while one is collected.
    steps: Option<SyncSender<Step>>,
    thread: Option<JoinHandle<Result<Option<Finished>, Error>>>,
}

impl Encoder {
    /// Begins a segment.
    ///
    /// # Errors
    /// As [`SegmentWriter::create`], and [`Error::Write`] when the system has no thread to give.
    pub(crate) fn begin(home: &Home, store: Store, first_seq: u64, day: NaiveDate) -> Result<Self, Error> {
        let segment = SegmentWriter::create(home, store, first_seq, day)?;
        let tmp = segment.tmp().to_path_buf();
        let (steps, inbox) = sync_channel(0);
        let thread = thread::Builder::new().name("encoder".to_owned()).spawn(move || encode(segment, &inbox));
        let thread = thread.map_err(|e| Error::write(&tmp, e))?;
        Ok(Self { day, tmp, steps: Some(steps), thread: Some(thread) })
    }

    /// Hands rows over; waits until those before are encoded.
    ///
    /// # Errors
    /// What went wrong with the rows before.
    pub(crate) fn write(&mut self, batch: RecordBatch) -> Result<(), Error> {
        match self.steps.as_ref().map(|steps| steps.send(Step::Rows(batch))) {
            Some(Ok(())) => Ok(()),
            // It takes no more: it has failed, and says why.
            _ => self.ended().map(drop),
        }
    }

    /// Finishes the file and makes it durable under its temporary name.
    ///
    /// # Errors
    /// What went wrong with it, whenever that was.
    pub(crate) fn finish(mut self) -> Result<Finished, Error> {
        if let Some(steps) = &self.steps {
            let _failed = steps.send(Step::Finish);
        }
        self.ended()
    }

    /// Waits for the end of the thread; the segment, or what went wrong with it.
    fn ended(&mut self) -> Result<Finished, Error> {
        self.steps = None;
        let ended = self.thread.take().and_then(|thread| thread.join().ok());
        let broke = || Error::Poisoned { cause: format!("the thread that encodes {} broke down", self.tmp.display()) };
        ended.ok_or_else(broke)??.ok_or_else(broke)
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        self.steps = None;
        if let Some(thread) = self.thread.take() {
            let _unwanted = thread.join();
        }
    }
}

/// `None`: no more came, and nobody said that this is all.
fn encode(mut segment: SegmentWriter, inbox: &Receiver<Step>) -> Result<Option<Finished>, Error> {
    for step in inbox {
        match step {
            Step::Rows(batch) => segment.write(&batch)?,
            Step::Finish => return segment.finish().map(Some),
        }
    }
    Ok(None)
}
