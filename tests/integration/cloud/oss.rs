//! The main path of OSS: objects under ActionTrail's names, late ones, and what their names promise.

use innertrail_test_cloud::TrailLoad;
use innertrail_test_cloud::fault::Flaw;

use super::stage::{BUCKET, Stage, assert_exactly, kept, once};
use crate::harness::{run, status};

#[test]
fn a_trail_is_read_whole_and_its_promises_are_kept_in_the_ledger() {
    let stage = Stage::with_bucket(&TrailLoad { events: 4_000, seed: 21, ..TrailLoad::default() });
    let config = stage.config(&stage.oss("objects", &["read_bytes: 65536"]), "");
    once(&config);
    assert_exactly(&stage.data(), &stage.stored());
    let counts = status(&stage.data());
    assert_eq!(counts["conserved"], true, "{counts}");
    let objects = stage.cloud.oss.keys_of(BUCKET).len() as u64;
    assert_eq!(counts["sources"]["objects"]["objects_checked"], objects, "{counts}");
    let data = stage.data();
    let (out, _) =
        run(&["reconcile", "--data-dir", data.to_str().unwrap(), "--from", "2000-01-01", "--to", "2099-01-01"], 0);
    assert!(out.contains("complete from 2000-01-01 to 2099-01-01"), "{out}");
    assert!(out.contains("promised"), "{out}");
}

/// The story: a collector that remembers the last name it read never sees an object that arrives behind it.
#[test]
fn objects_that_come_late_are_found_within_the_overlap() {
    let stage = Stage::with_bucket(&TrailLoad { events: 1_000, seed: 22, ..TrailLoad::default() });
    let config = stage.config(&stage.oss("objects", &["overlap_hours: 2"]), "");
    once(&config);
    stage.cloud.oss.add_late(BUCKET, 20, None).unwrap();
    stage.cloud.oss.add_next(BUCKET, 20, None).unwrap();
    once(&config);
    assert_exactly(&stage.data(), &stage.stored());
    let counts = status(&stage.data());
    assert_eq!(counts["duplicates"], 0, "nothing was read twice: {counts}");
}

/// How late an object may be is what `overlap_hours` says, to the day; what comes later waits for the daily look through the
/// days before. Here it comes behind the midnight before the first object, after the last one passed the midnight behind it.
#[test]
fn how_late_an_object_may_be_is_the_overlap() {
    for (overlap, missing) in [("overlap_hours: 24", 20), ("overlap_hours: 48", 0)] {
        let stage = Stage::with_bucket(&TrailLoad { events: 2_000, per_object: 20, seed: 24, ..TrailLoad::default() });
        let config = stage.config(&stage.oss("objects", &[overlap]), "");
        let mut newest = String::new();
        while !newest.contains("/2026/06/02/") {
            newest = stage.cloud.oss.add_next(BUCKET, 1, None).unwrap();
        }
        once(&config);
        // Each account and region has a mark of its own.
        let folder = newest.split("2026/").next().unwrap();
        let mut late = stage.cloud.oss.keys_of(BUCKET).into_keys().find(|key| key.starts_with(folder)).unwrap();
        while !late.contains("/2026/05/31/") {
            late = stage.cloud.oss.add_late(BUCKET, 20, Some(&late)).unwrap();
        }
        once(&config);
        let kept = kept(&stage.data());
        let lost = stage.stored().iter().filter(|id| !kept.contains_key(*id)).count();
        assert_eq!(lost, missing, "{overlap}");
    }
}

#[test]
fn a_broken_promise_is_a_gap_that_reconcile_names() {
    let stage = Stage::with_bucket(&TrailLoad { events: 500, seed: 23, ..TrailLoad::default() });
    stage.cloud.oss.add_next(BUCKET, 20, Some(Flaw::Count)).unwrap();
    stage.cloud.oss.add_next(BUCKET, 20, Some(Flaw::Md5)).unwrap();
    let config = stage.config(&stage.oss("objects", &[]), "");
    once(&config);
    assert_exactly(&stage.data(), &stage.stored());
    let counts = status(&stage.data());
    let source = &counts["sources"]["objects"];
    assert_eq!((&source["count_mismatches"], &source["md5_mismatches"]), (&1.into(), &1.into()), "{counts}");
    let data = stage.data();
    let args = ["reconcile", "--data-dir", data.to_str().unwrap(), "--from", "2000-01-01", "--to", "2099-01-01"];
    let (out, _) = run(&args, 1);
    assert!(out.contains("1 are missing") && out.contains("NOT complete"), "{out}");
}
