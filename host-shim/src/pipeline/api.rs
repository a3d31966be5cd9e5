//! The pipeline's side of the API: its entries for the journal, a longer retention, changes of keys, its end.
//!
//! Must never keep a source waiting for a client.

use std::thread;

use super::{NAP, Pipeline, PipelineError};
use crate::api::{Asked, CHECKPOINT, Lengthen};
use crate::clock;
use crate::notice::Notice;
use crate::running::Running;

impl Pipeline {
    /// Puts what the API asks for into the open transaction.
    pub(super) fn asked(&mut self, asked: Asked) {
        match asked {
            Asked::Enter(entry) => self.custody.enter(&mut self.txn, &entry),
            Asked::Lengthen(wish) => self.lengthen(wish),
        }
    }

    fn lengthen(&mut self, wish: Lengthen) {
        let about = |entry: crate::journal::Entry| {
            entry.with("key", wish.key_id.as_str()).with("request", wish.request_id.as_str())
        };
        match self.custody.lengthen(&mut self.txn, wish.days, about, clock::now_us()) {
            Ok(true) => {}
            // It is that long already, perhaps by what is in a transaction on its way: this one is durable after it.
            Ok(false) => self.custody.remember(&mut self.txn),
            // It was refused before; dropped without an answer, it is told as not carried out.
            Err(_) => return,
        }
        self.parked[0].push(wish.answer);
    }

    /// Enters changes of access keys that are not in the journal yet.
    pub(super) fn look_at_keys(&mut self) {
        if let Some((entries, told)) = self.untold.due(clock::now_us()) {
            entries.iter().for_each(|entry| self.custody.enter(&mut self.txn, entry));
            self.txn.checkpoint(CHECKPOINT, &told);
        }
    }

    /// Ends the API before the Logstore is closed, going on to serve what its last calls ask for.
    pub(super) fn stop_api(
        &mut self,
        sources: &mut [Running],
        tell: &mut dyn FnMut(Notice<'_>),
    ) -> Result<(), PipelineError> {
        let Some(api) = self.api.take() else { return Ok(()) };
        let stopping = thread::spawn(move || api.stop());
        while !stopping.is_finished() {
            while let Ok(event) = self.events.recv_timeout(NAP) {
                self.hear(event, sources, tell)?;
            }
            self.begin_commit(tell)?;
        }
        while let Ok(event) = self.events.try_recv() {
            self.hear(event, sources, tell)?;
        }
        Ok(())
    }
}
