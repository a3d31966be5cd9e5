//! Builds a WASM component from a crate of this workspace: a nested cargo makes the core module, `wit-component` wraps it.
//!
//! It must never write outside the target directory it is given, never inherit flags that would change the artefact,
//! and never leave a path of the building machine in it: a component is pinned by its SHA-256, so equal sources have to
//! give equal bytes wherever they are built.

mod cargo;
mod encode;

use std::path::{Path, PathBuf};

/// The target of the core module: no WASI and no host functions, hence nothing to import.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// The cargo profile, declared in the workspace's `Cargo.toml`: release, but every dependency at full optimisation.
pub const PROFILE: &str = "component";

/// What to build, and where to put it.
#[derive(Debug, Clone, Copy)]
pub struct ComponentSpec<'a> {
    /// Folder of the workspace's `Cargo.toml` and `Cargo.lock`.
    pub workspace_root: &'a std::path::Path,
    /// Name of the package whose library is the component.
    pub package: &'a str,
    /// Target directory of the nested cargo. Must not be the one of an outer cargo: the two would wait for each other.
    pub target_dir: &'a std::path::Path,
    /// Cargo features of the package to switch on.
    pub features: &'a [&'a str],
}

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The compiler has no standard library for the target.
    #[error(
        "the Rust target {TARGET} is not installed, so the component cannot be built; run `rustup target add {TARGET}`"
    )]
    TargetMissing,
    /// A program could not be started, or answered nonsense.
    #[error("cannot run `{program}`: {detail}; is the Rust toolchain complete?")]
    Tool {
        /// The program.
        program: String,
        /// What happened.
        detail: String,
    },
    /// The nested cargo failed; its messages went to stderr.
    #[error("cargo could not build `{package}` for {TARGET} ({status}); its messages stand above")]
    Build {
        /// The package.
        package: String,
        /// How cargo ended.
        status: String,
    },
    /// The core module does not make a component.
    #[error(
        "{} is a WASM module but does not make a component: {detail}; the crate has to export the world in wit/",
        path.display()
    )]
    Encode {
        /// The core module.
        path: PathBuf,
        /// What the encoder said.
        detail: String,
    },
    /// A file could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
}

/// A folder below the outer cargo's target folder: one for every profile, so that dev, release and clippy build the
/// component once, and not the target folder itself, whose lock the outer cargo holds. `out_dir` is `OUT_DIR` of a build
/// script, `<target>[/<triple>]/<profile>/build/<package>/out`.
///
/// Cargo marks a target folder that it makes with `CACHEDIR.TAG`, but not one that it finds; there the place is counted.
#[must_use]
pub fn folder_beside(out_dir: &Path, name: &str) -> PathBuf {
    let tagged = out_dir.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    tagged.or_else(|| out_dir.ancestors().nth(4)).unwrap_or(out_dir).join(name)
}

/// Builds the component and gives the path of the file, `<target_dir>/<package>.component.wasm`.
///
/// A second call without a change costs the nested cargo's freshness check and one encoding, and leaves the file and its
/// time untouched.
///
/// # Errors
/// [`Error`]: the target is missing, cargo fails, or the module does not export the world.
pub fn build(spec: ComponentSpec<'_>) -> Result<PathBuf, Error> {
    let module = cargo::compile(spec)?;
    let component = encode::component(&module)?;
    let path = spec.target_dir.join(format!("{}.component.wasm", spec.package));
    encode::write_if_changed(&path, &component)?;
    Ok(path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A target folder that was made before cargo came (as `mkdir -p` in a CI script does) has no `CACHEDIR.TAG`. Tests
    /// that looked for the tag alone failed there, and each profile built a component of its own.
    #[test]
    fn a_target_folder_is_found_with_and_without_its_tag() {
        let target = std::env::temp_dir().join(format!("innertrail-target-{}", std::process::id()));
        let out = target.join("release/build/innertrail-host-shim-0123/out");
        std::fs::create_dir_all(&out).unwrap();
        assert_eq!(folder_beside(&out, "component"), target.join("component"));
        let crossed = target.join("x86_64-unknown-linux-gnu/release/build/a-1/out");
        std::fs::create_dir_all(&crossed).unwrap();
        assert_eq!(folder_beside(&crossed, "c"), target.join("x86_64-unknown-linux-gnu/c"));
        std::fs::write(target.join("CACHEDIR.TAG"), "").unwrap();
        assert_eq!(folder_beside(&out, "component"), target.join("component"));
        assert_eq!(folder_beside(&crossed, "c"), target.join("c"));
        std::fs::remove_dir_all(&target).unwrap();
    }
}
