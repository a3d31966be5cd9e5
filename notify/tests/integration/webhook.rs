//! The webhook's contract: method, path, signature, schema, ids, limits of time, redirects, TLS.

use std::sync::{Arc, Mutex};

use crate::http_double::{Double, Reply, Seen};
use crate::support::{Clock, KEY, T, alert, channel, deliver, drive, hmac_sha256};

/// Checks a request as a receiver would, and gives the ids of its alerts.
fn receive(seen: &Seen, now: i64) -> (String, Vec<String>) {
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/hook/secret-part?team=a"));
    assert_eq!(seen.header("content-type"), Some("application/json; charset=utf-8"));
    let timestamp = seen.header("x-innertrail-timestamp").unwrap();
    assert!((timestamp.parse::<i64>().unwrap() - now / 1000).abs() <= 1, "{timestamp}");
    let signed = [timestamp.as_bytes(), b".", &seen.body].concat();
    let mac: String = hmac_sha256(b"SECkey-for-tests", &signed).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(seen.header("x-innertrail-signature"), Some(format!("v1={mac}").as_str()));
    let body = seen.json();
    assert_eq!((body["version"].as_u64(), body["late"].as_bool()), (Some(1), Some(false)));
    assert_eq!(body["id"].as_str(), seen.header("x-innertrail-delivery"));
    let alerts = body["alerts"].as_array().unwrap();
    for alert in alerts {
        assert!(["fired", "resolved"].contains(&alert["state"].as_str().unwrap()));
        assert!(
            alert["position"].is_u64() && alert["rule"]["id"].is_string() && alert["event"]["name"] == "PutBucketAcl"
        );
    }
    let ids = alerts.iter().map(|a| a["id"].as_str().unwrap().to_owned()).collect();
    (body["id"].as_str().unwrap().to_owned(), ids)
}

#[test]
fn each_alert_comes_signed_once_and_a_repetition_has_the_same_id() {
    let (clock, got) = (Clock::new(), Arc::new(Mutex::new(vec![])));
    let (now, list) = (clock.clone(), got.clone());
    let mut count = 0;
    let server = Double::start(move |seen| {
        list.lock().unwrap().push(receive(seen, now.now()));
        count += 1;
        // The first answer says that nobody knows.
        Reply::status(if count == 1 { 502 } else { 204 })
    });
    let mut channel = channel("webhook", &server.url("/hook/secret-part?team=a"), KEY, None, &clock);
    let alerts: Vec<_> = (1..=230).map(alert).collect();
    let report = deliver(&mut channel, &clock, &alerts);
    assert_eq!((report.told, report.left_out, report.failed), (230, 0, 1));
    let got = got.lock().unwrap();
    assert_eq!(got[0], got[1], "the same id and the same alerts");
    let ids: Vec<String> = got[1..].iter().flat_map(|(_, ids)| ids.clone()).collect();
    assert_eq!(ids, (1..=230).map(|n| format!("{n:016x}")).collect::<Vec<String>>());
    server.check();
}

#[test]
fn retry_after_is_waited_for() {
    let (clock, times) = (Clock::new(), Arc::new(Mutex::new(vec![])));
    let (now, list) = (clock.clone(), times.clone());
    let server = Double::start(move |_| {
        let mut list = list.lock().unwrap();
        list.push(now.now());
        if list.len() == 1 {
            Reply::Of(429, vec![("retry-after", "77".to_owned())], String::new())
        } else {
            Reply::status(200)
        }
    });
    let mut channel = channel("webhook", &server.url("/"), "", None, &clock);
    deliver(&mut channel, &clock, &[alert(1)]);
    let times = times.lock().unwrap();
    assert!(times.len() == 2 && times[1] - times[0] >= 77_000, "{times:?}");
}

#[test]
fn no_redirect_is_followed_and_a_dead_address_is_told_of_and_tried_seldom() {
    let clock = Clock::new();
    let other = Double::start(|_| panic!("a redirect was followed"));
    let to = other.url("/");
    for reply in [Reply::Of(307, vec![("location", to)], String::new()), Reply::status(404), Reply::status(401)] {
        let server = Double::start(move |_| reply.clone());
        let mut channel = channel("webhook", &server.url("/secret-part"), "", None, &clock);
        let report = drive(&mut channel, &clock, &[alert(1)], |r| r.failed == 1);
        assert!(report.is_refused() && report.position == Some(0) && report.waiting == 1, "{report:?}");
        let pause = report.next_ms.unwrap() - clock.now();
        assert!((150_000..=300_000).contains(&pause), "{pause}");
        let later = drive(&mut channel, &clock, &[], |r| r.failed == 30);
        let pause = later.next_ms.unwrap() - clock.now();
        assert!((1_800_000..=3_600_000).contains(&pause) || later.failed < 30, "{pause}");
        assert!(later.failed > 5 && later.waiting == 1);
    }
}

#[test]
fn late_alerts_are_marked() {
    let clock = Clock::new();
    let server = Double::start(|seen| {
        assert_eq!(seen.json()["late"], true);
        Reply::status(200)
    });
    let mut channel = channel("webhook", &server.url("/"), "", None, &clock);
    clock.turn(T + 25 * 3_600_000);
    deliver(&mut channel, &clock, &[alert(1), alert(2)]);
    server.check();
}

#[test]
fn an_authority_of_ones_own_is_believed_if_it_is_named_and_a_channel_goes_to_a_thread() {
    let clock = Clock::new();
    let (server, ca_file) =
        crate::smtp_double::secure_http(|seen| assert!(seen.starts_with("POST /secret-part HTTP/1.1\r\n")));
    let url = format!("https://localhost:{}/secret-part", server.port());
    let mut strange = channel("webhook", &url, "", None, &clock);
    let report = drive(&mut strange, &clock, &[alert(1)], |r| r.failed == 1);
    assert!(report.waiting == 1 && report.last_error.unwrap().contains("ca_file"));
    let named = format!(r#","ca_file":{:?}"#, ca_file.path().join("ca.pem"));
    let mut channel = channel("webhook", &url, &named, None, &clock);
    let report = std::thread::spawn(move || deliver(&mut channel, &clock, &[alert(1)])).join().unwrap();
    assert_eq!((report.sent, report.failed), (1, 0));
}
