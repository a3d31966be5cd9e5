//! What cannot start says so in one message that tells what to do, with exit code 2, and leaves nothing behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::harness::{config, event, innertrail, run, status};

fn refused(dir: &Path, more: &str) -> String {
    let file = dir.join("trail.json");
    fs::write(&file, event(1, "")).unwrap();
    let path = config(dir, file.to_str().unwrap(), more);
    let (_, err) = run(&["run", "--once", "--config", &path], 2);
    err.replace(dir.to_str().unwrap(), "DIR")
}

#[test]
fn components_that_are_not_the_one() {
    let dir = tempfile::tempdir().unwrap();
    let zeros = "0".repeat(64);
    let plugin = |name: &str| format!("plugin:\n  path: {}/{name}\n  sha256: \"{zeros}\"\n", dir.path().display());
    let missing = refused(dir.path(), &plugin("missing.wasm"));
    assert_eq!(missing.lines().count(), 1, "{missing}");
    assert!(missing.contains("missing.wasm") && missing.contains("no such file"), "{missing}");
    fs::write(dir.path().join("text.wasm"), "not wasm").unwrap();
    let wrong = refused(dir.path(), &plugin("text.wasm"));
    assert_eq!(wrong.lines().count(), 1, "{wrong}");
    assert!(wrong.contains(&zeros), "it must name the hash that was asked for: {wrong}");
    assert!(!dir.path().join("data").join("wal").exists(), "a refused start made a Logstore");
}

#[test]
fn a_data_directory_that_cannot_be_made() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("data"), "a file is in the way").unwrap();
    let err = refused(dir.path(), "");
    assert!(err.contains("DIR/data"), "{err}");
}

/// Root may write anywhere, so a read-only directory is tried where the system itself forbids writing.
#[test]
fn a_data_directory_that_cannot_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("trail.json");
    fs::write(&file, event(1, "")).unwrap();
    let path = config(dir.path(), file.to_str().unwrap(), "");
    for place in ["/proc/innertrail", "/dev/null/innertrail"] {
        let (_, err) = run(&["run", "--once", "--config", &path, "--data-dir", place], 2);
        assert!(err.starts_with("error: ") && err.contains(place), "{err}");
    }
}

#[test]
fn a_second_process_on_the_same_data_directory() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("trail.json");
    // With its line end: a follower waits for the end of a line that is still being written.
    fs::write(&file, event(1, "") + "\n").unwrap();
    let path = config(dir.path(), file.to_str().unwrap(), "").replace("innertrail.yaml", "follow.yaml");
    let yaml = fs::read_to_string(dir.path().join("innertrail.yaml")).unwrap();
    fs::write(&path, yaml.replace("follow: false", "follow: true")).unwrap();
    let mut first = innertrail(&["run", "--config", &path]).stdout(Stdio::null()).spawn().unwrap();
    let data = dir.path().join("data");
    for _ in 0..200 {
        if data.join("format.json").exists() && status(&data)["records"] == 1 {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    let err = refused(dir.path(), "");
    // SIGTERM by its own id: a follower ends cleanly and seals its tail.
    let pid = first.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let code = first.wait().unwrap().code();
    assert!(err.contains("another writer holds DIR/data/LOCK"), "{err}");
    assert_eq!(code, Some(0));
    let segments = data.join("log/data");
    assert!(fs::read_dir(segments).unwrap().count() > 0, "the tail was not sealed");
}

#[test]
fn configuration_errors_name_line_and_column() {
    let dir = tempfile::tempdir().unwrap();
    let err = refused(dir.path(), "route:\n  productz: [oss]\n");
    assert!(err.contains("DIR/innertrail.yaml:9:3: ") && err.contains("products"), "{err}");
    let (_, err) = run(&["run", "--once", "--config", "no-such-file.yaml"], 2);
    assert!(err.contains("no-such-file.yaml"), "{err}");
    let (_, err) = run(&["run", "--no-such-option"], 2);
    assert!(err.contains("--no-such-option"), "{err}");
}

#[test]
fn what_is_no_logstore_and_what_is_no_query() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().to_str().unwrap();
    for command in [
        &["status", "--data-dir", empty][..],
        &["tail", "--data-dir", empty],
        &["query", "--data-dir", empty, "SELECT 1"],
    ] {
        let (_, err) = run(command, 2);
        assert!(err.contains("not a Logstore"), "{command:?}: {err}");
    }
    let file = dir.path().join("trail.json");
    fs::write(&file, event(1, "")).unwrap();
    let path = config(dir.path(), file.to_str().unwrap(), "");
    run(&["run", "--once", "--config", &path], 0);
    let data = dir.path().join("data");
    let data = data.to_str().unwrap();
    for sql in [
        "DROP TABLE log",
        "INSERT INTO log VALUES (1)",
        "SELECT nope FROM log",
        "SELECT count(1 FROM log",
        "COPY log TO 'x.csv'",
    ] {
        let (_, err) = run(&["query", "--data-dir", data, sql], 2);
        assert!(err.starts_with("error: "), "{sql}: {err}");
    }
}

/// The event log of an audit may hold what nobody else should read.
#[test]
fn nobody_else_can_read_the_data() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("trail.json");
    fs::write(&file, event(1, "")).unwrap();
    let path = config(dir.path(), file.to_str().unwrap(), "");
    run(&["run", "--once", "--config", &path], 0);
    let mut stack = vec![dir.path().join("data")];
    while let Some(path) = stack.pop() {
        let meta = fs::metadata(&path).unwrap();
        // What is sealed may be 0440: nobody gets past the folder, which is 0700.
        let allowed = if meta.is_dir() { 0o700 } else { 0o640 };
        assert_eq!(meta.permissions().mode() & 0o777 & !allowed, 0, "{}", path.display());
        if meta.is_dir() {
            stack.extend(fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
        }
    }
}
