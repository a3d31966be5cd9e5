//! What the tests of cloud sources share: the doubles, a configuration for them, a run in the background, what it kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use innertrail_test_cloud::{Cloud, Key, Load, TrailLoad};
use serde_json::Value;

use crate::harness::{BIN, innertrail, run, status};

pub(super) const PROJECT: &str = "demo";
pub(super) const LOGSTORE: &str = "actiontrail_demo";
pub(super) const BUCKET: &str = "demo-audit";
pub(super) const REGION: &str = "cn-hangzhou";

/// The doubles' events are of several services; all of them are to be kept.
const ROUTE: &str = "route: {products: [oss, sts, ecs, kms, ram, rds, vpc, slb, actiontrail]}\n";

/// Events of the runs under faults; the size of the promise with `INNERTRAIL_CLOUD_EVENTS=1000000`.
pub(super) fn many() -> u64 {
    std::env::var("INNERTRAIL_CLOUD_EVENTS").ok().and_then(|n| n.parse().ok()).unwrap_or(60_000)
}

/// The doubles and a folder.
pub(super) struct Stage {
    pub(super) cloud: Cloud,
    pub(super) dir: tempfile::TempDir,
}

impl Stage {
    pub(super) fn new() -> Self {
        Self::of(Cloud::start().unwrap())
    }

    /// The same with doubles of the caller's.
    pub(super) fn of(cloud: Cloud) -> Self {
        let stage = Self { cloud, dir: tempfile::tempdir().unwrap() };
        stage.put_key(&Key::reader());
        stage
    }

    /// A Logstore with so many shards and events.
    pub(super) fn with_logstore(shards: u32, load: &Load) -> Self {
        let stage = Self::new();
        stage.fill(shards, load);
        stage
    }

    pub(super) fn fill(&self, shards: u32, load: &Load) {
        self.cloud.sls.create_project(PROJECT, REGION);
        self.cloud.sls.create_logstore(PROJECT, LOGSTORE, shards);
        if load.events > 0 {
            self.cloud.sls.fill(PROJECT, LOGSTORE, load);
        }
    }

    /// A bucket with a trail's objects.
    pub(super) fn with_bucket(load: &TrailLoad) -> Self {
        let stage = Self::new();
        stage.cloud.oss.create_bucket(BUCKET, REGION);
        stage.cloud.oss.fill(BUCKET, load);
        stage
    }

