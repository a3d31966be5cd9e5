//! Delivering from one place on, under one hold of the group: does what the state machine says, and tells it how that went.
//! It must never decide what becomes of a record: that is `core`'s.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::Instant;

use innertrail_logstore::Layout;
use innertrail_logstore::consumer::{ConsumerError, Cursor};

use super::ahead::{Found, Look, Looks};
use super::core::{Core, Now, Step};
use super::position::Held;
use super::report::State;
use super::runner::{Delivery, SLICE, now_us};
use super::{DeliveryError, NotParked, memory};
use crate::record::{Batch, Record};
use crate::sender::Refused;
use crate::trouble::Trouble;

/// Records after which a rest is worth giving memory back.
const BACKLOG: u64 = 4_096;

/// How a stretch of delivering ended.
pub(super) enum Ended {
    /// Told to stop, or at the end of the stretch.
    Done,
    /// The group was reset or taken by another: to be asked for again.
    Lost,
}

/// Delivering from one place on, under one hold of the group.
pub(super) struct Stretch<'a> {
    pub(super) delivery: &'a mut Delivery,
    pub(super) core: Core,
    pub(super) held: Option<&'a mut Held>,
    pub(super) until: u64,
    pub(super) trail: String,
    pub(super) layout: Layout,
    /// A cursor of this Logstore, to make others of.
    pub(super) place: Cursor,
    /// Where the durable records ended at the last look.
    pub(super) end: u64,
    pub(super) looks: Looks,
    /// What waits is `records[from..]`.
    pub(super) records: Vec<Record>,
    pub(super) from: usize,
    pub(super) begun: Instant,
    /// What retention dropped, not yet noted by the host.
    pub(super) missed: Option<(u64, u64)>,
    /// The last try to store the position failed.
    pub(super) unstored: bool,
    /// Records taken when memory was given back last.
    pub(super) gave_back_at: u64,
    /// Nobody reads any more, which only a panic can do: the thread's scope passes it on.
    pub(super) unread: bool,
}

