//! A source's session in a sandbox: it is told what happened and says what it wants, every answer checked.
//!
//! It must never carry an action out, and never go on with a session that failed: its positions are lost with it, and
//! the host opens a new one from the last durable checkpoints.

use super::component::LoadedComponent;
use super::contract::{self, Waits};
use super::fault::CallError;
use super::sandbox::{OpenError, Sandbox};
use super::wit::source::{Action, CheckpointParam, OpenError as Refusal, Outcome};
use std::collections::BTreeSet;
use wasmtime::component::ResourceAny;

/// A session.
pub struct Session {
    sandbox: Sandbox,
    session: ResourceAny,
    waits: Waits,
}

/// What a session reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// Files: one thing is open at a time.
    Files,
    /// The network: requests are open, and it is told what is durable.
    Network,
}

impl Session {
    /// Opens a session. `config` is JSON of the shape that `describe().source_schema` gives.
    ///
    /// # Errors
    /// [`OpenError`]: a configuration or a checkpoint it does not accept, or a failing instance.
    pub fn open(
        component: &LoadedComponent,
        config: &str,
        checkpoints: &[CheckpointParam<'_>],
        reads: Reads,
    ) -> Result<Self, OpenError> {
        let mut sandbox = Sandbox::new(component)?;
        let opened = sandbox.call(|store, plugin| {
            let source = plugin.innertrail_plugin_source();
            source.session().call_open(store, config, checkpoints)
        })?;
        let session = opened.map_err(|refusal| match refusal {
            Refusal::InvalidConfig(text) => OpenError::Config(text),
            Refusal::BadCheckpoint(text) => OpenError::Checkpoint(text),
        })?;
        let waits = match reads {
            Reads::Files => Waits::Files,
            Reads::Network => Waits::Network { open: BTreeSet::new(), more: false },
        };
        Ok(Self { sandbox, session, waits })
    }

    /// Tells the session what happened last, and gives what it wants next. A session of files never answers with nothing,
    /// and the one action that has an outcome, if any, is at the end.
    ///
    /// # Errors
    /// [`CallError`]; the session is dead then.
    pub fn step(&mut self, last: Outcome<'_>) -> Result<Vec<Action>, CallError> {
        if let Waits::Network { open, .. } = &mut self.waits {
            match &last {
                Outcome::Responded(response) => open.remove(&response.id),
                Outcome::Unanswered(failure) => open.remove(&failure.id),
                _ => false,
            };
        }
        let session = self.session;
        let actions = self.sandbox.call(|store, plugin| {
            let source = plugin.innertrail_plugin_source();
            source.session().call_step(store, session, last)
        })?;
        self.sandbox.judge(contract::check_actions(&actions, &mut self.waits))?;
        Ok(actions)
    }

    /// Says whether frames of this session are on their way to the disk, after which it will be told so.
    pub(crate) fn set_undurable(&mut self, some: bool) {
        if let Waits::Network { more, .. } = &mut self.waits {
            *more = some;
        }
    }

    /// Most linear memory so far, bytes.
    #[must_use]
    pub fn peak_memory(&self) -> usize {
        self.sandbox.peak_memory()
    }
}
