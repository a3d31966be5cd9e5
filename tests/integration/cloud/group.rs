//! A consumer group: two processes share the shards, and what one of them held moves when it is killed.

use std::collections::BTreeSet;
use std::time::Duration;

use innertrail_test_cloud::Load;

use super::stage::{Background, LOGSTORE, PROJECT, Stage, assert_exactly, kept, once, until};

const GROUP: [&str; 6] = [
    "consumer_group: innertrail",
    "heartbeat_secs: 1",
    "group_timeout_secs: 4",
    "poll_interval_ms: 50",
    "shard_refresh_secs: 1",
    "count: 10",
];

fn options(consumer: &str) -> Vec<String> {
    GROUP.iter().map(|line| (*line).to_owned()).chain([format!("consumer: {consumer}")]).collect()
}

fn config(stage: &Stage, consumer: &str) -> String {
    let options = options(consumer);
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    stage.config_in(consumer, &stage.sls("events", &options), "")
}

#[test]
fn one_process_reads_all_shards_through_its_group() {
    let stage = Stage::with_logstore(3, &Load { events: 1_500, seed: 41, ..Load::default() });
    once(&config(&stage, "alone"));
    assert_exactly(&stage.dir.path().join("alone"), &stage.arrived());
    let group = stage.cloud.sls.group(PROJECT, LOGSTORE, "innertrail").unwrap();
    assert_eq!(group.checkpoints.len(), 3, "each shard's position is at the service: {group:?}");
}

#[test]
fn killing_one_of_two_moves_its_shards_and_loses_nothing() {
    let stage = Stage::with_logstore(4, &Load { events: 2_000, seed: 42, ..Load::default() });
    let first = Background::start(&config(&stage, "first"), &[]);
    let second = Background::start(&config(&stage, "second"), &[]);
    let holders = || {
        let group = stage.cloud.sls.group(PROJECT, LOGSTORE, "innertrail");
        group.map(|group| group.holders).unwrap_or_default()
    };
    let held_by = |name: &str| holders().values().filter(|held| held.iter().any(|one| one == name)).count();
    until("both hold shards", Duration::from_secs(60), || held_by("first") > 0 && held_by("second") > 0);
    let shared = holders();
    assert!(shared.values().all(|held| held.len() <= 1), "nobody shares a shard: {shared:?}");
    first.kill();
    stage.cloud.sls.fill(PROJECT, LOGSTORE, &Load { events: 2_000, seed: 421, ..Load::default() });
    // The group's timeout, and as much again for a busy machine.
    let moved = until("all shards are the second's", Duration::from_secs(30), || held_by("second") == 4);
    let data = |name: &str| stage.dir.path().join(name);
    let all = stage.arrived();
    let together =
        || -> BTreeSet<String> { kept(&data("first")).into_keys().chain(kept(&data("second")).into_keys()).collect() };
    until("no event is missing", Duration::from_secs(60), || together().len() >= all.len());
    let (_, code) = second.stop();
    assert_eq!(code, Some(0));
    assert_eq!(together(), all);
    println!("the shards of a killed process moved within {moved:?} (timeout 4 s)");
}
