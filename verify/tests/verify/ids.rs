//! The index of event ids beside the segments: not evidence, but the writer believes it.

use std::path::{Path, PathBuf};

use innertrail_logstore::Writer;
use innertrail_verify::Kind;

use crate::support::{HOUR, NOW, assert_ok, check, copy, events, find, kinds, layout, options};

fn open(dir: &Path) -> Writer {
    let mut options = options();
    options.segment_rows = 8;
    options.ids_in_memory = 10;
    Writer::open(dir, "main", layout(), options, NOW).unwrap()
}

/// 60 events over two days, with an index of several files.
fn store(dir: &Path, first: u64) {
    let mut writer = open(dir);
    for n in 0..15 {
        let now = NOW + if n < 6 { 0 } else { 24 * HOUR };
        writer.commit(events(first + 4 * n..first + 4 * n + 4), now).unwrap();
    }
    writer.close(NOW + 25 * HOUR).unwrap();
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(dir.join("log/ids")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn an_index_that_is_whole_missing_or_left_behind_is_no_finding() {
    let parent = tempfile::tempdir().unwrap();
    let (dir, other) = (parent.path().join("d"), parent.path().join("other"));
    store(&dir, 0);
    assert!(files(&dir).len() > 2);
    assert_ok(&check(&dir));
    // The first day is dropped: its ids stay in the files until these are written again.
    let mut writer = open(&dir);
    let day = writer.retire(innertrail_logstore::Store::Log, "2026-11-13".parse().unwrap(), NOW + 25 * HOUR).unwrap();
    assert_eq!(day.rows, 24);
    drop(writer);
    let report = check(&dir);
    assert_ok(&report);
    assert_eq!(report.notes, Vec::<String>::new());
    store(&other, 1_000);
    std::fs::remove_dir_all(dir.join("log/ids")).unwrap();
    assert_ok(&check(&dir));
    copy(&other.join("log/ids"), &dir.join("log/ids"));
    let report = check(&dir);
    assert_ok(&report);
    assert!(report.notes.iter().any(|note| note.contains("of another history")), "{}", report.text());
}

#[test]
fn every_changed_byte_of_it_is_found() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    store(&dir, 0);
    for file in files(&dir) {
        let good = std::fs::read(&file).unwrap();
        let step = if file.extension().is_some_and(|e| e == "ids") { 23 } else { 1 };
        std::fs::remove_file(&file).unwrap();
        for at in (0..good.len()).step_by(step) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            std::fs::write(&file, &bad).unwrap();
            assert_eq!(kinds(&check(&dir)), [Kind::IdIndex], "byte {at} of {}", file.display());
        }
        std::fs::write(&file, &good).unwrap();
    }
    assert_ok(&check(&dir));
}

/// The story: an id planted in the index with all its checksums would make the writer drop the event that has it.
#[test]
fn an_index_that_is_consistent_and_lies_is_found() {
    let parent = tempfile::tempdir().unwrap();
    let (dir, other) = (parent.path().join("d"), parent.path().join("other"));
    store(&dir, 0);
    store(&other, 1_000);
    // The index of other events, with the digest of this history.
    let read = |dir: &Path| std::fs::read_to_string(dir.join("log/ids/manifest.json")).unwrap();
    let part = |text: &str| {
        let at = text.find("\"digest\":").unwrap();
        let end = text.find(",\"first_epoch\"").unwrap();
        text[at..end].to_owned()
    };
    let (here, there) = (read(&dir), read(&other));
    let body =
        there.strip_suffix("}\n").unwrap().split_once(",\"ids\":").unwrap().1.replace(&part(&there), &part(&here));
    let lie = format!("{{\"format\":1,\"crc32c\":{},\"ids\":{body}}}\n", crc32c::crc32c(body.as_bytes()));
    std::fs::remove_dir_all(dir.join("log/ids")).unwrap();
    copy(&other.join("log/ids"), &dir.join("log/ids"));
    std::fs::write(dir.join("log/ids/manifest.json"), lie).unwrap();
    // The writer cannot know: it takes the index as it is.
    let report = check(&dir);
    let finding = find(&report, Kind::IdIndex);
    assert!(finding.detail.contains("from 0 on, appended on 2026-11-12"), "{}", finding.detail);
    assert_eq!(report.stores[0].verified, 60, "the records themselves are proved all the same");
}
