//! `innertrail tap` and `innertrail top` beside a running pipeline.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{event, innertrail, run, status};
use crate::metrics::{Serving, serving};

const PATIENCE: Duration = Duration::from_secs(60);
const SECRET: &str = "sk-EXAMPLE-0123456789";

fn append(file: &Path, text: &str) {
    OpenOptions::new().create(true).append(true).open(file).unwrap().write_all(text.as_bytes()).unwrap();
}

/// Records with a secret, one ordinary line and one that is broken.
fn batch(ids: std::ops::Range<usize>) -> String {
    let secret = format!(r#","accessKeySecret":"{SECRET}""#);
    let events: String = ids.map(|id| event(id, &secret) + "\n").collect();
    format!("{events}{{\"message\":\"an ordinary line\"}}\n{{\"eventId\": nope}}\n")
}

struct Tapping(Child);

impl Tapping {
    fn start(data: &str, room: &str, more: &[&str]) -> Self {
        let args =
            [&["tap", room, "--data-dir", data, "--count", "1", "--for", "60", "--format", "json"], more].concat();
        Self(innertrail(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn is_over(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }

    /// What it showed.
    fn told(mut self) -> String {
        let (mut out, mut err) = (String::new(), String::new());
        self.0.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        self.0.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        assert_eq!(self.0.wait().unwrap().code(), Some(0), "{err}");
        assert_eq!(out.lines().count(), 1, "{out}{err}");
        out
    }
}

impl Drop for Tapping {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

#[test]
fn every_room_of_a_running_process_can_be_tapped_and_shows_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let spool = dir.path().join("spool");
    let (path, file) = serving(dir.path(), &format!("sinks:\n  tailer: {{type: spool, dir: {}}}\n", spool.display()));
    append(&file, &batch(0..5));
    let serving = Serving::start(&path);
    serving.until("innertrail_records_total{store=\"log\"}", 5.0);
    let sink = "{component_id=\"tailer\",component_kind=\"sink\",component_type=\"spool\"}";
    serving.until(&format!("innertrail_sink_position{sink}"), 5.0);
    let data = dir.path().join("data");
    let mode = fs::metadata(data.join("tap.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    run(&["verify", "--data-dir", data.to_str().unwrap()], 0);
    let data = data.to_str().unwrap();
    let rooms = ["source", "decode", "classify", "redact", "route", "logstore", "passthrough", "quarantine"];
    let mut taps: Vec<(&str, Tapping)> = rooms.map(|room| (room, Tapping::start(data, room, &[]))).into();
    taps.push(("sink", Tapping::start(data, "sink", &["--component", "tailer"])));
    taps.push(("unmasked", Tapping::start(data, "source", &["--unmasked", "--component", "files"])));
    // Taps take a moment to be there; records come until each has seen one.
    let (begun, mut next) = (Instant::now(), 5);
    while !taps.iter_mut().all(|(_, tap)| tap.is_over()) {
        assert!(begun.elapsed() < PATIENCE, "some tap saw nothing");
        append(&file, &batch(next..next + 5));
        next += 5;
        thread::sleep(Duration::from_millis(500));
    }
    for (room, tap) in taps {
        let text = tap.told();
        let told: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(text.contains(SECRET), room == "unmasked", "{room}: {text}");
        match room {
            "source" => assert!(told["told"]["event"].as_str().unwrap().contains("PutBucketAcl"), "{text}"),
            "decode" => assert!(told["told"]["lifted"].as_u64().unwrap() > 3, "{text}"),
            "classify" => assert_eq!(told["told"]["action"], "admin", "{text}"),
            "redact" => assert_eq!(told["told"]["masked"], 1, "{text}"),
            "route" => assert_eq!(told["told"]["to"], "innertrail_main-trail", "{text}"),
            // The newest of before the tap may be the first that a reader comes to know to be durable.
            "logstore" => assert!(told["it_seq"].is_u64() && text.contains("PutBucketAcl"), "{text}"),
            "sink" => assert!(told["it_seq"].as_u64().unwrap() >= 5, "{text}"),
            "passthrough" => assert!(text.contains("an ordinary line"), "{text}"),
            "quarantine" => assert_eq!(told["it_quarantine_reason"], "undecodable", "{text}"),
            _ => {}
        }
    }
}

/// A tap says how much of what came by it did not show, and a condition is about the record and not about a secret in it.
#[test]
fn conditions_choose_and_what_is_not_shown_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let (path, file) = serving(dir.path(), "");
    append(&file, &batch(0..5));
    let serving = Serving::start(&path);
    serving.until("innertrail_records_total{store=\"log\"}", 5.0);
    let data = dir.path().join("data");
    let tap = |room: &str, conditions: &[&str]| {
        let mut args = vec!["tap", room, "--data-dir", data.to_str().unwrap(), "--for", "9", "--format", "json"];
        args.extend(conditions.iter().flat_map(|condition| ["--where", condition]));
        innertrail(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let taps = [
        ("logstore", tap("logstore", &["requestId=*000C8", "userIdentity.type=ram-user"]), 1),
        ("classify", tap("classify", &["requestId=*000C8", "action=admin"]), 1),
        ("source", tap("source", &[&format!("requestParameters.accessKeySecret={SECRET}")]), 0),
        ("redact", tap("redact", &[&format!("requestParameters.accessKeySecret={SECRET}")]), 0),
        ("passthrough", tap("passthrough", &["message=*ordinary*"]), 1),
    ];
    // Taps take a moment to be there; only the last batch has the id that is asked for.
    for ids in [10..15, 20..25, 199..204] {
        thread::sleep(Duration::from_millis(2000));
        append(&file, &batch(ids));
    }
    for (room, tap, shown) in taps {
        let output = tap.wait_with_output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{room}: {err}");
        let (count, last) = (out.lines().count(), err.lines().last().unwrap());
        assert!(count == shown || (room == "passthrough" && count >= shown), "{room}: {out}{err}");
        assert!(last.starts_with(&format!("note: {count} shown")), "{room}: {err}");
        assert_eq!(last.contains("not asked for"), room != "passthrough", "{room}: {err}");
    }
    let (_, err) = run(&["tap", "logstore", "--where", "eventName"], 2);
    assert!(err.contains("NAME=VALUE"), "{err}");
}

/// The story: a tap that is stopped with Ctrl-Z must not be what stops the audit trail.
#[test]
fn a_tap_that_never_reads_does_not_slow_the_run() {
    const RECORDS: usize = 40_000;
    let dir = tempfile::tempdir().unwrap();
    let (path, file) = serving(dir.path(), "");
    append(&file, &(event(0, "") + "\n"));
    let serving = Serving::start(&path);
    serving.until("innertrail_records_total{store=\"log\"}", 1.0);
    let _deaf: Vec<UnixStream> =
        (0..10).map(|_| UnixStream::connect(dir.path().join("data/tap.sock")).unwrap()).collect();
    thread::sleep(Duration::from_millis(300));
    append(&file, &(1..RECORDS).map(|id| event(id, "") + "\n").collect::<String>());
    let begun = Instant::now();
    serving.until("innertrail_records_total{store=\"log\"}", RECORDS as f64);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[test]
fn without_a_run_a_tap_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("trail.json");
    append(&file, &batch(0..1));
    let data = dir.path().join("data");
    let (data, file) = (data.to_str().unwrap(), file.to_str().unwrap());
    run(&["run", "--once", "--include", file, "--data-dir", data], 0);
    assert!(!Path::new(data).join("tap.sock").exists(), "it is taken away at the end");
    let (_, err) = run(&["tap", "source", "--data-dir", data], 3);
    assert!(err.contains("no run answers in") && err.contains(data), "{err}");
    let (_, err) = run(&["tap", "quarantine", "--data-dir", data, "--for", "1"], 0);
    assert!(err.contains("no run answers in"), "{err}");
    let (_, err) = run(&["tap", "sink", "--data-dir", data], 2);
    assert!(err.contains("--component"), "{err}");
    let (_, err) = run(&["tap", "decode", "--format", "native_json", "--data-dir", data], 2);
    assert!(err.contains("use json"), "{err}");
}

#[test]
fn top_shows_one_frame_where_there_is_no_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let (path, file) = serving(dir.path(), "");
    append(&file, &batch(0..5));
    let serving = Serving::start(&path);
    serving.until("innertrail_records_total{store=\"log\"}", 5.0);
    let data = dir.path().join("data");
    let top = |more: &[&str]| run(&[&["top", "--data-dir", data.to_str().unwrap()], more].concat(), 0).0;
    let text = top(&[]);
    assert!(text.starts_with("innertrail main-trail  running  sealed "), "{text}");
    for what in ["source files", "  undecodable", "logstore ", "conserved yes"] {
        assert!(text.contains(what), "{what} in {text}");
    }
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    // While records come, the rate is what came between two samples.
    let frame = thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..12 {
                append(&file, &batch(100 + n * 5..105 + n * 5));
                thread::sleep(Duration::from_millis(200));
            }
        });
        thread::sleep(Duration::from_millis(600));
        top(&["--once", "--format", "json"])
    });
    let frame: Value = serde_json::from_str(&frame).unwrap();
    assert_eq!((&frame["trail"], &frame["conserved"]), (&"main-trail".into(), &true.into()));
    assert!(frame["rooms"]["logstore"]["per_second"].as_f64().unwrap() > 0.0, "{frame}");
    assert!(frame["sources"]["files"]["bytes"]["per_second"].as_f64().unwrap() > 0.0, "{frame}");
    let begun = Instant::now();
    while status(&data)["records"] != 65 {
        assert!(begun.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(200));
    }
    let (_, err) = run(&["top", "--once", "--data-dir", dir.path().join("none").to_str().unwrap()], 2);
    assert!(err.contains("none"), "{err}");
}

#[test]
fn log_lines_of_a_run_bear_the_keys_of_vectors_specification() {
    let dir = tempfile::tempdir().unwrap();
    // Nothing listens on a port that was just let go.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let more = format!("sinks:\n  hook: {{type: http, endpoint: \"http://127.0.0.1:{port}/\"}}\n");
    let (path, file) = serving(dir.path(), &more);
    append(&file, &batch(0..5));
    let log = dir.path().join("log");
    let out = fs::File::create(&log).unwrap();
    let child =
        innertrail(&["--log-format", "json", "run", "--config", &path]).stdout(Stdio::null()).stderr(out).spawn();
    let mut child = Tapping(child.unwrap());
    let begun = Instant::now();
    let line = loop {
        let text = fs::read_to_string(&log).unwrap();
        if let Some(line) = text.lines().find(|line| line.contains("waiting")) {
            break serde_json::from_str::<Value>(line).unwrap();
        }
        assert!(begun.elapsed() < PATIENCE && !child.is_over(), "{text}");
        thread::sleep(Duration::from_millis(100));
    };
    assert_eq!((&line["component_id"], &line["component_kind"]), (&"hook".into(), &"sink".into()));
    assert_eq!((&line["component_type"], &line["level"]), (&"http".into(), &"warning".into()));
    assert_eq!((&line["error_type"], &line["stage"]), (&"request_failed".into(), &"sending".into()));
    assert_eq!(line["internal_log_rate_limit"], true);
}
