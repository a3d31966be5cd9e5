//! The runtime room: runs the component in a sandbox and survives whatever it does.
//!
//! It must never trust the component: not for time, memory, structure, or for being the one that was asked for. It
//! must never do I/O on the component's behalf, decide where an event goes, or lose a frame.
//!
//! ```text
//! Runtime (one a process) ─▶ LoadedComponent (checked, compiled) ─▶ Transform (one a thread) ─▶ Bisector (never loses a frame)
//!                                                                └▶ Session (one a source)
//! ```

mod bindings;
mod bisect;
mod cache;
mod component;
mod contract;
mod embedded;
mod engine;
mod fault;
mod inspect;
mod limits;
mod sandbox;
mod session;
mod transform;

#[cfg(test)]
mod tests;

pub use bisect::{Bisector, BisectorConfig, Input, MAX_BATCH_BYTES, Native, Poisoned, RunError, RunStats};
pub use cache::CacheError;
pub use component::{ComponentError, ComponentSource, LoadedComponent, MAX_COMPONENT_BYTES, Refused};
pub use embedded::EMBEDDED;
pub use engine::{EngineError, Interrupt, Runtime, RuntimeConfig};
pub use fault::CallError;
pub use inspect::SUPPORTED_VERSION;
pub use sandbox::OpenError;
pub use session::{Reads, Session};
pub use transform::Transform;

/// The contract's types, as generated from `wit/`.
pub mod wit {
    pub use super::bindings::exports::innertrail::plugin::{info, source, transform};
}
