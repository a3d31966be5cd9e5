//! The states of an account: each paused within a poll, told apart, with the date on which data dies, and left without loss;
//! and what `doctor` says of them.

use std::time::Duration;

use innertrail_test_cloud::{Account, Key, Load, TrailLoad};
use serde_json::Value;

use super::stage::{BUCKET, Background, LOGSTORE, PROJECT, Stage, assert_exactly, kept, once, status_if_any, until};
use crate::harness::{query, run};

fn paused(stage: &Stage, source: &str) -> Value {
    status_if_any(&stage.data())["lifecycle"]["paused"][source].clone()
}

#[test]
fn overdue_in_the_middle_then_paid() {
    let stage = Stage::with_logstore(2, &Load { events: 1_000, seed: 51, ..Load::default() });
    let config = stage.config(&stage.sls("events", &["poll_interval_ms: 100"]), "");
    let mut process = Background::start(&config, &[]);
    until("the first events", Duration::from_secs(60), || kept_some(&stage) >= 1_000);
    stage.cloud.sls.set_account(PROJECT, Account::Overdue);
    stage.cloud.sls.fill(PROJECT, LOGSTORE, &Load { events: 500, seed: 511, ..Load::default() });
    let took = until("the pause", Duration::from_secs(20), || paused(&stage, "events")["cause"] == "overdue");
    let told = paused(&stage, "events");
    assert!(told["data_dies_at"].is_string() && told["since"].is_string(), "{told}");
    assert!(process.is_running(), "{}", process.log());
    let (out, _) = run(&["doctor", "--config", &config], 1);
    assert!(out.contains("overdue") || out.contains("deletes"), "{out}");
    stage.cloud.sls.set_account(PROJECT, Account::Active);
    until("it goes on", Duration::from_secs(90), || kept(&stage.data()).len() >= 1_500);
    until("the pause is over", Duration::from_secs(30), || paused(&stage, "events").is_null());
    process.stop();
    assert_exactly(&stage.data(), &stage.arrived());
    let journal = query(&stage.data(), "journal", "SELECT eventName FROM log");
    let kinds: Vec<&str> = journal.as_array().unwrap().iter().filter_map(|row| row["eventName"].as_str()).collect();
    assert!(kinds.contains(&"paused") && kinds.contains(&"resumed"), "{kinds:?}");
    println!("paused within {took:?} (status included), polling every 100 ms");
}

fn kept_some(stage: &Stage) -> u64 {
    status_if_any(&stage.data())["records"].as_u64().unwrap_or(0)
}

#[test]
fn each_state_has_its_own_name() {
    for (account, cause) in
        [(Account::Overdue, "overdue"), (Account::NotOpened, "not_entitled"), (Account::Gone, "source_gone")]
    {
        let stage = Stage::with_logstore(1, &Load { events: 100, seed: 52, ..Load::default() });
        stage.cloud.sls.set_account(PROJECT, account);
        let config = stage.config(&stage.sls("events", &["poll_interval_ms: 100"]), "");
        let _process = Background::start(&config, &[]);
        until(cause, Duration::from_secs(30), || paused(&stage, "events")["cause"] == cause);
        let dies = paused(&stage, "events")["data_dies_at"].is_string();
        assert_eq!(dies, account == Account::Overdue, "{account:?}");
    }
    let stage = Stage::with_bucket(&TrailLoad { events: 100, seed: 53, ..TrailLoad::default() });
    stage.cloud.oss.set_account(BUCKET, Account::Forbidden);
    let config = stage.config(&stage.oss("objects", &["poll_interval_secs: 1"]), "");
    let _process = Background::start(&config, &[]);
    until("overdue", Duration::from_secs(30), || paused(&stage, "objects")["cause"] == "overdue");
    assert!(paused(&stage, "objects")["data_dies_at"].is_string());
}

