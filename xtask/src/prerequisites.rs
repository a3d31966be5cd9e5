//! Looks for what a build needs beside cargo, and says plainly how to get what is missing.
//! It must never install anything but the compiler's own WebAssembly target.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::steps::step;

/// The target of the component.
pub(crate) const WASM: &str = "wasm32-unknown-unknown";

/// Checks everything, and adds the WebAssembly target when it is missing.
pub(crate) fn ensure() -> Result<()> {
    c_compiler()?;
    wasm_target()
}

fn answers(program: &str) -> bool {
    let quiet = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}

/// zstd is C: without a compiler the build fails late and darkly.
fn c_compiler() -> Result<()> {
    let named = std::env::var("CC").ok();
    let mut candidates: Vec<&str> = named.iter().map(String::as_str).collect();
    candidates.extend(["cc", "gcc", "clang"]);
    if cfg!(windows) || candidates.into_iter().any(answers) {
        return Ok(());
    }
    bail!(
        "no C compiler: zstd needs one to build.\n\
         Debian, Ubuntu:  sudo apt-get install build-essential\n\
         Fedora:          sudo dnf install gcc\n\
         Alpine:          sudo apk add build-base\n\
         macOS:           xcode-select --install"
    )
}

fn has_wasm_target() -> Result<bool> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", WASM])
        .output()
        .context("cannot run rustc")?;
    let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(output.status.success() && Path::new(&folder).is_dir())
}

fn wasm_target() -> Result<()> {
    if has_wasm_target()? {
        return Ok(());
    }
    if !answers("rustup") {
        bail!(
            "the compiler lacks the target {WASM}, and there is no rustup to add it: install rustup, or your distribution's package of that target"
        );
    }
    step("add the WebAssembly target", Command::new("rustup").args(["target", "add", WASM]))?;
    if !has_wasm_target()? {
        bail!(
            "rustup added {WASM} to another toolchain than the one in use: run `rustup target add {WASM}` for the toolchain of `rustc --version`"
        );
    }
    Ok(())
}
