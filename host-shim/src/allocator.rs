//! How many arenas the C library's allocator may have.
//! It must never be told after a thread was started: a thread keeps the arena it has.

/// As many arenas as cores, at least two, where the C library has a way to say so and nobody has said otherwise
/// (`MALLOC_ARENA_MAX`).
///
/// By itself it takes up to eight a core, and each keeps what the hungriest of the threads that ever used it took. With as many
/// as cores an ingest takes 50 MiB less at the same speed (`cloud::speed` on two cores).
pub(crate) fn as_many_arenas_as_cores() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if std::env::var_os("MALLOC_ARENA_MAX").is_none() {
        let cores = std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 64));
        let arenas = libc::c_int::try_from(cores).unwrap_or(2);
        // SAFETY: `mallopt` takes two numbers and no pointer, and sets a number under the allocator's own lock.
        #[allow(unsafe_code)]
        let _taken = unsafe { libc::mallopt(libc::M_ARENA_MAX, arenas) };
    }
}
