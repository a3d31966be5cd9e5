//! OTLP over HTTP: the way of one request through judge and receiver.
//! It must never answer for the receiver, and never let it send the agent elsewhere.

mod cut;
mod http;
mod json;
mod protobuf;
mod record;

use std::convert::Infallible;
use std::net::TcpListener;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use innertrail_sink::Refused;
use innertrail_sink::otlp::{Encoding, Relay};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use self::cut::{Cut, Form};
use self::http::{Answer, Head};
use crate::report::Report;
use crate::request::{self, Batch, Broken};
use crate::server::{self, Shared};
use crate::{Judge, NotJudged, worker};

/// How long a connection may be without a request, or a request without the end of its head.
const IDLE: Duration = Duration::from_secs(60);

struct Gate {
    relay: Arc<Relay>,
    shared: Shared,
}

/// Serves for ever.
pub(crate) async fn serve(listener: TcpListener, relay: Relay, shared: Shared) {
    let gate = Arc::new(Gate { relay: Arc::new(relay), shared });
    let connections = gate.shared.limits.connections;
    server::accept(listener, connections, move |stream| connection(stream, Arc::clone(&gate))).await;
}

async fn connection(stream: TcpStream, gate: Arc<Gate>) {
    if timeout(gate.shared.limits.handshake, server::begins::<4>(&stream)).await.is_err() {
        return;
    }
    let service = service_fn(move |request| answer(request, Arc::clone(&gate)));
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(IDLE).max_buf_size(64 << 10);
    let _ended = builder.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, gate: Arc<Gate>) -> Result<Response<http::Text>, Infallible> {
    let head = match Head::of(&request) {
        Ok(head) => head,
        Err(answer) => return Ok(answer.response(Form::Protobuf)),
    };
    let answer = export(head, request, &gate).await.unwrap_or_else(|refusal| refusal);
    gate.shared.report.told(answer.told());
    Ok(answer.response(head.form))
}

/// In, judged, out, and only then the answer.
async fn export(head: Head, request: Request<Incoming>, gate: &Gate) -> Result<Answer, Answer> {
    let Shared { jobs, memory, limits, report } = &gate.shared;
    let longest = gate.relay.max_body();
    let arrived = timeout(limits.arrival, server::body(request.into_body(), memory, longest)).await;
    let (body, held) = arrived.map_err(|_| Answer::later("the request did not arrive in time"))??;
    let (tell, told) = oneshot::channel();
    let gone = || Answer::later("the gate is about to end");
    let (memory, count) = (Arc::clone(memory), Arc::clone(report));
    let job = Box::new(move |judge: &mut dyn Judge| {
        if !tell.is_closed() {
            let _gone = tell.send(judged(head, body, held, longest, &memory, &count, judge));
        }
    });
    jobs.send(job).map_err(|_| gone())?;
    let Some(left) = told.await.map_err(|_| gone())?? else { return Ok(Answer::taken()) };
    let (relay, events) = (Arc::clone(&gate.relay), left.events);
    let encoding = match head.form {
        Form::Protobuf => Encoding::Protobuf,
        Form::Json => Encoding::Json,
    };
    let passed = tokio::task::spawn_blocking(move || {
        let passed = relay.pass(encoding, head.gzip, &left.body);
        drop(left.memory);
        passed
    });
    let passed = passed.await.map_err(|_| Answer::later("the request to the receiver broke down"))?;
    let passed = passed.map_err(|refused| {
        let answer = Err(refused);
        report.answered(events, &answer);
        Answer::later(&answer.err().as_ref().map(Refused::to_string).unwrap_or_default())
    })?;
    report.answered(events, &passed.meaning);
    Ok(Answer::of(passed))
}

/// What is left of a request, as it is sent.
struct Left {
    body: Bytes,
    events: usize,
    memory: OwnedSemaphorePermit,
}