    pub(super) fn put_key(&self, key: &Key) {
        let path = self.dir.path().join("key.json");
        let mut json = serde_json::json!({ "access_key_id": key.id, "access_key_secret": key.secret });
        if let Some(token) = &key.token {
            json["security_token"] = token.as_str().into();
            json["expiration"] = "2099-01-01T00:00:00Z".into();
        }
        fs::write(&path, json.to_string()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    pub(super) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A source of type `sls`, with more options, each on a line of its own.
    pub(super) fn sls(&self, name: &str, more: &[&str]) -> String {
        let address = self.cloud.sls.address();
        let head = format!(
            "type: sls\nproject: {PROJECT}\nlogstore: {LOGSTORE}\nendpoint: http://{REGION}.log.example.test\nregion: {REGION}\n\
             connection: {{address: \"{address}\"}}"
        );
        self.source(name, &head, more)
    }

    /// A source of type `oss`.
    pub(super) fn oss(&self, name: &str, more: &[&str]) -> String {
        let address = self.cloud.oss.address();
        let head = format!(
            "type: oss\nbucket: {BUCKET}\nendpoint: http://oss-{REGION}.example.test\nregion: {REGION}\n\
             connection: {{address: \"{address}\"}}"
        );
        self.source(name, &head, more)
    }

    fn source(&self, name: &str, head: &str, more: &[&str]) -> String {
        let key = format!("credentials: {{type: file, path: \"{}\"}}", self.path("key.json"));
        let mut lines: Vec<&str> = head.lines().collect();
        let own = |option: &str| more.iter().any(|line| line.split(':').next() == option.split(':').next());
        lines.push(&key);
        lines.retain(|line| !own(line));
        lines.extend(more);
        let body: String = lines.iter().map(|line| format!("    {line}\n")).collect();
        format!("  {name}:\n{body}")
    }

    /// Writes a configuration with these sources; gives its path.
    pub(super) fn config(&self, sources: &str, more: &str) -> String {
        self.config_in("data", sources, more)
    }

    pub(super) fn config_in(&self, data: &str, sources: &str, more: &str) -> String {
        let path = self.dir.path().join(format!("{data}.yaml"));
        let data = self.path(data);
        fs::write(&path, format!("trail: main-trail\ndata_dir: {data}\n{ROUTE}sources:\n{sources}{more}")).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// All ids that ever arrived at the Logstore.
    pub(super) fn arrived(&self) -> BTreeSet<String> {
        self.cloud.sls.ids(PROJECT, LOGSTORE).into_values().flatten().collect()
    }

    /// All ids in the bucket.
    pub(super) fn stored(&self) -> BTreeSet<String> {
        self.cloud.oss.ids(BUCKET).into_values().flatten().collect()
    }
}

/// Reads everything once.
pub(super) fn once(config: &str) -> (String, String) {
    run(&["run", "--once", "--config", config], 0)
}

/// Ids in the dedicated Logstore, with how many times each is there.
pub(super) fn kept(data: &Path) -> BTreeMap<String, u64> {
    let sql = "SELECT eventId, count(*) AS n FROM log GROUP BY eventId LIMIT 3000000";
    let data = data.to_str().unwrap();
    let args = ["query", "--data-dir", data, "--format", "ndjson", "--max-rows", "3000000", sql];
    let (out, _) = run(&args, 0);
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        (row["eventId"].as_str().unwrap().to_owned(), row["n"].as_u64().unwrap())
    };
    out.lines().map(row).collect()
}

/// Every expected id once, and no other.
#[track_caller]
pub(super) fn assert_exactly(data: &Path, expected: &BTreeSet<String>) {
    let kept = kept(data);
    let missing: Vec<_> = expected.iter().filter(|id| !kept.contains_key(*id)).collect();
    let foreign: Vec<_> = kept.keys().filter(|id| !expected.contains(*id)).collect();
    let twice: Vec<_> = kept.iter().filter(|(_, n)| **n != 1).collect();
    let first = |list: &[&String]| list.iter().take(3).map(|s| (*s).clone()).collect::<Vec<_>>();
    assert!(
        missing.is_empty() && foreign.is_empty() && twice.is_empty(),
        "{} of {} are missing ({:?}), {} are foreign ({:?}), {} are there more than once; status: {}",
        missing.len(),
        expected.len(),
        first(&missing),
        foreign.len(),
        first(&foreign),
        twice.len(),
        status(data)
    );
}

/// A run in the background; killed when dropped.
pub(super) struct Background {
    child: Child,
    log: PathBuf,
}

/// Peak resident memory of a process of ours so far, MiB; `None` when it has ended.
///
/// The story: now and then a test saw 289 MiB, or 332, of a process that took 35 or 200. A child has the memory of whoever started it, with its
/// peak, until it runs its own program, and its id is known a moment before. Its name is the new program's only after its memory is.
pub(super) fn peak_mib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    if field("Name:") != Path::new(BIN).file_name()?.to_str() {
        return Some(0);
    }
    Some(field("VmHWM:")?.trim_end_matches(" kB").parse::<u64>().ok()? / 1024)
}

impl Background {
    pub(super) fn start(config: &str, more: &[&str]) -> Self {
        Self::with(innertrail(&["-v", "run", "--config", config]).args(more), &format!("{config}.log"))
    }

    pub(super) fn with(command: &mut Command, log: &str) -> Self {
        let file = fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let out = file.try_clone().unwrap();
        let child = command.stdin(Stdio::null()).stdout(out).stderr(file).spawn().unwrap();
        Self { child, log: log.into() }
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// `kill -9`.
    pub(super) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; gives how long it took, and the exit code.
    pub(super) fn stop(mut self) -> (Duration, Option<i32>) {
        let begun = Instant::now();
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let code = self.child.wait().unwrap().code();
        (begun.elapsed(), code)
    }

    /// Waits for its end; gives the exit code.
    pub(super) fn wait(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something is so; what it waited for is told when it never is.
#[track_caller]
pub(super) fn until(what: &str, most: Duration, mut is_so: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < most, "waited {most:?} for: {what}");
        thread::sleep(Duration::from_millis(20));
    }
    begun.elapsed()
}

/// The status, or null while there is no Logstore yet.
pub(super) fn status_if_any(data: &Path) -> Value {
    let args = ["status", "--data-dir", data.to_str().unwrap(), "--format", "json"];
    let output = innertrail(&args).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}
