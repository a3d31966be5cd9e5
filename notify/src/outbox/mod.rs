//! What a channel still has to tell, when, and in how many messages: a machine without I/O, the clock handed in.
//!
//! It must never move its position past an alert that was not taken, tell alerts in another order than the journal's, or send more
//! than its limits allow, whatever is killed when.
//!
//! Alerts are fed in the journal's order and wait in memory; the journal is their durable queue. [`Outbox::poll`] says what is
//! due, [`Outbox::begin`] reserves the place under the limits (the state is to be kept before anything is sent), and
//! [`Outbox::answered`] says what became of it. A message whose fate is unclear is sent again as it was, with the same id.

mod backoff;
mod firing;
mod rate;
mod state;

use std::collections::VecDeque;

pub(crate) use self::backoff::{Backoff, Pauses};
pub(crate) use self::firing::{Firings, Recovery};
pub(crate) use self::rate::{Limit, Rate};
pub use self::state::{State, StateError};
use crate::alert::Alert;
use crate::config::{Filter, Mode};
use crate::report::{Doing, Report};

/// Most alerts that wait in memory; the host feeds no more until there is room.
pub(crate) const ROOM: usize = 2_000;
const MINUTE: i64 = 60_000;

/// What an outbox goes by.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) filter: Filter,
    pub(crate) send_resolved: bool,
    pub(crate) mode: Mode,
    pub(crate) collect_ms: i64,
    pub(crate) limits: Vec<Limit>,
    pub(crate) max_age_ms: i64,
    /// Most alerts of one message.
    pub(crate) batch: usize,
    /// Pauses after what passes, and after a refusal.
    pub(crate) pauses: Pauses,
    pub(crate) refused: Pauses,
    /// For channels that keep what fires.
    pub(crate) recovery: Option<Recovery>,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing before this time; `None`: until something is fed.
    At(Option<i64>),
    /// So many of the waiting alerts, from the first on.
    Alerts(Load),
    /// Firing alerts that are to be sent again.
    Again,
}

/// A message's share of what waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) count: usize,
    /// They could not be told in time.
    pub(crate) late: bool,
    /// Without any text of an event.
    pub(crate) bare: bool,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// So many alerts of it were taken, of these so many as a number only.
    Taken { covered: usize, left_out: usize },
    /// Nothing was taken, and the same may be taken later. `after_ms`: what the receiver asked for.
    Later { why: String, after_ms: Option<i64> },
    /// It may have been taken.
    Unclear { why: String, covered: usize },
    /// Nothing was taken because of what was in it.
    Content { why: String, covered: usize },
    /// Nothing was taken, and nothing will be until somebody changes something.
    Refused { why: String },
}

/// The machine.
#[derive(Debug)]
pub(crate) struct Outbox {
    settings: Settings,
    waiting: VecDeque<Alert>,
    /// When the first of them came.
    since: i64,
    /// Everything up to here is told, or not for this channel.
    seen: Option<u64>,
    rate: Rate,
    firings: Firings,
    sending: Option<Due>,
    /// What has to be sent as it was.
    fixed: Option<Load>,
    /// Not before: asked for by the receiver, and by our own pauses.
    asked_until: i64,
    paused_until: i64,
    backoff: Backoff,
    report: Report,
    /// What the clock said last.
    last: i64,
}

impl Outbox {
    /// Goes on from a state; without one at the beginning of what is fed. `seed` spreads pauses.
    pub(crate) fn new(settings: Settings, state: Option<State>, now: i64, seed: u64) -> Self {
        let state = state.unwrap_or_default();
        let recovery = settings.recovery;
        Self {
            waiting: VecDeque::new(),
            since: now,
            seen: state.position,
            rate: Rate::new(&settings.limits, state.sent, now),
            firings: Firings::new(recovery, state.firing, now),
            sending: None,
            fixed: None,
            asked_until: state.not_before_ms.min(now + 60 * MINUTE),
            paused_until: now,
            backoff: Backoff::new(seed),
            report: Report { forgotten: state.forgotten, ..Report::default() },
            last: now,
            settings,
        }
    }