/// What doctor finds, as pairs of check and ailment.
fn found(config: &str, code: i32) -> Vec<(String, String)> {
    let (out, _) = run(&["doctor", "--config", config, "--format", "json"], code);
    let json: Value = serde_json::from_str(&out).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    json["findings"].as_array().unwrap().iter().map(|f| (text(&f["check"]), text(&f["ailment"]))).collect()
}

#[test]
fn doctor_tells_what_is_wrong_and_nothing_else() {
    let stage = Stage::with_logstore(1, &Load { events: 100, seed: 54, arrived_secs: 60, ..Load::default() });
    stage.cloud.oss.create_bucket(BUCKET, super::stage::REGION);
    let both = |stage: &Stage| stage.sls("events", &[]) + &stage.oss("objects", &[]);
    let config = stage.config(&both(&stage), "logstore: {retention_days: 365}\n");
    let of = |found: Vec<(String, String)>| -> Vec<String> {
        let mut ailments: Vec<String> = found.into_iter().map(|(_, ailment)| ailment).collect();
        // This machine's disk is as it is, and the test's events are old.
        ailments.retain(|ailment| !matches!(ailment.as_str(), "disk_small" | "disk_full" | "silent" | "lagging"));
        ailments.sort();
        ailments.dedup();
        ailments
    };

    stage.put_key(&Key::temporary());
    assert_eq!(of(found_any(&config)), Vec::<String>::new());
    stage.put_key(&Key::reader());
    assert_eq!(of(found(&config, 1)), ["long_lived_key"]);
    stage.put_key(&Key::deleter());
    assert_eq!(of(found(&config, 1)), ["long_lived_key", "may_delete"]);
    assert_eq!(stage.cloud.sls.ids(PROJECT, LOGSTORE).len(), 1, "nothing was deleted");
    stage.put_key(&Key::unauthorised());
    assert_eq!(of(found(&config, 1)), ["long_lived_key", "no_right"]);
    stage.put_key(&Key { secret: "example-secret-of-nobody".to_owned(), ..Key::reader() });
    assert_eq!(of(found(&config, 1)), ["long_lived_key", "wrong_signature"]);

    stage.put_key(&Key::temporary());
    stage.cloud.sls.set_account(PROJECT, Account::Overdue);
    stage.cloud.oss.set_account(BUCKET, Account::Gone);
    assert_eq!(of(found(&config, 1)), ["overdue", "source_gone"]);
    stage.cloud.sls.set_account(PROJECT, Account::Active);
    stage.cloud.oss.set_account(BUCKET, Account::Active);

    let short = stage.config(&both(&stage), "logstore: {retention_days: 90}\n");
    assert_eq!(of(found(&short, 1)), ["short_retention"]);
    let nowhere = stage.sls("events", &["connection: {address: \"127.0.0.1:1\"}"]);
    let nowhere = stage.config(&nowhere, "logstore: {retention_days: 365}\n");
    assert_eq!(of(found(&nowhere, 1)), ["unreachable"]);
}

/// The same, whatever the exit code: a disk that is nearly full is this machine's matter.
fn found_any(config: &str) -> Vec<(String, String)> {
    let args = ["doctor", "--config", config, "--format", "json"];
    let output = crate::harness::innertrail(&args).output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    json["findings"].as_array().unwrap().iter().map(|f| (text(&f["check"]), text(&f["ailment"]))).collect()
}

#[test]
fn a_run_that_read_everything_is_not_silent_to_doctor() {
    let stage = Stage::with_logstore(1, &Load { events: 0, seed: 55, ..Load::default() });
    stage.cloud.sls.arrive(PROJECT, LOGSTORE, 10, 551);
    let config = stage.config(&stage.sls("events", &[]), "");
    assert!(found(&config, 1).contains(&("lag".to_owned(), "silent".to_owned())), "nothing was read yet");
    once(&config);
    assert!(!found_any(&config).contains(&("lag".to_owned(), "silent".to_owned())));
}
