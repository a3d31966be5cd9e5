//! Fuzzes a provider's error bodies. The body is shared with the tests that run on every build; it must never differ from theirs.
#![no_main]

#[path = "../../plugin/tests/fuzz_bodies.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::provider_errors(data));
