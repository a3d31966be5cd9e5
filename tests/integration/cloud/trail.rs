//! ActionTrail itself, asked what it delivered and whether the trail records; the answers are those of a local double.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use innertrail_test_cloud::{Key, TrailLoad};
use serde_json::Value;

use super::stage::{Stage, once};
use crate::harness::run;

/// What the double answers with.
#[derive(Clone)]
struct Told {
    success: usize,
    fail: usize,
    status: Value,
    denied: bool,
}

/// Answers the two calls, one connection after the other, for as long as the test's process lives.
fn double(told: &Arc<Mutex<Told>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let told = Arc::clone(told);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut reader, mut head) = (BufReader::new(stream.try_clone().unwrap()), Vec::new());
            while reader.read_until(b'\n', &mut head).is_ok_and(|n| n > 2) {}
            let head = String::from_utf8(head).unwrap();
            assert!(head.starts_with("GET /?") && head.contains("ACS3-HMAC-SHA256 Credential="), "{head}");
            let told = told.lock().unwrap().clone();
            let (status, body) = match () {
                () if told.denied => (403, r#"{"Code":"NoPermission","Message":"You are not authorized"}"#.to_owned()),
                () if head.contains("Name=side-trail ") => (200, told.status.to_string()),
                () if head.contains("_success_") => (200, points(told.success)),
                () => (200, points(told.fail)),
            };
            let length = body.len();
            let _ =
                write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        }
    });
    address
}

fn points(count: usize) -> String {
    serde_json::json!({"MetricList": [{"Count": count / 2, "Timestamp": 0}, {"Count": count - count / 2}]}).to_string()
}

#[test]
fn what_actiontrail_says_of_the_trail_is_held_against_what_is_here() {
    let stage = Stage::with_bucket(&TrailLoad { events: 400, seed: 29, ..TrailLoad::default() });
    stage.put_key(&Key::temporary());
    let good =
        serde_json::json!({"IsLogging": true, "OssBucketStatus": true, "LatestDeliveryTime": "2000-01-01T00:00:00Z"});
    let told = Arc::new(Mutex::new(Told { success: 400, fail: 0, status: good.clone(), denied: false }));
    let more = format!(
        "logstore: {{retention_days: 365}}\nactiontrail:\n  trail: side-trail\n  endpoint: http://actiontrail.example.test\n  \
         connection: {{address: \"{}\"}}\n  credentials: {{type: file, path: \"{}\"}}\n",
        double(&told),
        stage.path("key.json")
    );
    let config = stage.config(&stage.oss("objects", &[]), &more);
    once(&config);
    let data = stage.path("data");
    let reconcile = |code| {
        // The double answers every question with the same number: one question, so at most a thousand hours.
        let span = ["--from", "2026-05-25", "--to", "2026-06-10"];
        run(&[&["reconcile", "--config", &config, "--data-dir", &data][..], &span].concat(), code).0
    };
    let set = |change: &dyn Fn(&mut Told)| change(&mut told.lock().unwrap());
    let fine = reconcile(0);
    assert!(fine.contains("ActionTrail says: 400 events delivered to OSS, 0 not"), "{fine}");
    assert!(fine.contains("complete from") && !fine.contains("was not asked"), "{fine}");
    set(&|told| (told.success, told.fail) = (405, 3));
    let less = reconcile(1);
    assert!(less.contains("delivered 405 events to OSS, 400 of these days are here: 5 are not"), "{less}");
    assert!(less.contains("could not deliver 3 events to OSS"), "{less}");
    set(&|told| {
        *told = Told {
            success: 400,
            fail: 0,
            denied: false,
            status: serde_json::json!({
                "IsLogging": false, "StopLoggingTime": "2026-11-02T03:00:00Z", "LatestDeliveryError": "NoSuchBucket\u{1b}[31m",
                "LatestDeliveryTime": "2099-01-01T00:00:00Z"
            }),
        }
    });
    let stopped = reconcile(1);
    assert!(stopped.contains("the trail records nothing since 2026-11-02T03:00:00Z"), "{stopped}");
    assert!(stopped.contains("failed: NoSuchBucket") && !stopped.contains('\u{1b}'), "{stopped}");
    let doctor = || {
        let output = crate::harness::innertrail(&["doctor", "--config", &config, "--format", "json"]).output().unwrap();
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        let of = |f: &Value| (f["check"] == "trail").then(|| f["ailment"].as_str().unwrap().to_owned());
        json["findings"].as_array().unwrap().iter().filter_map(of).collect::<Vec<_>>()
    };
    // Objects were delivered long after the newest event that is here: the rule for silence, for a bucket.
    assert_eq!(doctor(), ["trail_troubled", "trail_troubled", "silent"]);
    set(&|told| told.status = good.clone());
    assert!(doctor().is_empty());
    set(&|told| told.denied = true);
    assert_eq!(doctor(), ["trail_unknown"]);
    let unknown = reconcile(0);
    assert!(unknown.contains("note: ActionTrail could not be asked") && unknown.contains("NoPermission"), "{unknown}");
}
