//! Alertmanager's contract, as a double that keeps alerts by their labels as it does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use innertrail_notify::{Alert, Channel};
use serde_json::Value;

use crate::http_double::{Double, Reply, Seen};
use crate::support::{Clock, Given, T, alert, config, deliver, drive};

type Kept = Arc<Mutex<BTreeMap<String, (i64, i64, usize)>>>;

fn ms(value: &Value) -> i64 {
    chrono::DateTime::parse_from_rfc3339(value.as_str().unwrap()).unwrap().timestamp_millis()
}

/// Takes a request in; the alerts by their labels: start, end, how often.
fn receive(seen: &Seen, kept: &Kept) {
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/prefix/api/v2/alerts"));
    assert_eq!(seen.header("authorization"), Some("Bearer tok-en-1"));
    for alert in seen.json().as_array().unwrap() {
        let fields = alert.as_object().unwrap();
        assert!(
            fields
                .keys()
                .all(|k| ["labels", "annotations", "startsAt", "endsAt", "generatorURL"].contains(&k.as_str()))
        );
        let labels = alert["labels"].as_object().unwrap();
        assert!(labels["alertname"].as_str().is_some_and(|n| !n.is_empty()));
        for (name, value) in labels.iter().chain(alert["annotations"].as_object().unwrap()) {
            assert!(
                name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                    && !name.starts_with(|c: char| c.is_ascii_digit())
            );
            let value = value.as_str().unwrap();
            assert!(!value.is_empty() && !value.contains(['<', '>', '@', '\r', '\n']), "{name}: {value}");
        }
        let ends = ms(&alert["endsAt"]);
        let starts = alert.get("startsAt").map_or(0, ms);
        assert!(starts <= ends);
        let mut kept = kept.lock().unwrap();
        let entry = kept.entry(alert["labels"].to_string()).or_insert((starts, ends, 0));
        *entry = (entry.0, ends, entry.2 + 1);
    }
}

fn channel(url: &str, state: Option<innertrail_notify::State>, clock: &Clock) -> Channel {
    let json = format!(
        r#"{{"type":"alertmanager","url":"{url}/prefix/","authorization":{{"type":"environment","variable":"AUTH"}}}}"#
    );
    let given = Given(vec![("AUTH", "Bearer tok-en-1".to_owned())]);
    Channel::new("am", &config(&json), state, Box::new(given), clock.now()).unwrap()
}

fn scheduled(position: u64, fired: bool) -> Alert {
    Alert {
        alert: "feedfeedfeedfeed".to_owned(),
        fired,
        query: Some("a | SELECT 1".to_owned()),
        group: vec![("the region!".to_owned(), "cn-x".to_owned())],
        ..alert(position)
    }
}

#[test]
fn firing_alerts_come_again_each_minute_with_the_same_labels_and_end_once() {
    let (clock, kept) = (Clock::new(), Kept::default());
    let list = kept.clone();
    let server = Double::start(move |seen| {
        receive(seen, &list);
        Reply::ok("{}")
    });
    let mut first = channel(&server.url(""), None, &clock);
    let alerts = [alert(1), scheduled(2, true)];
    deliver(&mut first, &clock, &alerts);
    let until = clock.now() + 600_000;
    drive(&mut first, &clock, &alerts, |_| clock.now() >= until);
    let find =
        |part: &str| kept.lock().unwrap().iter().find(|(labels, _)| labels.contains(part)).map(|(_, v)| *v).unwrap();
    assert_eq!(kept.lock().unwrap().len(), 2, "labels never change");
    let (starts, ends, times) = find("feedfeed");
    assert_eq!(starts, T);
    assert!((10..=12).contains(&times) && ends > clock.now() + 120_000, "{times} {ends}");
    assert!(find("0000000000000001").1 - T >= 900_000, "one over a single record has its end from the beginning");

    // A restart goes on; the end comes with the labels of the beginning, although the rule has another title by now.
    let mut second = channel(&server.url(""), Some(first.state()), &clock);
    let over = Alert { title: "Another title".to_owned(), time_us: clock.now() * 1000, ..scheduled(3, false) };
    deliver(&mut second, &clock, std::slice::from_ref(&over));
    let (_, ends, times) = find("feedfeed");
    assert!(ends <= clock.now() && kept.lock().unwrap().len() == 2);
    let report = drive(&mut second, &clock, &[over], |_| false);
    assert_eq!((find("feedfeed").2, report.firing > 1), (times, false), "resolved once, and nothing fires for ever");
    assert_eq!(report.next_ms, None);
    server.check();
}

#[test]
fn many_alerts_are_many_requests_and_a_failing_one_is_repeated() {
    let (clock, kept) = (Clock::new(), Kept::default());
    let list = kept.clone();
    let mut count = 0;
    let server = Double::start(move |seen| {
        count += 1;
        if count % 2 == 1 {
            return Reply::status(503);
        }
        receive(seen, &list);
        Reply::ok("{}")
    });
    let mut channel = channel(&server.url(""), None, &clock);
    let alerts: Vec<_> = (1..=700).map(alert).collect();
    let report = deliver(&mut channel, &clock, &alerts);
    assert_eq!((kept.lock().unwrap().len(), report.told), (700, 700));
    server.check();
}
