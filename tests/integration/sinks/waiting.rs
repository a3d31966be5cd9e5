//! An agent that is away for long: the journal says so once, over stops and kills of innertrail, people are told of it and of
//! its end, and nothing is lost.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use innertrail_test_agents::ledger;
use serde_json::Value;

use super::oracle::judge;
use super::scene::{Scene, free_port, stop};
use crate::alerts::channels::http_double::{Double, Reply};
use crate::harness::{query, run, status};

/// The rule of the pack.
const RULE: &str = include_str!("../../../alerts/packs/alibaba-cloud/rules/innertrail/innertrail-sink-waiting.yml");

fn entries(scene: &Scene, kind: &str) -> Vec<Value> {
    if !scene.data().join("sinks.json").is_file() {
        return Vec::new();
    }
    let rows = query(&scene.data(), "journal", "SELECT event FROM log ORDER BY it_seq");
    let events =
        rows.as_array().unwrap().iter().map(|row| serde_json::from_str(row["event"].as_str().unwrap()).unwrap());
    events.filter(|event: &Value| event["kind"] == kind).collect()
}

/// The story: an agent was down for a weekend. `status` showed it and the log had a line about it each ten minutes, but neither
/// the journal nor an alert, so `alerts.channels` told nobody.
#[test]
fn people_are_told_of_an_agent_that_is_away_and_when_it_is_back() {
    let told: Arc<Mutex<Vec<Value>>> = Arc::default();
    let list = Arc::clone(&told);
    let webhook = Double::start(move |seen| {
        list.lock().unwrap().extend(seen.json()["alerts"].as_array().unwrap().iter().cloned());
        Reply::status(204)
    });
    let port = free_port();
    let at = SocketAddr::from(([127, 0, 0, 1], port));
    let mut scene = Scene::new(&format!(
        "    type: http\n    endpoint: http://{at}/in\n    delivery:\n      max_records: 20\n      retry_max_secs: 1\n      \
         waiting_alert_secs: 2\nalerts:\n  pack: false\n  rules: [\"{{dir}}/rules\"]\n  channels:\n    ops:\n      type: webhook\n      \
         url: {{type: file, path: \"{{dir}}/url\"}}\n      delivery: {{collect_secs: 0}}\n"
    ));
    let folder = scene.dir.path().to_owned();
    let path = |name: &str| folder.join(name);
    fs::create_dir(path("rules")).unwrap();
    fs::write(path("rules/sinks.yml"), RULE).unwrap();
    fs::write(path("url"), webhook.url("/hook")).unwrap();
    fs::set_permissions(path("url"), fs::Permissions::from_mode(0o600)).unwrap();

    let running = scene.run(Stdio::null());
    scene.arrive(300);
    scene.wait_for("the entry", || entries(&scene, "sink_waiting").len() == 1);
    let first = entries(&scene, "sink_waiting").remove(0);
    assert_eq!((&first["sink"], &first["position"]), (&"agent".into(), &0.into()), "{first}");
    assert!(first["behind"].as_u64() > Some(0) && first["waited_secs"].as_u64() >= Some(2), "{first}");
    assert!(first["why"].as_str().is_some_and(|why| why.contains("127.0.0.1")), "{first}");
    scene.wait_for("the alert", || !told.lock().unwrap().is_empty());
    let fired = told.lock().unwrap()[0].clone();
    assert_eq!((&fired["state"], &fired["level"]), (&"fired".into(), &"high".into()), "{fired:#}");
    assert_eq!(fired["rule"]["id"], "innertrail-sink-waiting", "{fired:#}");
    assert_eq!(fired["group"][0]["value"], "agent", "{fired:#}");

    // Whoever asks is told as well, and what the protocol can promise.
    let config = path("innertrail.yaml");
    let (text, _) = run(&["doctor", "--offline", "--config", config.to_str().unwrap()], 1);
    assert!(text.contains("PROBLEM  sink agent (sinks): waiting since"), "{text}");
    assert!(text.contains("sink agent (http)") && text.contains("promise: at least once up to"), "{text}");

    // A stop, and a kill, with the receiver still away for longer than the time after which it is told.
    stop(running);
    for _ in 0..2 {
        let running = scene.run(Stdio::null());
        scene.wait_for("the sink to wait", || status(&scene.data())["sinks"]["agent"]["state"] == "waiting");
        thread::sleep(Duration::from_secs(4));
        drop(running);
    }
    assert_eq!(entries(&scene, "sink_waiting").len(), 1, "once a waiting period, not once a start");
    assert!(entries(&scene, "sink_resumed").is_empty());

    let running = scene.run(Stdio::null());
    let agent = scene.double("http", port);
    scene.wait_for("all of it", || ledger::read(&scene.ledger()).len() >= 300);
    scene.wait_for("the entry", || entries(&scene, "sink_resumed").len() == 1);
    let end = entries(&scene, "sink_resumed").remove(0);
    assert_eq!((&end["sink"], &end["since"]), (&first["sink"], &first["since"]), "{end}");
    scene.wait_for("the end of the alert", || told.lock().unwrap().len() >= 2);
    let over = told.lock().unwrap()[1].clone();
    assert_eq!((&over["state"], &over["id"]), (&"resolved".into(), &fired["id"]), "{over:#}");
    // What comes later comes at once, and nobody is told of it.
    scene.arrive(50);
    scene.wait_for("the rest", || ledger::read(&scene.ledger()).len() >= 350);
    thread::sleep(Duration::from_secs(3));
    stop(running);
    assert_eq!(told.lock().unwrap().len(), 2, "{:#?}", told.lock().unwrap());
    assert_eq!((entries(&scene, "sink_waiting").len(), entries(&scene, "sink_resumed").len()), (1, 1));
    assert_eq!(judge(&scene.data(), scene.sent, &ledger::read(&scene.ledger())).duplicated, 0);
    drop(agent);
}

/// Whoever takes a sink out of the configuration while its receiver is away would leave an alert that nothing ends.
#[test]
fn a_sink_that_is_not_configured_any_more_does_not_wait_for_ever() {
    let at = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let sink = format!(
        "    type: http\n    endpoint: http://{at}/in\n    delivery: {{retry_max_secs: 1, waiting_alert_secs: 1}}\n"
    );
    let mut scene = Scene::new(&sink);
    let running = scene.run(Stdio::null());
    scene.arrive(10);
    scene.wait_for("the entry", || entries(&scene, "sink_waiting").len() == 1);
    stop(running);
    let config = scene.dir.path().join("innertrail.yaml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.split("sinks:").next().unwrap()).unwrap();
    let running = scene.run(Stdio::null());
    scene.wait_for("the entry", || entries(&scene, "sink_resumed").len() == 1);
    stop(running);
    let end = entries(&scene, "sink_resumed").remove(0);
    assert!(end["why"].as_str().unwrap().contains("does not have this sink any more"), "{end}");
}
