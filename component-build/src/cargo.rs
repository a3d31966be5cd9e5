//! The nested cargo: its environment, its flags, and what its failure means.
//!
//! It must never pass a flag of the outer build on: RUSTFLAGS for the host CPU, a clippy wrapper or the outer target
//! directory would break the build, change the artefact or make two cargos wait for each other.

use crate::{ComponentSpec, Error, PROFILE, TARGET};
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Variables of an outer build that would change this one.
const REMOVED: &[&str] = &[
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_TARGET_DIR",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_BUILD_BUILD_DIR",
    "CARGO_BUILD_TARGET",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "CARGO_BUILD_RUSTC_WRAPPER",
    "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER",
    "CARGO_INCREMENTAL",
];

/// The same, by prefix: profile settings, and flags for the target from a machine's own configuration.
const REMOVED_PREFIXES: &[&str] = &["CARGO_PROFILE_", "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_"];

/// Separates flags in `CARGO_ENCODED_RUSTFLAGS`, so that paths may hold blanks.
const SEPARATOR: &str = "\u{1f}";

/// Compiles the package's library to a core module and gives its path.
pub(crate) fn compile(spec: ComponentSpec<'_>) -> Result<PathBuf, Error> {
    let sysroot = sysroot()?;
    if !has_target(&sysroot) {
        return Err(Error::TargetMissing);
    }
    let status = command(spec, &sysroot)
        .stdout(Stdio::null())
        .status()
        .map_err(|e| Error::Tool { program: "cargo".into(), detail: e.to_string() })?;
    if !status.success() {
        return Err(Error::Build { package: spec.package.into(), status: status.to_string() });
    }
    let file = format!("{}.wasm", spec.package.replace('-', "_"));
    Ok(spec.target_dir.join(TARGET).join(PROFILE).join(file))
}

/// The nested cargo's command line and environment.
fn command(spec: ComponentSpec<'_>, sysroot: &Path) -> Command {
    let mut command = Command::new(program("CARGO", "cargo"));
    for (name, _) in env::vars_os() {
        if is_removed(&name) {
            command.env_remove(name);
        }
    }
    command
        .current_dir(spec.workspace_root)
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags(spec, sysroot))
        .args(["build", "--locked", "--lib", "--profile", PROFILE])
        .args(["--target", TARGET, "--package", spec.package])
        .arg("--target-dir")
        .arg(spec.target_dir);
    if !spec.features.is_empty() {
        command.arg("--features").arg(spec.features.join(","));
    }
    command
}

/// Whether a variable belongs to the outer build alone.
fn is_removed(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else {
        return false;
    };
    REMOVED.contains(&name) || REMOVED_PREFIXES.iter().any(|p| name.starts_with(p))
}

/// 16-byte vectors for the scanner, and fixed names for every folder of this machine.
fn rustflags(spec: ComponentSpec<'_>, sysroot: &Path) -> OsString {
    let mut flags = OsString::from("-Ctarget-feature=+simd128");
    for (from, to) in remapped(spec, sysroot) {
        flags.push(SEPARATOR);
        flags.push("--remap-path-prefix=");
        flags.push(from);
        flags.push("=");
        flags.push(to);
    }
    flags
}

/// Folders whose names must not reach the artefact. rustc takes the last prefix that fits, so the inner ones come last.
fn remapped(spec: ComponentSpec<'_>, sysroot: &Path) -> Vec<(PathBuf, &'static str)> {
    let mut prefixes = vec![(sysroot.to_path_buf(), "/rust")];
    prefixes.push((sysroot.join("lib/rustlib/src/rust"), "/rust/src"));
    if let Some(home) = cargo_home() {
        prefixes.push((home.clone(), "/cargo"));
        // One folder a registry, named after its address: a mirror must not change the hash.
        let sources = std::fs::read_dir(home.join("registry/src"));
        let mut folders: Vec<_> = sources.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
        folders.sort();
        prefixes.extend(folders.into_iter().map(|folder| (folder, "/cargo/src")));
    }
    let root = spec.workspace_root;
    prefixes.push((spec.target_dir.to_path_buf(), "/target"));
    prefixes.push((root.canonicalize().unwrap_or_else(|_| root.into()), "/innertrail"));
    prefixes
}

/// Cargo's own folder: `CARGO_HOME`, or `.cargo` in the home folder.
fn cargo_home() -> Option<PathBuf> {
    env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".cargo")))
}

/// Where the compiler's own libraries lie.
fn sysroot() -> Result<PathBuf, Error> {
    let rustc = program("RUSTC", "rustc");
    let failed = |detail: String| Error::Tool { program: format!("{} --print sysroot", rustc.display()), detail };
    let output = Command::new(&rustc).args(["--print", "sysroot"]).output().map_err(|e| failed(e.to_string()))?;
    if !output.status.success() {
        return Err(failed(output.status.to_string()));
    }
    let text = String::from_utf8(output.stdout).map_err(|e| failed(e.to_string()))?;
    Ok(PathBuf::from(text.trim_end()))
}

/// Whether the target's standard library is there. Asked first, because cargo's own message names no remedy.
fn has_target(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib").join(TARGET).join("lib").is_dir()
}

/// A program of the toolchain, as the outer cargo names it.
fn program(variable: &str, fallback: &str) -> OsString {
    env::var_os(variable).unwrap_or_else(|| fallback.into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn spec() -> ComponentSpec<'static> {
        ComponentSpec {
            workspace_root: Path::new("/somewhere/work space"),
            package: "a-b",
            target_dir: Path::new("/elsewhere/target"),
            features: &["one", "two"],
        }
    }

    #[test]
    fn flags_of_the_outer_build_are_dropped() {
        for name in [
            "RUSTFLAGS",
            "RUSTC_WORKSPACE_WRAPPER",
            "CARGO_TARGET_DIR",
            "CARGO_PROFILE_RELEASE_LTO",
            "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS",
        ] {
            assert!(is_removed(OsStr::new(name)), "{name}");
        }
        for name in ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME", "CARGO_MAKEFLAGS"] {
            assert!(!is_removed(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn the_innermost_folder_is_renamed_last() {
        let flags = rustflags(spec(), Path::new("/toolchain"));
        let flags: Vec<_> = flags.to_str().unwrap().split(SEPARATOR).collect();
        assert_eq!(flags[0], "-Ctarget-feature=+simd128");
        assert_eq!(flags[1], "--remap-path-prefix=/toolchain=/rust");
        assert_eq!(flags.last().unwrap(), &"--remap-path-prefix=/somewhere/work space=/innertrail");
    }

    #[test]
    fn a_missing_target_is_named_with_its_remedy() {
        assert!(!has_target(Path::new("/no/such/toolchain")));
        assert_eq!(
            Error::TargetMissing.to_string(),
            "the Rust target wasm32-unknown-unknown is not installed, so the component cannot be built; run `rustup \
             target add wasm32-unknown-unknown`"
        );
    }
}
