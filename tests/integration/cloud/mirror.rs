//! The mirror: what is sealed comes into a bucket, whole, in order, once; and what a bucket can do to it.
//!
//! The source is a folder, so that the bucket of the double is the mirror's alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use innertrail_logstore::{Options, SealKey, Snapshot, Store, Writer, sealed};
use innertrail_test_cloud::fault::{Fault, Op};
use innertrail_test_cloud::schedule::Planned;
use innertrail_test_cloud::{Account, Key};
use serde_json::Value;

use super::stage::{Background, REGION, Stage, once, status_if_any, until};
use crate::harness::{event, innertrail, python, query, run, status};

/// The mirror's bucket.
const COPY: &str = "demo-copy";
/// What stands before all names in it.
const PREFIX: &str = "innertrail/main/";
/// Small segments, so that there are many digests.
const SMALL: &str = "logstore: {commit_bytes: 16384, segment_rows: 400, retention_days: 365}\n";
const LONG: Duration = Duration::from_secs(60);

struct Scene {
    stage: Stage,
}

impl Scene {
    fn new(key: &Key) -> Self {
        let stage = Stage::new();
        stage.cloud.oss.create_bucket(COPY, REGION);
        stage.put_key(key);
        fs::create_dir(stage.dir.path().join("in")).unwrap();
        Self { stage }
    }

    /// Input for the source: events from `first` on, and some lines that are none.
    fn add(&self, name: &str, first: usize, count: usize) {
        let mut lines: String = (first..first + count).map(|id| event(id, "") + "\n").collect();
        lines.push_str("{\"message\":\"an application's line\"}\n{\"damaged\":\n");
        let half = self.stage.dir.path().join(format!("{name}.half"));
        fs::write(&half, lines).unwrap();
        fs::rename(half, self.stage.dir.path().join("in").join(name)).unwrap();
    }

    fn config(&self, follow: bool, more: &str) -> String {
        let sources = format!(
            "  files:\n    type: file\n    include: [\"{}/in/*.jsonl\"]\n    follow: {follow}\n    poll_interval_secs: 1\n",
            self.stage.dir.path().display()
        );
        let mirror = format!(
            "mirror:\n  bucket: {COPY}\n  prefix: {PREFIX}\n  endpoint: http://oss-{REGION}.example.test\n  region: {REGION}\n  \
             connection: {{address: \"{}\"}}\n  credentials: {{type: file, path: \"{}\"}}\n  interval_secs: 1\n  \
             retry_max_secs: 1\n{more}",
            self.stage.cloud.oss.address(),
            self.stage.path("key.json")
        );
        self.stage.config(&sources, &(SMALL.to_owned() + &mirror))
    }

    /// What lies below the prefix, byte for byte. Nothing lies elsewhere.
    fn copied(&self) -> BTreeMap<String, Vec<u8>> {
        let below = |(key, bytes): (String, Vec<u8>)| (key.strip_prefix(PREFIX).expect(&key).to_owned(), bytes);
        self.stage.cloud.oss.contents(COPY).into_iter().map(below).collect()
    }

