//! Alerts beside a run: they arrive, in time, once; over restarts, late, and with rules that are switched off.

use std::thread;
use std::time::Duration;

use serde_json::json;

use super::scene::{RULES, Scene, did, ids, of};
use crate::harness::{query, run, status};
use crate::metrics::Serving;

/// Events whose way is measured.
const MEASURED: usize = 120;

/// From the moment a record is handed to the disk until its alert is: the journal has both times.
#[test]
fn an_alert_is_in_the_journal_soon_after_its_record_arrived() {
    let scene = Scene::new(RULES);
    let config = scene.config("", "");
    let going = scene.start(&config);
    going.until_log("rules and 0 scheduled ones are evaluated");
    for batch in 0..MEASURED / 6 {
        scene.append("a", (0..6).map(|n| did(batch * 6 + n, "DeleteBucket", "alice", batch)));
        thread::sleep(Duration::from_millis(230));
    }
    let told = scene.until(MEASURED);
    assert_eq!(ids(&told).len(), MEASURED);
    going.end();
    let sql = "SELECT it_seq AS seq, CAST(it_received AS BIGINT) AS at FROM log";
    let received = |store: &str| {
        let rows = query(&scene.data(), store, sql);
        let rows =
            rows.as_array().unwrap().iter().map(|row| (row["seq"].as_u64().unwrap(), row["at"].as_i64().unwrap()));
        rows.collect::<std::collections::BTreeMap<u64, i64>>()
    };
    let (records, entries) = (received("log"), received("journal"));
    let mut took: Vec<i64> = told
        .iter()
        .map(|alert| entries[&alert["entry"].as_u64().unwrap()] - records[&alert["seq"].as_u64().unwrap()])
        .collect();
    took.sort_unstable();
    let at = |share: usize| took[(took.len() - 1) * share / 100] / 1000;
    println!(
        "record to alert over {} events: median {} ms, p99 {} ms, most {} ms",
        took.len(),
        at(50),
        at(99),
        at(100)
    );
    assert!(at(99) < 2_000, "{took:?}");
}

#[test]
fn members_of_an_entry_are_what_others_build_on() {
    let scene = Scene::new(RULES);
    let config = scene.config("", "");
    scene.add("a", [did(1, "DeleteBucket", "al\\u001b[2Jice", 5)]);
    scene.add("b", (2..6).map(|id| did(id, "DeleteObject", "bob", id)));
    scene.once(&config);
    let told = scene.told();
    let single = of(&told, "mine")[0];
    for (member, value) in [
        ("fired", json!(true)),
        ("version", json!(1)),
        ("title", json!("A bucket was deleted")),
        ("level", json!("high")),
        ("severity", json!(8)),
        ("store", json!("log")),
        ("event_id", json!(format!("{:024X}", 1))),
        ("event_time", json!("2026-11-05T08:00:05Z")),
        ("actor", json!("ram-user:al\u{1b}[2Jice")),
        ("event_name", json!("DeleteBucket")),
    ] {
        assert_eq!(single[member], value, "{member}: {single:#}");
    }
    assert!(single["resource"].as_str().unwrap().contains("synthetic-bucket") && single["seq"].is_u64(), "{single:#}");
    let counted = of(&told, "counted")[0];
    assert_eq!(counted["key"], json!([["userIdentity.userName", "bob"]]));
    assert_eq!(counted["window"], json!(["2026-11-05T07:00:06Z", "2026-11-05T08:00:05Z"]));
    // Nothing of a record steers a terminal.
    let data = scene.data();
    let (text, _) = run(&["alerts", "fired", "--data-dir", data.to_str().unwrap()], 0);
    assert!(text.contains("2 entries") && text.contains("high") && !text.contains('\u{1b}'), "{text:?}");
    let (text, _) = run(&["alerts", "fired", "--data-dir", data.to_str().unwrap(), "--rule", "counted"], 0);
    assert!(text.contains("userIdentity.userName=bob") && text.contains("1 entries"), "{text}");
    let (text, _) = run(&["alerts", "fired", "--data-dir", data.to_str().unwrap(), "--since", "2099-01-01"], 0);
    assert_eq!(text, "0 entries\n");
    // And a status that shows it.
    let status = status(&data);
    assert_eq!(status["alerts"]["counts"]["fired"], json!({ "critical": 1, "high": 1 }));
    assert_eq!(status["alerts"]["state"], "stopped");
    let (text, _) = run(&["status", "--data-dir", data.to_str().unwrap()], 0);
    assert!(text.contains("  fired               2: 1 critical, 1 high; 0 over"), "{text}");
    run(&["verify", "--data-dir", data.to_str().unwrap()], 0);
}

