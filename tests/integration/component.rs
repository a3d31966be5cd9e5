//! The shipped component: imports nothing, holds no test misbehaviour, and is the one that `check` prints.

use innertrail_host_shim::runtime::{ComponentSource, EMBEDDED, LoadedComponent, Runtime, RuntimeConfig};
use serde_json::Value;

use crate::harness::{config, run};

/// A component with a single import needs that import linked, and then it can do what the import can. The import
/// list is read here independently of the host's own check.
#[test]
fn the_import_list_is_empty() {
    use wasmparser::{ComponentExternalKind, Parser, Payload};
    let mut depth = 0;
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(EMBEDDED) {
        match payload.unwrap() {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) if depth > 0 => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 0 => {
                imports.extend(section.into_iter().map(|i| format!("{:?}", i.unwrap())));
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                exports.extend(
                    section.into_iter().map(|e| e.unwrap()).filter(|e| e.kind == ComponentExternalKind::Instance),
                );
            }
            _ => {}
        }
    }
    assert_eq!(imports, Vec::<String>::new());
    let names: Vec<String> = exports.iter().map(|e| format!("{:?}", e.name)).collect();
    for interface in ["info", "source", "transform"] {
        let name = format!("innertrail:plugin/{interface}@0.1.0");
        assert!(names.iter().any(|n| n.contains(&name)), "{name} is not among {names:?}");
    }
}

#[test]
fn the_shipped_component_cannot_be_asked_to_misbehave() {
    for marker in [&b"FAULT-PANIC"[..], b"FAULT-LOOP", b"FAULT-MEMORY", b"FAULT-SOURCE"] {
        assert!(!EMBEDDED.windows(marker.len()).any(|w| w == marker));
    }
}

#[test]
fn check_prints_size_hash_and_imports() {
    let runtime = Runtime::new(RuntimeConfig::default()).unwrap();
    let component = LoadedComponent::load(&runtime, &ComponentSource::Embedded(EMBEDDED)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.json"), "{}").unwrap();
    let path = config(dir.path(), &format!("{}/*.json", dir.path().display()), "");
    let (out, _) = run(&["check", "--config", &path, "--format", "json"], 0);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["component"]["sha256"], component.sha256());
    assert_eq!(report["component"]["bytes"], EMBEDDED.len());
    assert_eq!(report["component"]["imports"], serde_json::json!([]));
    assert_eq!(report["logstore"], "innertrail_main-trail");
    let (text, _) = run(&["check", "--config", &path], 0);
    assert!(text.contains(&component.sha256()), "{text}");
    assert!(text.lines().any(|line| line.split_whitespace().eq(["imports", "none"])), "{text}");
    assert!(!dir.path().join("data").exists(), "check must not make the data directory");
}

/// A released contract never changes: components of users are pinned to it by name.
#[test]
fn the_contract_of_this_version_is_frozen() {
    let wit = crate::harness::root().join("wit");
    let mut files = 0;
    for entry in std::fs::read_dir(wit.join("frozen/0.1.0")).unwrap() {
        let frozen = entry.unwrap().path();
        let current = wit.join(frozen.file_name().unwrap());
        assert_eq!(std::fs::read(&frozen).unwrap(), std::fs::read(current).unwrap(), "{}", frozen.display());
        files += 1;
    }
    assert_eq!(files, 4);
}
