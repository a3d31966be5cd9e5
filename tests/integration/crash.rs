//! `kill -9` at any moment, then again: the same final counts as a run that nobody disturbed.
//!
//! The story: an audit pipe that stores its position before its output loses events on a crash, and one that stores
//! it after counts them twice. Here both go into one transaction, with the counters; this test is what holds that.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{config, counts, event, innertrail, query, run, status};

/// Rounds of killing. Each ends with a run to the end.
const ROUNDS: u32 = 4;
const KILLS: u32 = 6;

/// Small transactions, so that a run takes long enough to be hit in the middle.
const SMALL: &str = "logstore:\n  commit_bytes: 16384\n  segment_rows: 500\n";

/// Files of every kind: plain and compressed, with events of other services, duplicates, damage and app logs.
fn input(dir: &Path) {
    let (mut plain, mut packed) = (String::new(), String::new());
    for i in 0..12_000 {
        let line = match i % 40 {
            7 => event(i - 7, ""),
            13 => event(i, "").replace("\"Oss\"", "\"Ecs\""),
            21 => "{\"level\":\"info\",\"message\":\"an application's line\"}".to_owned(),
            33 => format!("{{\"damaged\":{i}"),
            _ => event(i, ""),
        };
        let text = if i % 2 == 0 { &mut plain } else { &mut packed };
        text.push_str(&line);
        text.push('\n');
    }
    fs::write(dir.join("a.json"), plain).unwrap();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gz, packed.as_bytes()).unwrap();
    fs::write(dir.join("b.json.gz"), gz.finish().unwrap()).unwrap();
}

/// Runs to the end; gives the counts, and how long that took.
fn finished(dir: &Path, include: &str) -> (Value, Duration) {
    let path = config(dir, include, SMALL);
    let begun = Instant::now();
    run(&["run", "--once", "--config", &path], 0);
    let took = begun.elapsed();
    let data = dir.join("data");
    let rows =
        query(&data, "log", "SELECT count(*) AS c, count(DISTINCT eventId) AS ids, max(it_seq) AS last FROM log");
    let mut counts = counts(&status(&data));
    counts["rows"] = rows;
    (counts, took)
}

#[test]
fn killed_at_any_moment_the_counts_end_the_same() {
    let input_dir = tempfile::tempdir().unwrap();
    input(input_dir.path());
    let include = format!("{}/*", input_dir.path().display());
    let undisturbed = tempfile::tempdir().unwrap();
    let (expected, takes) = finished(undisturbed.path(), &include);
    assert_eq!(expected["conserved"], true, "{expected}");
    assert!(expected["records"].as_u64().unwrap() > 10_000, "{expected}");

    // The undisturbed run may have been slowed by other tests: a life that ended before its kill makes the next shorter.
    let (mut killed, mut round, mut pace) = (0, 0, 1.0);
    while round < ROUNDS || killed < ROUNDS * KILLS / 2 && round < 5 * ROUNDS {
        let dir = tempfile::tempdir().unwrap();
        let path = config(dir.path(), &include, SMALL);
        for kill in 0..KILLS {
            let mut child = innertrail(&["run", "--once", "--config", &path])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            // Each life gets a few hundredths of what the whole takes, another share every time.
            let share = 0.04 + 0.03 * f64::from((kill * ROUNDS + round) % 5);
            thread::sleep(takes.mul_f64(share * pace));
            let going = child.try_wait().unwrap().is_none();
            if going {
                child.kill().unwrap();
                killed += 1;
            }
            child.wait().unwrap();
            if !going {
                pace *= 0.6;
                break;
            }
        }
        assert_eq!(finished(dir.path(), &include).0, expected, "round {round}");
        round += 1;
    }
    assert!(
        killed >= ROUNDS * KILLS / 2,
        "only {killed} runs were still going when they were to be killed: make the input larger"
    );
    println!("killed {killed} times; every end was the same");
}
