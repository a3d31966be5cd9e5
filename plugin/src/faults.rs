//! Misbehaviour on demand, for tests that prove the host survives a bad component.
//!
//! Compiled only with the feature `faults`. It must never be in a shipped component: a test looks for its markers.

/// Panics, loops, or eats memory where a frame asks for it.
pub(crate) fn misbehave(frame: &[u8]) {
    let asks = |marker: &[u8]| memchr::memmem::find(frame, marker).is_some();
    if asks(b"FAULT-PANIC") {
        panic!("asked to panic");
    }
    if asks(b"FAULT-LOOP") {
        let mut turns = 0u64;
        while std::hint::black_box(turns) < u64::MAX {
            turns += 1;
        }
    }
    if asks(b"FAULT-MEMORY") {
        let mut eaten = Vec::new();
        loop {
            eaten.push(std::hint::black_box(vec![1u8; 1 << 20]));
        }
    }
}

/// Panics in the source room where a file asks for it.
pub(crate) fn misbehave_on_read(bytes: &[u8]) {
    if memchr::memmem::find(bytes, b"FAULT-SOURCE").is_some() {
        panic!("asked to panic on reading");
    }
}
