//! Loads a component: from the executable or from a file, checked before it is compiled.
//!
//! It must never compile, let alone run, bytes that are too large, not pinned as configured, of another contract, or
//! that ask for an import.

use super::bindings::PluginPre;
use super::engine::Runtime;
use super::inspect::{self, SUPPORTED_VERSION};
use super::limits::Limits;
use crate::hex::hex;
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::{Path, PathBuf};
use wasmtime::component::{Component, Linker};

/// Largest component, bytes.
pub const MAX_COMPONENT_BYTES: u64 = 8 << 20;

/// Where the component comes from.
#[derive(Debug, Clone)]
pub enum ComponentSource<'a> {
    /// Bytes that are part of this executable.
    Embedded(&'a [u8]),
    /// A file, as configured.
    File {
        /// Its path.
        path: PathBuf,
        /// The SHA-256 it must have, 64 hexadecimal digits.
        sha256: Option<String>,
    },
}

/// Why a component is not run. Each message is one line.
#[derive(Debug, thiserror::Error)]
#[error("component {origin}: {refused}")]
pub struct ComponentError {
    /// The path, or `(built in)`.
    pub origin: String,
    /// The reason.
    #[source]
    pub refused: Refused,
}

/// The reason why a component is not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// No such file.
    #[error("there is no such file; correct the path, or leave it out to use the built-in component")]
    Missing,
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(std::io::Error),
    /// Beyond [`MAX_COMPONENT_BYTES`].
    #[error("is larger than {MAX_COMPONENT_BYTES} bytes, which no component of this product is")]
    TooLarge,
    /// The pinned hash is no hash.
    #[error("the pinned sha256 `{0}` is not 64 hexadecimal digits")]
    BadPin(String),
    /// Another file than the one that was pinned.
    #[error(
        "has sha256 {found}, but {pinned} is pinned; if the change is meant, pin the new hash, if not, do not run it"
    )]
    Hash {
        /// The file's.
        found: String,
        /// The configured one.
        pinned: String,
    },
    /// Some other kind of file.
    #[error("is not a WASM file (it does not begin with `\\0asm`)")]
    NotWasm,
    /// A module without component wrapping.
    #[error("is a core WASM module, not a component; wrap it with `wasm-tools component new`")]
    CoreModule,
    /// Cut off or changed.
    #[error("is damaged: {0}")]
    Damaged(String),
    /// Another program's component.
    #[error("does not export `{missing}`, so it is not an innertrail component; it exports {found}")]
    Exports {
        /// The first interface that is not there.
        missing: String,
        /// What is there.
        found: String,
    },
    /// Another version of the contract.
    #[error(
        "was built for contract innertrail:plugin@{0}, this host speaks {SUPPORTED_VERSION}; use a component and a host of \
         the same minor version"
    )]
    Version(String),
    /// It asks for something of the host.
    #[error("imports {0}; a component of this contract imports nothing, so that it can reach nothing")]
    Imports(String),
    /// wasmtime does not accept it.
    #[error("cannot be compiled: {0}")]
    Compile(String),
    /// Right names, wrong types.
    #[error("exports the contract's names with other types: {0}; build it from the wit/ of this host's version")]
    Types(String),
}

/// A component that was checked and compiled; instances are made from it in microseconds.
#[derive(Clone)]
pub struct LoadedComponent {
    pub(super) runtime: Runtime,
    pub(super) pre: PluginPre<Limits>,
    sha256: [u8; 32],
    origin: String,
}

impl LoadedComponent {
    /// Reads, checks and compiles (or takes the compiled code from the cache).
    ///
    /// # Errors
    /// [`ComponentError`] with the file and the reason.
    pub fn load(runtime: &Runtime, source: &ComponentSource<'_>) -> Result<Self, ComponentError> {
        let origin = match source {
            ComponentSource::Embedded(_) => "(built in)".to_owned(),
            ComponentSource::File { path, .. } => path.display().to_string(),
        };
        match Self::try_load(runtime, source) {
            Ok((pre, sha256)) => Ok(Self { runtime: runtime.clone(), pre, sha256, origin }),
            Err(refused) => Err(ComponentError { origin, refused }),
        }
    }

    fn try_load(runtime: &Runtime, source: &ComponentSource<'_>) -> Result<(PluginPre<Limits>, [u8; 32]), Refused> {
        let read;
        let (bytes, pin) = match source {
            ComponentSource::Embedded(bytes) => (*bytes, None),
            ComponentSource::File { path, sha256 } => {
                read = read_file(path)?;
                (read.as_slice(), sha256.as_deref())
            }
        };
        let sha256: [u8; 32] = Sha256::digest(bytes).into();
        if let Some(pin) = pin {
            check_pin(pin, &sha256)?;
        }
        inspect::check(bytes)?;
        Ok((compile(runtime, bytes)?, sha256))
    }

    /// SHA-256 of the component's file, for `sha256:` in the configuration and for people.
    #[must_use]
    pub fn sha256(&self) -> String {
        hex(&self.sha256)
    }

    /// The path, or `(built in)`.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The engine it was compiled for.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }
}

/// Reads at most one byte more than allowed, whatever the file claims to be.
fn read_file(path: &Path) -> Result<Vec<u8>, Refused> {
    let file = std::fs::File::open(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Refused::Missing,
        _ => Refused::Unreadable(e),
    })?;
    let mut bytes = Vec::new();
    file.take(MAX_COMPONENT_BYTES + 1).read_to_end(&mut bytes).map_err(Refused::Unreadable)?;
    if bytes.len() as u64 > MAX_COMPONENT_BYTES {
        return Err(Refused::TooLarge);
    }
    Ok(bytes)
}

/// Compares with the configured hash, in either case of letters.
fn check_pin(pin: &str, found: &[u8; 32]) -> Result<(), Refused> {
    if pin.len() != 64 || !pin.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Refused::BadPin(pin.into()));
    }
    let found = hex(found);
    if !found.eq_ignore_ascii_case(pin) {
        return Err(Refused::Hash { found, pinned: pin.to_ascii_lowercase() });
    }
    Ok(())
}

/// Compiles and checks the exports' types. Nothing is linked: there is nothing to link.
fn compile(runtime: &Runtime, bytes: &[u8]) -> Result<PluginPre<Limits>, Refused> {
    let component =
        Component::new(&runtime.engine, bytes).map_err(|e| Refused::Compile(one_line(&format!("{e:#}"))))?;
    let linker: Linker<Limits> = Linker::new(&runtime.engine);
    let pre = linker.instantiate_pre(&component).map_err(|e| Refused::Types(one_line(&format!("{e:#}"))))?;
    PluginPre::new(pre).map_err(|e| Refused::Types(one_line(&format!("{e:#}"))))
}

/// wasmtime's messages may span lines; a log line may not.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
