//! What the tests of alerts beside a run share: a folder with input, a configuration, a run, what fired.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{event, innertrail, run};

pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A rule over one record, and one that counts four of a user within an hour.
pub(super) const RULES: &str = "title: A bucket was deleted
name: mine
logsource: { product: alibaba, service: oss }
detection: { s: { eventName: DeleteBucket, it_outcome: success }, condition: s }
level: high
---
title: Deletions (what is counted)
name: counted-part
logsource: { product: alibaba, service: oss }
detection: { s: { eventName: DeleteObject }, condition: s }
---
title: Many deletions
name: counted
correlation: { type: event_count, rules: [counted-part], group-by: [userIdentity.userName], timespan: 1h, condition: { gte: 4 } }
level: critical
";

pub(super) struct Scene {
    pub(super) dir: tempfile::TempDir,
}

impl Scene {
    /// With these rules as the only ones.
    pub(super) fn new(rules: &str) -> Self {
        let scene = Self { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(scene.dir.path().join("in")).unwrap();
        scene.rule("own.yml", rules);
        scene
    }

    pub(super) fn rule(&self, name: &str, text: &str) {
        let path = self.dir.path().join("rules").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    pub(super) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A new file of input; it is there whole or not at all.
    pub(super) fn add(&self, name: &str, lines: impl IntoIterator<Item = String>) {
        let half = self.dir.path().join(format!("{name}.half"));
        fs::write(&half, lines.into_iter().map(|line| line + "\n").collect::<String>()).unwrap();
        fs::rename(half, self.dir.path().join("in").join(format!("{name}.json"))).unwrap();
    }

    /// Lines at the end of a file of input.
    pub(super) fn append(&self, name: &str, lines: impl IntoIterator<Item = String>) {
        let path = self.dir.path().join("in").join(format!("{name}.json"));
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        let text: String = lines.into_iter().map(|line| line + "\n").collect();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// A configuration with these rules alone, and more options of `alerts:`; gives its path.
    pub(super) fn config(&self, alerts: &str, more: &str) -> String {
        let folder = self.path("rules");
        let text = format!(
            "trail: main-trail\ndata_dir: {}\nsources:\n  files:\n    type: file\n    include: [\"{}/*.json\"]\n    \
             poll_interval_secs: 1\nalerts:\n  pack: false\n  rules: [\"{folder}\"]\n{alerts}{more}",
            self.data().display(),
            self.path("in"),
        );
        let path = self.path("innertrail.yaml");
        fs::write(&path, text).unwrap();
        path
    }

    /// Runs until all input is read and looked at; gives the log.
    pub(super) fn once(&self, config: &str) -> String {
        run(&["-v", "run", "--once", "--config", config], 0).1
    }

    /// What fired and what is over, as `alerts fired` tells it.
    pub(super) fn told(&self) -> Vec<Value> {
        let data = self.data();
        let output = innertrail(&["alerts", "fired", "--data-dir", data.to_str().unwrap(), "--format", "json"]);
        let output = { output }.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until so much was told.
    pub(super) fn until(&self, count: usize) -> Vec<Value> {
        let begun = Instant::now();
        loop {
            let told = self.told();
            if told.len() >= count {
                return told;
            }
            assert!(begun.elapsed() < PATIENCE, "{} of {count} were told: {told:#?}", told.len());
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// The ids that a backtest of the same configuration gives.
    pub(super) fn backtest(&self, config: &str) -> BTreeSet<String> {
        let data = self.data();
        let args = ["alerts", "backtest", "--config", config, "--data-dir", data.to_str().unwrap(), "--first", "1000"];
        let (out, _) = run(&[&args[..], &["--format", "json"]].concat(), 0);
        let told: Value = serde_json::from_str(&out).unwrap();
        let mut ids = BTreeSet::new();
        for rule in told["rules"].as_array().unwrap() {
            let first = rule["first"].as_array().unwrap();
            assert_eq!(rule["count"].as_u64().unwrap(), first.len() as u64, "more than are listed: {}", rule["rule"]);
            ids.extend(first.iter().map(|firing| firing["alert"].as_str().unwrap().to_owned()));
        }
        ids
    }

    pub(super) fn start(&self, config: &str) -> Going {
        Going::start(config, Path::new(&self.path("log")))
    }
}

/// The ids of what fired. Each stands there once.
#[track_caller]
pub(super) fn ids(told: &[Value]) -> BTreeSet<String> {
    let fired: Vec<&Value> = told.iter().filter(|alert| alert["fired"] == true).collect();
    let ids: BTreeSet<String> = fired.iter().map(|alert| alert["alert"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), fired.len(), "an alert was told twice: {fired:#?}");
    ids
}

pub(super) fn of<'a>(told: &'a [Value], rule: &str) -> Vec<&'a Value> {
    told.iter().filter(|alert| alert["rule"] == rule).collect()
}

/// An event of this name by this user, so many seconds after 2026-11-05 08:00.
pub(super) fn did(id: usize, name: &str, user: &str, second: usize) -> String {
    let time = format!("2026-11-05T{:02}:{:02}:{:02}Z", 8 + second / 3600, second / 60 % 60, second % 60);
    let text = event(id, "").replace("PutBucketAcl", name).replace("\"alice\"", &format!("\"{user}\""));
    let old = text.split("\"eventTime\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    text.replace(&old, &time)
}

/// A run in the background; killed with the test.
pub(super) struct Going {
    child: Child,
    log: PathBuf,
}

impl Going {
    fn start(config: &str, log: &Path) -> Self {
        let file = OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut command = innertrail(&["-v", "run", "--config", config]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).spawn().unwrap();
        Self { child, log: log.to_owned() }
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub(super) fn until_log(&self, words: &str) {
        let begun = Instant::now();
        while !self.log().contains(words) {
            assert!(begun.elapsed() < PATIENCE, "never said {words:?}: {}", self.log());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// `kill -9`, of this process alone.
    pub(super) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and waits.
    pub(super) fn end(mut self) {
        let id = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{}", self.log());
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
