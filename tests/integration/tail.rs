//! `innertrail tail`: following a run that is still writing, and reading as a consumer group, killed in between.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{config, event, innertrail, run};

/// Far more than anything here takes on a machine that does nothing else.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process whose lines are read as they come, and that ends with the test.
struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    fn start(args: &[&str]) -> Self {
        let mut child = innertrail(args).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        // A few lines only: who is not read from has to wait, so that a kill finds it at work.
        let (sender, lines) = sync_channel(64);
        thread::spawn(move || out.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok()));
        Self { child, lines }
    }

    /// The next `count` records' sequence numbers.
    fn seqs(&self, count: usize) -> Vec<u64> {
        let line = || self.lines.recv_timeout(PATIENCE).unwrap_or_else(|e| panic!("no record came: {e}"));
        (0..count).map(|_| seq(&line())).collect()
    }

    fn kill(mut self) -> Vec<u64> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let mut rest = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                // The last line may be cut.
                Ok(line) if line.ends_with('}') => rest.push(seq(&line)),
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return rest,
                Err(RecvTimeoutError::Timeout) => panic!("the pipe of a killed process stays open"),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn seq(line: &str) -> u64 {
    serde_json::from_str::<Value>(line).unwrap()["it_seq"].as_u64().unwrap()
}

fn append(file: &Path, ids: std::ops::Range<usize>) {
    let text: String = ids.map(|id| event(id, "") + "\n").collect();
    OpenOptions::new().create(true).append(true).open(file).unwrap().write_all(text.as_bytes()).unwrap();
}

/// A configuration with one growing file; gives both and the data directory.
fn growing(dir: &Path) -> (String, PathBuf, String) {
    let file = dir.join("trail.json");
    let path = config(dir, file.to_str().unwrap(), "");
    (path, file, dir.join("data").to_str().unwrap().to_owned())
}

fn tail_group(data: &str, code: i32) -> (Vec<u64>, String) {
    let args = ["tail", "--data-dir", data, "--format", "json", "-n", "1000", "--group", "siem"];
    let (out, err) = run(&args, code);
    (out.lines().map(seq).collect(), err)
}

#[test]
fn a_following_tail_shows_what_a_running_pipeline_keeps() {
    let dir = tempfile::tempdir().unwrap();
    let (path, file, data) = growing(dir.path());
    let text = fs::read_to_string(&path).unwrap().replace("follow: false", "follow: true");
    fs::write(&path, text).unwrap();
    append(&file, 0..5);
    let _pipeline = Running::start(&["run", "--config", &path]);
    let begun = Instant::now();
    while !Path::new(&data).join("state.json").exists() {
        assert!(begun.elapsed() < PATIENCE, "the run did not start");
        thread::sleep(Duration::from_millis(20));
    }
    let tail = Running::start(&["tail", "-f", "--data-dir", &data, "--format", "json", "-n", "1000"]);
    // The tail may come after the first records were written: then something has to follow before they are shown.
    thread::sleep(Duration::from_secs(1));
    append(&file, 5..8);
    assert_eq!(tail.seqs(8), (0..8).collect::<Vec<_>>());
    for id in 8..12 {
        append(&file, id..id + 1);
        assert_eq!(tail.seqs(1), [id as u64], "the last record is shown without one behind it");
    }
}

#[test]
fn a_group_goes_on_where_it_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let (path, file, data) = growing(dir.path());
    append(&file, 0..20);
    run(&["run", "--once", "--config", &path], 0);
    let (first, _) = run(&["tail", "--data-dir", &data, "--format", "json", "-n", "4", "--group", "late"], 0);
    assert_eq!(first.lines().map(seq).collect::<Vec<_>>(), (16..20).collect::<Vec<_>>(), "a new group begins at -n");
    assert_eq!(tail_group(&data, 0).0, (0..20).collect::<Vec<_>>());
    assert_eq!(tail_group(&data, 0).0, Vec::<u64>::new());
    append(&file, 20..25);
    run(&["run", "--once", "--config", &path], 0);
    assert_eq!(tail_group(&data, 0).0, (20..25).collect::<Vec<_>>());
    let (_, other) = run(&["tail", "--data-dir", &data, "--store", "quarantine", "--group", "siem"], 2);
    assert!(other.contains("--store log"), "{other}");
    run(&["tail", "--data-dir", &data, "--group", "../siem"], 2);
    // Only one at a time.
    let holder = Running::start(&["tail", "-f", "--data-dir", &data, "--format", "json", "--group", "siem"]);
    append(&file, 25..26);
    run(&["run", "--once", "--config", &path], 0);
    assert_eq!(holder.seqs(1), [25]);
    let (_, held) = tail_group(&data, 3);
    assert!(held.contains("is held by"), "{held}");
}

/// The story: a forwarder that stores its position before its output is through loses records when it is killed.
#[test]
fn a_killed_group_repeats_records_and_loses_none() {
    const RECORDS: usize = 30_000;
    let dir = tempfile::tempdir().unwrap();
    let (path, file, data) = growing(dir.path());
    append(&file, 0..RECORDS);
    run(&["run", "--once", "--config", &path], 0);
    let args = ["tail", "-f", "--data-dir", &data, "--format", "json", "-n", "1000000", "--group", "siem"];
    let mut shown = Vec::new();
    for life in 0..2 {
        let tail = Running::start(&args);
        // The second life waits until the lease of the first has run out.
        shown.extend(tail.seqs(2000 + 3000 * life));
        shown.extend(tail.kill());
    }
    let tail = Running::start(&args);
    while shown.last() != Some(&(RECORDS as u64 - 1)) {
        shown.extend(tail.seqs(1));
    }
    assert!(shown.windows(2).all(|w| w[1] <= w[0] + 1), "a gap");
    shown.sort_unstable();
    shown.dedup();
    assert_eq!(shown.len(), RECORDS);
}
