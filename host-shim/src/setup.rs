//! From a configuration to things that run: the component, its engine, the Logstore's writer.
//!
//! Everything that can be wrong before anything starts is found here, and is a [`SetupError`]: exit code 2.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use innertrail_logstore::durable::{OsDisk, immutable};
use innertrail_logstore::{Options, Writer};

use crate::clock;
use crate::config::{Config, Immutable, Interrupt};
use crate::layout::{self, HostRows};
use crate::lifecycle::{self, Custody, LifecycleError, Opening};
use crate::runtime::wit::info::Description;
use crate::runtime::wit::transform::{Claim, Codec};
use crate::runtime::{
    self, Bisector, BisectorConfig, ComponentError, ComponentSource, EMBEDDED, EngineError, Input, LoadedComponent,
    Native, OpenError, Poisoned, Runtime, RuntimeConfig, Transform,
};
use crate::seal_mark::{KeyError, SealKey};

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The component.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// The component refuses what it is told.
    #[error("the component refuses its configuration: {0}")]
    Open(#[from] OpenError),
    /// The data directory cannot be made.
    #[error("cannot use the data directory {path}: {source}; name another with data_dir or --data-dir")]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// No thread for the writer.
    #[error("cannot start the thread that commits: {0}; raise the limit of threads")]
    Thread(std::io::Error),
    /// The Logstore cannot be opened.
    #[error(transparent)]
    Logstore(#[from] innertrail_logstore::Error),
    /// Nothing can listen where the metrics are to be served.
    #[error(transparent)]
    Metrics(#[from] crate::metrics::ListenError),
    /// The API cannot be served.
    #[error("api: {0}")]
    Api(#[from] crate::api::ApiStartError),
    /// The console cannot be served.
    #[error("console: {0}")]
    Console(#[from] crate::console::ConsoleStartError),
    /// Its keys cannot be read.
    #[error(transparent)]
    ApiKeys(#[from] innertrail_api::auth::KeyFileError),
    /// A sink cannot be set up.
    #[error("sink {name}: {why}")]
    Sink {
        /// The sink.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// The mirror cannot be set up.
    #[error("mirror: {0}")]
    Mirror(innertrail_fetch::ConfigError),
    /// A folder of rules cannot be used.
    #[error("alerts.rules: {0}")]
    Alerts(#[from] crate::alerting::load::LoadError),
    /// A channel cannot be set up.
    #[error("alerts.channels: {0}")]
    Channel(#[from] innertrail_notify::ChannelError),
    /// A server of the gate cannot be set up.
    #[error("gate.{name}: {why}")]
    Gate {
        /// The server.
        name: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The seal mark key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key that seals.
    #[error(transparent)]
    SealKey(#[from] lifecycle::key::KeyError),
    /// The Logstore is disabled, or what is remembered of its life cannot be read.
    #[error(transparent)]
    Lifecycle(#[from] LifecycleError),
}

/// Starts the engine and loads the component that the configuration names.
///
/// # Errors
/// See [`SetupError`].
pub fn component(config: &Config) -> Result<LoadedComponent, SetupError> {
    let plugin = &config.plugin;
    let runtime = Runtime::new(RuntimeConfig {
        memory_limit: usize::try_from(plugin.memory_bytes).unwrap_or(usize::MAX),
        // One a source, one a server of the gate, the rooms, and one to spare.
        instances: u32::try_from(config.sources.len()).unwrap_or(u32::MAX).saturating_add(4).min(64),
        deadline: Duration::from_millis(plugin.deadline_ms),
        interrupt: match plugin.interrupt {
            Interrupt::Epoch => runtime::Interrupt::Epoch,
            Interrupt::None => runtime::Interrupt::None,
        },
        cache_dir: Some(plugin.cache_dir.clone().unwrap_or_else(|| default_cache(&config.data_dir))),
    })?;
    let source = match &plugin.path {
        Some(path) => ComponentSource::File { path: path.clone(), sha256: plugin.sha256.clone() },
        None => ComponentSource::Embedded(EMBEDDED),
    };
    Ok(LoadedComponent::load(&runtime, &source)?)
}

/// Compiled code lies beside the data unless the user's cache folder is known: it is made anew when it is gone.
fn default_cache(data_dir: &Path) -> PathBuf {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|p| p.is_absolute()).or_else(home);
    match base {
        Some(base) => base.join("innertrail").join("component"),
        None => data_dir.join("component-cache"),
    }
}

fn writer(config: &Config, description: &Description) -> Result<Writer, SetupError> {
    make_parents(&config.data_dir)?;
    let mut options = Options::new(lifecycle::key::open(&config.data_dir, &config.trail)?);
    options.segment_rows = u64::from(config.logstore.segment_rows);
    options.segment_bytes = config.logstore.segment_bytes;
    options.disk = Arc::new(OsDisk { immutable: config.logstore.immutable == Immutable::Auto });
    Ok(Writer::open(&config.data_dir, &config.trail, layout::of(description), options, clock::now_us())?)
}

fn make_parents(dir: &Path) -> Result<(), SetupError> {
    let Some(parent) = dir.parent().filter(|p| !p.as_os_str().is_empty()) else { return Ok(()) };
    make_durable(parent).map_err(|source| SetupError::DataDir { path: dir.to_owned(), source })
}

/// Makes a folder and what is missing above it, each with its name synced: a power cut must not take the Logstore away
/// with the folder that holds it.
fn make_durable(folder: &Path) -> std::io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().unwrap_or(Path::new(""));
    make_durable(above)?;
    std::fs::create_dir_all(folder)?;
    let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
    std::fs::File::open(above)?.sync_all()
}

/// A wish that cannot be met is said, and nothing more: sealed files are read-only either way.
fn not_immutable(config: &Config) -> Option<String> {
    let wanted = config.logstore.immutable == Immutable::Auto;
    let possible = wanted && immutable::possible(&config.data_dir.join("tmp")).unwrap_or(false);
    (wanted && !possible).then(|| {
        "logstore.immutable: auto has no effect here: the file system of data_dir has no immutable flag, or \
         CAP_LINUX_IMMUTABLE is missing; sealed files are read-only"
            .to_owned()
    })
}

/// What only the host can do for the transform: keys and rows of its own making.
pub(crate) struct HostNative {
    pub(crate) key: SealKey,
    pub(crate) rows: HostRows,
}

impl Native for HostNative {
    fn sealed(&mut self, claims: &[Claim]) -> Vec<u32> {
        self.key.valid(claims)
    }

    /// Looks for the mark's name, which JSON can also write with escapes.
    fn may_claim(&self, input: &Input<'_>) -> bool {
        let holds = |what: &str| memchr::memmem::find(input.data, what.as_bytes()).is_some();
        holds("it_seal") || (input.codec != Codec::Native && holds("\\u"))
    }

    fn quarantine_row(&mut self, poisoned: &Poisoned<'_>) -> Vec<u8> {
        self.rows.poison(poisoned)
    }
}

/// What both roles run on.
pub(crate) struct Rooms {
    pub(crate) component: LoadedComponent,
    pub(crate) bisector: Bisector,
    pub(crate) native: HostNative,
    pub(crate) writer: Writer,
    pub(crate) custody: Custody,
    /// What people should know of the lifecycle.
    pub(crate) told: Vec<String>,
}

impl Rooms {
    /// Starts the component and opens the Logstore of a configuration, recovering it where that is needed.
    pub(crate) fn open(config: &Config, by: &'static str) -> Result<Self, SetupError> {
        let component = component(config)?;
        let description = component.describe()?;
        let transform = Transform::open(&component, &config.transform_json())?;
        let mut writer = writer(config, &description)?;
        let (dir, account) = (&config.data_dir, config.account.as_deref());
        let opening = Opening { by, dir, retention_days: config.logstore.retention_days, account };
        let (custody, mut told) = Custody::open(&mut writer, opening, clock::now_us())?;
        told.extend(not_immutable(config));
        let native = HostNative { key: SealKey::open(&config.data_dir)?, rows: HostRows::new(writer.layout()) };
        let bisector = Bisector::new(transform, BisectorConfig::default());
        Ok(Self { component, bisector, native, writer, custody, told })
    }
}
