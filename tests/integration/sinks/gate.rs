//! The gate's servers through the executable: what passes, what does not, and whose the answer is.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use innertrail_plugin::event::{DecodeSettings, Item, LogEvent, Value as Field, native, native_json};
use innertrail_sink::Refused;
use innertrail_sink::vector::{Compression, Link, VectorConfig};
use innertrail_test_agents::contract::{Answer, Contract};
use innertrail_test_agents::otlp_double::{Mood, Receiver};
use serde_json::{Value, json};

use super::scene::{Killed, PATIENCE, free_port, stop};
use crate::harness::{BIN, event, innertrail, query, run, status, texts};

/// A folder with a trail, sealed events of it, and a gate to be started.
pub(super) struct Gate {
    pub(super) dir: tempfile::TempDir,
    pub(super) vector: u16,
    pub(super) otlp: u16,
    /// Sealed events as an agent has them from `tail`.
    pub(super) sealed: Vec<String>,
    /// The same as innertrail's `otlp` sink sent them: records of OTLP's JSON.
    pub(super) records: Vec<Value>,
}

impl Gate {
    /// `vector_to` and `otlp_to`: ports of the receivers. `more` is added to the configuration.
    pub(super) fn new(vector_to: u16, otlp_to: u16, more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (vector, otlp) = (free_port(), free_port());
        let mut gate = Self { dir, vector, otlp, sealed: vec![], records: vec![] };
        let file = gate.dir.path().join("trail.json");
        // The last two came from Log Service, with its topic and source.
        let trail = (1..=18).map(|id| event(id, "")).chain([platform(19), platform(20)]);
        fs::write(&file, trail.map(|event| event + "\n").collect::<String>()).unwrap();
        gate.write(&format!(
            "sources:\n  files:\n    type: file\n    include: [\"{}\"]\n    follow: false\n",
            file.display()
        ));
        let receiver = Receiver::start(Mood::Take);
        gate.write(&format!(
            "sources:\n  files:\n    type: file\n    include: [\"{}\"]\n    follow: false\n\
             sinks:\n  otlp:\n    type: otlp\n    encoding: json\n    endpoint: {}\n",
            file.display(),
            receiver.url()
        ));
        run(&["run", "--once", "--config", &gate.config()], 0);
        let data = gate.data();
        let (out, _) = run(&["tail", "--data-dir", data.to_str().unwrap(), "-n", "100", "--format", "native_json"], 0);
        gate.sealed = out.lines().map(str::to_owned).collect();
        let sent: Value = serde_json::from_slice(&receiver.last().body).unwrap();
        gate.records = sent["resourceLogs"][0]["scopeLogs"][0]["logRecords"].as_array().unwrap().clone();
        assert_eq!((gate.sealed.len(), gate.records.len()), (20, 20));
        gate.write(&format!(
            "gate:\n  vector: {{ listen: \"127.0.0.1:{vector}\", to: \"http://127.0.0.1:{vector_to}\", timeout_ms: 2000 }}\n  \
             otlp: {{ listen: \"127.0.0.1:{otlp}\", to: \"http://127.0.0.1:{otlp_to}\", timeout_ms: 2000 }}\n{more}"
        ));
        gate
    }

    fn write(&self, more: &str) {
        let yaml = format!("trail: main-trail\ndata_dir: {}\n{more}", self.data().display());
        fs::write(self.config(), yaml).unwrap();
    }

    pub(super) fn config(&self) -> String {
        self.dir.path().join("innertrail.yaml").to_str().unwrap().to_owned()
    }

    pub(super) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub(super) fn ledger(&self) -> PathBuf {
        self.dir.path().join("ledger")
    }

    fn errors(&self) -> Stdio {
        fs::OpenOptions::new().append(true).create(true).open(self.dir.path().join("stderr")).unwrap().into()
    }

    pub(super) fn told(&self) -> String {
        fs::read_to_string(self.dir.path().join("stderr")).unwrap_or_default()
    }

    /// Starts `innertrail run`.
    pub(super) fn run(&self) -> Killed {
        let mut command = innertrail(&["run", "--config", &self.config()]);
        Killed(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(self.errors()).spawn().unwrap())
    }