    /// Has every time that waits go back with a clock that was set back: pauses stay as long as they were.
    pub(crate) fn notice(&mut self, now: i64) {
        let back = self.last.saturating_sub(now).max(0);
        self.last = now;
        if back > 0 {
            for at in [&mut self.since, &mut self.asked_until, &mut self.paused_until] {
                *at = at.saturating_sub(back);
            }
            self.rate.go_back(back);
            self.firings.go_back(back);
        }
    }

    /// How many more alerts may be fed.
    pub(crate) fn room(&self) -> usize {
        ROOM.saturating_sub(self.waiting.len())
    }

    /// Takes an alert in. One at or before a place that was fed already is not taken twice.
    pub(crate) fn feed(&mut self, alert: Alert, now: i64) {
        self.notice(now);
        let fed = self.waiting.back().map(|a| a.position).max(self.seen);
        if fed.is_some_and(|fed| alert.position <= fed) {
            return;
        }
        let told = alert.fired || self.settings.send_resolved || self.settings.recovery.is_some();
        if !told || !self.settings.filter.takes(&alert) {
            return self.seen(alert.position);
        }
        if self.waiting.is_empty() {
            self.since = now;
        }
        self.waiting.push_back(alert);
        self.report.waiting = self.waiting.len();
    }

    /// Gathers no longer: nothing more will come.
    pub(crate) fn hurry(&mut self) {
        self.settings.collect_ms = 0;
    }

    /// Nothing up to and with this place is left to be fed.
    pub(crate) fn seen(&mut self, position: u64) {
        if self.waiting.is_empty() {
            self.seen = self.seen.max(Some(position));
        } else {
            // An empty mark behind what waits: kept as the reach of the last one.
            self.report.seen_behind = self.report.seen_behind.max(Some(position));
        }
    }

    /// What is due now.
    pub(crate) fn poll(&self, now: i64) -> Due {
        if self.sending.is_some() {
            return Due::At(None);
        }
        let free = self.asked_until.max(self.paused_until).max(self.rate.free_at(now));
        let load = self.load(now);
        let alerts =
            load.map(|load| free.max(if self.is_ready(load) { now } else { self.since + self.settings.collect_ms }));
        let again = self.firings.due(now).map(|at| free.max(at));
        match (alerts, again) {
            (Some(at), _) if at <= now => load.map_or(Due::At(None), Due::Alerts),
            (_, Some(at)) if at <= now => Due::Again,
            (alerts, again) => Due::At([alerts, again].into_iter().flatten().min()),
        }
    }

    /// Whether there is nothing to wait for.
    fn is_ready(&self, load: Load) -> bool {
        self.fixed.is_some() || load.late || load.count >= self.settings.batch || self.settings.mode == Mode::Each
    }

    /// The share of the next message.
    fn load(&self, now: i64) -> Option<Load> {
        if self.waiting.is_empty() {
            return None;
        }
        if let Some(fixed) = self.fixed {
            return Some(fixed);
        }
        let old = |alert: &&Alert| now - alert.time_ms() > self.settings.max_age_ms;
        let late = self.waiting.iter().take_while(old).count();
        if late > 0 {
            return Some(Load { count: late.min(self.settings.batch), late: true, bare: false });
        }
        let fresh = self.waiting.iter().take_while(|alert| !old(alert)).count();
        let each = self.settings.mode == Mode::Each && self.rate.left(now) > 1;
        let count = if each { 1 } else { fresh.min(self.settings.batch) };
        Some(Load { count, late: false, bare: false })
    }

    /// The alerts of a load.
    pub(crate) fn alerts(&mut self, load: Load) -> &[Alert] {
        let alerts = self.waiting.make_contiguous();
        &alerts[..load.count.min(alerts.len())]
    }

    /// Firing alerts that are to be sent again, with the ends that they then have.
    pub(crate) fn again(&self, now: i64) -> Vec<(Alert, i64)> {
        self.firings.chunk(now, self.settings.batch)
    }

    /// What is known of the alerts of a load, for channels that keep what fires: an alert that is over goes out as it fired.
    pub(crate) fn timed(&self, alerts: &[Alert], now: i64) -> Vec<(Alert, i64)> {
        alerts.iter().map(|alert| self.firings.timed(alert, now)).collect()
    }

