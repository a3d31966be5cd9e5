//! The thread around the state machine: reads pages, asks the sender, stores the position, shows the report.
//! It must never decide what becomes of a record: that is `core`'s.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use innertrail_logstore::consumer::{ConsumerError, Cursor, Group, Groups, Reader, ReaderOptions};
use innertrail_logstore::{Layout, Store};

use super::ahead::{self, Found, Look, Looks};
use super::core::{Core, Counts, Now, Step};
use super::position::{self, Held, cursor_at, group_name};
use super::report::State;
use super::{DeliveryError, Limits, Mark, NotParked, Parking, Place, Settings, Status};
use crate::record::{Batch, Record};
use crate::sender::Sender;

/// The longest wait between two looks at whether to stop.
pub(super) const SLICE: Duration = Duration::from_millis(200);

/// A sink, ready to run.
pub struct Delivery {
    place: Place,
    settings: Settings,
    sender: Box<dyn Sender>,
    parking: Box<dyn Parking>,
    mark: Mark,
    status: Status,
    counts: Counts,
}

/// A sink that runs on a thread of its own.
#[derive(Debug)]
pub struct Running {
    status: Status,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<(), DeliveryError>>,
}

impl Running {
    /// What it says of itself.
    #[must_use]
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// Tells it to stop: it does so after the request under way, and stores its position.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// Why it ended, unless it was told to.
    ///
    /// # Panics
    /// Resumes a panic of its thread.
    pub fn join(self) -> Result<(), DeliveryError> {
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// How a stretch of delivering ended.
enum Ended {
    /// Told to stop, or at the end of the stretch.
    Done,
    /// The group was reset or taken by another: to be asked for again.
    Lost,
}

/// Where a stretch ends.
#[derive(Clone, Copy)]
enum Until {
    /// Never by itself.
    Stopped,
    /// At this sequence number.
    Seq(u64),
}

impl Until {
    fn seq(self) -> u64 {
        match self {
            Self::Stopped => u64::MAX,
            Self::Seq(seq) => seq,
        }
    }
}

impl Delivery {
    /// A sink of these parts. Touches nothing yet.
    #[must_use]
    pub fn new(
        place: Place,
        settings: Settings,
        sender: Box<dyn Sender>,
        parking: Box<dyn Parking>,
        mark: Mark,
    ) -> Self {
        let status = Status::default();
        status.change(|report| report.name.clone_from(&place.name));
        Self { place, settings, sender, parking, mark, status, counts: Counts::default() }
    }

    /// Its report, to be read while it runs.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.clone()
    }

    /// Runs on a thread of its own until it is told to stop.
    ///
    /// # Errors
    /// [`DeliveryError::Thread`].
    pub fn spawn(mut self) -> Result<Running, DeliveryError> {
        let (status, stop) = (self.status(), Arc::new(AtomicBool::new(false)));
        let (told, name) = (Arc::clone(&stop), self.place.name.clone());
        let thread = thread::Builder::new().name(format!("sink-{name}")).spawn(move || self.run(&told));
        let thread = thread.map_err(|source| DeliveryError::Thread { name, source })?;
        Ok(Running { status, stop, thread })
    }

    /// Delivers until it is told to stop, and waits where the group is held by another.
    ///
    /// # Errors
    /// [`DeliveryError`].
    pub fn run(&mut self, stop: &AtomicBool) -> Result<(), DeliveryError> {
        let ended = self.group(None, stop);
        self.ended(ended)
    }

    /// Delivers what is durable now, then ends; for `--once`. Until then it retries like [`Delivery::run`].
    ///
    /// # Errors
    /// [`DeliveryError`].
    pub fn drain(&mut self, stop: &AtomicBool) -> Result<(), DeliveryError> {
        let end = self.reader().and_then(|mut reader| {
            reader.wait(reader.end(Store::Log), SLICE).map_err(|e| self.failed(e))?;
            Ok(reader.end(Store::Log).seq())
        });
        let ended = end.and_then(|end| self.group(Some(end), stop));
        self.ended(ended)
    }

    /// Sends the records `from..to` again (`to`: at the most to the durable end) without touching the sink's position.
    ///
    /// # Errors
    /// [`DeliveryError::NoSuchRecord`], and those of reading.
    pub fn replay(&mut self, from: u64, to: Option<u64>, stop: &AtomicBool) -> Result<(), DeliveryError> {
        let ended = self.replayed(from, to, stop);
        self.ended(ended)
    }

    fn replayed(&mut self, from: u64, to: Option<u64>, stop: &AtomicBool) -> Result<(), DeliveryError> {
        let mut reader = self.reader()?;
        let at = cursor_at(&mut reader, &self.place.name, from)?;
        let end = reader.end(Store::Log).seq();
        let until = Until::Seq(to.map_or(end, |to| to.min(end)));
        self.stretch(&mut reader, at, None, until, stop).map(|_| ())
    }

    fn ended(&self, ended: Result<(), DeliveryError>) -> Result<(), DeliveryError> {
        let state = match &ended {
            Ok(()) => State::Stopped,
            Err(error) => State::Failed { why: error.to_string() },
        };
        self.status.change(|report| report.state = state);
        ended
    }

    fn reader(&self) -> Result<Reader, DeliveryError> {
        let mut options = ReaderOptions::default();
        options.notify.clone_from(&self.place.notify);
        Reader::open(&self.place.dir, options).map_err(|e| self.failed(e))
    }

    fn failed(&self, source: ConsumerError) -> DeliveryError {
        DeliveryError::Consumer { name: self.place.name.clone(), source }
    }

    fn group(&mut self, end: Option<u64>, stop: &AtomicBool) -> Result<(), DeliveryError> {
        let until = end.map_or(Until::Stopped, Until::Seq);
        let groups = Groups::open(&self.place.dir).map_err(|e| self.failed(e))?;
        while !stop.load(Ordering::Relaxed) {
            let mut reader = self.reader()?;
            let Some((mut held, at)) = self.join(&groups, &mut reader, stop)? else { return Ok(()) };
            match self.stretch(&mut reader, at, Some(&mut held), until, stop)? {
                Ended::Done => return Ok(()),
                Ended::Lost => {}
            }
        }
        Ok(())
    }

    /// Takes the group and gives the place to go on from; `None`: told to stop while another held it.
    fn join(
        &mut self,
        groups: &Groups,
        reader: &mut Reader,
        stop: &AtomicBool,
    ) -> Result<Option<(Held, Cursor)>, DeliveryError> {
        let group = group_name(&self.place.name);
        let consumer = self.place.consumer.clone();
        while !stop.load(Ordering::Relaxed) {
            let now_us = now_us();
            match Held::take(groups, &group, &consumer, &self.settings, now_us).map_err(|e| self.failed(e))? {
                Ok(found) if found.store != Store::Log => {
                    let name = self.place.name.clone();
                    return Err(DeliveryError::OtherStore { name, found: found.store });
                }
                Ok(Group { cursor, .. }) => {
                    let start =
                        cursor.map_or_else(|| position::start(reader, &self.place.name, self.place.start), Ok)?;
                    let place = (start, cursor.is_none());
                    let held = Held::new(groups.clone(), group, consumer, &self.settings, place, now_us);
                    return Ok(Some((held.map_err(|e| self.failed(e))?, start)));
                }
                Err(by) => self.status.change(|report| match &report.state {
                    State::Held { by: before, .. } if *before == by => {}
                    _ => report.state = State::Held { by, since_us: now_us },
                }),
            }
            thread::sleep(SLICE);
        }
        Ok(None)
    }

    fn stretch(
        &mut self,
        reader: &mut Reader,
        at: Cursor,
        held: Option<&mut Held>,
        until: Until,
        stop: &AtomicBool,
    ) -> Result<Ended, DeliveryError> {
        let limits = Limits { records: self.settings.max_records, bytes: self.sender.max_request_bytes() };
        let seed = now_us().unsigned_abs() ^ u64::from(std::process::id()) << 32;
        let core = Core::new(limits, self.settings, at.seq(), self.counts, seed);
        let (layout, trail) = (reader.snapshot().layout().clone(), reader.snapshot().trail().to_owned());
        let end = reader.end(Store::Log).seq();
        let mark = Arc::clone(&self.mark);
        // Without a place in the channel: the next page waits in the other thread's hands, and no third one is read.
        let (found, looks) = mpsc::sync_channel(0);
        thread::scope(|scope| {
            scope.spawn(move || ahead::read(reader, at, until.seq(), &*mark, &found));
            let mut stretch = Stretch {
                trail,
                delivery: self,
                core,
                held,
                until,
                layout,
                place: at,
                end,
                looks,
                records: Vec::new(),
                from: 0,
                begun: Instant::now(),
                missed: None,
                unstored: false,
                unread: false,
            };
            stretch.run(stop)
        })
    }
}

/// Delivering from one place on, under one hold of the group.
struct Stretch<'a> {
    delivery: &'a mut Delivery,
    core: Core,
    held: Option<&'a mut Held>,
    until: Until,
    trail: String,
    layout: Layout,
    /// A cursor of this Logstore, to make others of.
    place: Cursor,
    /// Where the durable records ended at the last look.
    end: u64,
    looks: Looks,
    /// What waits is `records[from..]`.
    records: Vec<Record>,
    from: usize,
    begun: Instant,
    /// What retention dropped, not yet noted by the host.
    missed: Option<(u64, u64)>,
    /// The last try to store the position failed.
    unstored: bool,
    /// Nobody reads any more, which only a panic can do: the thread's scope passes it on.
    unread: bool,
}