    /// The same, waiting until it listens.
    fn runs(&self) -> Killed {
        let running = self.run();
        let begun = Instant::now();
        while [self.vector, self.otlp].iter().any(|port| TcpStream::connect(("127.0.0.1", *port)).is_err()) {
            assert!(begun.elapsed() < PATIENCE, "it does not listen: {}", self.told());
            thread::sleep(Duration::from_millis(20));
        }
        running
    }

    /// Starts a receiver as a process of its own.
    pub(super) fn double(&self, protocol: &str, port: u16) -> Killed {
        let mut command = Command::new(std::path::Path::new(BIN).with_file_name("agent-double"));
        command.args([protocol, &port.to_string()]).arg(self.ledger()).stdin(Stdio::null()).stderr(self.errors());
        Killed(command.spawn().unwrap())
    }

    pub(super) fn push(&self, wrappers: Vec<Vec<u8>>, compression: Compression) -> Result<(), Refused> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let at = format!("http://127.0.0.1:{}", self.vector);
        let config = VectorConfig { compression, ..VectorConfig::of(&at) };
        let request = native::join_push_request(wrappers);
        runtime.block_on(async { Link::new(&config).unwrap().push(request.into()).await })
    }

    /// Posts OTLP's JSON; the status, 0 when there is no answer.
    pub(super) fn post(&self, records: &[Value]) -> u16 {
        let body = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": records }] }] }).to_string();
        self.post_bytes(body.as_bytes()).unwrap_or(0)
    }

    fn post_bytes(&self, body: &[u8]) -> std::io::Result<u16> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.otlp))?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let head = "POST /v1/logs HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\n";
        stream.write_all(format!("{head}content-length: {}\r\n\r\n", body.len()).as_bytes())?;
        stream.write_all(body)?;
        let mut answer = BufReader::new(stream);
        let mut line = String::new();
        answer.read_line(&mut line)?;
        answer.read_to_end(&mut vec![])?;
        line.get(9..12).and_then(|status| status.parse().ok()).ok_or_else(|| std::io::Error::other(line))
    }

    pub(super) fn gates(&self) -> Value {
        status(&self.data())["gates"].clone()
    }

    pub(super) fn wait_for(&self, what: &str, mut done: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !done() {
            assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}; it said: {}", self.told());
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A line of `native_json` as a wrapper of Vector's protocol.
pub(super) fn wrapper(line: &str) -> Vec<u8> {
    let items = native_json::decode(line.as_bytes(), DecodeSettings::default()).unwrap();
    let Some(Item::Log(event)) = items.into_iter().next() else { panic!("{line}") };
    native::encode_wrapper(event).unwrap()
}

/// An ordinary log.
pub(super) fn plain(name: &str, text: &str) -> Vec<u8> {
    let fields = [(name.to_owned(), Field::Bytes(text.into())), ("n".to_owned(), Field::Integer(-1))];
    native::encode_wrapper(LogEvent::from_fields(fields.into())).unwrap()
}

/// What a receiver of Vector's protocol got, encoded again.
type Got = Arc<Mutex<Vec<Vec<u8>>>>;

fn receiver(port: u16, answer: impl Fn() -> Answer + Send + Sync + 'static) -> (Contract, Got) {
    let got = Got::default();
    let to = Arc::clone(&got);
    let handler = Arc::new(move |events: Vec<LogEvent>| {
        to.lock().unwrap().extend(events.into_iter().map(|event| native::encode_wrapper(event).unwrap()));
        answer()
    });
    (Contract::on(port, handler, None), got)
}

fn journal(gate: &Gate) -> String {
    query(&gate.data(), "journal", "SELECT event FROM log ORDER BY it_seq").to_string()
}

/// `/metrics`, once it shows what came last.
fn scraped(gate: &Gate) -> String {
    let told = gate.told();
    let at = told.split("metrics are on http://").nth(1).unwrap().split('/').next().unwrap();
    let mut answer = String::new();
    gate.wait_for("the metrics", || {
        let mut stream = TcpStream::connect(at).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        answer.clear();
        stream.read_to_string(&mut answer).unwrap();
        answer.lines().any(|line| line.contains("sent_events") && line.contains("gate_otlp") && line.ends_with(" 23"))
    });
    answer
}

#[test]
fn sealed_events_and_ordinary_logs_pass_and_forged_ones_do_not() {
    let (port, behind) = (free_port(), Receiver::start(Mood::Take));
    let otlp_to = behind.url().rsplit(':').next().unwrap().parse().unwrap();
    let (_receiver, got) = receiver(port, || Answer::Ok);
    let gate = Gate::new(port, otlp_to, "metrics: { listen: \"127.0.0.1:0\" }\n");
    let running = gate.runs();
    let forged = gate.sealed[0].replace("v1.0.", "v1.1.");
    let mut expected = vec![];
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let passing = [wrapper(&gate.sealed[0]), plain("message", "hello"), wrapper(&gate.sealed[1])];
        let mut wrappers = passing.to_vec();
        wrappers.insert(1, plain("message", &event(90, "")));
        wrappers.insert(3, wrapper(&forged));
        wrappers.push(wrapper(&format!("{{\"log\":{}}}", event(91, ""))));
        gate.push(wrappers, compression).unwrap();
        expected.extend(passing);
    }
    assert_eq!(*got.lock().unwrap(), expected);
    // Nothing but forged ones: taken, kept, and the receiver is not asked.
    gate.push(vec![plain("data", &event(92, ""))], Compression::None).unwrap();
    assert_eq!(got.lock().unwrap().len(), 9);

    let text = |text: &str| json!({ "body": { "stringValue": text }, "attributes": [] });
    let changed = {
        let mut record = gate.records[2].clone();
        record["body"]["stringValue"] = event(7, "").into();
        record
    };
    let sent = [gate.records[0].clone(), text(&event(93, "")), text("hello"), changed, gate.records[1].clone()];
    assert_eq!(gate.post(&sent), 200);
    let told: Value = serde_json::from_slice(&behind.last().body).unwrap();
    let left = json!([sent[0], sent[2], sent[4]]);
    assert_eq!(told["resourceLogs"][0]["scopeLogs"][0]["logRecords"], left, "{}", journal(&gate));
    let whole = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": gate.records }] }] }).to_string();
    assert_eq!(gate.post_bytes(whole.as_bytes()).unwrap(), 200);
    assert_eq!(behind.last().body, whole.as_bytes(), "byte for byte");
    gate.wait_for("the counts", || gate.gates()["otlp"]["delivered"] == 23);
    let metrics = scraped(&gate);
    for (family, more, value) in
        [("received", "", 19), ("sent", ",output=\"_default\"", 9), ("discarded", ",intentional=\"true\"", 10)]
    {
        let labels =
            format!("component_id=\"gate_vector\",component_kind=\"transform\",component_type=\"innertrail\"{more}");
        let line = format!("component_{family}_events_total{{{labels}}} {value}\n");
        assert!(metrics.contains(&line), "{line} is not in {metrics}");
    }
    // The rooms saw twenty records of the source, and nothing of this.
    let rooms = "component_id=\"rooms\",component_kind=\"transform\",component_type=\"innertrail\"";
    for (family, more, value) in
        [("received", "", 20), ("sent", ",output=\"dedicated\"", 20), ("sent", ",output=\"quarantine\"", 0)]
    {
        let line = format!("component_{family}_events_total{{{rooms}{more}}} {value}\n");
        assert!(metrics.contains(&line), "{line} is not in {metrics}");
    }
    stop(running);

    let told = status(&gate.data());
    assert_eq!(told["quarantine"], json!({ "write_protected": 12 }), "{told}");
    assert_eq!(told["records"], 20, "nobody writes the dedicated Logstore");
    assert_eq!(told["conserved"], true);
    let counts =
        |gate: &Value| ["received", "refused", "delivered", "requests"].map(|name| gate[name].as_u64().unwrap());
    assert_eq!(counts(&told["gates"]["vector"]), [19, 10, 9, 4]);
    assert_eq!(counts(&told["gates"]["otlp"]), [25, 2, 23, 2]);
    assert!(
        told["gates"]["vector"]["last_answer"]["why"].is_null()
            && told["gates"]["vector"]["last_answer"]["at_us"].is_i64()
    );
    assert!(journal(&gate).contains("write_refused") && journal(&gate).contains("vector/"), "{}", journal(&gate));
    let kept = query(&gate.data(), "quarantine", "SELECT raw FROM log WHERE it_quarantine_reason = 'write_protected'");
    for id in 90..=93 {
        assert!(kept.to_string().contains(&format!("{id:024X}")), "{id} is not in quarantine");
    }
    let (out, _) = run(&["status", "--data-dir", gate.data().to_str().unwrap()], 0);
    assert!(out.contains("gate vector") && out.contains("9 delivered, 10 refused"), "{out}");
    // The story: refusals were in the journal, and the log had no line about them.
    let log = gate.told();
    let lines = log.lines().filter(|line| line.contains("transform gate_vector: ") && line.contains("Events dropped "));
    let counts = lines.map(|line| {
        assert!(
            line.starts_with("warning: ") && line.ends_with(" intentional=true reason=\"write_protected\""),
            "{line}"
        );
        line.split("count=").nth(1).unwrap().split(' ').next().unwrap().parse::<u64>().unwrap()
    });
    assert_eq!(counts.sum::<u64>(), 10, "also what was held back: {log}");
}

