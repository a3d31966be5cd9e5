//! What a sink that has caught up gives back to the system.
//! It must never be called while there is something to send: it takes milliseconds.
//!
//! Pages and requests of a backlog are freed when it is through, but the C library keeps what was freed: some 15 MiB a sink
//! (`cargo bench -p innertrail-sink --bench vector`), for as long as the process lives.

/// Gives freed memory of the whole process back, where the C library has a way to say so.
pub(super) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `malloc_trim` takes a number and no pointer, locks each arena while it looks at it, and touches nothing but
    // memory that is free.
    #[allow(unsafe_code)]
    let _found = unsafe { libc::malloc_trim(0) };
}
