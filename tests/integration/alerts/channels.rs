//! Channels beside a run: who is told, in time, once; a receiver that is away; kills; what `status`, metrics and `try` say.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::scene::{Going, PATIENCE, RULES, Scene, did};
use crate::harness::{innertrail, query, run, status};
use http_double::{Double, Reply};

/// The strict server of the channels' own tests.
#[allow(dead_code, unreachable_pub)]
#[path = "../../../notify/tests/integration/http_double.rs"]
pub(crate) mod http_double;

/// Alerts are bursts in groups of six.
const GROUPS: usize = 20;

/// A webhook that keeps what came, and when. While it is away it answers 503.
struct Receiver {
    server: Double,
    got: Arc<Mutex<Vec<(i64, Value)>>>,
    away: Arc<AtomicBool>,
}

impl Receiver {
    fn new() -> Self {
        let (got, away) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (list, gone) = (Arc::clone(&got), Arc::clone(&away));
        let server = Double::start(move |seen| {
            if gone.load(Ordering::SeqCst) {
                return Reply::status(503);
            }
            let body = seen.json();
            let alerts = body["alerts"].as_array().unwrap().clone();
            list.lock().unwrap().extend(alerts.into_iter().map(|alert| (now_us(), alert)));
            Reply::status(204)
        });
        Self { server, got, away }
    }

    /// The options of `alerts:` that name it; its address is a secret.
    fn options(&self, scene: &Scene, more: &str) -> String {
        let url = scene.path("url");
        std::fs::write(&url, self.server.url("/hook/secret-part")).unwrap();
        std::fs::set_permissions(&url, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        format!("  channels:\n    ops: {{type: webhook, url: {{type: file, path: \"{url}\"}}{more}}}\n")
    }

    fn got(&self) -> Vec<(i64, Value)> {
        self.got.lock().unwrap().clone()
    }

    /// How often each alert came, by its id, waiting for so many different ones.
    fn until(&self, count: usize, going: &Going) -> BTreeMap<String, usize> {
        let begun = std::time::Instant::now();
        loop {
            let mut ids = BTreeMap::new();
            for (_, alert) in self.got() {
                *ids.entry(alert["id"].as_str().unwrap().to_owned()).or_insert(0) += 1;
            }
            if ids.len() >= count {
                return ids;
            }
            assert!(begun.elapsed() < PATIENCE, "{} of {count} came: {}", ids.len(), going.log());
            thread::sleep(Duration::from_millis(50));
        }
    }
}

fn now_us() -> i64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_micros().try_into().unwrap()
}

/// From the moment at which a record is handed to the disk until its alert is in the receiver's hands.
#[test]
fn people_are_told_within_seconds() {
    let (scene, receiver) = (Scene::new(RULES), Receiver::new());
    let config = scene.config(&receiver.options(&scene, ""), "");
    let going = scene.start(&config);
    going.until_log("rules and 0 scheduled ones are evaluated");
    for batch in 0..GROUPS {
        scene.append("a", (0..6).map(|n| did(batch * 6 + n, "DeleteBucket", "alice", batch)));
        thread::sleep(Duration::from_millis(230));
    }
    let ids = receiver.until(GROUPS * 6, &going);
    assert!(ids.values().all(|times| *times == 1), "{ids:?}");
    going.end();
    let sql = "SELECT it_seq AS seq, CAST(it_received AS BIGINT) AS at FROM log";
    let rows = query(&scene.data(), "log", sql);
    let number = |row: &Value, name: &str| row[name].as_i64().unwrap();
    let received: BTreeMap<i64, i64> =
        rows.as_array().unwrap().iter().map(|row| (number(row, "seq"), number(row, "at"))).collect();
    let mut took: Vec<i64> = receiver.got().iter().map(|(at, alert)| at - received[&number(alert, "seq")]).collect();
    took.sort_unstable();
    let at = |share: usize| took[(took.len() - 1) * share / 100] / 1000;
    println!(
        "record to notification over {} events: median {} ms, p99 {} ms, most {} ms",
        took.len(),
        at(50),
        at(99),
        at(100)
    );
    assert!(at(99) < 3_000, "{took:?}");
}

