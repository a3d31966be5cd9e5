//! One instance in its own store, and the one way to call into it: with a deadline, with a memory limit, once dead
//! always dead.
//!
//! It must never let a call pass without a fresh deadline, and never call an instance again that failed.

use super::bindings::Plugin;
use super::component::LoadedComponent;
use super::engine::{Interrupt, Runtime};
use super::fault::{CallError, Limit, short};
use super::limits::Limits;
use super::wit::info::Description;
use std::time::Duration;
use wasmtime::Store;

/// Handles that a component may hold: it needs one.
const HANDLES: usize = 64;

/// Why an instance, or what was to be opened in it, is not there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// No room for another instance, or no address space.
    #[error("cannot make an instance of the component: {0}; more instances than the runtime allows may be in use")]
    Instance(String),
    /// It failed while opening.
    #[error("while opening: {0}")]
    Call(#[from] CallError),
    /// It does not accept the configuration.
    #[error("the component does not accept its configuration: {0}")]
    Config(String),
    /// It cannot read a checkpoint.
    #[error("the component cannot go on from a checkpoint: {0}; nothing was reset, the operator decides")]
    Checkpoint(String),
}

/// An instance with its store.
pub(super) struct Sandbox {
    store: Store<Limits>,
    plugin: Plugin,
    limit: Limit,
    interrupt: bool,
    dead: bool,
}

impl Sandbox {
    /// A fresh instance, 20 to 60 µs.
    pub(super) fn new(component: &LoadedComponent) -> Result<Self, OpenError> {
        let config = &component.runtime.config;
        let limit = Limit { deadline: config.deadline, memory: config.memory_limit };
        let mut store = Store::new(&component.runtime.engine, Limits::new(limit.memory));
        store.limiter(|limits| limits);
        // A list may name the same bytes many times over: bound what the host allocates, not only what the guest has.
        store.set_hostcall_fuel(limit.memory.saturating_mul(2));
        store.set_max_component_handles(HANDLES);
        let interrupt = config.interrupt == Interrupt::Epoch;
        if interrupt {
            store.set_epoch_deadline(Runtime::ticks(limit.deadline));
        }
        let plugin = component.pre.instantiate(&mut store).map_err(|e| {
            if e.is::<wasmtime::Trap>() {
                OpenError::Call(CallError::classify(&e, store.data(), limit))
            } else {
                OpenError::Instance(short(&format!("{e:#}")))
            }
        })?;
        Ok(Self { store, plugin, limit, interrupt, dead: false })
    }

    /// Calls into the component. Any error leaves the instance dead.
    pub(super) fn call<R>(
        &mut self,
        call: impl FnOnce(&mut Store<Limits>, &Plugin) -> wasmtime::Result<R>,
    ) -> Result<R, CallError> {
        if self.dead {
            return Err(CallError::Dead);
        }
        self.store.data_mut().denied = false;
        if self.interrupt {
            self.store.set_epoch_deadline(Runtime::ticks(self.limit.deadline));
        }
        call(&mut self.store, &self.plugin).map_err(|error| {
            self.dead = true;
            CallError::classify(&error, self.store.data(), self.limit)
        })
    }

    /// Takes the verdict over an answer: an instance that broke its contract may be damaged inside.
    pub(super) fn judge(&mut self, verdict: Result<(), String>) -> Result<(), CallError> {
        verdict.map_err(|what| {
            self.dead = true;
            CallError::Contract(what)
        })
    }

    /// Who the component says it is.
    pub(super) fn describe(&mut self) -> Result<Description, CallError> {
        self.call(|store, plugin| plugin.innertrail_plugin_info().call_describe(store))
    }

    /// Sets the deadline of the calls from now on.
    pub(super) fn set_deadline(&mut self, deadline: Duration) {
        self.limit.deadline = deadline;
    }

    /// Most linear memory so far, bytes.
    pub(super) fn peak_memory(&self) -> usize {
        self.store.data().peak
    }
}

impl LoadedComponent {
    /// Who the component says it is; asked of an instance that is thrown away.
    ///
    /// # Errors
    /// [`OpenError`] if there is no room for an instance or it fails.
    pub fn describe(&self) -> Result<Description, OpenError> {
        Ok(Sandbox::new(self)?.describe()?)
    }
}
