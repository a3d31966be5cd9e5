//! The OSS source.

pub mod config;
pub mod xml;

use super::position::Checkpoint;
use super::{Action, OpenError, Outcome, State};
use config::Config;

/// One OSS source's session.
#[derive(Debug)]
pub struct Session {
    config: Config,
}

impl Session {
    /// Opens a session.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(config: &str, _checkpoints: &[Checkpoint]) -> Result<Self, OpenError> {
        Ok(Self { config: Config::parse(config).map_err(OpenError::InvalidConfig)? })
    }

    /// Takes what happened, answers with what is wanted.
    pub fn step(&mut self, _last: Outcome) -> Vec<Action> {
        let why = format!("source {}: type {} is not in this build", self.config.name, self.config.kind);
        vec![Action::State(State::Failed(why)), Action::Finish]
    }
}
