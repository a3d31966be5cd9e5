//! Exactly once, whatever happens: a seeded schedule of faults at the server, `kill -9` at any moment on this side.
//!
//! The story: every collector that exists loses or repeats events in one of the two. Here every id that the server ever had
//! is in the Logstore once, and every fault that was planned did happen.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use innertrail_test_cloud::schedule::{self, Faults};
use innertrail_test_cloud::{Load, TrailLoad};

use super::stage::{Stage, assert_exactly, many, once};
use crate::harness::{innertrail, status};

/// So that a run of the usual size is hit often enough: small transactions, small segments.
const SMALL: &str = "logstore:\n  commit_bytes: 131072\n  segment_rows: 8192\n";

/// How many faults and kills: as promised at the promised size, less for the everyday size.
fn least() -> (usize, u32) {
    if many() >= 1_000_000 { (200, 20) } else { (40, 5) }
}

/// Runs and kills until so many kills hit and no fault is left, then once to the end.
fn disturbed(config: &str, faults: &Faults, kills: u32) -> u32 {
    let (mut killed, mut life) = (0, Duration::from_millis(700));
    let begun = Instant::now();
    while killed < kills {
        assert!(
            begun.elapsed() < Duration::from_secs(1800),
            "killed {killed} times, {} faults are left",
            faults.pending()
        );
        let mut child = innertrail(&["run", "--once", "--config", config])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(life);
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            killed += 1;
            // Lives of every length, from the first commit to half of a run.
            life = Duration::from_millis(300 + u64::from(killed * 7919 % 1500));
        } else {
            life = life.mul_f64(0.6);
        }
        child.wait().unwrap();
    }
    once(config);
    killed
}

/// The rest of the schedule happens to runs that have little to read.
fn exhaust(config: &str, faults: &Faults, mut more: impl FnMut(u64)) {
    for round in 0..200 {
        if faults.pending() == 0 {
            return;
        }
        more(round);
        once(config);
    }
    panic!("{} faults never happened", faults.pending());
}

fn tell(what: &str, data: &Path, faults: &Faults, planned: usize, killed: u32, expected: &BTreeSet<String>) {
    let fired: u64 = faults.fired().values().sum();
    assert!(fired >= planned as u64, "{fired} of {planned} faults: {:?}", faults.fired());
    let counts = status(data);
    assert_eq!(counts["conserved"], true, "{counts}");
    println!("{what}: {} events, {fired} faults {:?}, killed {killed} times", expected.len(), faults.fired());
}

#[test]
fn log_service_under_faults_and_kills_gives_every_event_once() {
    let (planned, kills) = least();
    let stage = Stage::with_logstore(4, &Load { events: many(), seed: 31, ..Load::default() });
    let faults = stage.cloud.sls.faults();
    faults.plan(schedule::schedule(31, planned, 2, &schedule::survivable_sls()));
    let config = stage.config(&stage.sls("events", &["count: 10", "poll_interval_ms: 50"]), SMALL);
    let killed = disturbed(&config, faults, kills);
    exhaust(&config, faults, |round| {
        stage.cloud.sls.arrive(super::stage::PROJECT, super::stage::LOGSTORE, 10, 3100 + round);
    });
    once(&config);
    let expected = stage.arrived();
    assert!(expected.len() as u64 >= many());
    assert_exactly(&stage.data(), &expected);
    tell("sls", &stage.data(), faults, planned, killed, &expected);
}

#[test]
fn a_bucket_under_faults_and_kills_gives_every_event_once() {
    let (planned, kills) = least();
    let load = TrailLoad { events: many(), seed: 32, per_object: 500, ..TrailLoad::default() };
    let stage = Stage::with_bucket(&load);
    let faults = stage.cloud.oss.faults();
    faults.plan(schedule::schedule(32, planned, 2, &schedule::survivable_oss()));
    // A late object comes half an hour behind any object of a day, so behind its midnight too. On a machine so slow that no
    // life got anywhere, one run read the day whole, its mark went a day on, and with 24 hours that object was out of reach.
    let config = stage.config(&stage.oss("objects", &["read_bytes: 32768", "overlap_hours: 48"]), SMALL);
    let killed = disturbed(&config, faults, kills);
    exhaust(&config, faults, |_| {
        stage.cloud.oss.add_next(super::stage::BUCKET, 10, None).unwrap();
    });
    once(&config);
    let expected = stage.stored();
    assert!(expected.len() as u64 >= many());
    assert_exactly(&stage.data(), &expected);
    tell("oss", &stage.data(), faults, planned, killed, &expected);
}