/// What the sinks of a run send is what the gate of the same trail knows: every field agrees with its raw event.
/// What the provider did, as a record of Log Service.
fn platform(id: u64) -> String {
    json!({
        "__topic__": "actiontrail_platform_event", "__source__": "192.0.2.9",
        "EventID": format!("P-{id}"), "EventProduct": "OSS", "EventName": "Look", "EventTime": "2026-06-15T08:00:00Z",
        "EventType": "ALIYUN_INITIATED_SERVICE", "EventMethod": "Regular Read", "EmployeeID": "", "ResourceID": "bucket",
        "ResourceOwnerID": "1000000000000001", "EventLevel": "NOTICE",
    })
    .to_string()
}

/// The story: what came from Log Service has its topic and source beside the event, and the gate for OTLP refused that.
#[test]
fn what_the_sinks_send_passes_the_gate() {
    let (port, behind) = (free_port(), Receiver::start(Mood::Take));
    let otlp_to = behind.url().rsplit(':').next().unwrap().parse().unwrap();
    let (_receiver, got) = receiver(port, || Answer::Ok);
    let gate = Gate::new(port, otlp_to, "");
    let config = fs::read_to_string(gate.config()).unwrap();
    let sinks = format!(
        "sinks:\n  v: {{ type: vector, endpoint: \"http://127.0.0.1:{}\" }}\n  \
         o: {{ type: otlp, endpoint: \"http://127.0.0.1:{}\" }}\n",
        gate.vector, gate.otlp
    );
    fs::write(gate.config(), config + &sinks).unwrap();
    let running = gate.run();
    gate.wait_for("both", || gate.gates()["vector"]["delivered"] == 20 && gate.gates()["otlp"]["delivered"] == 20);
    stop(running);
    assert_eq!((got.lock().unwrap().len(), status(&gate.data())["quarantine"].clone()), (20, json!({})));
}

