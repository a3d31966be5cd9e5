//! Scheduled rules beside a run: they fire, are silent, recover, go on after a kill; and those of the pack ask what can be asked.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use innertrail_alerts::Bundle;

use super::scene::{Scene, did, ids, of};
use crate::harness::{run, status};

const MANY: &str = "title: Many
name: many
schedule: { every: 1s }
query: 'eventName: DeleteObject | SELECT it_actor, count(*) AS n FROM log GROUP BY it_actor'
window: 12s
group: [it_actor]
trigger: n >= 3
severity:
  - { when: n >= 1000, level: critical }
silence: 1h
recovery: true
level: high
";

/// An event of now, or of some seconds ago.
fn now(id: usize, name: &str, user: &str, ago: i64) -> String {
    let time = chrono::Utc::now() - chrono::Duration::seconds(ago);
    let text = did(id, name, user, 0);
    text.replace("2026-11-05T08:00:00Z", &time.format("%Y-%m-%dT%H:%M:%SZ").to_string())
}

#[test]
fn it_fires_is_silent_survives_a_kill_and_recovers() {
    let scene = Scene::new(MANY);
    scene.rule("bad.yml", &MANY.replace("name: many", "name: bad").replace("count(*) AS n", "cuont(*) AS n"));
    scene.rule("other.yml", &MANY.replace("name: many", "name: other").replace("n >= 3", "m >= 3"));
    let config = scene.config("", "");
    let going = scene.start(&config);
    going.until_log("0 rules and 3 scheduled ones are evaluated");
    scene.add("a", (0..4).map(|id| now(id, "DeleteObject", "alice", 0)).chain([now(9, "DeleteObject", "bob", 0)]));
    let told = scene.until(1);
    let fired = of(&told, "many")[0].clone();
    assert_eq!((&fired["level"], &fired["store"], &fired["seq"]), (&"high".into(), &"log".into(), &().into()));
    assert_eq!(fired["group"], serde_json::json!([["it_actor", "ram-user:alice"]]));
    assert_eq!(fired["value"], serde_json::json!([["it_actor", "ram-user:alice"], ["n", "4"]]));
    assert!(fired["query"].as_str().unwrap().starts_with("eventName: DeleteObject |"), "{fired:#}");
    // What cannot be asked is named with its place, and stops nothing.
    going.until_log("rule bad cannot be evaluated; the others are: ");
    going.until_log("rules/bad.yml:4:8: ");
    going.until_log("the result has no column `m`");
    // Killed and started again while it goes on: not told again.
    going.kill();
    let going = scene.start(&config);
    let told = scene.until(2);
    assert_eq!(told.len(), 2, "{told:#?}");
    assert_eq!((&told[1]["fired"], &told[1]["alert"]), (&false.into(), &fired["alert"]));
    assert!(told[1]["why"].as_str().unwrap().contains("does not trigger any more"));
    // Within its silence nothing more is told, though it triggers again.
    scene.add("b", (20..30).map(|id| now(id, "DeleteObject", "alice", 0)));
    thread::sleep(Duration::from_secs(4));
    assert_eq!(scene.told(), told);
    let said = status(&scene.data())["alerts"].clone();
    assert!(said["failing"].get("bad").is_some() && said["failing"].get("many").is_none(), "{said:#}");
    assert!(said["counts"]["failed_runs"].as_u64().unwrap() > 1, "{said:#}");
    going.end();
    // A rule that is not there any more leaves no alert open: this one was over already.
    scene.rule("own.yml", &MANY.replace("window: 12s", "window: 1h").replace("silence: 1h", "silence: 1s"));
    let going = scene.start(&config);
    let told = scene.until(3);
    assert_eq!(told[2]["fired"], true, "{told:#?}");
    going.end();
    scene.rule("own.yml", &MANY.replace("name: many", "name: another").replace("n >= 3", "n >= 3000"));
    let going = scene.start(&config);
    let until = std::time::Instant::now();
    let over = loop {
        let told = scene.told();
        if let Some(over) = told.iter().skip(3).find(|alert| alert["fired"] == false) {
            break over.clone();
        }
        assert!(until.elapsed() < super::scene::PATIENCE, "{told:#?}");
        thread::sleep(Duration::from_millis(100));
    };
    assert_eq!(over["why"], "its rule is not there any more");
    going.end();
    ids(&scene.told());
}

