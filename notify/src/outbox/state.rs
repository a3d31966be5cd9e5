//! What a channel keeps over a restart.
//! It must never be read by a version that does not know its form: a wrong position would lose alerts.

use serde::{Deserialize, Serialize};

use super::firing::Firing;
use super::rate::Sent;

/// The form of today.
const VERSION: u32 = 1;

/// A channel's state. The host keeps it, as the JSON that [`State::to_json`] gives, whenever it is handed one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    pub(crate) version: u32,
    pub(crate) position: Option<u64>,
    pub(crate) sent: Vec<Sent>,
    pub(crate) not_before_ms: i64,
    pub(crate) firing: Vec<Firing>,
    pub(crate) forgotten: u64,
}

/// A state that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It is no state.
    #[error("it is no state of a channel: {0}; without it the channel would begin anew, so restore it or delete it")]
    Form(#[from] serde_json::Error),
    /// Another version made it.
    #[error("it has version {0}, and this program knows {VERSION}; run the version that made it, or delete it")]
    Version(u32),
}

impl State {
    /// The last place in the journal that needs not be fed again; none at the beginning.
    #[must_use]
    pub fn position(&self) -> Option<u64> {
        self.position
    }

    /// A channel that begins behind this place: everything up to it is passed over.
    #[must_use]
    pub fn behind(position: u64) -> Self {
        Self { position: Some(position), ..Self::default() }
    }

    /// To be kept.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Maps with names and numbers only: every one of them is JSON.
        serde_json::to_vec(self).expect("a state is numbers, texts and lists")
    }

    /// What was kept.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn from_json(json: &[u8]) -> Result<Self, StateError> {
        /// The version alone: it is looked at before the form.
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let Version { version } = serde_json::from_slice(json)?;
        if version != VERSION {
            return Err(StateError::Version(version));
        }
        Ok(serde_json::from_slice(json)?)
    }
}

impl Default for State {
    fn default() -> Self {
        Self { version: VERSION, position: None, sent: vec![], not_before_ms: 0, firing: vec![], forgotten: 0 }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_a_form_that_is_known_is_read() {
        let state = State { sent: vec![Sent { begun: 1, answered: None }], ..State::behind(7) };
        assert_eq!(State::from_json(&state.to_json()).unwrap(), state);
        let json = String::from_utf8(state.to_json()).unwrap();
        let newer = json.replace("\"version\":1", "\"version\":2,\"more\":1");
        assert!(matches!(State::from_json(newer.as_bytes()), Err(StateError::Version(2))));
        let odd = json.replace("\"position\"", "\"place\"");
        assert!(matches!(State::from_json(odd.as_bytes()), Err(StateError::Form(_))));
    }
}