    /// The bucket's content as a folder.
    fn download(&self) -> PathBuf {
        let out = self.stage.dir.path().join("download");
        let _none = fs::remove_dir_all(&out);
        for (path, bytes) in self.copied() {
            let file = out.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, bytes).unwrap();
        }
        out
    }

    fn mirror(&self) -> Value {
        status_if_any(&self.stage.data())["mirror"].clone()
    }

    /// Everything that is sealed here is there, byte for byte; everything there belongs to it; it came in order, once.
    #[track_caller]
    fn assert_whole(&self) {
        let (data, copied) = (self.stage.data(), self.copied());
        let mut expected = sealed_files(&data);
        for (path, bytes) in &expected {
            assert!(copied.get(path) == Some(bytes), "{path} is not there as it is here; {}", self.mirror());
        }
        let derived = |path: &&String| !path.starts_with("seal/format/") && !path.starts_with("seal/checkpoints/");
        let foreign: Vec<&String> =
            copied.keys().filter(derived).filter(|path| !expected.contains_key(*path)).collect();
        assert!(foreign.is_empty(), "{foreign:?}");
        assert!(copied.keys().any(|path| path.starts_with("seal/format/")));
        expected.clear();
        self.assert_ordered();
        assert_eq!(self.stage.cloud.oss.overwritten(COPY), 0);
        let asked: BTreeSet<Op> = self.stage.cloud.oss.requests().into_keys().collect();
        assert!(asked.is_subset(&BTreeSet::from([Op::PutObject, Op::HeadObject])), "{asked:?}");
    }

    /// No digest came before what it names, and nothing came twice.
    #[track_caller]
    fn assert_ordered(&self) {
        let (uploads, copied) = (self.stage.cloud.oss.uploads(COPY), self.copied());
        let place: BTreeMap<&str, usize> =
            uploads.iter().enumerate().map(|(n, key)| (key.strip_prefix(PREFIX).unwrap(), n)).collect();
        assert_eq!(place.len(), uploads.len(), "something was put twice");
        let digests: Vec<_> = copied.iter().filter(|(path, _)| path.starts_with("seal/digest/")).collect();
        assert!(digests.len() > 2, "{} digests", digests.len());
        for (digest, bytes) in digests {
            for line in String::from_utf8(bytes.clone()).unwrap().lines() {
                let Some((_, named)) = line.split_once("  ") else { continue };
                assert!(place[named] < place[digest.as_str()], "{digest} came before {named}");
            }
        }
    }
}

