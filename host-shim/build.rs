//! Builds the component and puts it where `include_bytes!` finds it.
//!
//! `INNERTRAIL_PREBUILT_COMPONENT=<path>` takes a file instead, for packagers and for machines without the WASM target.

use innertrail_component_build::{ComponentSpec, build, folder_beside};
use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const PREBUILT: &str = "INNERTRAIL_PREBUILT_COMPONENT";

/// What the component is made from, in the workspace.
const SOURCES: [&str; 5] = ["plugin/src", "plugin/Cargo.toml", "wit", "Cargo.toml", "Cargo.lock"];

fn main() {
    if let Err(error) = run() {
        // On one line, in cargo's own manner, and not as a panic with a backtrace.
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    fold_identical_code();
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={PREBUILT}");
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo has not set OUT_DIR")?);
    let built = match env::var_os(PREBUILT) {
        Some(path) => prebuilt(Path::new(&path))?,
        None => from_source(&out_dir)?,
    };
    let bytes = fs::read(&built).map_err(|e| format!("cannot read {}: {e}", built.display()))?;
    fs::write(out_dir.join("component.wasm"), bytes)?;
    Ok(())
}

/// DataFusion and arrow instantiate the same code for many types; the linker keeps one copy of what is identical. Only
/// where Rust's own linker (lld) is the default, because others do not know the option.
fn fold_identical_code() {
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    let default_lld = is("CARGO_CFG_TARGET_ARCH", "x86_64")
        && is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu");
    let overridden = env::var_os("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER").is_some();
    if default_lld && !overridden && is("PROFILE", "release") {
        println!("cargo::rustc-link-arg-bins=-Wl,--icf=all");
        if is("HOST", &env::var("TARGET").unwrap_or_default()) && glibc_packs_relocations() {
            println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
        }
    }
}

/// Packed relocations make the binary 4.6 MB smaller, but glibc before 2.36 (Ubuntu 22.04) cannot start it.
fn glibc_packs_relocations() -> bool {
    let answer = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    let text = answer.map(|out| String::from_utf8_lossy(&out.stdout).into_owned()).unwrap_or_default();
    let version = text.trim().strip_prefix("glibc 2.").and_then(|minor| minor.parse::<u32>().ok());
    version.is_some_and(|minor| minor >= 36)
}

/// A file that somebody else built. The runtime checks it when it starts, as it checks every component.
fn prebuilt(path: &Path) -> Result<PathBuf, Box<dyn Error>> {
    println!("cargo::rerun-if-changed={}", path.display());
    if !path.is_file() {
        let path = path.display();
        return Err(format!("{PREBUILT} names {path}, which is not a file").into());
    }
    Ok(path.into())
}

/// The plugin of this workspace.
fn from_source(out_dir: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let manifest = env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo has not set its variables")?;
    let root = Path::new(&manifest).parent().ok_or("the crate is not inside its workspace")?;
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }
    Ok(build(ComponentSpec {
        workspace_root: root,
        package: "innertrail-plugin",
        target_dir: &folder_beside(out_dir, "component"),
        features: &[],
    })?)
}
