//! Takes batches through a pipeline that may fail on any of them, and loses no frame: a failing batch is tried once more
//! and then halved until the frame that kills the component stands alone. That frame becomes a quarantine entry made by
//! the host, in its place among its neighbours.
//!
//! It must never drop a frame, change the order, or go on quarantining when nothing works any more.

use super::fault::CallError;
use super::sandbox::OpenError;
use super::transform::Transform;
use super::wit::transform::{Batch, Claim, Codec, Encoding, Entry, Fault, Frame, Provenance, Reason, Route, Routed};
use std::ops::Range;
use std::time::{Duration, Instant};

/// Largest batch, bytes. The component holds input and output at the same time in its memory.
pub const MAX_BATCH_BYTES: usize = 16 << 20;

/// What the host does itself: keys and rows of its own making stay outside the sandbox.
pub trait Native {
    /// Which of these events bear a valid seal mark: their `event` numbers, ascending. Asked again, with other numbers,
    /// when a batch is halved, so it must not remember anything.
    fn sealed(&mut self, claims: &[Claim]) -> Vec<u32>;

    /// Whether an event of the batch may bear a seal mark at all. `false` saves taking all of them apart; where it is wrong, a
    /// mark counts as none.
    fn may_claim(&self, _input: &Input<'_>) -> bool {
        true
    }

    /// Makes the quarantine row of a frame that the component cannot be shown.
    fn quarantine_row(&mut self, poisoned: &Poisoned<'_>) -> Vec<u8>;
}

/// A frame that killed the component.
#[derive(Debug, Clone, Copy)]
pub struct Poisoned<'a> {
    /// Its bytes, to be kept raw.
    pub bytes: &'a [u8],
    /// Name of the source.
    pub source: &'a str,
    /// Where in the source.
    pub origin: &'a str,
    /// Where it began in its origin, bytes.
    pub offset: u64,
    /// What was wrong with it before; [`Fault::Poison`] if nothing was.
    pub fault: Fault,
    /// What happened, one line.
    pub detail: &'a str,
}

/// A batch before its seal marks are known. The fields are those of the contract's `batch`.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Who gave it. Seal marks are looked for only if an agent did.
    pub provenance: Provenance,
    /// Name of the source, or of the gate.
    pub source: &'a str,
    /// Where in the source.
    pub origin: &'a str,
    /// How the frames are encoded.
    pub codec: Codec,
    /// The frames, end to end; at most [`MAX_BATCH_BYTES`].
    pub data: &'a [u8],
    /// Their ends; the last is the end of `data`.
    pub frames: &'a [Frame],
}

/// How patient the bisector is.
#[derive(Debug, Clone)]
pub struct BisectorConfig {
    /// Poison frames in a row, with no successful call between them, after which the component counts as broken.
    pub breaker: u32,
    /// Failed calls in a row that are followed by a fresh instance at once.
    pub free_restarts: u32,
    /// Pause after the first failed call beyond those; doubles with each.
    pub first_pause: Duration,
    /// Longest pause.
    pub longest_pause: Duration,
    /// The second try of a batch gets so many times the deadline: the machine may just have been busy.
    pub second_try: u32,
}

impl Default for BisectorConfig {
    fn default() -> Self {
        Self {
            breaker: 64,
            free_restarts: 16,
            first_pause: Duration::from_millis(1),
            longest_pause: Duration::from_millis(20),
            second_try: 4,
        }
    }
}

/// Why a batch was given up. Nothing of it was routed; the source must not move its checkpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Nothing works any more.
    #[error(
        "the component failed on {frames} frames in a row, the last time with: {last}; the source is stopped in front of \
         them. Replace the component, then start again: nothing was lost"
    )]
    Broken {
        /// Poison frames in a row.
        frames: u32,
        /// The last failure.
        last: CallError,
    },
    /// A failed instance could not be replaced.
    #[error("the component failed and cannot be started again: {0}")]
    Reopen(#[from] OpenError),
    /// The caller's batch is not one.
    #[error("the batch cannot be run: {0}")]
    Input(&'static str),
}

/// Counters since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RunStats {
    /// Calls that trapped, for another reason than the two below.
    pub traps: u64,
    /// Calls that were stopped.
    pub deadlines: u64,
    /// Calls that wanted too much memory.
    pub memory: u64,
    /// Answers that broke the contract.
    pub contract: u64,
    /// Fresh instances after a failure.
    pub restarts: u64,
    /// Time that making them took, without pauses.
    pub restart_time: Duration,
    /// Time spent in pauses.
    pub paused: Duration,
    /// Frames that were put into quarantine by the host.
    pub poisoned: u64,
}

