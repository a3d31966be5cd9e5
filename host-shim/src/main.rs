//! The binary `innertrail`. Everything it does is in the library; here is only the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    innertrail_host_shim::cli::main()
}
