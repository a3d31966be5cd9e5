//! Fuzzes sessions that read the network. The body is shared with the tests that run on every build; it must never differ from theirs.
#![no_main]

#[path = "../../plugin/tests/fuzz_bodies.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::network(data));