#[test]
fn explain_names_the_rules_that_fire_what_was_told_and_the_proof() {
    let scene = Scene::new(RULES);
    let config = scene.config("", "");
    scene.add("a", [did(1, "DeleteBucket", "al\\u001b[2Jice", 5)]);
    scene.once(&config);
    let told = scene.told();
    let data = scene.data();
    let (data, id) = (data.to_str().unwrap(), format!("{:024X}", 1));
    let (text, _) = run(&["explain", "--data-dir", data, "--config", &config, &id], 0);
    assert!(text.contains("  fires    high          mine: A bucket was deleted\n"), "{text}");
    let alert = told[0]["alert"].as_str().unwrap();
    assert!(text.contains(&format!(" mine as {alert}, journal {}\n", told[0]["entry"])), "{text}");
    assert!(text.contains("proof\n  c2sp.org/tlog-proof@v1\n  index 0\n") && !text.contains('\u{1b}'), "{text}");
    let (json, _) = run(&["explain", "--data-dir", data, "--config", &config, "--format", "json", &id], 0);
    let whole: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&whole["rules"][0]["rule"], &whole["rules"][0]["matched"]), (&json!("mine"), &json!(true)));
    assert_eq!((whole["alerts"].as_array().unwrap().len(), &whole["alerts"][0]["alert"]), (1, &json!(alert)));
    let (proof, _) = run(&["proof", "--data-dir", data, &id], 0);
    assert_eq!(whole["proof"].as_str().unwrap().trim_end(), proof.trim_end());
    // Without a configuration it is held against the rules that are built in.
    let (text, _) = run(&["explain", "--data-dir", data, &id], 0);
    assert!(text.contains(" oss-bucket-deleted: ") && !text.contains(" mine: "), "{text}");
}

/// A window that begins in one life of the process and is full in the next.
#[test]
fn a_correlation_counts_over_a_restart_and_what_is_late_fires_once() {
    let scene = Scene::new(RULES);
    let config = scene.config("", "");
    scene.add("a", (0..3).map(|id| did(id, "DeleteObject", "alice", 600 + id)));
    scene.once(&config);
    assert!(scene.told().is_empty());
    // The fourth arrives after the restart, and happened before the others.
    scene.add("b", [did(3, "DeleteObject", "alice", 10), did(4, "DeleteBucket", "alice", 5)]);
    scene.once(&config);
    let told = scene.told();
    assert_eq!((of(&told, "counted").len(), of(&told, "mine").len()), (1, 1), "{told:#?}");
    // More of the same within the same hour tells nothing.
    scene.add("c", (10..20).map(|id| did(id, "DeleteObject", "alice", 700 + id)));
    scene.once(&config);
    assert_eq!(scene.told(), told);
    // So late that it is not counted: that is told.
    scene.add("d", [did(30, "PutBucketAcl", "alice", 0), did(31, "DeleteObject", "bob", 9_000)]);
    scene.add("e", [did(32, "DeleteObject", "bob", 1)]);
    scene.once(&config);
    assert_eq!(scene.told(), told);
    assert_eq!(status(&scene.data())["alerts"]["late"], 1);
    assert_eq!(scene.backtest(&config), ids(&told));
}

