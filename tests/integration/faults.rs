//! Components that misbehave: an endless loop, a panic on every tenth record, one that eats memory, and one that
//! fails on everything. None may stop the run or cost another record.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use innertrail_component_build::{ComponentSpec, build};
use innertrail_host_shim::runtime::{ComponentSource, LoadedComponent, Runtime, RuntimeConfig};

use crate::harness::{config, event, query, root, run, status};

/// The plugin, built with the feature that lets a record ask for misbehaviour.
fn misbehaving() -> &'static PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("faults");
        let spec = ComponentSpec {
            workspace_root: &root(),
            package: "innertrail-plugin",
            target_dir: &target,
            features: &["faults"],
        };
        build(spec).unwrap()
    })
}

/// 200 records, every tenth of which asks for `marker` or none does.
fn input(marker: Option<&str>) -> String {
    let line = |i: usize| match marker {
        Some(marker) if i % 10 == 9 => event(i, &format!(",\"x\":\"{marker}\"")),
        _ => event(i, ""),
    };
    (0..200).map(|i| line(i) + "\n").collect()
}

fn with(marker: &str, deadline_ms: u32) -> (serde_json::Value, serde_json::Value, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("trail.json");
    fs::write(&file, input(Some(marker))).unwrap();
    let component = misbehaving();
    let sha = sha256(component);
    let more = format!(
        "plugin:\n  path: {}\n  sha256: {sha}\n  deadline_ms: {deadline_ms}\n  memory_bytes: 33554432\n",
        component.display()
    );
    let path = config(dir.path(), file.to_str().unwrap(), &more);
    let (_, err) = run(&["run", "--once", "--config", &path], 0);
    let data = dir.path().join("data");
    let ids = query(&data, "log", "SELECT count(DISTINCT eventId) AS ids FROM log");
    let seqs = query(&data, "quarantine", "SELECT it_quarantine_reason AS r, count(*) AS c FROM log GROUP BY 1");
    let status = status(&data);
    assert_eq!(status["conserved"], true, "{status}");
    assert_eq!(seqs, serde_json::json!([{ "r": "poison", "c": 20 }]));
    (status, ids, err)
}

/// The hash to pin, as `innertrail check` prints it.
fn sha256(path: &Path) -> String {
    let runtime = Runtime::new(RuntimeConfig::default()).unwrap();
    let source = ComponentSource::File { path: path.to_owned(), sha256: None };
    LoadedComponent::load(&runtime, &source).unwrap().sha256()
}

#[test]
fn a_panic_on_every_tenth_record_costs_those_alone() {
    let (status, ids, err) = with("FAULT-PANIC", 1000);
    assert_eq!(status["records"], 180);
    assert_eq!(status["quarantine"]["poison"], 20);
    assert_eq!(ids[0]["ids"], 180);
    assert!(err.contains("traps"), "{err}");
}

#[test]
fn an_endless_loop_costs_those_alone() {
    let (status, ids, err) = with("FAULT-LOOP", 30);
    assert_eq!((&status["records"], &ids[0]["ids"]), (&180.into(), &180.into()));
    assert!(err.contains("deadlines"), "{err}");
}

#[test]
fn eating_memory_costs_those_alone() {
    let (status, ids, err) = with("FAULT-MEMORY", 1000);
    assert_eq!((&status["records"], &ids[0]["ids"]), (&180.into(), &180.into()));
    assert!(err.contains("memory"), "{err}");
}

/// The feature changes nothing as long as no record asks: what the other tests see is the component's own work.
#[test]
fn without_a_request_the_component_behaves() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("trail.json");
    fs::write(&file, input(None)).unwrap();
    let component = misbehaving();
    let more = format!("plugin:\n  path: {}\n  sha256: {}\n", component.display(), sha256(component));
    let path = config(dir.path(), file.to_str().unwrap(), &more);
    run(&["run", "--once", "--config", &path], 0);
    assert_eq!(status(&dir.path().join("data"))["records"], 200);
}

/// A component that fails on everything must stop the source in front of the records instead of pouring the whole
/// trail into quarantine; with the built-in one the next run then loses nothing.
#[test]
fn a_component_that_fails_on_everything_stops_the_source_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("trail.json");
    let text: String = (0..200).map(|i| event(i, ",\"x\":\"FAULT-PANIC\"") + "\n").collect();
    fs::write(&file, text).unwrap();
    let component = misbehaving();
    let more = format!("plugin:\n  path: {}\n  sha256: {}\n", component.display(), sha256(component));
    let path = config(dir.path(), file.to_str().unwrap(), &more);
    let (_, err) = run(&["run", "--once", "--config", &path], 3);
    assert!(err.contains("Replace the component"), "{err}");
    let data = dir.path().join("data");
    assert_eq!(status(&data)["records"], 0);
    let path = config(dir.path(), file.to_str().unwrap(), "");
    run(&["run", "--once", "--config", &path], 0);
    let status = status(&data);
    assert_eq!((&status["records"], &status["conserved"]), (&200.into(), &true.into()));
}

/// A file on which the source room itself fails is kept raw; the files around it are read as ever, and none of it is
/// done twice.
#[test]
fn a_file_that_the_source_room_fails_on_is_kept_raw() {
    let dir = tempfile::tempdir().unwrap();
    let text = |ids: std::ops::Range<usize>| ids.map(|i| event(i, "") + "\n").collect::<String>();
    fs::write(dir.path().join("a.json"), text(0..50)).unwrap();
    let bad = event(50, ",\"x\":\"FAULT-SOURCE\"") + "\n";
    fs::write(dir.path().join("b.json"), &bad).unwrap();
    fs::write(dir.path().join("c.json"), text(51..100)).unwrap();
    let component = misbehaving();
    let more = format!("plugin:\n  path: {}\n  sha256: {}\n", component.display(), sha256(component));
    let path = config(dir.path(), &format!("{}/*.json", dir.path().display()), &more);
    for _ in 0..2 {
        let (_, err) = run(&["run", "--once", "--config", &path], 0);
        let data = dir.path().join("data");
        let status = status(&data);
        assert_eq!((&status["records"], &status["conserved"]), (&99.into(), &true.into()), "{err}");
        assert_eq!(status["quarantine"], serde_json::json!({ "poison": 1 }));
        let kept = query(&data, "quarantine", "SELECT raw FROM log");
        assert_eq!(kept, serde_json::json!([{ "raw": bad }]));
    }
}
