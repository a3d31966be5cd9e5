//! Core module to component, and onto the disk.
//!
//! It must never write a file that did not change: its time is what the outer cargo looks at.

use crate::Error;
use std::fs;
use std::path::Path;
use wit_component::ComponentEncoder;

/// Wraps a core module; the world it exports stands in one of its custom sections.
pub(crate) fn component(module: &Path) -> Result<Vec<u8>, Error> {
    let bytes = fs::read(module).map_err(|source| Error::Io { action: "read", path: module.into(), source })?;
    encode(&bytes).map_err(|detail| Error::Encode { path: module.into(), detail })
}

/// The encoder's error type is the crate's own `anyhow`; only its text goes on.
fn encode(module: &[u8]) -> Result<Vec<u8>, String> {
    let mut encoder = ComponentEncoder::default().validate(true).module(module).map_err(|e| format!("{e:#}"))?;
    encoder.encode().map_err(|e| format!("{e:#}"))
}

/// Puts the bytes in place by a rename, unless they are there already.
pub(crate) fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    // Two builds may share the folder: each writes a file of its own, and the rename is atomic.
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let failed = |source| Error::Io { action: "write", path: path.into(), source };
    fs::write(&temporary, bytes).map_err(failed)?;
    fs::rename(&temporary, path).map_err(failed)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_module_is_refused_or_exports_nothing() {
        let error = encode(b"not wasm").unwrap_err();
        assert!(!error.is_empty());
    }
}
