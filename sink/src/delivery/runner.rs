//! A sink and its thread: takes the group, finds the place, and delivers stretch by stretch.
//! It must never run without holding the group, but for a replay, which leaves the position alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use innertrail_logstore::Store;
use innertrail_logstore::consumer::{ConsumerError, Cursor, Group, Groups, Reader, ReaderOptions};

use super::ahead;
use super::core::{Core, Counts};
use super::position::{self, Held, cursor_at, group_name};
use super::report::State;
use super::stretch::{Ended, Stretch};
use super::{DeliveryError, Limits, Mark, Parking, Place, Settings, Status};
use crate::sender::Sender;
use crate::trouble::Troubles;

/// The longest wait between two looks at whether to stop.
pub(super) const SLICE: Duration = Duration::from_millis(200);

/// A sink, ready to run.
pub struct Delivery {
    pub(super) place: Place,
    settings: Settings,
    pub(super) sender: Box<dyn Sender>,
    pub(super) parking: Box<dyn Parking>,
    mark: Mark,
    pub(super) status: Status,
    pub(super) counts: Counts,
    /// Bytes of the bodies that were taken.
    pub(super) bytes: u64,
    /// Failures so far.
    pub(super) troubles: Troubles,
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

    /// Whether it has ended, so that [`Running::join`] does not wait.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
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
        Self {
            place,
            settings,
            sender,
            parking,
            mark,
            status,
            counts: Counts::default(),
            bytes: 0,
            troubles: Troubles::default(),
        }
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
        let until = to.map_or(end, |to| to.min(end));
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

    pub(super) fn failed(&self, source: ConsumerError) -> DeliveryError {
        DeliveryError::Consumer { name: self.place.name.clone(), source }
    }

    fn group(&mut self, end: Option<u64>, stop: &AtomicBool) -> Result<(), DeliveryError> {
        let until = end.unwrap_or(u64::MAX);
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
        until: u64,
        stop: &AtomicBool,
    ) -> Result<Ended, DeliveryError> {
        let (mark, prepare) = (Arc::clone(&self.mark), self.sender.prepare());
        let end = reader.end(Store::Log).seq();
        let (layout, trail) = (reader.snapshot().layout().clone(), reader.snapshot().trail().to_owned());
        // Without a place in the channels: a page waits in a thread's hands, and no third one is read.
        let ((pulled, rows), (found, looks)) = (mpsc::sync_channel(0), mpsc::sync_channel(0));
        let known = (trail.clone(), layout.clone());
        thread::scope(|scope| {
            scope.spawn(move || ahead::read(reader, at, until, &pulled));
            scope.spawn(move || ahead::mark(&rows, (&known.0, known.1), &mark, prepare, &found));
            let limits = Limits { records: self.settings.max_records, bytes: self.sender.max_request_bytes() };
            let seed = now_us().unsigned_abs() ^ u64::from(std::process::id()) << 32;
            let core = Core::new(limits, self.settings, at.seq(), self.counts, seed);
            let gave_back_at = self.counts.sent;
            Stretch {
                delivery: self,
                core,
                held,
                until,
                trail,
                layout,
                place: at,
                end,
                looks,
                records: Vec::new(),
                from: 0,
                begun: Instant::now(),
                missed: None,
                unstored: false,
                gave_back_at,
                unread: false,
            }
            .run(stop)
        })
    }
}

pub(super) fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
