//! What takes time and no waiting, on a thread of its own: decompressing, cutting, judging.
//! It must never give a request back as judged when a part of it is not.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::report::Report;
use crate::request::Batch;
use crate::{Judge, NotJudged};

/// A request on its way to the judge: what to do with it. An agent that went away meanwhile sends it again.
pub(crate) type Job = Box<dyn FnOnce(&mut dyn Judge) + Send>;

/// Works until nobody sends any more.
pub(crate) fn work(jobs: &Receiver<Job>, judge: &mut dyn Judge) {
    for job in jobs {
        job(judge);
    }
}

/// The verdicts of a batch, held against the batch, and counted.
pub(crate) fn verdicts(judge: &mut dyn Judge, batch: &Batch, report: &Report) -> Result<Vec<bool>, NotJudged> {
    let told = judge.judge(batch)?;
    let fits = told.len() == batch.frames.len()
        && !batch.frames.iter().zip(&told).any(|(frame, passes)| frame.broken.is_some() && *passes);
    if !fits {
        return Err(NotJudged("the judge's verdicts do not fit the events".to_owned()));
    }
    report.judged(&told);
    Ok(told)
}

/// All that is read, if it is no longer than this; `None` when it is. Never holds more.
pub(crate) fn read_whole(from: impl Read, longest: usize) -> io::Result<Option<Bytes>> {
    let mut out = Vec::new();
    from.take(longest as u64 + 1).read_to_end(&mut out)?;
    Ok((out.len() <= longest).then(|| out.into()))
}

/// Memory for so many bytes, if there is any; a permit is a KiB.
pub(crate) fn take(memory: &Arc<Semaphore>, bytes: usize) -> Option<OwnedSemaphorePermit> {
    let permits = u32::try_from(bytes.div_ceil(1 << 10)).ok()?;
    Arc::clone(memory).try_acquire_many_owned(permits).ok()
}
