//! The main path of Log Service: every signature, every compression, begin and end and time, split and merge, stop.

use std::time::Duration;

use innertrail_test_cloud::fault::{Fault, Op};
use innertrail_test_cloud::{Load, schedule::Planned};

use super::stage::{Background, LOGSTORE, PROJECT, Stage, assert_exactly, kept, once, until};
use crate::harness::{query, status};

#[test]
fn every_signature_and_compression_brings_the_same_events() {
    let stage = Stage::with_logstore(2, &Load { events: 3_000, seed: 11, ..Load::default() });
    let variants = [("v4", "lz4"), ("v4", "zstd"), ("v1", "lz4"), ("v1", "none")];
    for (place, (signature, compression)) in variants.into_iter().enumerate() {
        let options = [format!("signature: {signature}"), format!("compression: {compression}")];
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let data = format!("data-{place}");
        let config = stage.config_in(&data, &stage.sls("events", &options), "");
        once(&config);
        let data = stage.dir.path().join(data);
        assert_exactly(&data, &stage.arrived());
        let status = status(&data);
        assert_eq!(
            (&status["conserved"], &status["sources"]["events"]["state"]["state"]),
            (&true.into(), &"finished".into())
        );
        assert!(status["sources"]["events"]["requests"].as_u64().unwrap() > 2, "{status}");
        assert!(status["sources"]["events"]["lag_seconds"].is_i64(), "{status}");
    }
    let versions = stage.cloud.sls.versions();
    assert!(versions["v1"] > 0 && versions["v4"] > 0, "{versions:?}");
}

#[test]
fn a_second_run_goes_on_where_the_first_stopped() {
    let stage = Stage::with_logstore(2, &Load { events: 1_000, seed: 12, ..Load::default() });
    let config = stage.config(&stage.sls("events", &[]), "");
    once(&config);
    let pulls = stage.cloud.sls.requests()[&Op::PullLogs];
    stage.cloud.sls.arrive(PROJECT, LOGSTORE, 50, 121);
    once(&config);
    assert_exactly(&stage.data(), &stage.arrived());
    let status = status(&stage.data());
    assert_eq!(status["duplicates"], 0, "nothing was read twice: {status}");
    assert!(stage.cloud.sls.requests()[&Op::PullLogs] > pulls);
}

#[test]
fn it_begins_where_it_is_told() {
    let stage = Stage::with_logstore(1, &Load { events: 500, seed: 13, ..Load::default() });
    let config = stage.config(&stage.sls("events", &["from: end", "poll_interval_ms: 50"]), "");
    let run = Background::start(&config, &[]);
    until("the shard's end is known", Duration::from_secs(60), || {
        stage.cloud.sls.requests().get(&Op::PullLogs).is_some_and(|pulls| *pulls > 2)
    });
    let new: std::collections::BTreeSet<String> =
        stage.cloud.sls.arrive(PROJECT, LOGSTORE, 20, 131).into_iter().collect();
    until("the new events", Duration::from_secs(60), || kept(&stage.data()).len() >= new.len());
    run.stop();
    assert_exactly(&stage.data(), &new);

    let later = stage.config_in("later", &stage.sls("events", &["from: \"2099-01-01T00:00:00Z\""]), "");
    once(&later);
    assert_eq!(kept(&stage.dir.path().join("later")).len(), 0);
}

#[test]
fn shards_that_split_and_merge_lose_nothing() {
    let stage = Stage::with_logstore(2, &Load { events: 2_000, seed: 14, ..Load::default() });
    let config = stage.config(&stage.sls("events", &["poll_interval_ms: 50", "shard_refresh_secs: 1", "count: 2"]), "");
    let run = Background::start(&config, &[]);
    until("it reads", Duration::from_secs(60), || {
        stage.cloud.sls.requests().get(&Op::PullLogs).is_some_and(|pulls| *pulls > 2)
    });
    let halves = stage.cloud.sls.split(PROJECT, LOGSTORE, 0).unwrap();
    stage.cloud.sls.fill(PROJECT, LOGSTORE, &Load { events: 600, seed: 141, ..Load::default() });
    stage.cloud.sls.merge(PROJECT, LOGSTORE, halves[0]).unwrap();
    stage.cloud.sls.fill(PROJECT, LOGSTORE, &Load { events: 400, seed: 142, ..Load::default() });
    let all = stage.arrived();
    until("all events of all shards", Duration::from_secs(90), || kept(&stage.data()).len() >= all.len());
    let (took, code) = run.stop();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_exactly(&stage.data(), &all);
}

/// The story: a cursor that has expired was replaced by the oldest one there is, and nobody ever knew of the hole.
#[test]
fn what_expired_before_it_was_read_is_a_gap_in_the_journal() {
    let stage = Stage::with_logstore(1, &Load { events: 1_000, seed: 15, ..Load::default() });
    let config = stage.config(&stage.sls("events", &["count: 1"]), "");
    once(&config);
    let before = stage.arrived();
    stage.cloud.sls.fill(PROJECT, LOGSTORE, &Load { events: 1_000, seed: 151, ..Load::default() });
    let (_, end) = stage.cloud.sls.kept_groups(PROJECT, LOGSTORE)[&0];
    let lost = stage.cloud.sls.expire_shard(PROJECT, LOGSTORE, 0, end - 4);
    assert!(lost > 0);
    once(&config);
    let status = status(&stage.data());
    assert_eq!(status["sources"]["events"]["gaps"], 1, "{status}");
    let journal = query(&stage.data(), "journal", "SELECT eventName FROM log WHERE eventName = 'gap'");
    assert_eq!(journal.as_array().unwrap().len(), 1);
    let all = stage.cloud.sls.ids(PROJECT, LOGSTORE).remove(&0).unwrap();
    let mut expected = before;
    expected.extend(all[all.len() - 400..].iter().cloned());
    assert_exactly(&stage.data(), &expected);

    let day = "2026-01-01";
    let (out, _) = crate::harness::run(
        &["reconcile", "--data-dir", stage.data().to_str().unwrap(), "--from", day, "--to", "2099-01-01"],
        1,
    );
    assert!(out.contains("GAP") && out.contains("NOT complete"), "{out}");
}

#[test]
fn a_stop_is_prompt_while_an_answer_drips() {
    let stage = Stage::with_logstore(1, &Load { events: 500, seed: 16, ..Load::default() });
    let drip = Fault::Drip { bytes: 1, pause_ms: 500, pieces: 1000 };
    stage.cloud.sls.faults().plan([Planned { after: 0, on: Some(Op::PullLogs), times: 1, fault: drip }]);
    let config = stage.config(&stage.sls("events", &[]), "");
    let run = Background::start(&config, &[]);
    until("the drip has begun", Duration::from_secs(60), || !stage.cloud.sls.faults().fired().is_empty());
    let (took, code) = run.stop();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
    once(&config);
    assert_exactly(&stage.data(), &stage.arrived());
}
