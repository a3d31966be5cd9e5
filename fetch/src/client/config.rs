//! The bounds of a client. Every one of them is a limit on what a request, a server or a component can cost.

use serde::{Deserialize, Serialize};

use crate::error::ConfigError;
use crate::wire::WireConfig;

/// How a client works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientConfig {
    /// How connections are made.
    pub wire: WireConfig,
    /// When and how often a request is repeated.
    pub retry: RetryConfig,
    /// Most requests at the same time, 1 to 256. Answers wait in memory until they are taken, so this times
    /// [`Self::max_body`] is the most memory that bodies can take, as long as the asker takes answers before it asks anew.
    pub max_in_flight: u32,
    /// Most requests a second, repetitions included; 0 for no limit. A second's worth may go at once.
    pub requests_per_second: u32,
    /// The most response bytes that a request may ask for.
    pub max_body: u32,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            wire: WireConfig::default(),
            retry: RetryConfig::default(),
            max_in_flight: 16,
            requests_per_second: 0,
            max_body: 64 << 20,
        }
    }
}

/// When and how often a request is repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryConfig {
    /// Most tries of a request, the first included.
    pub tries: u32,
    /// The pause before the second try, milliseconds; it doubles with each further one. The pause that is made is a random
    /// one between half of that and all of it.
    pub first_pause_ms: u64,
    /// The longest pause, milliseconds. A server's `Retry-After` may ask for a longer one.
    pub longest_pause_ms: u64,
    /// No further try begins later than this after the first, milliseconds.
    pub total_ms: u64,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self { tries: 5, first_pause_ms: 250, longest_pause_ms: 20_000, total_ms: 120_000 }
    }
}

impl ClientConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if !(1..=256).contains(&self.max_in_flight) {
            return Err(ConfigError::Bounds("max_in_flight is between 1 and 256"));
        }
        if !(1..=100).contains(&self.retry.tries) {
            return Err(ConfigError::Bounds("tries are between 1 and 100"));
        }
        Ok(())
    }
}
