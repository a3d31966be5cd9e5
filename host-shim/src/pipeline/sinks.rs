//! The pipeline's side of the sinks: waits for them at the end, tells of them, keeps what they cannot deliver.
//!
//! Must never keep a source waiting for a sink.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use innertrail_logstore::Store;

use super::Pipeline;
use crate::layout;
use crate::notice::{Notice, PipelineError};
use crate::running::Running;
use crate::sink::parking::Parked;
use crate::sink::stall::Turn;
use crate::status::REASON;

/// How long sinks may take to stop. One that takes longer repeats its request at the next start.
const SINKS_STOP: Duration = Duration::from_secs(5);

impl Pipeline {
    /// With all sources over, waits until the sinks have taken everything or are given up; then stops them. Told to stop, it
    /// stops them at once.
    pub(super) fn drain_sinks(
        &mut self,
        sources: &mut [Running],
        tell: &mut dyn FnMut(Notice<'_>),
    ) -> Result<(), PipelineError> {
        self.settle(tell)?;
        let end = self.committer.state().map_or(0, |state| state.next(Store::Log));
        while !self.stop.load(Ordering::Relaxed) && !self.sinks.done(end) {
            self.turn(sources, tell)?;
        }
        self.look_at_sinks(true, tell);
        self.undelivered =
            if self.stop.load(Ordering::Relaxed) { self.sinks.failed() } else { self.sinks.undelivered(end) };
        self.sinks.stop();
        let begun = Instant::now();
        while !self.sinks.stopped() && begun.elapsed() < SINKS_STOP {
            self.turn(sources, tell)?;
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    pub(super) fn look_at_sinks(&mut self, at_once: bool, tell: &mut dyn FnMut(Notice<'_>)) {
        for (name, word) in self.sinks.look(at_once) {
            tell(Notice::Sink(&name, word));
        }
        for Turn { entry, key, value } in self.sinks.turns() {
            self.custody.enter(&mut self.txn, &entry);
            self.txn.checkpoint(&key, value.as_bytes());
        }
    }

    pub(super) fn look_at_mirror(&mut self, at_once: bool, tell: &mut dyn FnMut(Notice<'_>)) {
        let words = self.mirror.as_mut().map(|mirror| mirror.look(at_once)).unwrap_or_default();
        words.into_iter().for_each(|word| tell(Notice::Mirror(word)));
    }

    /// Puts what a sink has to keep into the open transaction; the sink hears of it once that is durable.
    pub(super) fn park(&mut self, parked: Parked) {
        if let Some(row) = &parked.row {
            // It accounts for no input: its bytes are in the dedicated Logstore.
            self.txn.push(Store::Quarantine, row, 0);
            self.txn.count(&format!("{REASON}{}", layout::UNDELIVERABLE), 1);
        }
        self.custody.enter(&mut self.txn, &parked.entry);
        self.parked[0].push(parked.answer);
    }
}
