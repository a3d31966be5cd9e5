//! `tail --dialect improg` against a double of rsyslog's module: START, ACK for each line, STOP; killed 20 times.
//!
//! Debian's rsyslog has no `improg`, so the double speaks what its documentation says.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Duration;

use innertrail_logstore::Store;
use innertrail_logstore::consumer::{GroupOptions, Groups};
use serde_json::Value;

use super::real::KILLS;
use crate::harness::{config, event, innertrail, run};

struct Module {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: BufReader<ChildStdout>,
}

impl Module {
    fn start(data: &str) -> Self {
        let args = ["tail", "--dialect", "improg", "--data-dir", data, "--group", "rsyslog", "--format", "json"];
        let mut child =
            innertrail(&args).args(["-n", "1000000"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().unwrap());
        Self { child, stdin, lines: BufReader::new(stdout) }
    }

    fn say(&mut self, word: &str) {
        // It may be dead already.
        let _gone = self.stdin.as_mut().unwrap().write_all(format!("{word}\n").as_bytes());
    }

    fn close(&mut self) {
        self.stdin = None;
    }

    /// Sequence number of the next whole line.
    fn seq(&mut self) -> Option<u64> {
        let mut line = String::new();
        self.lines.read_line(&mut line).ok().filter(|read| *read > 0)?;
        line.ends_with('\n').then(|| serde_json::from_str::<Value>(&line).unwrap()["it_seq"].as_u64().unwrap())
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A Logstore with records and a group whose lease is short.
fn filled(dir: &Path, records: usize) -> String {
    let file = dir.join("trail.json");
    fs::write(&file, (0..records).map(|id| event(id, "") + "\n").collect::<String>()).unwrap();
    run(&["run", "--once", "--config", &config(dir, file.to_str().unwrap(), "")], 0);
    let data = dir.join("data");
    let options = GroupOptions { timeout_us: 1_000_000, ..GroupOptions::default() };
    Groups::open(&data).unwrap().create("rsyslog", Store::Log, options, 1).unwrap();
    data.to_str().unwrap().to_owned()
}

fn position(data: &str) -> Option<u64> {
    Groups::open(Path::new(data)).unwrap().get("rsyslog").unwrap().cursor.map(|cursor| cursor.seq())
}

#[test]
fn the_position_moves_with_the_acknowledgements_alone() {
    let dir = tempfile::tempdir().unwrap();
    let data = filled(dir.path(), 600);
    // Nothing before START.
    let mut module = Module::start(&data);
    std::thread::sleep(Duration::from_millis(700));
    module.say("STOP");
    assert_eq!(module.seq(), None, "something was written before START");
    assert!(module.child.wait().unwrap().success());
    // Five of what was read are acknowledged, then it ends.
    let mut module = Module::start(&data);
    module.say("START");
    for seq in 0..20 {
        assert_eq!(module.seq(), Some(seq));
    }
    (0..5).for_each(|_| module.say("ACK"));
    module.say("STOP");
    while module.seq().is_some() {}
    assert!(module.child.wait().unwrap().success());
    assert_eq!(position(&data), Some(5));
    // The other end simply goes away: what it did not acknowledge comes again.
    let mut module = Module::start(&data);
    module.say("START");
    assert_eq!(module.seq(), Some(5));
    module.say("ACK");
    module.close();
    while module.seq().is_some() {}
    assert!(module.child.wait().unwrap().success());
    assert_eq!(position(&data), Some(6));
}

#[test]
fn a_killed_tail_repeats_and_loses_nothing() {
    const RECORDS: usize = 20_000;
    let dir = tempfile::tempdir().unwrap();
    let data = filled(dir.path(), RECORDS);
    let mut given: BTreeMap<u64, usize> = BTreeMap::new();
    for life in 0..KILLS {
        let mut module = Module::start(&data);
        module.say("START");
        for _ in 0..200 + 37 * life {
            let seq = module.seq().expect("it lives until it is killed");
            *given.entry(seq).or_insert(0) += 1;
            module.say("ACK");
        }
        module.child.kill().unwrap();
        // What is in the pipe was never taken by the module, so it does not count.
    }
    let mut module = Module::start(&data);
    module.say("START");
    while !given.contains_key(&(RECORDS as u64 - 1)) {
        let seq = module.seq().expect("it lives");
        *given.entry(seq).or_insert(0) += 1;
        module.say("ACK");
    }
    module.say("STOP");
    while module.seq().is_some() {}
    assert!(module.child.wait().unwrap().success());
    let twice: usize = given.values().map(|times| times - 1).sum();
    println!("improg: {RECORDS} records, {KILLS} kills: {} lost, {twice} twice", RECORDS - given.len());
    assert_eq!(given.len(), RECORDS, "records were lost");
    // A window is repeated, and what was acknowledged while its position was being stored.
    assert!(twice <= KILLS * 2 * 256, "{twice}");
    assert_eq!(position(&data), Some(RECORDS as u64));
}

#[test]
fn it_needs_a_group_and_a_form_for_programs() {
    let dir = tempfile::tempdir().unwrap();
    let data = filled(dir.path(), 1);
    let (_, err) = run(&["tail", "--dialect", "improg", "--data-dir", &data, "--format", "json"], 2);
    assert!(err.contains("--group"), "{err}");
    let (_, err) = run(&["tail", "--dialect", "improg", "--data-dir", &data, "--group", "g"], 2);
    assert!(err.contains("--format json"), "{err}");
}
