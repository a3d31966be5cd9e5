//! The vendor's Python SDK and its consumer library, unchanged, against a running `innertrail run`: what went in comes out, once, and
//! nothing gets in. Needs an interpreter that has them, which `INNERTRAIL_PYTHON` names.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{PATIENCE, SHARDS, Serving};
use crate::harness::{event, python, run};

const SCRIPT: &str = include_str!("sdk.py");
/// Events, unless `INNERTRAIL_SDK_EVENTS` says another number.
const COUNT: usize = 100_000;

fn count() -> usize {
    std::env::var("INNERTRAIL_SDK_EVENTS").ok().and_then(|count| count.parse().ok()).unwrap_or(COUNT)
}

/// A run, and what a script must know of it.
struct Site {
    python: String,
    serving: Serving,
    setup: Value,
}

impl Site {
    fn start(python: String, dir: &Path) -> Self {
        let count = count();
        let serving = Serving::with(dir, count);
        let key = serving.key("consumer");
        let (lent, ended) = (serving.lent("reader", "1h"), serving.lent("reader", "1s"));
        let expected = (0..count).filter(|id| id % 250 == 7).count();
        let setup = json!({"id": key.id, "secret": key.secret, "count": count, "expected": expected, "shards": SHARDS,
            "logstore": "innertrail_main-trail", "input": dir.join("in/a.jsonl"), "one": format!("eventId: {:024X}", 0), "lent": lent, "ended": ended});
        Self { python, serving, setup }
    }

    fn command(&self, version: &str, args: &[&str]) -> Command {
        let mut setup = self.setup.clone();
        setup["version"] = json!(version);
        let mut command = Command::new(&self.python);
        command.args(["-c", SCRIPT, &setup.to_string()]).args(args);
        command.env("http_proxy", format!("http://{}", self.serving.at)).env_remove("no_proxy").env_remove("NO_PROXY");
        command
    }

    /// How many writes of records were refused so far.
    fn refused(&self) -> u64 {
        let metrics = self.serving.metrics();
        let line =
            metrics.lines().find(|line| line.contains("innertrail_api_refused_writes_total{surface=\"put_logs\"}"));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).expect("the metric is there")
    }
}

#[test]
fn the_official_sdk_makes_every_call_and_each_write_is_one_request() {
    let Some(python) = python("aliyun.log") else { return };
    let dir = tempfile::tempdir().unwrap();
    let site = Site::start(python, dir.path());
    for (done, version) in ["v1", "v4"].into_iter().enumerate() {
        let ran = site.command(version, &["calls"]).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        print!("{version}: {out}");
        assert!(ran.status.success() && out.contains("all calls as expected"), "{version}\n{out}\n{err}");
        assert_eq!(site.refused(), 3 * (done as u64 + 1), "three puts are three requests");
    }
    let own = crate::harness::query(&site.serving.data, "log", "SELECT count(*) AS n FROM log");
    assert_eq!(own[0]["n"], json!(count()));
    run(&["verify", "--data-dir", site.serving.data.to_str().unwrap()], 0);
}

/// One process of the consumer library, ended with the test.
struct Worker {
    child: Child,
    out: PathBuf,
    stop: PathBuf,
}

impl Worker {
    fn start(site: &Site, dir: &Path, name: &str) -> Self {
        let (out, stop) = (dir.join(format!("{name}.ids")), dir.join(format!("{name}.stop")));
        fs::write(&out, "").unwrap();
        let log = fs::File::create(dir.join(format!("{name}.log"))).unwrap();
        let args = ["consume", name, out.to_str().unwrap(), stop.to_str().unwrap()];
        let child = site.command("v4", &args).stderr(log).spawn().unwrap();
        Self { child, out, stop }
    }

    fn ids(&self) -> Vec<String> {
        fs::read_to_string(&self.out).unwrap().lines().map(str::to_owned).collect()
    }

    fn end(&mut self) -> Vec<String> {
        fs::write(&self.stop, "").unwrap();
        assert!(self.child.wait().unwrap().success(), "{:?}", fs::read_to_string(self.out.with_extension("log")));
        self.ids()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn two_processes_of_the_official_consumer_read_each_event_once_and_a_third_goes_on_behind_them() {
    let Some(python) = python("aliyun.log") else { return };
    let dir = tempfile::tempdir().unwrap();
    let site = Site::start(python, dir.path());
    let mut workers = [Worker::start(&site, dir.path(), "a"), Worker::start(&site, dir.path(), "b")];
    let begun = Instant::now();
    while workers.iter().map(|worker| worker.ids().len()).sum::<usize>() < count() {
        assert!(begun.elapsed() < 5 * PATIENCE, "{:?}", workers.each_ref().map(|worker| worker.ids().len()));
        thread::sleep(Duration::from_millis(500));
    }
    let took = begun.elapsed();
    let read = workers.each_mut().map(Worker::end);
    let all: BTreeSet<&String> = read.iter().flatten().collect();
    let numbers = read.each_ref().map(Vec::len);
    println!("read {} events, {numbers:?} by each, {:.1} s", all.len(), took.as_secs_f64());
    assert_eq!((all.len(), numbers.iter().sum::<usize>()), (count(), count()), "each event once");
    assert!(numbers.iter().all(|number| *number > 0), "both had a part: {numbers:?}");

    let lines: String = (count()..count() + 10).map(|id| event(id, "") + "\n").collect();
    fs::write(dir.path().join("in/b.jsonl"), lines).unwrap();
    let mut third = Worker::start(&site, dir.path(), "c");
    let begun = Instant::now();
    while third.ids().len() < 10 {
        assert!(begun.elapsed() < PATIENCE, "{:?}", third.ids());
        thread::sleep(Duration::from_millis(200));
    }
    thread::sleep(Duration::from_secs(2));
    assert_eq!(third.end().len(), 10, "it goes on behind what the others stored");
}
