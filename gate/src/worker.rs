//! What takes time and no waiting, on a thread of its own: decompressing, cutting, judging.
//! It must never give a request back as judged when a part of it is not.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::Judge;
use crate::grpc::{self, Compression, Status};
use crate::request::{self, Request};

/// How often a judge may rest.
const REST: Duration = Duration::from_secs(1);

/// What is left of a request, and the memory that it takes.
pub(crate) type Judged = Result<Option<(Bytes, OwnedSemaphorePermit)>, Status>;

/// A request on its way to the judge.
pub(crate) struct Job {
    pub(crate) message: Bytes,
    pub(crate) compression: Compression,
    /// Memory of the compressed message; given back when it is not needed any more.
    pub(crate) memory: OwnedSemaphorePermit,
    pub(crate) answer: oneshot::Sender<Judged>,
}

/// Works until nobody sends any more.
pub(crate) fn work(jobs: &Receiver<Job>, memory: &Arc<Semaphore>, judge: &mut dyn Judge) {
    let mut rested = Instant::now();
    loop {
        match jobs.recv_timeout(REST) {
            // An agent that went away meanwhile sends it again.
            Ok(job) if job.answer.is_closed() => {}
            Ok(job) => {
                let judged = one(job.message, job.compression, job.memory, memory, judge);
                let _gone = job.answer.send(judged);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if rested.elapsed() >= REST {
            judge.rest();
            rested = Instant::now();
        }
    }
    judge.rest();
}

fn one(
    message: Bytes,
    compression: Compression,
    held: OwnedSemaphorePermit,
    memory: &Arc<Semaphore>,
    judge: &mut dyn Judge,
) -> Judged {
    let message = grpc::decompress(message, compression)?;
    let held = if compression == Compression::None {
        held
    } else {
        drop(held);
        take(memory, message.len()).ok_or_else(|| Status::exhausted("too much is waiting at the gate"))?
    };
    let not_judged = |e: crate::NotJudged| Status::unavailable(&e);
    let request = match Request::cut(message) {
        Ok(request) => request,
        Err((why, message)) => {
            for batch in request::broken(&message) {
                judge.judge(&batch).map_err(not_judged)?;
            }
            return Err(Status::invalid(&why));
        }
    };
    let mut verdicts = Vec::with_capacity(request.len());
    while verdicts.len() < request.len() {
        let (taken, batch) = request.batch(verdicts.len());
        let told = judge.judge(&batch).map_err(not_judged)?;
        if told.len() != taken || batch.frames.iter().zip(&told).any(|(f, passes)| f.broken.is_some() && *passes) {
            return Err(Status::unavailable("the judge's verdicts do not fit the events"));
        }
        verdicts.extend(told);
    }
    Ok(request.passing(&verdicts).map(|left| (left, held)))
}

/// Memory for so many bytes, if there is any; a permit is a KiB.
pub(crate) fn take(memory: &Arc<Semaphore>, bytes: usize) -> Option<OwnedSemaphorePermit> {
    let permits = u32::try_from(bytes.div_ceil(1 << 10)).ok()?;
    Arc::clone(memory).try_acquire_many_owned(permits).ok()
}
