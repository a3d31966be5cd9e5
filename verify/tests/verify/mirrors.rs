//! A copy of what is sealed, as a mirror leaves it in a bucket: proved without the directory it came from.

use std::fs;
use std::path::{Path, PathBuf};

use innertrail_logstore::{Store, sealed};
use innertrail_verify::{CheckpointState, Kind, Report, Request, verify};
use sha2::{Digest as _, Sha256};

use crate::support::{HOUR, NOW, assert_ok, files, key, kinds, mixed, open, segment, small_store};

/// What a mirror would have copied by now.
fn copy(dir: &Path, out: &Path) {
    let put = |from: &Path, to: PathBuf| {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
    };
    for number in 1..=sealed::newest(dir).unwrap().unwrap().number {
        let digest = sealed::read(dir, number).unwrap();
        for file in digest.files.iter().filter(|file| dir.join(&file.path).exists()) {
            put(&dir.join(&file.path), out.join(&file.path));
        }
        put(&dir.join(sealed::path(number)), out.join(sealed::path(number)));
    }
    let hex = Sha256::digest(fs::read(dir.join("format.json")).unwrap());
    let hex: String = hex.iter().map(|byte| format!("{byte:02x}")).collect();
    put(&dir.join("format.json"), out.join(format!("seal/format/{hex}.json")));
    put(&dir.join("seal/seal.vkey"), out.join("seal/seal.vkey"));
    let checkpoint = sealed::checkpoint(dir).unwrap().unwrap();
    let name = format!("{:08}-{:08}.checkpoint", checkpoint.generation, checkpoint.frames);
    put(&dir.join("seal/checkpoint"), out.join("seal/checkpoints").join(name));
}

fn made() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let (dir, out) = (parent.path().join("d"), parent.path().join("out"));
    small_store(&dir);
    copy(&dir, &out);
    (parent, dir, out)
}

fn check(dir: &Path, kept: Option<&[u8]>) -> Report {
    let key = key();
    let mut request = Request::new(dir, &key);
    (request.mirror, request.checkpoint) = (true, kept);
    verify(&request, &mut |_| {}).unwrap()
}

#[test]
fn a_copy_is_proved_with_the_key_alone_as_far_as_its_newest_digest() {
    let (_parent, dir, out) = made();
    let report = check(&out, None);
    assert_ok(&report);
    assert!(report.mirror && !report.export);
    let proved: Vec<u64> = report.stores.iter().map(|store| store.verified).collect();
    assert_eq!(proved, [60, 6, 6, 6]);
    // The checkpoint in it is of the tail, which is not copied.
    assert_eq!(report.checkpoint, CheckpointState::Partly);
    let newer = fs::read(dir.join("seal/checkpoint")).unwrap();
    let report = check(&out, Some(&newer));
    assert_ok(&report);
    assert_eq!(report.kept_elsewhere, CheckpointState::Partly);
    assert!(report.notes.iter().any(|note| note.contains("70 records, the copy ends at 60")), "{:?}", report.notes);
}

/// The story: a data directory whose write-ahead log and state were taken away looks like a copy. It is one only for who says so.
#[test]
fn what_is_no_copy_is_not_taken_for_one() {
    let (_parent, dir, out) = made();
    let report = verify(&Request::new(&out, &key()), &mut |_| {}).unwrap();
    assert!(!report.ok, "as a data directory it lacks its tail");
    let key = key();
    let mut request = Request::new(&dir, &key);
    request.mirror = true;
    let report = verify(&request, &mut |_| {}).unwrap();
    assert_ok(&report);
    assert_eq!(report.stores[0].verified, 60, "whoever says so gets no more than what is sealed");
    assert!(report.notes.iter().any(|note| note.contains("the columns of the newest digest")), "{:?}", report.notes);
    fs::create_dir(out.join("empty")).unwrap();
    let empty = out.join("empty");
    let mut request = Request::new(&empty, &key);
    request.mirror = true;
    assert!(verify(&request, &mut |_| {}).is_err());
}

#[test]
fn every_changed_byte_and_every_missing_file_is_found() {
    let (_parent, dir, out) = made();
    for path in files(&out) {
        let file = out.join(&path);
        let good = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        // Checkpoints are as many as there are, and that the newest digest was taken away shows by one from elsewhere alone.
        let newest = format!("{:08}.digest", sealed::newest(&dir).unwrap().unwrap().number);
        let may = path.ends_with(&newest) || path.ends_with(".checkpoint") || path.starts_with("seal/format/");
        assert!(may || !check(&out, None).ok, "{path} was removed");
        for at in (0..good.len()).step_by(if path.ends_with(".parquet") { 173 } else { 11 }) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            fs::write(&file, &bad).unwrap();
            assert!(!check(&out, None).ok, "byte {at} of {path}");
        }
        fs::write(&file, &good).unwrap();
    }
    assert_ok(&check(&out, None));
    let stranger = out.join("log/data/day=2026-11-12/seg-0000000000000000-7.parquet");
    fs::write(&stranger, b"x").unwrap();
    assert_eq!(kinds(&check(&out, None)), [Kind::UnknownFile]);
}

#[test]
fn a_store_may_be_left_out_only_where_it_may_and_only_as_a_whole() {
    let (_parent, _dir, out) = made();
    for (store, may) in [("passthrough", true), ("quarantine", true), ("journal", false), ("log", false)] {
        let (from, aside) = (out.join(store), out.join("aside"));
        fs::rename(&from, &aside).unwrap();
        let report = check(&out, None);
        assert_eq!(report.ok, may, "{store}: {:?}", report.findings);
        if may {
            assert!(report.notes.iter().any(|note| note.contains(store) && note.contains("nothing of this store")));
        }
        fs::rename(&aside, &from).unwrap();
    }
    fs::remove_file(segment(&out, "passthrough", 2)).unwrap();
    assert!(!check(&out, None).ok, "one of several is missing");
}

fn segment_is(dir: &Path, first: u64) -> bool {
    files(dir).iter().any(|path| path.starts_with("log/data/") && path.contains(&format!("seg-{first:016}-")))
}

/// Retention drops days here; in a bucket they stay as long as nobody removes them, and are proved as long as they are there.
#[test]
fn what_retention_dropped_is_proved_where_it_still_lies_and_not_missed_where_it_does_not() {
    let (_parent, dir, out) = made();
    let later = NOW + 48 * HOUR;
    let mut writer = open(&dir);
    writer.commit(mixed(80..90), later).unwrap();
    writer.seal_tail(later).unwrap();
    copy(&dir, &out);
    writer.retire(Store::Log, "2026-11-14".parse().unwrap(), later).unwrap();
    drop(writer);
    assert!(!segment_is(&dir, 20), "it is dropped here");
    copy(&dir, &out);
    let report = check(&out, None);
    assert_ok(&report);
    assert_eq!((report.stores[0].first, report.stores[0].verified, report.stores[0].size), (0, 80, 80));
    fs::remove_file(segment(&out, "log", 20)).unwrap();
    let report = check(&out, None);
    assert_ok(&report);
    assert_eq!((report.stores[0].first, report.stores[0].verified), (40, 40));
    assert!(report.notes.iter().any(|note| note.starts_with("log: the records before 40")), "{:?}", report.notes);
    fs::remove_file(segment(&out, "log", 70)).unwrap();
    assert_eq!(kinds(&check(&out, None)), [Kind::MissingFile], "that one is kept");
}
