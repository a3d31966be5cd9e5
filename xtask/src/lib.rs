//! The project's chores as a library: the fixture builder and the event generator, so benches and tests can call them.
//! It must never depend on another crate of the workspace: `cargo xtask` has to compile in seconds on a fresh machine.

pub mod calendar;
pub mod delivery;
pub mod fixtures;
pub mod generate;
pub mod prng;
pub mod quickstart_data;
mod vocabulary;