/// A pipeline that loses nothing. One a thread.
pub struct Bisector {
    transform: Transform,
    config: BisectorConfig,
    deadline: Duration,
    stats: RunStats,
    /// Failed calls since the last that succeeded.
    failures: u32,
    /// Poison frames since the last call that succeeded.
    poison: u32,
}

impl Bisector {
    /// Takes over a pipeline.
    #[must_use]
    pub fn new(transform: Transform, config: BisectorConfig) -> Self {
        Self { deadline: transform.deadline(), transform, config, stats: RunStats::default(), failures: 0, poison: 0 }
    }

    /// Counters since the start.
    #[must_use]
    pub fn stats(&self) -> RunStats {
        self.stats
    }

    /// The pipeline, for `explain`.
    pub fn transform(&mut self) -> &mut Transform {
        &mut self.transform
    }

    /// Takes a batch through the rooms. Every frame comes out again, in order.
    ///
    /// # Errors
    /// [`RunError`]: nothing of the batch counts as done.
    pub fn run(&mut self, input: &Input<'_>, encoding: Encoding, native: &mut dyn Native) -> Result<Routed, RunError> {
        check(input)?;
        if input.frames.is_empty() {
            return Ok(empty());
        }
        let first = match self.attempt(input, encoding, native) {
            Ok(routed) => return Ok(routed),
            Err(error) => error,
        };
        self.replace(&first)?;
        self.transform.set_deadline(self.deadline.saturating_mul(self.config.second_try));
        let second = self.attempt(input, encoding, native);
        self.transform.set_deadline(self.deadline);
        match second {
            Ok(routed) => Ok(routed),
            Err(error) => {
                self.replace(&error)?;
                self.bisect(input, encoding, native, &error)
            }
        }
    }

    /// Halves, left half first, until what fails is one frame. The whole has failed with `error`.
    fn bisect(
        &mut self,
        input: &Input<'_>,
        encoding: Encoding,
        native: &mut dyn Native,
        error: &CallError,
    ) -> Result<Routed, RunError> {
        let mut all = empty();
        let mut todo = Vec::new();
        self.split(input, 0..input.frames.len(), error, &mut todo, native, &mut all)?;
        while let Some(range) = todo.pop() {
            let frames = rebased(input, &range);
            let part = Input { data: &input.data[bytes(input, &range)], frames: &frames, ..*input };
            match self.attempt(&part, encoding, native) {
                Ok(routed) => append(&mut all, &routed)?,
                Err(error) => {
                    self.replace(&error)?;
                    self.split(input, range, &error, &mut todo, native, &mut all)?;
                }
            }
        }
        Ok(all)
    }

    /// Goes on with the halves of a range that failed, or puts its only frame into quarantine.
    fn split(
        &mut self,
        input: &Input<'_>,
        range: Range<usize>,
        error: &CallError,
        todo: &mut Vec<Range<usize>>,
        native: &mut dyn Native,
        all: &mut Routed,
    ) -> Result<(), RunError> {
        if range.len() > 1 {
            let middle = range.start + range.len() / 2;
            todo.push(middle..range.end);
            todo.push(range.start..middle);
            return Ok(());
        }
        self.poison += 1;
        self.stats.poisoned += 1;
        if self.poison >= self.config.breaker {
            return Err(RunError::Broken { frames: self.poison, last: error.clone() });
        }
        let frame = input.frames[range.start];
        let detail = error.to_string();
        let poisoned = Poisoned {
            bytes: &input.data[bytes(input, &range)],
            source: input.source,
            origin: input.origin,
            offset: frame.offset,
            fault: frame.fault.unwrap_or(Fault::Poison),
            detail: &detail,
        };
        append(all, &quarantined(&poisoned, native)?)
    }

    /// One try: seal marks if an agent gave the batch, then the rooms.
    fn attempt(&mut self, input: &Input<'_>, encoding: Encoding, native: &mut dyn Native) -> Result<Routed, CallError> {
        let mut batch = Batch {
            provenance: input.provenance,
            source: input.source,
            origin: input.origin,
            codec: input.codec,
            data: input.data,
            frames: input.frames,
            sealed: &[],
        };
        let sealed;
        if input.provenance == Provenance::Agent && native.may_claim(input) {
            let claims = self.transform.claims(&batch)?;
            sealed = native.sealed(&claims);
            batch.sealed = &sealed;
        }
        let routed = self.transform.run(&batch, encoding)?;
        self.failures = 0;
        self.poison = 0;
        Ok(routed)
    }