#[test]
fn the_answer_is_the_receivers_and_nothing_counts_as_delivered_before() {
    let (vector_to, otlp_to) = (free_port(), free_port());
    let gate = Gate::new(vector_to, otlp_to, "");
    let running = gate.runs();
    let events = || vec![wrapper(&gate.sealed[0]), plain("message", "a")];
    let refused = gate.push(events(), Compression::None).unwrap_err();
    assert!(matches!(refused, Refused::Later { .. }), "{refused}");
    assert_eq!(gate.post(&gate.records), 503);
    gate.wait_for("the counts", || gate.gates()["otlp"]["later"] == 1 && gate.gates()["vector"]["later"] == 1);
    for name in ["vector", "otlp"] {
        assert!(gate.gates()[name]["delivered"].is_null(), "{}", gate.gates());
        assert!(gate.gates()[name]["last_answer"]["why"].is_string(), "{}", gate.gates());
    }
    assert!(gate.told().contains("did not take a request"), "{}", gate.told());
    let (receiver, got) = receiver(vector_to, || Answer::Status(15, "never"));
    let refused = gate.push(events(), Compression::None).unwrap_err();
    assert!(matches!(refused, Refused::Never { .. }), "{refused}");
    drop(receiver);
    assert_eq!(got.lock().unwrap().len(), 2);
    stop(running);
    assert!(gate.gates()["vector"]["delivered"].is_null(), "{}", gate.gates());
    assert_eq!(status(&gate.data())["conserved"], true);
}

