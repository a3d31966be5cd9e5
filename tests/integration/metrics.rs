//! `/metrics` and `/health` of a running pipeline, read back by a strict reader and held against `innertrail status`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{config, event, innertrail, run, status};

const PATIENCE: Duration = Duration::from_secs(60);

/// A run that serves metrics; ended with the test.
pub(crate) struct Serving {
    child: Child,
    pub(crate) at: SocketAddr,
}

impl Serving {
    pub(crate) fn start(path: &str) -> Self {
        let mut child =
            innertrail(&["run", "--config", path]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line =
            lines.by_ref().map(Result::unwrap).find(|line| line.contains("metrics are on")).expect("it says where");
        let at = line.split("http://").nth(1).unwrap().split('/').next().unwrap().parse().unwrap();
        thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Self { child, at }
    }

    pub(crate) fn ask(&self, request: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.at).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{request:?} gave {answer:?}"));
        (head.to_owned(), body.to_owned())
    }

    pub(crate) fn get(&self, path: &str) -> (String, String) {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
    }

    pub(crate) fn scrape(&self) -> Scrape {
        let (head, body) = self.get("/metrics");
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert!(head.to_lowercase().contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
        Scrape::read(&body)
    }

    /// Scrapes until a series has this value.
    pub(crate) fn until(&self, series: &str, value: f64) -> Scrape {
        let begun = Instant::now();
        loop {
            let scrape = self.scrape();
            if scrape.series.get(series) == Some(&value) {
                return scrape;
            }
            assert!(begun.elapsed() < PATIENCE, "{series} never became {value}: {:#?}", scrape.series);
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn end(mut self) {
        innertrail_kill(&self.child);
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

/// SIGTERM to just this process.
fn innertrail_kill(child: &Child) {
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// What a scrape said, by the rules of the text format 0.0.4 and stricter: every family has its help and its type, in
/// one block, every series stands once.
#[derive(Debug)]
pub(crate) struct Scrape {
    types: BTreeMap<String, String>,
    pub(crate) series: BTreeMap<String, f64>,
}

impl Scrape {
    fn read(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line ends");
        let (mut types, mut series) = (BTreeMap::new(), BTreeMap::new());
        let (mut helps, mut family) = (BTreeSet::new(), String::new());
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                family = rest.split(' ').next().unwrap().to_owned();
                assert!(helps.insert(family.clone()), "help twice: {line}");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert_eq!(name, family, "the type follows the help");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert!(kind != "counter" || name.ends_with("_total"), "{line}");
                assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "type twice: {line}");
            } else {
                let (key, value) = line.rsplit_once(' ').unwrap();
                let name = labels(key);
                let base = if types[&family] == "histogram" {
                    ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap()
                } else {
                    name
                };
                assert_eq!(base, family, "a series outside its family: {line}");
                assert!(series.insert(key.to_owned(), value.parse().unwrap()).is_none(), "a series twice: {line}");
            }
        }
        Self { types, series }
    }

    fn sum(&self, family: &str) -> f64 {
        self.series.iter().filter(|(key, _)| key.split('{').next() == Some(family)).map(|(_, value)| value).sum()
    }
}

/// The name of a series, after its labels were read character by character.
fn labels(key: &str) -> &str {
    let Some((name, rest)) = key.split_once('{') else { return key };
    assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{key}");
    let mut seen = BTreeSet::new();
    let mut rest = rest;
    while rest != "}" {
        let (label, after) = rest.split_once("=\"").unwrap();
        assert!(seen.insert(label.to_owned()), "a label twice: {key}");
        assert!(label.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{key}");
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next().unwrap() {
                (_, '\\') => assert!(matches!(chars.next(), Some((_, '\\' | '"' | 'n'))), "{key}"),
                (at, '"') => break at,
                (_, c) => assert!(!c.is_control(), "{key}"),
            }
        };
        rest = after[end + 1..].strip_prefix(',').unwrap_or(&after[end + 1..]);
    }
    name
}

/// A configuration that follows one file and serves metrics on a free port.
pub(crate) fn serving(dir: &Path, more: &str) -> (String, std::path::PathBuf) {
    let file = dir.join("trail.json");
    let path = config(dir, file.to_str().unwrap(), &format!("metrics: {{listen: \"127.0.0.1:0\"}}\n{more}"));
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("follow: false", "follow: true\n    poll_interval_secs: 1")).unwrap();
    (path, file)
}

fn append(file: &Path, text: &str) {
    fs::OpenOptions::new().create(true).append(true).open(file).unwrap().write_all(text.as_bytes()).unwrap();
}

const RECEIVED: &str =
    "component_received_events_total{component_id=\"files\",component_kind=\"source\",component_type=\"file\"}";

#[test]
fn a_scrape_adds_up_to_status_and_goes_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let spool = dir.path().join("spool");
    let more = format!("sinks:\n  tailer: {{type: spool, dir: {}}}\n", spool.display());
    let (path, file) = serving(dir.path(), &more);
    let events: String = (0..50).map(|id| event(id, "") + "\n").collect();
    append(&file, &format!("{events}{}\n{{\"eventId\": nope}}\n{{\"message\":\"an ordinary line\"}}\n", event(3, "")));
    let serving = Serving::start(&path);
    let first = serving.until(RECEIVED, 53.0);
    let sent = "component_sent_events_total{component_id=\"tailer\",component_kind=\"sink\",component_type=\"spool\"}";
    let first = if first.series.get(sent) == Some(&50.0) { first } else { serving.until(sent, 50.0) };
    let value = |key: &str| *first.series.get(key).unwrap_or_else(|| panic!("no {key} in {:#?}", first.series));
    let rooms = |name: &str, more: &str| {
        value(&format!(
            "{name}{{component_id=\"rooms\",component_kind=\"transform\",component_type=\"innertrail\"{more}}}"
        ))
    };
    assert_eq!(rooms("component_received_events_total", ""), 53.0);
    assert_eq!(rooms("component_sent_events_total", ",output=\"dedicated\""), 50.0);
    assert_eq!(rooms("component_sent_events_total", ",output=\"passthrough\""), 1.0);
    assert_eq!(rooms("component_discarded_events_total", ",intentional=\"true\""), 1.0);
    assert_eq!(rooms("component_errors_total", ",error_type=\"parser_failed\",stage=\"processing\""), 1.0);
    let told = status(&dir.path().join("data"));
    let number = |value: &serde_json::Value| value.as_f64().unwrap();
    assert_eq!(first.sum("innertrail_routed_bytes_total"), number(&told["bytes"]["input"]));
    assert_eq!(first.sum("component_received_bytes_total"), number(&told["sources"]["files"]["bytes_in"]));
    assert_eq!(value("innertrail_records_total{store=\"log\"}"), number(&told["records"]));
    assert_eq!(value("innertrail_records_total{store=\"journal\"}"), number(&told["journal"]));
    assert_eq!(value("innertrail_quarantined_records_total{reason=\"undecodable\"}"), 1.0);
    assert_eq!(value("innertrail_conserved"), 1.0);
    assert_eq!(value("innertrail_retention_days"), 180.0);
    assert_eq!(value("innertrail_disk_standstill"), 0.0);
    assert_eq!(value("innertrail_sealed_records"), 50.0);
    assert_eq!(first.sum("innertrail_source_state"), 1.0, "one state is the one");
    let sink = "{component_id=\"tailer\",component_kind=\"sink\",component_type=\"spool\"}";
    assert_eq!(value(&format!("innertrail_sink_position{sink}")), 50.0);
    let sizes = fs::read_dir(&spool).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum::<u64>();
    let bytes = sink.replace('}', ",protocol=\"file\"}");
    assert_eq!(value(&format!("component_sent_bytes_total{bytes}")), sizes as f64);
    assert!(value("innertrail_commit_seconds_count") >= 1.0);
    // More of everything: no counter goes back.
    append(&file, &(50..60).map(|id| event(id, "") + "\n").collect::<String>());
    let second = serving.until(RECEIVED, 63.0);
    for (key, value) in first.series.iter().filter(|(key, _)| key.split('{').next().unwrap().ends_with("_total")) {
        assert!(second.series[key] >= *value, "{key} went back from {value} to {}", second.series[key]);
    }
    assert_eq!(first.types, second.types);
    serving.end();
    let again = Serving::start(&path).until(RECEIVED, 63.0);
    assert_eq!(again.series["innertrail_records_total{store=\"log\"}"], 60.0, "durable counters go on");
}

/// The story: 589 records came to the rooms, and 427 were told of: 162 of a product that is not enabled were in quarantine and in
/// no series.
#[test]
fn what_comes_to_the_rooms_is_what_leaves_them_over_the_quickstart_data() {
    let dir = tempfile::tempdir().unwrap();
    let root = crate::harness::root();
    let text = fs::read_to_string(root.join("fixtures/quickstart/innertrail.yaml")).unwrap();
    // A run that serves has to stay.
    let text = text.replace("follow: false", "follow: true");
    let path = dir.path().join("innertrail.yaml");
    let data = dir.path().join("data");
    let spool = dir.path().join("spool");
    let more =
        format!("metrics: {{listen: \"127.0.0.1:0\"}}\nsinks:\n  tailer: {{type: spool, dir: {}}}\n", spool.display());
    let text: String =
        text.lines().filter(|line| !line.starts_with("data_dir:")).map(|line| format!("{line}\n")).collect();
    fs::write(&path, format!("{text}data_dir: {}\n{more}", data.display())).unwrap();
    let serving = Serving::start(path.to_str().unwrap());
    let sink = "component_id=\"tailer\",component_kind=\"sink\",component_type=\"spool\"";
    serving.until("component_received_events_total{component_id=\"rooms\",component_kind=\"transform\",component_type=\"innertrail\"}", 589.0);
    let scrape = serving.until(&format!("component_sent_events_total{{{sink}}}"), 414.0);
    let sum = |family: &str, of: &str| -> f64 {
        let wanted = |key: &&String| key.starts_with(&format!("{family}{{component_id=\"{of}\","));
        scrape.series.iter().filter(|(key, _)| wanted(key)).map(|(_, value)| value).sum()
    };
    let received = sum("component_received_events_total", "rooms");
    let left = ["component_sent_events_total", "component_discarded_events_total", "component_errors_total"]
        .map(|family| sum(family, "rooms"));
    println!("rooms: {received} received = {} sent + {} discarded + {} errors", left[0], left[1], left[2]);
    assert_eq!((received, left), (589.0, [582.0, 5.0, 2.0]));
    let told = status(&data);
    let bytes = |name: &str| told["bytes"][name].as_f64().unwrap();
    assert_eq!(sum("component_received_event_bytes_total", "rooms"), bytes("input") - bytes("framing"));
    assert_eq!(sum("component_sent_event_bytes_total", "rooms"), bytes("dedicated") + bytes("passthrough"));
    // A spool file is its records and nothing else.
    let held: u64 = fs::read_dir(&spool).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    assert_eq!(sum("component_sent_event_bytes_total", "tailer"), held as f64);
    assert_eq!(sum("component_received_event_bytes_total", "tailer"), held as f64);
    assert_eq!(scrape.series[&format!("buffer_events{{{sink}}}")], 0.0);
    serving.end();
}

#[test]
fn the_server_answers_two_paths_and_nobody_can_hold_it_up() {
    let dir = tempfile::tempdir().unwrap();
    let (path, file) = serving(dir.path(), "");
    append(&file, &(event(1, "") + "\n"));
    let serving = Serving::start(&path);
    let begins = |answer: (String, String), what: &str| assert!(answer.0.starts_with(what), "{answer:?}");
    begins(serving.get("/health"), "HTTP/1.1 200 ");
    begins(serving.get("/"), "HTTP/1.1 404 ");
    begins(serving.get("/metrics/../../etc/passwd"), "HTTP/1.1 404 ");
    let refused = serving.ask("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
    assert!(refused.0.to_lowercase().contains("allow: get, head"), "{refused:?}");
    begins(refused, "HTTP/1.1 405 ");
    let head = serving.ask("HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(head.1, "", "HEAD has no body");
    begins(head, "HTTP/1.1 200 ");
    let long = format!("GET /metrics HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(64 << 10));
    begins(serving.ask(&long), "HTTP/1.1 431 ");
    // Idle connections take all places; they lose them when no head comes, and the pipeline does not notice.
    let idle: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(serving.at).unwrap()).collect();
    let begun = Instant::now();
    append(&file, &(event(2, "") + "\n"));
    serving.until(RECEIVED, 2.0);
    assert!(begun.elapsed() < Duration::from_secs(35), "{:?}", begun.elapsed());
    drop(idle);
}

#[test]
fn an_address_that_is_taken_or_none_is_told_before_anything_starts() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap();
    let path = config(dir.path(), "*.json", &format!("metrics: {{listen: \"{at}\"}}\n"));
    let (_, err) = run(&["run", "--once", "--config", &path], 2);
    assert!(err.contains("metrics.listen: cannot listen on") && err.contains("name another address"), "{err}");
    assert!(!dir.path().join("data").exists(), "nothing was made");
    let path = config(dir.path(), "*.json", "metrics: {listen: \"localhost:9598\"}\n");
    let (_, err) = run(&["check", "--config", &path], 2);
    assert!(err.contains("innertrail.yaml:8:19") && err.contains("an IP address and a port"), "{err}");
}
