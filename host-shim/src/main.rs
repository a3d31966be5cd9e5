//! The binary `innertrail`. Everything it does is in the library; here is only the exit code.

use std::process::ExitCode;

/// A sink's records are allocated by one thread and freed by another. The system's allocator is slow at that, and keeps the
/// memory of a backlog until the process ends.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    innertrail_host_shim::cli::main()
}
