//! What `bindgen!` makes of the contract in `wit/`: types and typed calls, generated at compile time.
//!
//! Nothing is written by hand here. Arguments are borrowed, so that a batch is copied once, into the sandbox.
// The generated code implements wasmtime's unsafe lift and lower traits, and documents only what the contract does.
#![allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]

wasmtime::component::bindgen!({
    world: "plugin",
    path: "../wit",
    ownership: Borrowing { duplicate_if_necessary: true },
});
