//! Fuzzes requests to the API. The body is shared with the tests that run on every build; it must never differ from theirs.
#![no_main]

#[path = "../../api/tests/fuzz_request.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::api_request(data));
