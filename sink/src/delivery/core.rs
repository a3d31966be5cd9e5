//! What to do next with the records that wait for one receiver: a state machine without clock, file or network.
//! It must never pass over a record that was neither taken nor parked, and never change the order.
//!
//! It knows records by their size alone. A batch that the receiver will never take is halved, first half first, until
//! the culprit stands alone; what stands before it is delivered before it is parked. Retries send the same batch again, but
//! for one on which the receiver closes its connection time after time: half of it may be short enough. Such a record
//! alone waits, whatever its length, because a broken network looks the same and is no reason to park anything.

use std::collections::VecDeque;
use std::time::Duration;

use super::backoff::Backoff;
use super::report::State;
use super::{Limits, Settings};
use crate::sender::Refused;

/// Connections closed on a batch before half of it is tried.
const CLOSED: u32 = 3;
/// Batches taken in a row before twice as much is tried again than what the receiver is known to take.
const CALM: u32 = 32;

/// The time, twice: for pauses, and for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Now {
    /// Since some moment, never backwards.
    pub(super) since: Duration,
    /// Microseconds UTC.
    pub(super) wall_us: i64,
}

/// What the runner is to do, after which it says how that went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing before this moment.
    Rest(Duration),
    /// Read more records: [`Core::filled`] or [`Core::failed`].
    Fill,
    /// Send so many of the first records: [`Core::taken`] or [`Core::refused`].
    Send(usize),
    /// Park the first record: [`Core::parked`] or [`Core::failed`].
    Park(String),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Core {
    limits: Limits,
    settings: Settings,
    /// Sequence number of the first record that waits: everything before was taken or parked.
    at: u64,
    /// Encoded sizes of what waits.
    sizes: VecDeque<usize>,
    /// Whether there may be more to read at once.
    more: bool,
    /// What a refused batch was cut into, in records; the last is the next to send.
    pieces: Vec<usize>,
    /// Why the first record is to be parked.
    culprit: Option<String>,
    backoff: Backoff,
    not_before: Duration,
    /// Unclear answers to the batch or piece in front.
    unclear: u32,
    /// Connections closed on the batch or piece in front.
    closed: u32,
    /// Bytes of a batch: those of the limits, or fewer when the receiver closed its connection on more.
    room: usize,
    /// The longest piece that was taken of a batch that was halved because of that.
    passed: Option<usize>,
    /// Batches taken since `room` was last changed.
    calm: u32,
    parked_in_a_row: u32,
    state: State,
    counts: Counts,
}

/// What became of records, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) sent: u64,
    pub(super) retried: u64,
    pub(super) parked: u64,
    pub(super) last_answer_us: Option<i64>,
}

impl Core {
    pub(super) fn new(limits: Limits, settings: Settings, at: u64, counts: Counts, seed: u64) -> Self {
        Self {
            limits,
            settings,
            at,
            sizes: VecDeque::new(),
            more: true,
            pieces: Vec::new(),
            culprit: None,
            backoff: Backoff::new(settings.retry, seed),
            not_before: Duration::ZERO,
            unclear: 0,
            closed: 0,
            room: limits.bytes,
            passed: None,
            calm: 0,
            parked_in_a_row: 0,
            state: State::Running,
            counts,
        }
    }

