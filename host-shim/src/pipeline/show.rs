//! Hands the board of `/metrics` a copy of what is known, now and then.
//!
//! Must never do anything where no metrics are configured, and never wait.

use super::Pipeline;
use crate::alerting::Alerting;
use crate::channels::Channels;
use crate::lag;
use crate::lifecycle;
use crate::metrics::Shown;
use crate::mirror::Mirror;

impl Pipeline {
    /// The loop turned; a new copy when it is time and the writer is here.
    pub(super) fn show(&mut self) {
        let Some(board) = self.board.clone() else { return };
        board.turned();
        if !board.is_due() {
            return;
        }
        let checkpoint =
            self.committer.writer().map(|writer| String::from_utf8_lossy(writer.checkpoint()).into_owned());
        let (Some(state), Some(checkpoint)) = (self.committer.state(), checkpoint) else { return };
        board.show(Shown {
            status: self.status(),
            life: lifecycle::State::read(state).ok().flatten(),
            newest: lag::newest(state),
            sinks: self.sinks.said().clone(),
            mirror: self.mirror.as_ref().map(Mirror::said),
            alerts: self.alerting.as_ref().map(Alerting::said),
            channels: self.channels.as_ref().map(Channels::said).unwrap_or_default(),
            checkpoint,
        });
    }
}