fn judged(
    head: Head,
    body: Bytes,
    held: OwnedSemaphorePermit,
    longest: usize,
    memory: &Arc<Semaphore>,
    report: &Report,
    judge: &mut dyn Judge,
) -> Result<Option<Left>, Answer> {
    let message = if head.gzip { http::gunzip(&body, longest)? } else { body.clone() };
    let more = if head.gzip { worker::take(memory, message.len()) } else { worker::take(memory, 0) };
    let more = more.ok_or_else(|| Answer::exhausted("too much is waiting at the gate"))?;
    let not_judged = |e: NotJudged| Answer::later(&e.to_string());
    let cut = match Cut::of(message, head.form) {
        Ok(cut) => cut,
        Err((why, message)) => {
            for batch in request::broken(&message) {
                worker::verdicts(judge, &batch, report).map_err(not_judged)?;
            }
            return Err(Answer::invalid(&why.to_string()));
        }
    };
    let verdicts = verdicts(&cut, judge, report).map_err(not_judged)?;
    let Some(left) = cut.passing(&verdicts) else { return Ok(None) };
    let events = verdicts.iter().filter(|passes| **passes).count();
    if events == verdicts.len() {
        // All of it goes on as it came, compression included.
        drop(more);
        return Ok(Some(Left { body, events, memory: held }));
    }
    let (body, memory) = if head.gzip { (http::gzip(&left)?, more) } else { (left, held) };
    Ok(Some(Left { body, events, memory }))
}

/// One verdict a record. What is said of several of them, and parts that a receiver may read as an event of their own, are
/// judged first: where one of those may not pass, the whole record may not either, and is kept whole.
fn verdicts(cut: &Cut, judge: &mut dyn Judge, report: &Report) -> Result<Vec<bool>, NotJudged> {
    let mut sound = vec![true; cut.records.len()];
    let mut said = Parts::default();
    for group in &cut.groups {
        match cut.read_group(group) {
            None => sound[group.records.clone()].fill(false),
            Some(log) if log.attributes.is_empty() => {}
            Some(log) => {
                said.push(group.records.clone(), group.content.start, &log.judged().whole, judge, &mut sound)?;
            }
        }
    }
    said.judge(judge, &mut sound)?;
    let mut verdicts = Vec::with_capacity(sound.len());
    while verdicts.len() < sound.len() {
        let batch = records(cut, verdicts.len(), judge, &mut sound)?;
        verdicts.extend(worker::verdicts(judge, &batch, report)?);
    }
    Ok(verdicts)
}

/// The records from `first` on that are judged together, at least one.
fn records(cut: &Cut, first: usize, judge: &mut dyn Judge, sound: &mut [bool]) -> Result<Batch, NotJudged> {
    let (mut frames, mut bytes, mut parts) = (Vec::new(), 0, Parts::default());
    for (number, found) in cut.records.iter().enumerate().skip(first) {
        if bytes > request::BATCH / 2 || frames.len() >= request::FRAMES {
            break;
        }
        let frame = match cut.read(number).map(|log| log.judged()) {
            Some(record) => {
                for part in &record.parts {
                    parts.push(number..number + 1, found.at.start, part, judge, sound)?;
                }
                record.whole
            }
            None => {
                sound[number] = false;
                cut.message[found.at.clone()].to_vec()
            }
        };
        bytes += frame.len();
        frames.push(frame);
    }
    parts.judge(judge, sound)?;
    let mut batch = Batch::default();
    for (number, frame) in (first..).zip(frames) {
        let broken = match () {
            () if frame.len() > request::BATCH => Some(Broken::Oversize),
            () if !sound[number] => Some(Broken::Malformed),
            () => None,
        };
        if !batch.has_room(frame.len()) {
            break;
        }
        batch.push(&[&frame], cut.records[number].at.start, broken);
    }
    Ok(batch)
}

/// Parts that are on their way to the judge, each with the records that it is of.
#[derive(Default)]
struct Parts {
    batch: Batch,
    of: Vec<Range<usize>>,
}

impl Parts {
    fn push(
        &mut self,
        of: Range<usize>,
        at: usize,
        part: &[u8],
        judge: &mut dyn Judge,
        sound: &mut [bool],
    ) -> Result<(), NotJudged> {
        if !self.batch.has_room(part.len()) {
            std::mem::take(self).judge(judge, sound)?;
        }
        self.batch.push(&[part], at, (part.len() > request::BATCH).then_some(Broken::Oversize));
        self.of.push(of);
        Ok(())
    }

    fn judge(self, judge: &mut dyn Judge, sound: &mut [bool]) -> Result<(), NotJudged> {
        if self.of.is_empty() {
            return Ok(());
        }
        let verdicts = judge.judge(&self.batch)?;
        if verdicts.len() != self.of.len() {
            return Err(NotJudged("the judge's verdicts do not fit the events".to_owned()));
        }
        for (of, _) in self.of.into_iter().zip(verdicts).filter(|(_, passes)| !passes) {
            sound[of].fill(false);
        }
        Ok(())
    }
}