    /// Sequence number of the first record that was neither taken nor parked.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Sequence number to read on from.
    pub(super) fn end(&self) -> u64 {
        self.at + self.sizes.len() as u64
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Encoded size of the first `count` records.
    pub(super) fn front_bytes(&self, count: usize) -> u64 {
        self.sizes.iter().take(count).map(|size| *size as u64).sum()
    }

    /// What to do now.
    pub(super) fn next(&self, now: Now) -> Step {
        if now.since < self.not_before {
            return Step::Rest(self.not_before);
        }
        if let Some(why) = &self.culprit {
            return Step::Park(why.clone());
        }
        if let Some(piece) = self.pieces.last() {
            return Step::Send(*piece);
        }
        match self.cut() {
            (0, _) => Step::Fill,
            (_, false) if self.more => Step::Fill,
            (count, _) => Step::Send(count),
        }
    }

    /// How many of the first records make a batch, and whether no more would fit. One always does: it goes alone.
    fn cut(&self) -> (usize, bool) {
        let mut bytes = 0usize;
        for (count, size) in self.sizes.iter().enumerate() {
            bytes = bytes.saturating_add(*size);
            if count >= self.limits.records.max(1) || (bytes > self.room && count > 0) {
                return (count, true);
            }
        }
        let count = self.sizes.len();
        (count, count >= self.limits.records.max(1) || bytes >= self.room)
    }

    /// Records were read; `more`: there may be others right behind them.
    pub(super) fn filled(&mut self, sizes: impl IntoIterator<Item = usize>, more: bool) {
        self.sizes.extend(sizes);
        self.more = more;
        if matches!(self.state, State::Waiting { .. }) {
            // Nothing is read while a batch waits, so it was reading itself that failed.
            self.recovered();
        }
        self.state = if self.sizes.is_empty() && !more { State::CaughtUp } else { State::Running };
    }

    /// Nothing before `seq` can be had any more, and that was told: go on there.
    pub(super) fn skipped_to(&mut self, seq: u64) {
        self.sizes.clear();
        self.pieces.clear();
        self.culprit = None;
        (self.closed, self.passed) = (0, None);
        self.at = seq;
        self.more = true;
    }

    /// The receiver took the first `count` records.
    pub(super) fn taken(&mut self, count: usize, now: Now) {
        self.counts.sent += count as u64;
        self.counts.last_answer_us = Some(now.wall_us);
        self.parked_in_a_row = 0;
        if self.room < self.limits.bytes || self.passed.is_some() {
            self.fitted(self.bytes(count));
        }
        self.pass(count);
    }

    fn bytes(&self, count: usize) -> usize {
        self.sizes.iter().take(count).sum()
    }

    /// What was taken says how much the receiver takes. A batch that fell into trouble passes by halves of it at the end,
    /// so trouble alone makes no batch shorter than half, and not for long.
    fn fitted(&mut self, bytes: usize) {
        if let Some(longest) = &mut self.passed {
            *longest = bytes.max(*longest);
            if self.pieces.len() <= 1 {
                (self.room, self.passed, self.calm) = ((*longest).min(self.limits.bytes), None, 0);
            }
            return;
        }
        self.calm += 1;
        if self.calm >= CALM {
            (self.room, self.calm) = (self.room.saturating_mul(2).min(self.limits.bytes), 0);
        }
    }

    /// The receiver did not take the first `count` records.
    pub(super) fn refused(&mut self, count: usize, refused: Refused, now: Now) {
        match refused {
            Refused::Later { why, after } => self.pause(why, after, now),
            Refused::Closed { why } => self.closed(count, why, now),
            Refused::Unclear { why } => {
                self.unclear += 1;
                if self.unclear > self.patience(count) {
                    self.never(count, why, now);
                } else {
                    self.pause(why, None, now);
                }
            }
            Refused::Never { why } => {
                self.counts.last_answer_us = Some(now.wall_us);
                self.never(count, why, now);
            }
        }
    }

    /// Unclear answers that are put up with. What is neither the whole batch nor one record is not worth the time.
    fn patience(&self, count: usize) -> u32 {
        let whole_or_one = self.pieces.is_empty() || count == 1;
        if whole_or_one { self.settings.unclear_retries } else { self.settings.unclear_retries.min(1) }
    }

    /// A failure between two of these is no answer, so it ends no row of them: a receiver may fall over the length.
    fn closed(&mut self, count: usize, why: String, now: Now) {
        self.closed += 1;
        // The pieces of a batch are tried once each: what is wrong with the whole is known.
        let enough = self.closed >= if self.pieces.is_empty() { CLOSED } else { 1 };
        if enough && count > 1 {
            self.closed = 0;
            self.passed.get_or_insert(0);
            self.halve(count);
        }
        let alone = self.closed >= CLOSED && count == 1;
        self.pause(if alone { format!("{why}; {}", self.lone()) } else { why }, None, now);
    }

    /// What can be done about a record that waits alone.
    fn lone(&self) -> String {
        format!(
            "the next record goes alone and has {} bytes: if the receiver takes fewer, let it take more, or set \
             `max_request_bytes` to what it takes, and the record is kept in quarantine",
            self.bytes(1)
        )
    }

    fn halve(&mut self, count: usize) {
        self.pieces.pop();
        self.pieces.push(count - count / 2);
        self.pieces.push(count / 2);
    }

    fn never(&mut self, count: usize, why: String, now: Now) {
        self.unclear = 0;
        if count > 1 {
            self.halve(count);
            self.counts.retried += 1;
        } else if self.parked_in_a_row >= self.settings.parked_in_a_row {
            let parked = self.parked_in_a_row;
            self.pause(format!("{parked} records in a row were refused and parked, so no more are: {why}"), None, now);
        } else {
            self.culprit = Some(why);
        }
    }

    /// The first record was parked.
    pub(super) fn parked(&mut self) {
        self.culprit = None;
        self.counts.parked += 1;
        self.parked_in_a_row += 1;
        self.pass(1);
    }

    /// Reading, parking or storing the position failed: the same again, later.
    pub(super) fn failed(&mut self, why: String, now: Now) {
        self.pause(why, None, now);
    }

    fn pause(&mut self, why: String, after: Option<Duration>, now: Now) {
        self.counts.retried += 1;
        self.not_before = now.since + self.backoff.next(after);
        let since_us = match &self.state {
            State::Waiting { since_us, .. } => *since_us,
            _ => now.wall_us,
        };
        self.state = State::Waiting { why, since_us };
    }

    fn pass(&mut self, count: usize) {
        self.sizes.drain(..count.min(self.sizes.len()));
        self.at += count as u64;
        self.pieces.pop();
        (self.unclear, self.closed) = (0, 0);
        self.recovered();
    }

    /// What had failed works again.
    pub(super) fn recovered(&mut self) {
        self.backoff.reset();
        self.not_before = Duration::ZERO;
        self.state = State::Running;
    }
}