/// Everything of a data directory that a mirror copies under its own name.
fn sealed_files(data: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, dir: &Path, out: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(root, &path, out);
            } else {
                out.insert(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    let mut out = BTreeMap::new();
    for store in Store::ALL {
        walk(data, &data.join(store.name()).join("data"), &mut out);
        walk(data, &data.join(store.name()).join("index"), &mut out);
    }
    for folder in ["leaf", "tile", "digest"] {
        walk(data, &data.join("seal").join(folder), &mut out);
    }
    out.insert("seal/seal.vkey".to_owned(), fs::read(data.join("seal/seal.vkey")).unwrap());
    out
}

fn verified(scene: &Scene, out: &Path, code: i32) -> Value {
    let key = scene.stage.data().join("seal/seal.vkey");
    let (out, key) = (out.to_str().unwrap(), key.to_str().unwrap());
    let (text, _) = run(&["verify", "--mirror", out, "--public-key", key, "--format", "json"], code);
    serde_json::from_str(&text).unwrap()
}

fn proved(report: &Value) -> Vec<u64> {
    report["stores"].as_array().unwrap().iter().map(|store| store["verified"].as_u64().unwrap()).collect()
}

#[test]
fn everything_sealed_comes_whole_in_order_and_is_proved_from_there() {
    let scene = Scene::new(&Key::writer());
    scene.add("a.jsonl", 0, 1_500);
    let config = scene.config(false, "");
    once(&config);
    scene.assert_whole();
    let first = scene.stage.cloud.oss.uploads(COPY).len();
    assert_eq!(scene.mirror()["behind_files"], 0);
    assert_eq!((&scene.mirror()["state"], &scene.mirror()["conflicts"]), (&"stopped".into(), &0.into()));

    scene.add("b.jsonl", 1_500, 700);
    once(&config);
    scene.assert_whole();
    assert!(scene.stage.cloud.oss.uploads(COPY).len() > first);
    let heads = scene.stage.cloud.oss.requests().get(&Op::HeadObject).copied().unwrap_or(0);
    assert!(heads < 40, "what is remembered is not asked for again: {heads}");

    let out = scene.download();
    let report = verified(&scene, &out, 0);
    let counts = status(&scene.stage.data());
    assert_eq!(proved(&report)[0], 2_200);
    assert_eq!(proved(&report)[3], counts["journal"].as_u64().unwrap());
    assert!(proved(&report)[1] + proved(&report)[2] > 0, "{report}");
    assert_eq!(report["checkpoint"], "current", "{report}");
    in_duckdb(&out, 2_200);
    let segment = scene.copied().into_keys().find(|path| path.starts_with("log/data/")).unwrap();
    let mut bytes = fs::read(out.join(&segment)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(out.join(&segment), bytes).unwrap();
    assert!(verified(&scene, &out, 1)["findings"].as_array().unwrap().iter().any(|f| f["path"] == segment.as_str()));
}

/// Beneath `data` there is nothing but Parquet, a folder a day: what engines are pointed at.
fn in_duckdb(out: &Path, records: u64) {
    for day in fs::read_dir(out.join("log/data")).unwrap() {
        let day = day.unwrap();
        assert!(day.file_name().to_str().unwrap().starts_with("day="));
        let mut files = fs::read_dir(day.path()).unwrap();
        assert!(files.all(|file| file.unwrap().path().extension().is_some_and(|kind| kind == "parquet")));
    }
    let Some(python) = python("duckdb") else { return };
    let sql = format!(
        "SELECT count(*), max(it_seq) + 1 FROM read_parquet('{}/log/data/day=*/*.parquet', hive_partitioning = true, union_by_name = true)",
        out.display()
    );
    let script = "import duckdb, sys; print(*duckdb.sql(sys.argv[1]).fetchall()[0])";
    let found = Command::new(python).args(["-c", script, &sql]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout).trim(), format!("{records} {records}"), "{found:?}");
}

/// Killed again and again while it copies, once with what it remembered lost: all there in the end, nothing overwritten, nothing
/// put twice.
#[test]
fn killed_at_any_moment_everything_is_there_once() {
    let scene = Scene::new(&Key::writer());
    let faults = scene.stage.cloud.oss.faults();
    faults.plan([Planned { after: 30, on: None, times: 3, fault: Fault::LoseAnswer }]);
    faults.plan((0..400).map(|_| Planned::next(Fault::Late { ms: 8 })));
    let config = scene.config(true, "");
    let mut middle = 0;
    for life in 0..6usize {
        scene.add(&format!("{life}.jsonl"), life * 1_000, 1_000);
        let process = Background::start(&config, &[]);
        let before = scene.stage.cloud.oss.uploads(COPY).len();
        let (copied, wanted) = (|| scene.stage.cloud.oss.uploads(COPY).len(), before + 3 + life * 2);
        until("some objects", LONG, || copied() >= wanted);
        process.kill();
        scene.assert_no_digest_ahead();
        let there = scene.copied();
        middle += usize::from(sealed_files(&scene.stage.data()).keys().any(|path| !there.contains_key(path)));
        if life == 3 {
            fs::remove_file(scene.stage.data().join("mirror.json")).unwrap();
        }
    }
    assert!(middle >= 3, "only {middle} lives ended in the middle of copying");
    once(&config);
    scene.assert_whole();
    assert_eq!((scene.mirror()["behind_files"].as_u64(), scene.mirror()["conflicts"].as_u64()), (Some(0), Some(0)));
    assert_eq!(proved(&verified(&scene, &scene.download(), 0))[0], 6_000);
    println!("{middle} of 6 lives ended in the middle of copying");
}

impl Scene {
    /// Whatever is there now: each digest has what it names.
    #[track_caller]
    fn assert_no_digest_ahead(&self) {
        let copied = self.copied();
        for (digest, bytes) in copied.iter().filter(|(path, _)| path.starts_with("seal/digest/")) {
            for line in String::from_utf8(bytes.clone()).unwrap().lines() {
                let named = line.split_once("  ").map(|(_, named)| named);
                assert!(named.is_none_or(|named| copied.contains_key(named)), "{digest} is there before {named:?}");
            }
        }
    }
}

/// A bill that is not paid stops the copy and nothing else; the state, its date and its end are told, and nothing is lost.
#[test]
fn the_states_of_the_buckets_account_are_told_and_stop_nothing_else() {
    let scene = Scene::new(&Key::writer());
    scene.stage.cloud.oss.set_account(COPY, Account::Overdue);
    scene.add("a.jsonl", 0, 900);
    let mut process = Background::start(&scene.config(true, ""), &[]);
    until("overdue", LONG, || scene.mirror()["cause"] == "overdue");
    let told = scene.mirror();
    assert_eq!(told["state"], "waiting", "{told}");
    assert!(told["copy_dies_us"].as_i64() > told["since_us"].as_i64(), "{told}");
    let records = || status_if_any(&scene.stage.data())["records"].as_u64().unwrap_or(0);
    until("the source is read", LONG, || records() == 900);
    assert!(scene.mirror()["behind_files"].as_u64().unwrap() > 0);
    let (text, _) = run(&["status", "--data-dir", scene.stage.data().to_str().unwrap()], 0);
    assert!(text.contains("retention does not wait") && text.contains("waiting, overdue since"), "{text}");
    for (account, cause) in [(Account::Gone, "source_gone"), (Account::Forbidden, "overdue")] {
        scene.stage.cloud.oss.set_account(COPY, account);
        until(cause, LONG, || scene.mirror()["cause"] == cause);
    }
    scene.stage.cloud.oss.set_account(COPY, Account::Active);
    assert!(process.is_running(), "{}", process.log());
    scene.add("b.jsonl", 900, 900);
    until("it copies again", LONG, || scene.mirror()["state"] == "caught_up");
    until("the rest is read", LONG, || records() == 1_800);
    let kinds = journal(&scene.stage.data());
    let told = |kind: &str, cause: &str| kinds.iter().any(|entry| entry["kind"] == kind && entry["cause"] == cause);
    assert!(told("paused", "overdue") && told("paused", "source_gone"), "{kinds:?}");
    until("the end of the pause", LONG, || {
        journal(&scene.stage.data()).iter().any(|entry| entry["kind"] == "resumed" && entry["mirror"].is_string())
    });
    process.stop();
    once(&scene.config(false, ""));
    scene.assert_whole();
    let of_mirror = |entry: &Value| entry["mirror"].is_string().then(|| entry["kind"].as_str().unwrap().to_owned());
    let kinds: Vec<String> = journal(&scene.stage.data()).iter().filter_map(of_mirror).collect();
    assert_eq!(kinds, ["paused", "paused", "paused", "resumed"], "each once, however often it was tried");
}

/// The journal's entries.
fn journal(data: &Path) -> Vec<Value> {
    let rows = query(data, "journal", "SELECT event FROM log ORDER BY it_seq");
    let entry = |row: &Value| serde_json::from_str(row["event"].as_str().unwrap()).unwrap();
    rows.as_array().unwrap().iter().map(entry).collect()
}

/// No right to put, a wrong secret that the service echoes, no server at all: told, without a secret anywhere; a run that ends by
/// itself says that it is behind, and the next one goes on.
#[test]
fn without_a_right_or_a_server_it_is_told_and_the_next_run_goes_on() {
    let scene = Scene::new(&Key::reader());
    scene.add("a.jsonl", 0, 900);
    let config = scene.config(true, "");
    let process = Background::start(&config, &[]);
    until("no right", LONG, || scene.mirror()["cause"] == "not_entitled");
    let planted = Key { secret: "planted-secret-0123456789abcdef".to_owned(), ..Key::writer() };
    scene.stage.put_key(&planted);
    process.stop();
    let process = Background::start(&config, &[]);
    until("a wrong secret", LONG, || {
        scene.mirror()["why"].as_str().is_some_and(|why| why.contains("SignatureDoesNotMatch"))
    });
    let log = process.log();
    process.stop();
    assert!(!log.contains(&planted.secret) && !log.contains("planted"), "{log}");
    for entry in fs::read_dir(scene.stage.data()).unwrap().flatten().filter(|entry| entry.path().is_file()) {
        let bytes = fs::read(entry.path()).unwrap();
        assert!(!bytes.windows(14).any(|window| window == b"planted-secret"), "{entry:?}");
    }
    assert!(scene.copied().is_empty());
    scene.stage.put_key(&Key::writer());
    once(&scene.config(false, ""));
    scene.assert_whole();
}

/// Somebody was there first: under the name of a digest lies something else. It stays, it is told, and all the rest is copied.
#[test]
fn another_object_under_a_name_is_told_loudly_and_left_alone() {
    let scene = Scene::new(&Key::writer());
    let key = format!("{PREFIX}seal/digest/00000002.digest");
    scene.stage.cloud.oss.put(COPY, &key, b"not the digest".to_vec());
    scene.add("a.jsonl", 0, 1_200);
    let process = Background::start(&scene.config(true, ""), &[]);
    until("the conflict", LONG, || scene.mirror()["conflicts"] == 1);
    until("its entry", LONG, || journal(&scene.stage.data()).iter().any(|entry| entry["kind"] == "mirror_conflict"));
    until("the rest", LONG, || scene.mirror()["behind_files"] == 0);
    let told = "1 files are not in the bucket as they were sealed, such as seal/digest/00000002.digest";
    until("its line in the log", LONG, || process.log().contains(told));
    process.stop();
    let copied = scene.copied();
    assert_eq!(copied["seal/digest/00000002.digest"], b"not the digest");
    assert!(copied.contains_key("seal/digest/00000003.digest"));
    assert_eq!(scene.stage.cloud.oss.overwritten(COPY), 0);
    assert!(!verified(&scene, &scene.download(), 1)["findings"].as_array().unwrap().is_empty());
    // Whoever may removes it; the next run mends the copy.
    scene.stage.cloud.oss.remove(COPY, &key);
    once(&scene.config(false, ""));
    assert_eq!(scene.mirror()["conflicts"], 0, "{}", scene.mirror());
    assert_eq!(proved(&verified(&scene, &scene.download(), 0))[0], 1_200);
    let entries = journal(&scene.stage.data()).into_iter().filter(|entry| entry["kind"] == "mirror_conflict").count();
    assert_eq!(entries, 1, "once, not with every run");
}

/// The right to put is enough. What lies there already is not overwritten, and that nobody compared it is said.
#[test]
fn credentials_that_may_only_put_are_enough() {
    let scene = Scene::new(&Key::putter());
    scene.add("a.jsonl", 0, 900);
    let config = scene.config(false, "  leave_out: [passthrough]\n");
    once(&config);
    assert_eq!(scene.mirror()["unseen"], 0, "{}", scene.mirror());
    let put = scene.stage.cloud.oss.uploads(COPY).len();
    fs::remove_file(scene.stage.data().join("mirror.json")).unwrap();
    scene.add("b.jsonl", 900, 500);
    once(&config);
    assert!(scene.stage.cloud.oss.uploads(COPY).len() > put);
    assert!(scene.mirror()["unseen"].as_u64().unwrap() > 5, "{}", scene.mirror());
    assert_eq!((scene.stage.cloud.oss.overwritten(COPY), scene.mirror()["conflicts"].as_u64()), (0, Some(0)));
    assert!(!scene.copied().keys().any(|path| path.starts_with("passthrough/")));
    let report = verified(&scene, &scene.download(), 0);
    assert_eq!(proved(&report)[0], 1_400);
    assert!(report["notes"].as_array().unwrap().iter().any(|note| note.as_str().unwrap().contains("passthrough")));
}

/// What a server or a line can do wrong on the way: every object is there in the end, and it ends.
#[test]
fn broken_and_hostile_answers_cost_time_and_nothing_else() {
    let scene = Scene::new(&Key::writer());
    scene.add("a.jsonl", 0, 900);
    let on = |op, fault| Planned { after: 0, on: Some(op), times: 1, fault };
    let redirect = Fault::Redirect { to: "http://evil.example/".to_owned() };
    scene.stage.cloud.oss.faults().plan([
        on(Op::HeadObject, Fault::Reset),
        on(Op::PutObject, Fault::WrongTag),
        on(Op::HeadObject, Fault::Html { status: 502 }),
        on(Op::PutObject, Fault::LoseAnswer),
        on(Op::PutObject, Fault::Unavailable),
        on(Op::PutObject, Fault::Garbage),
        on(Op::PutObject, redirect),
        on(Op::PutObject, Fault::Empty { status: 418 }),
        on(Op::PutObject, Fault::TooMany { retry_after: 1 }),
        on(Op::PutObject, Fault::Skew { ms: 3_600_000 }),
        on(Op::PutObject, Fault::LoseAnswer),
        on(Op::PutObject, Fault::Late { ms: 300 }),
    ]);
    once(&scene.config(false, ""));
    assert_eq!(scene.stage.cloud.oss.faults().pending(), 0, "{:?}", scene.stage.cloud.oss.faults().fired());
    scene.assert_whole();
    assert!(scene.mirror()["failures"].as_u64().unwrap() >= 2, "{}", scene.mirror());
    assert_eq!(proved(&verified(&scene, &scene.download(), 0))[0], 900);
}

/// Retention does not wait for a mirror. What it dropped first is told: in the status, and for ever in the journal.
#[test]
fn what_retention_dropped_first_is_told_and_not_waited_for() {
    let scene = Scene::new(&Key::writer());
    scene.stage.cloud.oss.set_account(COPY, Account::Overdue);
    scene.add("a.jsonl", 0, 900);
    let process = Background::start(&scene.config(true, ""), &[]);
    until("the events", LONG, || status_if_any(&scene.stage.data())["records"] == 900);
    process.stop();
    let data = scene.stage.data();
    {
        let layout = Snapshot::open(&data).unwrap().layout().clone();
        let key = SealKey::from_secret_text(&fs::read_to_string(data.join("seal.key")).unwrap()).unwrap();
        let now_us = sealed::read(&data, sealed::newest(&data).unwrap().unwrap().number).unwrap().time_us + 1;
        let mut writer = Writer::open(&data, "main-trail", layout, Options::new(key), now_us).unwrap();
        let retired = writer.retire(Store::Log, "2099-01-01".parse().unwrap(), now_us).unwrap();
        assert_eq!(retired.rows, 900);
    }
    scene.stage.cloud.oss.set_account(COPY, Account::Active);
    scene.add("b.jsonl", 900, 500);
    let process = Background::start(&scene.config(true, ""), &[]);
    until("it is told", LONG, || scene.mirror()["missed"].as_u64() > Some(0));
    let gap = || journal(&data).into_iter().find(|entry| entry["kind"] == "gap" && entry["mirror"].is_string());
    until("its entry", LONG, || gap().is_some());
    until("the rest", LONG, || scene.mirror()["behind_files"] == 0);
    process.stop();
    assert!(gap().unwrap()["why"].as_str().unwrap().contains("retention dropped them before"), "{:?}", gap());
    once(&scene.config(false, ""));
    scene.stage.cloud.oss.uploads(COPY).iter().for_each(|key| assert!(key.starts_with(PREFIX)));
    let report = verified(&scene, &scene.download(), 0);
    assert_eq!((proved(&report)[0], &report["stores"][0]["first"]), (500, &900.into()), "{report}");
}

/// What doctor finds about the mirror, and that asking left nothing in the bucket.
#[test]
fn doctor_asks_whether_it_may_put_and_must_not_delete() {
    let scene = Scene::new(&Key::putter());
    let config = scene.config(false, "");
    let found = || {
        let output = innertrail(&["doctor", "--config", &config, "--format", "json"]).output().unwrap();
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        let of_mirror = |finding: &&Value| finding["subject"] == "mirror:";
        let text = |finding: &Value| finding["ailment"].as_str().unwrap().to_owned();
        json["findings"].as_array().unwrap().iter().filter(of_mirror).map(text).collect::<Vec<_>>()
    };
    assert_eq!(found(), ["long_lived_key"]);
    scene.stage.put_key(&Key::deleter());
    let mut all = found();
    all.sort();
    assert_eq!(all, ["long_lived_key", "may_delete"]);
    scene.stage.put_key(&Key::reader());
    assert!(found().contains(&"no_right".to_owned()));
    scene.stage.put_key(&Key::writer());
    scene.stage.cloud.oss.set_account(COPY, Account::Gone);
    assert!(found().contains(&"source_gone".to_owned()));
    scene.stage.cloud.oss.set_account(COPY, Account::Active);
    assert!(scene.stage.cloud.oss.contents(COPY).is_empty() && scene.stage.cloud.oss.uploads(COPY).is_empty());
    let (policy, _) = run(&["policy", "mirror", "--config", &config], 0);
    assert!(policy.contains("oss:PutObject") && policy.contains(&format!("{COPY}/{PREFIX}*")), "{policy}");
    scene.add("a.jsonl", 0, 10);
    let (checked, _) = run(&["check", "--config", &config], 0);
    assert!(
        checked.contains(&format!("oss://{COPY}/{PREFIX} at http://{COPY}.oss-{REGION}.example.test")),
        "{checked}"
    );
}