impl Stretch<'_> {
    pub(super) fn run(&mut self, stop: &AtomicBool) -> Result<Ended, DeliveryError> {
        loop {
            let done = stop.load(Ordering::Relaxed) || self.unread || self.core.at() >= self.until;
            match self.keep(done) {
                Err(ConsumerError::NotOwner { .. }) => return Ok(Ended::Lost),
                // What was sent was sent: the next start repeats what could not be noted.
                Err(error) if done => return Err(self.delivery.failed(error)),
                Err(error) => {
                    self.unstored = true;
                    self.failed(Trouble::Writer, format!("the position could not be stored: {error}"));
                }
                Ok(()) => {}
            }
            if done {
                return Ok(Ended::Done);
            }
            self.step();
            self.show();
        }
    }

    /// Stores the position where it is time: at once when nothing waits, or what was parked would be parked twice.
    fn keep(&mut self, at_once: bool) -> Result<(), ConsumerError> {
        let idle = self.core.end() == self.core.at();
        let resting = matches!(self.core.next(self.now()), Step::Rest(_)) && !at_once;
        let Some(held) = self.held.as_deref_mut().filter(|_| !resting || !self.unstored) else { return Ok(()) };
        let at_once = at_once || self.unstored || (idle && *self.core.state() == State::CaughtUp);
        held.keep(self.place.at(self.core.at()), at_once, now_us())?;
        if std::mem::take(&mut self.unstored) {
            self.core.recovered();
        }
        Ok(())
    }

    fn now(&self) -> Now {
        Now { since: self.begun.elapsed(), wall_us: now_us() }
    }

    fn step(&mut self) {
        match self.core.next(self.now()) {
            Step::Rest(until) => thread::sleep(until.saturating_sub(self.begun.elapsed()).min(SLICE)),
            Step::Fill => self.fill(),
            Step::Send(count) => self.send(count),
            Step::Park(why) => self.park(&why),
        }
    }

    fn fill(&mut self) {
        if let Some((from, to)) = self.missed {
            return self.note_missed(from, to);
        }
        let Look { found, end } = match self.looks.recv_timeout(SLICE) {
            Ok(look) => look,
            Err(RecvTimeoutError::Timeout) => return self.core.filled([], false),
            Err(RecvTimeoutError::Disconnected) => {
                // Everything up to the end of the stretch was read, or the reading thread panicked.
                self.unread = self.core.end() < self.until;
                return self.idle();
            }
        };
        self.end = end;
        match found {
            Found::Page { records, at_end, layout } => self.filled(records, at_end, layout),
            Found::Nothing => self.idle(),
            Found::Gap { from, to } => {
                self.missed = Some((from, to));
                // What was read before the gap goes first.
                self.core.filled([], false);
            }
            // What was read before goes first.
            Found::Failed(_) if self.core.end() > self.core.at() => self.core.filled([], false),
            Found::Failed(error) => {
                self.failed(Trouble::Reader, format!("the Logstore could not be read: {error}"));
            }
        }
    }

    fn filled(&mut self, records: Vec<Record>, at_end: bool, layout: Option<Layout>) {
        if self.from == self.records.len() {
            self.records = records;
        } else {
            self.records.drain(..self.from);
            self.records.extend(records);
        }
        self.from = 0;
        if let Some(layout) = layout {
            self.layout = layout;
        }
        let known = usize::try_from(self.core.end() - self.core.at()).unwrap_or(usize::MAX);
        let batch = Batch { trail: &self.trail, layout: &self.layout, records: &self.records };
        let sender = &self.delivery.sender;
        let sizes = (known..self.records.len()).map(|at| sender.encoded_len(&batch, at));
        self.core.filled(sizes, !at_end);
    }

    /// Nothing is there to read. What already waits goes out as it is.
    fn idle(&mut self) {
        self.core.filled([], false);
        if self.core.end() == self.core.at() {
            self.records = Vec::new();
            self.from = 0;
            let sent = self.core.counts().sent;
            if sent - self.gave_back_at >= BACKLOG {
                self.gave_back_at = sent;
                memory::give_back();
            }
        }
    }

    fn note_missed(&mut self, from: u64, to: u64) {
        match self.delivery.parking.missed(&self.delivery.place.name, from, to) {
            Ok(()) => {
                self.missed = None;
                self.records.clear();
                self.from = 0;
                self.core.skipped_to(to);
                self.delivery.status.change(|report| report.missed += to - from);
            }
            Err(NotParked(why)) => self.failed(Trouble::Writer, format!("a gap could not be noted: {why}")),
        }
    }

    fn send(&mut self, count: usize) {
        let records = self.records.get(self.from..self.from + count).unwrap_or_default();
        let batch = Batch { trail: &self.trail, layout: &self.layout, records };
        let answer = self.delivery.sender.send(&batch);
        let now = self.now();
        match answer {
            Ok(()) => {
                self.from += count;
                self.delivery.bytes += self.delivery.sender.body_bytes().unwrap_or(0);
                let bytes = self.core.front_bytes(count);
                self.delivery.status.change(|report| report.sent_event_bytes += bytes);
                self.core.taken(count, now);
            }
            Err(refused) => {
                // A batch of which a record is refused is halved: the failure is that of the record, once it stands alone.
                if count == 1 || !matches!(refused, Refused::Never { .. }) {
                    self.delivery.troubles.met(self.delivery.sender.trouble());
                }
                self.core.refused(count, refused, now);
            }
        }
    }

    fn park(&mut self, why: &str) {
        let Some(record) = self.records.get(self.from) else { return };
        match self.delivery.parking.park(&self.delivery.place.name, record, why) {
            Ok(()) => {
                self.from += 1;
                let bytes = self.core.front_bytes(1);
                self.delivery.status.change(|report| {
                    report.parked_event_bytes += bytes;
                    report.parked_why = Some(why.to_owned());
                });
                self.core.parked();
                if let Some(held) = self.held.as_deref_mut() {
                    // If this fails, the next round of the loop says so, and tries again.
                    let _stored = held.keep(self.place.at(self.core.at()), true, now_us());
                }
            }
            Err(NotParked(why)) => {
                let why = format!("record {} could not be parked: {why}", record.row.seq);
                self.failed(Trouble::Writer, why);
            }
        }
    }

    fn failed(&mut self, trouble: Trouble, why: String) {
        self.delivery.troubles.met(trouble);
        self.core.failed(why, self.now());
    }

    fn show(&mut self) {
        self.delivery.counts = self.core.counts();
        let (at, counts, state) = (self.core.at(), self.core.counts(), self.core.state().clone());
        let behind = self.end.saturating_sub(at);
        let bytes = self.delivery.sender.body_bytes().map(|_| self.delivery.bytes);
        let troubles = self.delivery.troubles;
        self.delivery.status.change(|report| {
            report.position = at;
            report.behind = behind;
            report.state = state;
            report.sent = counts.sent;
            report.sent_bytes = bytes;
            report.retried = counts.retried;
            report.troubles = troubles;
            report.parked = counts.parked;
            report.last_answer_us = counts.last_answer_us;
        });
    }
}
