//! The component that is part of this executable.
//!
//! It must never be trusted more than one from a file: it takes the same checks.

/// The built-in component, made by `build.rs`.
pub const EMBEDDED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/component.wasm"));
