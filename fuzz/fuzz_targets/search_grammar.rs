//! Fuzzes the search grammar. The body is shared with the test that runs on every build; it must never differ from
//! that one's.
#![no_main]

#[path = "../../search/tests/fuzz_bodies.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::search_grammar(data));