#[test]
fn a_rule_is_switched_off_and_its_part_goes_on_counting() {
    let scene = Scene::new(RULES);
    let config = scene.config("  disable: [mine, counted-part, no-such-rule]\n", "");
    scene.add("a", (0..4).map(|id| did(id, "DeleteObject", "alice", id)).chain([did(9, "DeleteBucket", "alice", 5)]));
    let log = scene.once(&config);
    let told = scene.told();
    assert_eq!((of(&told, "counted").len(), told.len()), (1, 1), "{told:#?}");
    assert!(log.contains("there is no rule `no-such-rule` to disable"), "{log}");
    assert_eq!(status(&scene.data())["alerts"]["disabled"], 2);
    let (list, _) = run(&["alerts", "list", "--config", &config], 2);
    assert!(list.contains("A bucket was deleted (switched off)"), "{list}");
}

#[test]
fn without_the_section_nothing_is_evaluated() {
    let scene = Scene::new(RULES);
    let config = scene.config("", "");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.split("alerts:").next().unwrap()).unwrap();
    scene.add("a", [did(9, "DeleteBucket", "alice", 5)]);
    scene.once(&config);
    assert!(scene.told().is_empty() && status(&scene.data()).get("alerts").is_none());
    let (_, error) = run(&["alerts", "list", "--config", &config], 2);
    assert!(error.contains("there is no `alerts:`"), "{error}");
}

/// The story: a Logstore of years got its first rules, and the duty officer an alert for every deletion since.
#[test]
fn an_old_logstore_is_looked_at_from_its_end_unless_its_beginning_is_asked_for() {
    let scene = Scene::new(RULES);
    let config = scene.config("", "");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.split("alerts:").next().unwrap()).unwrap();
    scene.add("a", (0..5).map(|id| did(id, "DeleteBucket", "alice", id)));
    scene.once(&config);
    std::fs::write(&config, &text).unwrap();
    scene.add("b", [did(9, "DeleteBucket", "alice", 50)]);
    let log = scene.once(&config);
    assert!(log.contains("5 records that were there before: evaluation begins behind them"), "{log}");
    assert_eq!(scene.told().len(), 1);
    // Another one from the beginning.
    let all = Scene::new(RULES);
    let config = all.config("  from: beginning\n", "");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.split("alerts:").next().unwrap()).unwrap();
    all.add("a", (0..5).map(|id| did(id, "DeleteBucket", "alice", id)));
    all.once(&config);
    std::fs::write(&config, &text).unwrap();
    all.once(&config);
    assert_eq!(ids(&all.told()).len(), 5);
}

/// The story: a rule on the journal fired on the entry that told of its own firing, and filled the disk.
#[test]
fn a_rule_on_the_journal_does_not_see_alerts() {
    let any = "title: Any entry\nname: any\nlogsource: { product: alibaba, service: innertrail }\n\
               detection: { s: { kind|exists: true }, condition: s }\n";
    let scene = Scene::new(any);
    let config = scene.config("", "");
    scene.add("a", [did(1, "PutBucketAcl", "alice", 5)]);
    scene.once(&config);
    let first = scene.told();
    assert!(first.iter().all(|alert| alert["store"] == "journal" && alert["event_name"] == "enabled"), "{first:#?}");
    assert_eq!(first.len(), 1);
    for _ in 0..2 {
        scene.once(&config);
    }
    assert_eq!(ids(&scene.told()), ids(&first));
    assert_eq!(scene.backtest(&config), ids(&first));
}

#[test]
fn metrics_count_what_fired() {
    let scene = Scene::new(RULES);
    let config = scene.config("", "metrics: {listen: \"127.0.0.1:0\"}\n");
    scene.rule("broken.yml", "title: x\n");
    scene.add("a", [did(9, "DeleteBucket", "alice", 5)]);
    let serving = Serving::start(&config);
    serving.until("innertrail_alerts_fired_total{level=\"high\"}", 1.0);
    let scrape = serving.until("innertrail_alerts_behind_records", 0.0);
    for (series, value) in [
        ("innertrail_alert_rules{state=\"loaded\"}", 2.0),
        ("innertrail_alert_rules{state=\"broken\"}", 1.0),
        ("innertrail_alerts_state{state=\"caught_up\"}", 1.0),
        ("innertrail_scheduled_rules_failed_total", 0.0),
    ] {
        assert_eq!(scrape.series.get(series), Some(&value), "{series}: {:#?}", scrape.series);
    }
}