/// A request that waits for the receiver when innertrail is stopped gets no answer, and is the agent's to send again.
#[test]
fn a_stop_does_not_wait_for_open_requests_and_answers_none_of_them() {
    let (vector_to, behind) = (free_port(), Receiver::start(Mood::Silence));
    let otlp_to = behind.url().rsplit(':').next().unwrap().parse().unwrap();
    let (_receiver, got) = receiver(vector_to, || Answer::After(Duration::from_secs(30)));
    let gate = Gate::new(vector_to, otlp_to, "");
    let running = gate.runs();
    thread::scope(|scope| {
        let pushed = scope.spawn(|| gate.push(vec![plain("message", "a")], Compression::None));
        let posted = scope.spawn(|| gate.post(&gate.records));
        gate.wait_for("both", || got.lock().unwrap().len() == 1 && behind.seen.lock().unwrap().len() == 1);
        let begun = Instant::now();
        stop(running);
        assert!(begun.elapsed() < Duration::from_secs(5), "it took {:?}", begun.elapsed());
        let refused = pushed.join().unwrap().unwrap_err();
        assert!(!matches!(refused, Refused::Never { .. }), "{refused}");
        assert_eq!(posted.join().unwrap(), 0);
    });
    assert!(gate.gates()["vector"]["delivered"].is_null(), "{}", gate.gates());
}

#[test]
fn a_configuration_that_would_send_in_circles_is_refused_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("innertrail.yaml");
    let path = path.to_str().unwrap();
    for (more, place, word) in [
        (
            "gate:\n  vector: { listen: \"127.0.0.1:7001\", to: \"http://localhost:7001\" }\n",
            ":4:43:",
            "send to itself",
        ),
        (
            "gate:\n  vector: { listen: \"127.0.0.1:7001\", to: \"http://127.0.0.1:7002\" }\n  otlp:\n    \
             listen: \"127.0.0.1:7002\"\n    to: http://127.0.0.1:4318\n",
            ":4:43:",
            "send to itself",
        ),
        (
            "gate:\n  vector: { listen: \"127.0.0.1:7001\", to: \"http://127.0.0.1:7002\" }\nmetrics:\n  listen: \"127.0.0.1:7001\"\n",
            ":4:21:",
            "as well",
        ),
        ("gate:\n  vector: { listen: \"localhost:7001\", to: \"http://127.0.0.1:7002\" }\n", ":4:21:", "IP address"),
        ("gate:\n  vektor: { listen: \"127.0.0.1:7001\" }\n", ":4:3:", "did you mean `vector`?"),
    ] {
        let yaml = format!("trail: main-trail\ndata_dir: {}/data\n{more}", dir.path().display());
        fs::write(path, yaml).unwrap();
        let (_, told) = run(&["check", "--config", path], 2);
        assert!(told.contains(place) && told.contains(word), "{more}\n{told}");
    }
    // A certificate that is not there is found by `check` too.
    let tls = "tls: { ca_file: /nowhere/ca.pem }";
    let more = format!("gate:\n  vector: {{ listen: \"127.0.0.1:7001\", to: \"https://127.0.0.1:7002\", {tls} }}\n");
    fs::write(path, format!("trail: main-trail\ndata_dir: {}/data\n{more}", dir.path().display())).unwrap();
    let (_, told) = run(&["check", "--config", path], 2);
    assert!(told.contains("gate.vector: /nowhere/ca.pem"), "{told}");
}

#[test]
fn a_port_that_is_taken_ends_the_start() {
    let gate = Gate::new(free_port(), free_port(), "");
    let taken = std::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], gate.vector))).unwrap();
    let args = ["run", "--config", &gate.config()];
    let output = innertrail(&args).output().unwrap();
    let (_, told) = texts(&output, &args, 2);
    assert!(told.contains("gate.vector: cannot listen on"), "{told}");
    drop(taken);
    // `--once` has nothing to wait for, and says so.
    let (_, told) = run(&["run", "--once", "--config", &gate.config()], 2);
    assert!(told.contains("not with --once"), "{told}");
}