    /// Reserves a place under the limits for what is sent next. The state has to be kept before it is sent.
    pub(crate) fn begin(&mut self, due: Due, now: i64) {
        self.sending = Some(due);
        self.rate.begin(now);
    }

    /// It was not sent after all; the place stays taken.
    pub(crate) fn abort(&mut self, now: i64) {
        self.sending = None;
        self.rate.end(now);
    }

    /// What became of what was sent.
    pub(crate) fn answered(&mut self, answer: Answer, now: i64) {
        self.notice(now);
        let Some(sent) = self.sending.take() else { return };
        self.rate.end(now);
        match answer {
            Answer::Taken { covered, left_out } => self.taken(sent, covered, left_out, now),
            Answer::Later { why, after_ms } => {
                self.asked_until = after_ms.map_or(self.asked_until, |ms| now + ms.clamp(0, 60 * MINUTE));
                self.failed(why, now, Doing::Retrying, self.settings.pauses);
            }
            Answer::Unclear { why, covered } => {
                self.fix(sent, covered, false);
                self.failed(why, now, Doing::Retrying, self.settings.pauses);
            }
            Answer::Content { why, covered } => {
                let was_bare = self.fixed.is_some_and(|f| f.bare);
                self.fix(sent, covered, true);
                if was_bare || sent == Due::Again {
                    self.failed(why, now, Doing::Refused, self.settings.refused);
                } else {
                    self.failed(why, now, Doing::Retrying, self.settings.pauses);
                }
            }
            Answer::Refused { why } => self.failed(why, now, Doing::Refused, self.settings.refused),
        }
    }

    /// Keeps a message's share as it is until it is answered.
    fn fix(&mut self, sent: Due, covered: usize, bare: bool) {
        if let Due::Alerts(load) = sent {
            let count = covered.clamp(1, load.count.max(1));
            self.fixed = Some(Load { count, bare: load.bare || bare, ..load });
        }
    }

    fn taken(&mut self, sent: Due, covered: usize, left_out: usize, now: i64) {
        self.fixed = None;
        self.backoff.reset();
        self.paused_until = now;
        match sent {
            Due::Alerts(load) => {
                for alert in self.waiting.drain(..covered.min(load.count)) {
                    self.seen = Some(alert.position);
                    self.report.told += 1;
                    self.report.forgotten += self.firings.taken(alert, now);
                }
                if let (true, Some(behind)) = (self.waiting.is_empty(), self.report.seen_behind.take()) {
                    self.seen = self.seen.max(Some(behind));
                }
                // What did not fit into the message has gathered already.
                self.since = if covered < load.count { now - self.settings.collect_ms } else { now };
            }
            Due::Again => self.firings.sent_again(covered, self.settings.batch, now),
            Due::At(_) => {}
        }
        self.report.taken(left_out as u64, now);
        self.report.waiting = self.waiting.len();
    }

    fn failed(&mut self, why: String, now: i64, doing: Doing, pauses: Pauses) {
        self.paused_until = now + self.backoff.next(pauses);
        self.report.failed(why, doing, now);
    }

    /// Everything up to here needs not be fed again.
    pub(crate) fn position(&self) -> Option<u64> {
        match self.waiting.front() {
            None => self.seen,
            Some(first) => first.position.checked_sub(1).max(self.seen),
        }
    }

    /// What has to be kept.
    pub(crate) fn state(&self) -> State {
        State {
            position: self.position(),
            sent: self.rate.sent(),
            not_before_ms: self.asked_until,
            firing: self.firings.list(),
            forgotten: self.report.forgotten,
            ..State::default()
        }
    }

    /// What it says of itself.
    pub(crate) fn report(&self, now: i64) -> Report {
        let next = match self.poll(now) {
            Due::At(at) => at,
            Due::Alerts(_) | Due::Again => Some(now),
        };
        Report { next_ms: next, position: self.position(), firing: self.firings.len(), ..self.report.clone() }
    }
}

#[cfg(test)]
mod tests;