    /// Counts a failure, pauses if there were many, and opens a fresh instance.
    fn replace(&mut self, error: &CallError) -> Result<(), RunError> {
        match error {
            CallError::Trap { .. } => self.stats.traps += 1,
            CallError::Deadline { .. } => self.stats.deadlines += 1,
            CallError::Memory { .. } => self.stats.memory += 1,
            CallError::Contract(_) => self.stats.contract += 1,
            // Left over from a `reopen` that failed: nothing new to count.
            CallError::Dead => {}
        }
        self.failures = self.failures.saturating_add(1);
        let pause = self.pause();
        if !pause.is_zero() {
            std::thread::sleep(pause);
            self.stats.paused += pause;
        }
        let start = Instant::now();
        self.transform.reopen()?;
        self.stats.restarts += 1;
        self.stats.restart_time += start.elapsed();
        Ok(())
    }

    /// How long to wait before the next instance.
    fn pause(&self) -> Duration {
        let Some(beyond) = self.failures.checked_sub(self.config.free_restarts + 1) else {
            return Duration::ZERO;
        };
        let factor = 1_u32.checked_shl(beyond).unwrap_or(u32::MAX);
        self.config.first_pause.saturating_mul(factor).min(self.config.longest_pause)
    }
}

/// What the caller has to get right, because slices are cut by it.
fn check(input: &Input<'_>) -> Result<(), RunError> {
    if input.data.len() > MAX_BATCH_BYTES {
        return Err(RunError::Input("it is larger than 16 MiB; cut it"));
    }
    if !input.frames.is_sorted_by_key(|frame| frame.end) {
        return Err(RunError::Input("its frames do not end in order"));
    }
    let end = input.frames.last().map_or(0, |frame| frame.end);
    if end as usize != input.data.len() {
        return Err(RunError::Input("its frames do not end where its data ends"));
    }
    Ok(())
}

/// The bytes of a range of frames.
fn bytes(input: &Input<'_>, frames: &Range<usize>) -> Range<usize> {
    let end = |count: usize| match count {
        0 => 0,
        count => input.frames[count - 1].end as usize,
    };
    end(frames.start)..end(frames.end)
}

/// A range of frames as a batch of its own.
fn rebased(input: &Input<'_>, range: &Range<usize>) -> Vec<Frame> {
    let start = match range.start {
        0 => 0,
        start => input.frames[start - 1].end,
    };
    input.frames[range.clone()].iter().map(|frame| Frame { end: frame.end - start, ..*frame }).collect()
}

/// The entry that the host makes itself.
fn quarantined(poisoned: &Poisoned<'_>, native: &mut dyn Native) -> Result<Routed, RunError> {
    let too_large = |_| RunError::Input("a frame's quarantine row is larger than 4 GiB");
    let data = native.quarantine_row(poisoned);
    let entry = Entry {
        end: u32::try_from(data.len()).map_err(too_large)?,
        route: Route::Quarantine,
        reason: Some(Reason::Poison),
        consumed: u32::try_from(poisoned.bytes.len()).map_err(too_large)?,
    };
    Ok(Routed { data, entries: vec![entry], ..empty() })
}

fn empty() -> Routed {
    Routed { data: Vec::new(), entries: Vec::new(), framing_bytes: 0, duplicate_keys: 0, redacted: 0 }
}

/// Puts a part behind what is there.
fn append(all: &mut Routed, part: &Routed) -> Result<(), RunError> {
    let too_large = RunError::Input("its output is larger than 4 GiB");
    let Some(start) =
        u32::try_from(all.data.len()).ok().filter(|start| (*start as usize + part.data.len()) <= u32::MAX as usize)
    else {
        return Err(too_large);
    };
    all.data.extend_from_slice(&part.data);
    all.entries.extend(part.entries.iter().map(|entry| Entry { end: entry.end + start, ..*entry }));
    all.framing_bytes += part.framing_bytes;
    // Counters of the component's own: an absurd one must not end this process.
    all.duplicate_keys = all.duplicate_keys.saturating_add(part.duplicate_keys);
    all.redacted = all.redacted.saturating_add(part.redacted);
    Ok(())
}