#[test]
fn a_receiver_that_is_away_is_told_when_it_is_back_and_is_shown_meanwhile() {
    let (scene, receiver) = (Scene::new(RULES), Receiver::new());
    let config = scene.config(&receiver.options(&scene, ", delivery: {retry_max_secs: 1}"), "");
    receiver.away.store(true, Ordering::SeqCst);
    let going = scene.start(&config);
    scene.append("a", [did(1, "DeleteBucket", "alice", 1)]);
    going.until_log("channel ops is retrying");
    assert!(!going.log().contains("secret-part"), "{}", going.log());
    let told = &status(&scene.data())["channels"]["ops"];
    assert_eq!((&told["kind"], &told["state"], &told["waiting"]), (&json!("webhook"), &json!("retrying"), &json!(1)));
    assert!(told["why"].as_str().unwrap().contains("503"), "{told:#}");
    let (text, _) = run(&["status", "--data-dir", scene.data().to_str().unwrap()], 0);
    assert!(text.contains("channel ops") && text.contains("retrying since"), "{text}");
    // Nothing waits for it: records go on.
    scene.append("a", (2..50).map(|id| did(id, "PutBucketAcl", "alice", id)));
    scene.until(1);
    receiver.away.store(false, Ordering::SeqCst);
    receiver.until(1, &going);
    going.end();
    let told = &status(&scene.data())["channels"]["ops"];
    assert_eq!((&told["state"], &told["waiting"], &told["told"]), (&json!("stopped"), &json!(0), &json!(1)));
}

/// Killed again and again while alerts fire: each is told at least once, and what came twice came behind a kill.
#[test]
fn nobody_is_left_untold_by_kills() {
    let (scene, receiver) = (Scene::new(RULES), Receiver::new());
    let config = scene.config(&receiver.options(&scene, ", delivery: {collect_secs: 0}"), "");
    let kills = 12;
    for round in 0..kills {
        let going = scene.start(&config);
        scene.append("a", (0..10).map(|n| did(round * 10 + n, "DeleteBucket", "alice", round)));
        if round > 0 {
            receiver.until(round * 5, &going);
        }
        thread::sleep(Duration::from_millis(150 * (round as u64 % 5)));
        going.kill();
    }
    let going = scene.start(&config);
    receiver.until(kills * 10, &going);
    // And a fresh one still passes.
    scene.append("a", [did(kills * 10, "DeleteBucket", "alice", 60)]);
    let ids = receiver.until(kills * 10 + 1, &going);
    going.end();
    let fired: Vec<String> = scene.told().iter().map(|alert| alert["alert"].as_str().unwrap().to_owned()).collect();
    assert_eq!(fired.len(), kills * 10 + 1);
    assert!(fired.iter().all(|id| ids.contains_key(id)), "an alert was told nobody");
    assert_eq!(ids.len(), fired.len(), "an alert was told that never fired");
    let twice: usize = ids.values().map(|times| times - 1).sum();
    println!("{kills} kills: {} alerts told, {twice} of them twice", ids.len());
    assert!(twice < kills * 10, "{ids:?}");
}

#[test]
fn a_run_that_ends_by_itself_tells_first_and_says_what_it_could_not() {
    let (scene, receiver) = (Scene::new(RULES), Receiver::new());
    let config = scene.config(&receiver.options(&scene, ", filter: {min_level: critical}"), "");
    scene.add("a", (0..4).map(|id| did(id, "DeleteObject", "bob", id)).chain([did(9, "DeleteBucket", "bob", 1)]));
    scene.once(&config);
    let got = receiver.got();
    assert_eq!(got.len(), 1, "the filter lets one level through: {got:#?}");
    let alert = &got[0].1;
    assert_eq!((&alert["rule"]["id"], &alert["state"]), (&json!("counted"), &json!("fired")));
    // One that was there before there was a channel is not told.
    let (other, late) = (Scene::new(RULES), Receiver::new());
    let bare = other.config("", "");
    other.add("a", [did(1, "DeleteBucket", "alice", 1)]);
    other.once(&bare);
    let config = other.config(&late.options(&other, ""), "");
    other.add("b", [did(2, "DeleteBucket", "alice", 2)]);
    other.once(&config);
    assert_eq!(late.got().len(), 1);
    assert_eq!(late.got()[0].1["event"]["id"], format!("{:024X}", 2));
}

#[test]
fn a_trial_says_whether_it_arrived_and_a_secret_that_is_missing_stops_the_run() {
    let (scene, receiver) = (Scene::new(RULES), Receiver::new());
    let config = scene.config(&receiver.options(&scene, ""), "");
    let (out, _) = run(&["alerts", "try", "--config", &config, "ops"], 0);
    assert!(out.contains("ops: a message was taken by its webhook"), "{out}");
    assert_eq!(receiver.got()[0].1["rule"]["id"], "innertrail-trial");
    receiver.away.store(true, Ordering::SeqCst);
    let (_, err) = run(&["alerts", "try", "--config", &config, "ops"], 1);
    assert!(err.contains("503") && !err.contains("secret-part"), "{err}");
    let (_, err) = run(&["alerts", "try", "--config", &config, "nobody"], 1);
    assert!(err.contains("it has: ops"), "{err}");
    std::fs::remove_file(scene.path("url")).unwrap();
    for args in [&["run", "--once"][..], &["check"]] {
        let output = innertrail(&[args, &["--config", &config]].concat()).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {err}");
        assert!(err.contains("alerts.channels") && err.contains("ops"), "{err}");
    }
    assert!(!scene.data().exists(), "nothing was started");
}
