//! Every byte of every sealed file is changed, one at a time, and every file is cut and removed: all of it is found.

use std::path::Path;

use innertrail_verify::{Kind, Report};

use crate::support::{assert_ok, check, kinds, scene, sealed_files};

/// Calls `each` with the store in which one byte of `path` is changed.
fn flip(dir: &Path, path: &str, step: usize, mut each: impl FnMut(usize, &Report)) {
    let file = dir.join(path);
    let good = std::fs::read(&file).unwrap();
    for at in (0..good.len()).step_by(step) {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        std::fs::write(&file, &bad).unwrap();
        each(at, &check(dir));
    }
    std::fs::write(&file, &good).unwrap();
}

fn flip_all(wanted: impl Fn(&str) -> bool, step: usize) {
    let scene = scene();
    let mut flipped = 0;
    for path in sealed_files(&scene.dir).into_iter().filter(|path| wanted(path)) {
        flip(&scene.dir, &path, step, |at, report| {
            assert!(!report.ok, "byte {at} of {path} was changed, and nothing was found");
            flipped += 1;
        });
    }
    assert!(flipped > 100);
    assert_ok(&check(&scene.dir));
}

#[test]
fn every_changed_byte_of_the_seal_is_found() {
    flip_all(|path| path.starts_with("seal/"), 1);
}

#[test]
fn every_changed_byte_of_state_format_and_log_is_found() {
    flip_all(|path| path.starts_with("wal/") || path.ends_with(".json"), 1);
}

#[test]
fn changed_bytes_of_segments_are_found() {
    flip_all(|path| path.ends_with(".parquet"), 3);
}

#[test]
fn every_missing_and_every_cut_file_is_found() {
    let scene = scene();
    for path in sealed_files(&scene.dir) {
        let file = scene.dir.join(&path);
        let good = std::fs::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        let report = check(&scene.dir);
        assert!(!report.ok, "{path} was removed, and nothing was found");
        assert!(report.findings.iter().any(|f| f.path.as_deref() == Some(&path)), "{path}:\n{}", report.text());
        for len in [0, 1, good.len() / 2, good.len() - 1] {
            std::fs::write(&file, &good[..len]).unwrap();
            assert!(!check(&scene.dir).ok, "{path} was cut to {len} bytes, and nothing was found");
        }
        std::fs::write(&file, &good).unwrap();
    }
    assert_ok(&check(&scene.dir));
}

#[test]
fn random_bytes_instead_of_a_file_are_a_finding_and_no_panic() {
    let scene = scene();
    let mut state = 1u64;
    let mut noise = |len: usize| -> Vec<u8> {
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as u8
        };
        (0..len).map(|_| next()).collect()
    };
    for path in sealed_files(&scene.dir) {
        let file = scene.dir.join(&path);
        let good = std::fs::read(&file).unwrap();
        let head = good.len().min(16);
        for bad in [noise(good.len()), [&good[..head], &noise(good.len() - head)].concat(), vec![0xff; good.len()]] {
            std::fs::write(&file, &bad).unwrap();
            assert!(bad == good || !check(&scene.dir).ok, "{path}");
        }
        std::fs::write(&file, &good).unwrap();
    }
}

/// A damaged file must not drown the reader in findings: one damage, few of them.
#[test]
fn one_damaged_digest_does_not_make_its_files_strangers() {
    let scene = scene();
    flip(&scene.dir, "seal/digest/00000003.digest", 97, |_, report| {
        assert!(!kinds(report).contains(&Kind::UnknownFile), "{}", report.text());
        assert!(report.findings.len() <= 8, "{}", report.text());
    });
}