impl Stretch<'_> {
    fn run(&mut self, stop: &AtomicBool) -> Result<Ended, DeliveryError> {
        loop {
            let done = stop.load(Ordering::Relaxed) || self.unread || self.core.at() >= self.until.seq();
            match self.keep(done) {
                Err(ConsumerError::NotOwner { .. }) => return Ok(Ended::Lost),
                // What was sent was sent: the next start repeats what could not be noted.
                Err(error) if done => return Err(self.delivery.failed(error)),
                Err(error) => {
                    self.unstored = true;
                    self.core.failed(format!("the position could not be stored: {error}"), self.now());
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
                self.unread = self.core.end() < self.until.seq();
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
            Found::Failed(error) => self.core.failed(format!("the Logstore could not be read: {error}"), self.now()),
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
            Err(NotParked(why)) => self.core.failed(format!("a gap could not be noted: {why}"), self.now()),
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
                self.core.taken(count, now);
            }
            Err(refused) => self.core.refused(count, refused, now),
        }
    }

    fn park(&mut self, why: &str) {
        let Some(record) = self.records.get(self.from) else { return };
        match self.delivery.parking.park(&self.delivery.place.name, record, why) {
            Ok(()) => {
                self.from += 1;
                self.core.parked();
                if let Some(held) = self.held.as_deref_mut() {
                    // If this fails, the next round of the loop says so, and tries again.
                    let _stored = held.keep(self.place.at(self.core.at()), true, now_us());
                }
            }
            Err(NotParked(why)) => {
                let why = format!("record {} could not be parked: {why}", record.row.seq);
                self.core.failed(why, self.now());
            }
        }
    }

    fn show(&mut self) {
        self.delivery.counts = self.core.counts();
        let (at, counts, state) = (self.core.at(), self.core.counts(), self.core.state().clone());
        let behind = self.end.saturating_sub(at);
        self.delivery.status.change(|report| {
            report.position = at;
            report.behind = behind;
            report.state = state;
            report.sent = counts.sent;
            report.retried = counts.retried;
            report.parked = counts.parked;
            report.last_answer_us = counts.last_answer_us;
        });
    }
}

fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
