//! An agent that is away, one that refuses a record for good, and records longer than it takes: the source goes on, and
//! nothing is dropped or cut.

use std::io::Write;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use innertrail_test_agents::double::Listener;
use innertrail_test_agents::http_double::request;
use innertrail_test_agents::otlp_double::{Mood, Receiver};
use innertrail_test_agents::{http_double, ledger};
use serde_json::Value;

use super::oracle::judge;
use super::scene::{Scene, free_port, stop};
use crate::harness::{event, query, status};

const DELIVERY: &str = "    delivery:\n      max_records: 20\n      retry_max_secs: 1\n";

fn log_rows(scene: &Scene) -> u64 {
    if !scene.data().join("sinks.json").is_file() {
        return 0;
    }
    query(&scene.data(), "log", "SELECT count(*) AS c FROM log")[0]["c"].as_u64().unwrap()
}

fn said(scene: &Scene) -> Value {
    status(&scene.data())["sinks"]["agent"].clone()
}

#[test]
fn an_agent_that_is_away_is_waited_for_and_said_to_be() {
    let port = free_port();
    let at = SocketAddr::from(([127, 0, 0, 1], port));
    let mut scene = Scene::new(&(format!("    type: http\n    endpoint: http://{at}/in\n") + DELIVERY));
    let running = scene.run(Stdio::null());
    scene.arrive(300);
    scene.wait_for("the source to go on", || log_rows(&scene) == 300);
    scene.wait_for("the sink to wait", || said(&scene)["state"] == "waiting" && said(&scene)["behind"] == 300);
    let (first, told) = (said(&scene), scene.told());
    assert!(first["why"].as_str().is_some_and(|why| !why.is_empty()), "{first}");
    scene.arrive(300);
    scene.wait_for("the source to go on", || log_rows(&scene) == 600);
    scene.wait_for("the news", || said(&scene)["behind"] == 600);
    let second = said(&scene);
    assert_eq!((&second["position"], &second["since_us"]), (&first["position"], &first["since_us"]), "{second}");
    assert_eq!(second["position"], 0);
    assert_eq!(second["parked"], 0);
    let errors = second["errors"].as_object().unwrap();
    assert_eq!(errors.keys().collect::<Vec<_>>(), ["connection_failed"], "nobody listened: {second}");
    assert!(scene.told().contains("agent"), "nobody is told: {told}");
    let agent = scene.double("http", port);
    scene.wait_for("all of it", || ledger::read(&scene.ledger()).len() >= 600);
    scene.wait_for("the state", || said(&scene)["state"] == "caught_up");
    stop(running);
    assert_eq!(judge(&scene.data(), scene.sent, &ledger::read(&scene.ledger())).duplicated, 0);
    drop(agent);
}

/// What quarantine holds of undelivered records: payload and detail.
fn undeliverable(scene: &Scene) -> Vec<Value> {
    let sql = "SELECT raw AS event, it_quarantine_detail AS why FROM log WHERE it_quarantine_reason = 'undeliverable'";
    query(&scene.data(), "quarantine", sql).as_array().unwrap().clone()
}

fn journal(scene: &Scene) -> String {
    query(&scene.data(), "journal", "SELECT event FROM log ORDER BY it_seq").to_string()
}

#[test]
fn a_batch_that_is_refused_is_halved_until_the_culprit_stands_alone() {
    let (got, refused) = (Arc::<Mutex<Vec<Value>>>::default(), Arc::<Mutex<usize>>::default());
    let (to, count) = (Arc::clone(&got), Arc::clone(&refused));
    let server = Listener::start(move |mut stream, _, _| {
        while let Ok(body) = request(&stream) {
            let records = http_double::events(&body);
            let culprit = records.iter().any(|record| record["event"].as_str().unwrap().contains("\"poison\""));
            let status = if culprit { "400 Bad Request" } else { "200 OK" };
            if culprit {
                *count.lock().unwrap() += 1;
            } else {
                to.lock().unwrap().extend(records);
            }
            if write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").is_err() {
                return;
            }
        }
    });
    let sink = format!("    type: http\n    endpoint: http://{}/in\n", server.address());
    let mut scene = Scene::new(&(sink + DELIVERY));
    let poison = event(33, ",\"word\":\"poison\"");
    let line = |id: usize| if id == 33 { poison.clone() } else { event(id, "") };
    scene.arrive_text(&(1..=100).map(|id| line(id) + "\n").collect::<String>());
    let running = scene.run(Stdio::null());
    scene.wait_for("the others", || got.lock().unwrap().len() >= 99);
    stop(running);
    let events: Vec<String> =
        got.lock().unwrap().iter().map(|record| record["event"].as_str().unwrap().to_owned()).collect();
    assert_eq!(events, (1..=100).filter(|id| *id != 33).map(line).collect::<Vec<_>>(), "the neighbours, in order");
    let kept = undeliverable(&scene);
    assert_eq!((kept.len(), kept[0]["event"].as_str().unwrap()), (1, poison.as_str()));
    assert!(kept[0]["why"].as_str().unwrap().contains("sink agent"), "{kept:?}");
    assert!(journal(&scene).contains("undeliverable"), "{}", journal(&scene));
    // Twenty records halved once: 20, 10, 5, 3, 2, 1.
    assert!(*refused.lock().unwrap() <= 6, "{} requests for one culprit", refused.lock().unwrap());
    let told = status(&scene.data())["sinks"]["agent"].clone();
    assert_eq!(told["parked"], 1);
    // Neither is silent, and that a batch was halved is no failure.
    let log = scene.told();
    let line = log.lines().find(|line| line.contains("Events dropped")).unwrap_or_else(|| panic!("{log}"));
    assert!(line.starts_with("error: sink agent: Events dropped count=1 intentional=false reason="), "{line}");
    assert!(line.contains("400"), "{line}");
    assert_eq!(told["errors"], serde_json::json!({ "request_failed": 1 }), "{told:#}");
}

/// LoongCollector takes 64 KiB: what is longer goes alone, and whole, or lies in quarantine, whole.
#[test]
fn what_is_too_long_is_never_cut() {
    let receiver = Receiver::start(Mood::Limit(64 << 10));
    let sink =
        format!("    type: otlp\n    endpoint: {}\n    profile: loongcollector\n    gzip: false\n", receiver.url());
    let mut scene = Scene::new(&(sink + DELIVERY));
    let long = |id: usize, bytes: usize| event(id, &format!(",\"filler\":\"{}\"", "x".repeat(bytes)));
    let line = |id: usize| match id {
        10 => long(id, 20_000),
        20 => long(id, 100_000),
        _ => event(id, ""),
    };
    scene.arrive_text(&(1..=30).map(|id| line(id) + "\n").collect::<String>());
    let running = scene.run(Stdio::null());
    let got = || -> Vec<Value> {
        receiver.seen.lock().unwrap().iter().flat_map(ledger::otlp_claims).map(|claim| claim["event"].clone()).collect()
    };
    scene.wait_for("the others", || got().len() >= 29);
    stop(running);
    assert_eq!(got(), (1..=30).filter(|id| *id != 20).map(line).collect::<Vec<_>>());
    let kept = undeliverable(&scene);
    assert_eq!((kept.len(), kept[0]["event"].as_str().unwrap()), (1, line(20).as_str()));
    assert!(journal(&scene).contains("undeliverable"));
}
