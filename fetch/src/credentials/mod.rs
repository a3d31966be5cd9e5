//! Where the keys come from, and that they are fresh.
//!
//! They must never leave this crate: not into an error, a log, a status, a configuration or the sandbox. What can be
//! asked from outside is their provider, age and expiry ([`Report`]).

mod cache;
mod config;
mod ecs;
mod error;
mod file;
mod local;
mod profile;
mod sts;

use std::fmt;
use std::sync::Arc;

pub use cache::Report;
pub use config::{CredentialsConfig, Provider, Role};
pub use error::CredentialsError;

use crate::clock::Clock;
use crate::environment::Environment;
use crate::error::ConfigError;
use crate::secret::Secret;
use cache::Cache;

/// One set of credentials.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) id: Secret,
    pub(crate) secret: Secret,
    pub(crate) token: Option<Secret>,
    /// When they were fetched, milliseconds.
    pub(crate) obtained_ms: i64,
    /// When the service stops taking them, milliseconds.
    pub(crate) expires_ms: Option<i64>,
}

impl Keys {
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.id == other.id && self.secret == other.secret && self.token == other.token
    }
}

/// Gets keys from one place. Called by one thread at a time.
pub(crate) trait Source: Send + Sync {
    /// Fetches them anew.
    fn fetch(&self) -> Result<Keys, CredentialsError>;
}

/// What all sources work with.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) clock: Clock,
    pub(crate) environment: Environment,
    pub(crate) config: Arc<CredentialsConfig>,
}

/// The credentials of one source of events. A clone is the same credentials.
#[derive(Clone)]
pub struct Credentials(Arc<Cache>);

impl Credentials {
    /// Prepares the provider; fetches nothing yet.
    ///
    /// # Errors
    /// A configuration that cannot work.
    pub fn new(config: CredentialsConfig, environment: Environment, clock: Clock) -> Result<Self, ConfigError> {
        config.check()?;
        let around = Surroundings { clock: clock.clone(), environment, config: Arc::new(config) };
        let source = config::source(&around.config.provider, &around)?;
        Ok(Self(Arc::new(Cache::new(source, around.config.provider.name(), clock))))
    }

    /// The keys, fetched if there are none yet or they are about to expire.
    pub(crate) fn get(&self) -> Result<Arc<Keys>, CredentialsError> {
        Cache::get(&self.0)
    }

    /// Fresh keys after the service refused `used`. Gives `used` back where there are no others.
    pub(crate) fn renew(&self, used: &Arc<Keys>) -> Result<Arc<Keys>, CredentialsError> {
        Cache::renew(&self.0, used)
    }

    /// Fetches them now, for `doctor` and at start.
    ///
    /// # Errors
    /// Why there are none.
    pub fn refresh(&self) -> Result<(), CredentialsError> {
        Cache::refresh(&self.0).map(|_| ())
    }

    /// Provider, age and expiry, without a value.
    #[must_use]
    pub fn report(&self) -> Report {
        self.0.report()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.report().fmt(f)
    }
}