/// What was due while nothing ran is run once, late.
#[test]
fn a_run_that_was_missed_is_made_up_for() {
    let quiet = "title: Quiet\nname: quiet\nschedule: { every: 3s }\nquery: '* | SELECT count(*) AS n FROM log'\n\
                 window: 1h\ntrigger: n >= 2\n";
    let scene = Scene::new(quiet);
    let config = scene.config("", "");
    scene.add("a", [now(1, "PutBucketAcl", "alice", 0)]);
    scene.once(&config);
    assert!(scene.told().is_empty());
    scene.add("b", [now(2, "PutBucketAcl", "alice", 0)]);
    thread::sleep(Duration::from_secs(4));
    // `--once` ends as soon as everything is looked at: what was due is.
    scene.once(&config);
    let told = scene.told();
    if told.is_empty() {
        // It was asked before the source was read; it is due again.
        thread::sleep(Duration::from_secs(4));
        scene.once(&config);
    }
    let told = scene.told();
    assert_eq!((told.len(), &told[0]["value"]), (1, &serde_json::json!([["n", "2"]])), "{told:#?}");
    scene.once(&config);
    assert_eq!(scene.told(), told);
}

/// The rules of the pack with another schedule: each can be asked, and fires on what it is about.
#[test]
fn the_scheduled_rules_of_the_pack_fire_on_what_they_are_about() {
    let scene = Scene::new(
        "title: None\nlogsource: { product: alibaba }\ndetection: { s: { eventName: None }, condition: s }\n",
    );
    let bundle = Bundle::built_in();
    let mut names = BTreeSet::new();
    for (file, text) in bundle.rules().into_iter().filter(|(file, _)| file.contains("/scheduled/")) {
        let soon = |line: &str| match line.split(':').next().unwrap() {
            "schedule" => "schedule: { every: 1s }\n".to_owned(),
            "delay" => String::new(),
            _ => format!("{line}\n"),
        };
        let name = file.rsplit('/').next().unwrap();
        scene.rule(name, &text.lines().map(soon).collect::<String>());
        names.insert(name.trim_end_matches(".yml").to_owned());
    }
    let config = scene.config("", "");
    let going = scene.start(&config);
    let told = scene.until(1);
    assert_eq!(told[0]["rule"], "oss-trail-silent", "{told:#?}");
    let address =
        |text: String, id: usize| text.replace(&format!("203.0.113.{}", id % 250), &format!("198.51.100.{}", id % 25));
    let deleted = (0..1_000).map(|id| address(now(id, "DeleteObject", "alice", 5), id));
    let refused = (2_000..2_060).map(|id| {
        now(id, "PutBucketAcl", "bob", 5)
            .replace("\"eventRW\":\"Write\"", "\"eventRW\":\"Write\",\"errorCode\":\"AccessDenied\"")
    });
    let time = (chrono::Utc::now() - chrono::Duration::seconds(5)).format("%Y-%m-%dT%H:%M:%SZ");
    let provider = format!(
        r#"{{"EmployeeID":"","EventID":"57894FE9-C476-4E3E-977D-588256861C8C","EventLevel":"NOTICE","EventLocation":"CN","EventMethod":"Regular Write","EventName":"Set Bucket Quota Limit","EventProduct":"OSS","EventTime":"{time}","EventType":"ALIYUN_INITIATED_SERVICE","EventVersion":"1.0.0","ResourceID":"example-ledger-07","ResourceOwnerID":"1000000000000001","ResourceRegionID":"cn-hangzhou","ResourceType":"ACS::OSS::Bucket"}}"#
    );
    scene.add("a", deleted.chain(refused).chain([provider]));
    let begun = std::time::Instant::now();
    loop {
        let told = scene.told();
        let fired: BTreeSet<String> =
            told.iter().filter(|a| a["fired"] == true).map(|a| a["rule"].as_str().unwrap().to_owned()).collect();
        let silent_over = told.iter().any(|a| a["fired"] == false && a["rule"] == "oss-trail-silent");
        if fired == names && silent_over {
            break;
        }
        assert!(begun.elapsed() < super::scene::PATIENCE, "{fired:?} of {names:?}: {told:#?}\n{}", going.log());
        thread::sleep(Duration::from_millis(200));
    }
    let said = status(&scene.data())["alerts"].clone();
    assert!(said.get("failing").is_none() && said["counts"]["failed_runs"] == 0, "{said:#}");
    going.end();
    // All alerts by actor are about those who did it.
    let told = scene.told();
    let actors = |rule: &str| of(&told, rule).iter().map(|a| a["group"][0][1].clone()).collect::<Vec<_>>();
    assert_eq!(actors("oss-deletions-by-actor"), ["ram-user:alice"]);
    assert_eq!(actors("oss-many-addresses"), ["ram-user:alice", "ram-user:bob"]);
    assert_eq!(actors("oss-refused-share"), ["ram-user:bob"]);
    let (list, _) = run(&["alerts", "list"], 0);
    for name in &names {
        assert!(list.contains(name), "{name} is not listed: {list}");
    }
    assert!(list.contains("5 of them scheduled"), "{list}");
}
