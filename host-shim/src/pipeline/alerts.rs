//! The pipeline's side of alerts: starts their evaluation, tells of it, lets it end.
//!
//! Must never wait for it while a source goes on.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{Event, Pipeline};
use crate::notice::{Notice, PipelineError};
use crate::running::Running;
use crate::{alerting, channels};

/// How long evaluation that does not come forward is waited for when everything else is done. A scheduled rule may take
/// half of it.
const PATIENCE: Duration = Duration::from_secs(60);
/// A nap between two turns that only wait.
const NAP: Duration = Duration::from_millis(5);

/// Something beside the pipeline that is to come to its end.
struct Rest {
    /// Grows as it comes forward.
    position: fn(&Pipeline) -> u64,
    has_ended: fn(&Pipeline) -> bool,
    stop: fn(&Pipeline),
    /// For how long it is waited for while it does not come forward.
    patience: Duration,
    /// For how long once it is told to stop.
    grace: Duration,
}

impl Pipeline {
    /// Before anything is taken from a source: what is in the Logstore now is what was there before.
    pub(super) fn start_alerts(&mut self) -> Result<(), PipelineError> {
        if let Some(channels) = &mut self.channels {
            channels.start().map_err(PipelineError::Alerts)?;
        }
        let Some(alerting) = &mut self.alerting else { return Ok(()) };
        let post = self.post.clone();
        alerting.start(move |parked| post.send(Event::Park(parked)).is_ok()).map_err(PipelineError::Alerts)
    }

    pub(super) fn look_at_alerts(&mut self, at_once: bool, tell: &mut dyn FnMut(Notice<'_>)) {
        let words = self.alerting.as_mut().map(|alerting| alerting.look(at_once)).unwrap_or_default();
        let of_channels = self.channels.as_mut().map(|channels| channels.look(at_once)).unwrap_or_default();
        words.into_iter().chain(of_channels).for_each(|word| tell(Notice::Alerts(word)));
    }

    /// With all sources over, waits until everything that is durable was looked at and told, or that does not come forward.
    /// Told to stop, it stops it; what was not told is told by the next run.
    pub(super) fn drain_alerts(
        &mut self,
        sources: &mut [Running],
        tell: &mut dyn FnMut(Notice<'_>),
    ) -> Result<(), PipelineError> {
        if self.alerting.is_none() {
            return Ok(());
        }
        self.settle(tell)?;
        if let Some(alerting) = &self.alerting {
            alerting.finish();
        }
        let rest = Rest {
            position: |pipeline| pipeline.alerting.as_ref().map_or(0, alerting::Alerting::position),
            has_ended: |pipeline| pipeline.alerting.as_ref().is_none_or(alerting::Alerting::has_ended),
            stop: |pipeline| pipeline.alerting.iter().for_each(alerting::Alerting::stop),
            patience: PATIENCE,
            grace: alerting::STOP,
        };
        self.let_end(&rest, sources, tell)?;
        self.look_at_alerts(true, tell);
        if !self.stop.load(Ordering::Relaxed) {
            self.undelivered.extend(self.alerting.as_ref().and_then(alerting::Alerting::left));
        }
        Ok(())
    }

    /// With all alerts in the journal, waits until the channels have told them, or do not come forward. What was not told is
    /// told by the next run.
    pub(super) fn drain_channels(
        &mut self,
        sources: &mut [Running],
        tell: &mut dyn FnMut(Notice<'_>),
    ) -> Result<(), PipelineError> {
        let Some(channels) = &self.channels else { return Ok(()) };
        channels.finish();
        let rest = Rest {
            position: |pipeline| pipeline.channels.as_ref().map_or(0, channels::Channels::position),
            has_ended: |pipeline| pipeline.channels.as_ref().is_none_or(channels::Channels::has_ended),
            stop: |pipeline| pipeline.channels.iter().for_each(channels::Channels::stop),
            patience: channels::PATIENCE,
            grace: channels::STOP,
        };
        self.let_end(&rest, sources, tell)?;
        self.look_at_alerts(true, tell);
        if !self.stop.load(Ordering::Relaxed) {
            self.undelivered.extend(self.channels.iter().flat_map(channels::Channels::left));
        }
        Ok(())
    }

    /// Turns until it has ended or does not come forward, tells it to stop, and gives it a little longer.
    fn let_end(
        &mut self,
        rest: &Rest,
        sources: &mut [Running],
        tell: &mut dyn FnMut(Notice<'_>),
    ) -> Result<(), PipelineError> {
        let mut moved = (0, Instant::now());
        while !self.stop.load(Ordering::Relaxed) && !(rest.has_ended)(self) && moved.1.elapsed() < rest.patience {
            self.turn(sources, tell)?;
            let position = (rest.position)(self);
            if position != moved.0 {
                moved = (position, Instant::now());
            }
        }
        (rest.stop)(self);
        let begun = Instant::now();
        while !(rest.has_ended)(self) && begun.elapsed() < rest.grace {
            self.turn(sources, tell)?;
            std::thread::sleep(NAP);
        }
        Ok(())
    }
}
