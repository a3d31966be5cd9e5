//! Reads what a component says it imports and exports, before anything is compiled.
//!
//! It must never execute or compile a byte, and never panic on bytes that are no component.

use super::component::Refused;
use super::fault::short;
use wasmparser::{Encoding, Parser, Payload};

/// The contract's version that this host speaks. Components of the same minor version fit.
pub const SUPPORTED_VERSION: &str = "0.1.0";

/// The contract's package, with the slash before an interface.
const PACKAGE: &str = "innertrail:plugin/";

/// Interfaces that a component has to export.
const INTERFACES: [&str; 3] = ["info", "source", "transform"];

/// What every WASM file begins with.
const MAGIC: &[u8] = b"\0asm";

/// Refuses anything that is not a component of this contract without imports.
pub(super) fn check(bytes: &[u8]) -> Result<(), Refused> {
    let found = read(bytes)?;
    // First the version: a component for another host may well import things, and that is not its fault.
    check_exports(&found.exports)?;
    if !found.imports.is_empty() {
        return Err(Refused::Imports(short(&found.imports.join(", "))));
    }
    Ok(())
}

/// Names at the component's outermost level.
#[derive(Default)]
struct Names {
    imports: Vec<String>,
    exports: Vec<String>,
}

/// Reads the outermost level; modules and components inside have names of their own, which do not count.
fn read(bytes: &[u8]) -> Result<Names, Refused> {
    if !bytes.starts_with(MAGIC) {
        return Err(Refused::NotWasm);
    }
    let damaged = |e: wasmparser::BinaryReaderError| Refused::Damaged(e.to_string());
    let mut names = Names::default();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(damaged)? {
            Payload::Version { encoding, .. } if depth == 0 && encoding == Encoding::Module => {
                return Err(Refused::CoreModule);
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    names.imports.push(short(import.map_err(damaged)?.name.name));
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    names.exports.push(short(export.map_err(damaged)?.name.name));
                }
            }
            _ => {}
        }
    }
    Ok(names)
}

/// Every interface has to be there, and of the version that is spoken here.
fn check_exports(exports: &[String]) -> Result<(), Refused> {
    for interface in INTERFACES {
        let version = exports.iter().find_map(|name| {
            let (found, version) = name.strip_prefix(PACKAGE)?.split_once('@')?;
            (found == interface).then_some(version)
        });
        match version {
            None => {
                return Err(Refused::Exports {
                    missing: format!("{PACKAGE}{interface}"),
                    found: if exports.is_empty() { "nothing".into() } else { short(&exports.join(", ")) },
                });
            }
            Some(version) if minor(version) != minor(SUPPORTED_VERSION) => {
                return Err(Refused::Version(version.into()));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// `0.1` of `0.1.7`: below 1.0 a new minor version breaks the contract, a new patch only adds to it.
fn minor(version: &str) -> &str {
    version.rsplit_once('.').map_or(version, |(minor, _patch)| minor)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn exports(version: &str) -> Vec<String> {
        INTERFACES.iter().map(|name| format!("{PACKAGE}{name}@{version}")).collect()
    }

    #[test]
    fn a_patch_fits_and_a_minor_does_not() {
        assert!(check_exports(&exports("0.1.0")).is_ok());
        assert!(check_exports(&exports("0.1.9")).is_ok());
        for version in ["0.2.0", "1.1.0", "0.10.0", "nonsense"] {
            let error = check_exports(&exports(version)).unwrap_err();
            assert!(matches!(error, Refused::Version(found) if found == version));
        }
    }

    #[test]
    fn a_missing_interface_is_named() {
        let error = check_exports(&exports("0.1.0")[..2]).unwrap_err();
        assert!(matches!(error, Refused::Exports { missing, .. } if missing == "innertrail:plugin/transform"));
    }

    #[test]
    fn no_prefix_of_a_file_panics() {
        let component = b"\0asm\x0d\0\x01\0\x07\x03\x01\x42\x00\x0a\x09\x01\x00\x04a:b/c\x05\x00";
        for end in 0..component.len() {
            assert!(check(&component[..end]).is_err());
        }
    }
}
