//! The engine: what a component may use at all, decided once a process, and the clock that interrupts it.
//!
//! It must never switch on a wasmtime feature that the contract does not need, and never keep the engine alive from
//! the ticker's thread.

use super::cache::{self, CacheError};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;
use wasmtime::{Cache, Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

/// How often the clock of the deadlines advances. A runaway call is stopped within one tick of its deadline.
pub(super) const TICK: Duration = Duration::from_millis(10);

/// How a call that does not come back is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Interrupt {
    /// By a deadline. Costs about 30 % of the component's speed.
    #[default]
    Epoch,
    /// Not at all: for a component that is trusted and pinned by its hash. An endless loop then blocks its thread.
    None,
}

/// Limits and places.
#[derive(Debug, Clone)]
pub struct RuntimeConfig {
    /// Most linear memory of one instance, bytes. At least 2 MiB, at most 4 GiB less 64 KiB.
    pub memory_limit: usize,
    /// Most instances alive at the same time; one a worker thread and one a source.
    pub instances: u32,
    /// Longest time of one call.
    pub deadline: Duration,
    /// How a call is stopped.
    pub interrupt: Interrupt,
    /// Folder of compiled code, created with mode 0700 if absent. `None`: compile at every start (0.3 s and more).
    pub cache_dir: Option<PathBuf>,
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        Self {
            memory_limit: 64 << 20,
            instances: 16,
            deadline: Duration::from_millis(100),
            interrupt: Interrupt::Epoch,
            cache_dir: None,
        }
    }
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A limit that cannot be kept.
    #[error("runtime limit `{name}` is {value}, which is not possible; {remedy}")]
    Limit {
        /// Name of the setting.
        name: &'static str,
        /// Its value.
        value: u64,
        /// What to set.
        remedy: &'static str,
    },
    /// The folder of compiled code cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// wasmtime refused; the processor or the system lacks something.
    #[error("the WASM engine cannot start on this machine: {0}")]
    Engine(String),
    /// The ticker's thread could not be started.
    #[error("cannot start the thread that stops runaway calls: {0}")]
    Ticker(std::io::Error),
}

/// The engine with its limits. Cheap to clone; every clone is the same engine.
#[derive(Clone)]
pub struct Runtime {
    pub(super) engine: Engine,
    pub(super) config: RuntimeConfig,
    cache: Option<Cache>,
    pooled: bool,
}

impl Runtime {
    /// Starts the engine, and the ticker if calls are to be interrupted.
    ///
    /// # Errors
    /// [`EngineError`]: an impossible limit, a cache folder that others can write, or a machine wasmtime cannot run on.
    pub fn new(config: RuntimeConfig) -> Result<Self, EngineError> {
        check(&config)?;
        let cache = config.cache_dir.as_deref().map(cache::open).transpose()?;
        let (engine, pooled) = start(&config, cache.as_ref())?;
        if config.interrupt == Interrupt::Epoch {
            start_ticker(&engine).map_err(EngineError::Ticker)?;
        }
        Ok(Self { engine, config, cache, pooled })
    }

    /// Whether instances come from a pool. They do unless address space is limited (`ulimit -v`, small containers);
    /// without a pool a fresh instance takes about 10 µs longer.
    #[must_use]
    pub fn pooled(&self) -> bool {
        self.pooled
    }

    /// Components whose compiled code was found, and was not found, in the cache.
    #[must_use]
    pub fn cache_counts(&self) -> (usize, usize) {
        self.cache.as_ref().map_or((0, 0), |cache| (cache.cache_hits(), cache.cache_misses()))
    }

    /// Ticks until a call that starts now has passed `deadline`. The first tick may come at once, so one is added.
    pub(super) fn ticks(deadline: Duration) -> u64 {
        let ticks = deadline.as_nanos().div_ceil(TICK.as_nanos());
        u64::try_from(ticks).unwrap_or(u64::MAX / 2).saturating_add(1)
    }
}

/// Refuses limits that could not be kept.
fn check(config: &RuntimeConfig) -> Result<(), EngineError> {
    let limit = |name, value: u64, remedy| EngineError::Limit { name, value, remedy };
    let memory = config.memory_limit as u64;
    if !(2 << 20..=(4 << 30) - (64 << 10)).contains(&memory) {
        let remedy = "set it between 2 MiB (an empty component needs 1.2 MiB) and 4 GiB less 64 KiB";
        return Err(limit("memory_limit", memory, remedy));
    }
    if !(2..=1000).contains(&config.instances) {
        let remedy = "set it between 2 and 1000";
        return Err(limit("instances", config.instances.into(), remedy));
    }
    if config.deadline.is_zero() {
        return Err(limit("deadline", 0, "set at least 10 ms"));
    }
    Ok(())
}

/// With a pool if the address space allows it, else without.
fn start(config: &RuntimeConfig, cache: Option<&Cache>) -> Result<(Engine, bool), EngineError> {
    let mut pooled = settings(config, cache);
    pooled.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(config)));
    if let Ok(engine) = Engine::new(&pooled) {
        return Ok((engine, true));
    }
    Engine::new(&settings(config, cache))
        .map(|engine| (engine, false))
        .map_err(|e| EngineError::Engine(format!("{e:#}")))
}

/// What compiled code may use. Everything that could differ between two processors is off.
fn settings(config: &RuntimeConfig, cache: Option<&Cache>) -> Config {
    let mut settings = Config::new();
    settings
        .wasm_component_model(true)
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        .cranelift_opt_level(OptLevel::Speed)
        .epoch_interruption(config.interrupt == Interrupt::Epoch)
        .concurrency_support(false)
        .cache(cache.cloned());
    settings
}

/// A small pool: the product runs a handful of instances, not thousands.
fn pool(config: &RuntimeConfig) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(config.instances)
        .total_core_instances(config.instances.saturating_mul(MODULES))
        .total_memories(config.instances)
        .total_tables(config.instances.saturating_mul(MODULES))
        .max_core_instances_per_component(MODULES)
        .max_memories_per_component(1)
        .max_tables_per_component(MODULES)
        // One page beyond the limit, so that the limiter, which tells why, is always the first to refuse.
        .max_memory_size(config.memory_limit.next_multiple_of(WASM_PAGE) + WASM_PAGE)
        .max_unused_warm_slots(4);
    pool
}

/// Core modules in one component: the plugin itself and up to three adapters that the encoder makes.
const MODULES: u32 = 4;
const WASM_PAGE: usize = 64 << 10;

/// Advances the clock until the last engine is gone.
fn start_ticker(engine: &Engine) -> std::io::Result<()> {
    let engine = engine.weak();
    let ticker = thread::Builder::new().name("wasm-ticker".into());
    ticker.spawn(move || {
        loop {
            thread::sleep(TICK);
            match engine.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => return,
            }
        }
    })?;
    Ok(())
}
