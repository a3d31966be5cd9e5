//! The folder of an export: proved without the directory it came from.

use std::path::Path;

use innertrail_logstore::Snapshot;
use innertrail_logstore::export::export;
use innertrail_verify::{CheckpointState, Kind};

use crate::support::{assert_ok, check, check_with, files, find, kinds, segment, small_store};

fn make(parent: &Path) -> std::path::PathBuf {
    let (dir, out) = (parent.join("d"), parent.join("out"));
    small_store(&dir);
    let day = "2026-11-12".parse().unwrap();
    export(&Snapshot::open(&dir).unwrap(), day, day, &out, &mut |_| {}).unwrap();
    out
}

#[test]
fn an_export_is_proved_with_the_key_alone() {
    let parent = tempfile::tempdir().unwrap();
    let out = make(parent.path());
    let report = check(&out);
    assert_ok(&report);
    assert!(report.export);
    assert_eq!((report.stores.len(), report.stores[0].verified, report.stores[0].size), (1, 60, 60));
    assert_eq!(report.checkpoint, CheckpointState::Earlier);
    let checkpoint = std::fs::read(parent.path().join("d/seal/checkpoint")).unwrap();
    assert_ok(&check_with(&out, &checkpoint));
}

#[test]
fn every_changed_byte_of_an_export_is_found() {
    let parent = tempfile::tempdir().unwrap();
    let out = make(parent.path());
    // `export.json` is signed by nobody, and nothing that is proved rests on `format.json`.
    for path in files(&out).into_iter().filter(|path| !path.ends_with(".json")) {
        let file = out.join(&path);
        let good = std::fs::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert!(!check(&out).ok, "{path} was removed");
        for at in (0..good.len()).step_by(if path.ends_with(".parquet") { 41 } else { 3 }) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            std::fs::write(&file, &bad).unwrap();
            assert!(!check(&out).ok, "byte {at} of {path}");
        }
        std::fs::write(&file, &good).unwrap();
    }
    assert_ok(&check(&out));
}

#[test]
fn a_missing_segment_a_stranger_and_a_lying_table_of_contents_are_found() {
    let parent = tempfile::tempdir().unwrap();
    let out = make(parent.path());
    let path = segment(&out, "log", 20);
    let good = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(kinds(&check(&out)), [Kind::MissingFile]);
    std::fs::write(&path, good).unwrap();
    std::fs::write(path.with_file_name("more.parquet"), b"").unwrap();
    assert_eq!(kinds(&check(&out)), [Kind::UnknownFile]);
    std::fs::remove_file(path.with_file_name("more.parquet")).unwrap();
    let contents = std::fs::read_to_string(out.join("export.json")).unwrap();
    let lies = [
        ("\"last_digest\": 4", "\"last_digest\": 3"),
        ("\"last_digest\": 4", "\"last_digest\": 18446744073709551615"),
        ("\"first_digest\": 1", "\"first_digest\": 2"),
        ("\"first_digest\": 1", "\"first_digest\": 0"),
        ("\"trail\": \"main\"", "\"trail\": \"other\""),
        ("\"store\": \"log\"", "\"store\": \"journal\""),
        ("\"records\": 60", "\"records\": 61"),
        ("\"to_day\": \"2026-11-12\"", "\"to_day\": \"2026-11-11\""),
        ("{", "["),
    ];
    for (truth, lie) in lies {
        assert!(contents.contains(truth), "{truth}");
        std::fs::write(out.join("export.json"), contents.replacen(truth, lie, 1)).unwrap();
        assert!(!check(&out).ok, "{lie}");
    }
    std::fs::write(out.join("export.json"), &contents).unwrap();
    std::fs::write(out.join("seal/consistency.proof"), "[]").unwrap();
    find(&check(&out), Kind::Consistency);
}
