//! Fuzzes the reader of rules and of fixtures, and what is loaded of them against a few records. The body is shared with the
//! tests that run on every build; it must never differ from theirs.
#![no_main]

#[path = "../../alerts/tests/fuzz_bodies.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::rules(data));
