//! What the gate costs: gRPC in, judged by `innertrail run`, gRPC out, against the same server with a judge that only decodes
//! and encodes each event, and one that does nothing.
//!
//! `cargo xtask bench -- gate`, `BENCH_REQUESTS` a round, 40 unless told otherwise. Sender, gate and receiver are a process each; CPU time is the gate's alone, from
//! `/proc`, so a shared machine changes the pace and not the figures. The three take turns in each round, and the median of
//! their differences counts.
#![allow(missing_docs, clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use innertrail_gate::{Batch, Judge, Limits, NotJudged, Server};
use innertrail_plugin::event::{DecodeSettings, Item, LogEvent, Value, native, native_json};
use innertrail_sink::vector::{Link, VectorConfig};
use innertrail_test_agents::discard;
use xtask::generate::{Layout, Plan};

const BIN: &str = env!("CARGO_BIN_EXE_innertrail");
const ROUNDS: usize = 5;
/// Events of a request, as Vector's sink sends by default.
const EVENTS: usize = 1_000;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["receiver"] => discard::serve(),
        ["server", judge, to] => return serve(judge, to),
        _ => {}
    }
    if !std::env::args().any(|word| word == "--bench") {
        // `cargo test --benches` only wants to know that it builds.
        return println!("SKIPPED: figures are taken by `cargo bench`");
    }
    if !words.is_empty() && !words.iter().any(|word| "gate".contains(word.as_str())) {
        return;
    }
    let requests: usize = std::env::var("BENCH_REQUESTS").ok().and_then(|n| n.parse().ok()).unwrap_or(40);
    let dir = tempfile::tempdir().unwrap();
    let sealed = sealed(dir.path());
    for (what, request) in
        [("an ordinary log", ordinary()), ("an access log in JSON", access()), ("a sealed event", sealed)]
    {
        measure(dir.path(), what, &request, requests);
    }
}

/// Decodes and encodes each event, or does nothing; passes all.
struct Passing(bool);

impl Judge for Passing {
    fn judge(&mut self, batch: &Batch) -> Result<Vec<bool>, NotJudged> {
        let mut start = 0;
        for frame in batch.frames.iter().filter(|_| self.0) {
            let bytes = &batch.data[std::mem::replace(&mut start, frame.end)..frame.end];
            let Ok(native::Frame::Logs { events, .. }) = native::decode(bytes) else { panic!("it does not decode") };
            assert_eq!(native::encode(events).unwrap().len(), bytes.len());
        }
        Ok(vec![true; batch.frames.len()])
    }
}

/// A gate with such a judge, for ever.
fn serve(judge: &str, to: &str) {
    let judge = Box::new(Passing(judge == "codec"));
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), VectorConfig::of(to), Limits::default(), judge).unwrap();
    println!("{}", server.address());
    let _running = server.start().unwrap();
    loop {
        std::thread::park();
    }
}

/// A child with an address, killed when it is dropped.
struct Process {
    child: Child,
    url: String,
}

impl Process {
    fn start(command: &mut Command, stderr: bool) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let address = if stderr {
            let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
            let line = lines.by_ref().find(|line| line.contains("gate.vector listens on")).unwrap();
            std::thread::spawn(move || lines.for_each(drop));
            line.rsplit(' ').next().unwrap().trim_end_matches(['"', '}']).to_owned()
        } else {
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
            line.trim().to_owned()
        };
        Self { child, url: format!("http://{address}") }
    }

    fn own(words: &[&str]) -> Self {
        Self::start(Command::new(std::env::current_exe().unwrap()).args(words), false)
    }

    /// CPU seconds so far, all threads.
    fn cpu(&self) -> f64 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let ns = tasks.map(|task| {
            let text = std::fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap();
            text.split(' ').next().unwrap().parse::<f64>().unwrap()
        });
        ns.sum::<f64>() / 1e9
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn measure(dir: &Path, what: &str, request: &[u8], requests: usize) {
    let receiver = Process::own(&["receiver"]);
    let config = dir.join("gate.yaml");
    let yaml = format!(
        "trail: main-trail\ndata_dir: {}\ngate:\n  vector: {{ listen: \"127.0.0.1:0\", to: \"{}\" }}\n",
        dir.join("data").display(),
        receiver.url
    );
    std::fs::write(&config, yaml).unwrap();
    let gates = [
        Process::own(&["server", "nothing", &receiver.url]),
        Process::own(&["server", "codec", &receiver.url]),
        Process::start(Command::new(BIN).args(["run", "--config"]).arg(&config), true),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let links: Vec<Link> =
        runtime.block_on(async { gates.iter().map(|gate| Link::new(&VectorConfig::of(&gate.url)).unwrap()).collect() });
    let request = hyper::body::Bytes::copy_from_slice(request);
    let mut costs: Vec<[f64; 3]> = Vec::new();
    let mut pace = [0.0; 3];
    for round in 0..=ROUNDS {
        let mut cost = [0.0; 3];
        for (place, (gate, link)) in gates.iter().zip(&links).enumerate() {
            let (before, begun) = (gate.cpu(), Instant::now());
            runtime.block_on(async {
                for _ in 0..requests {
                    link.push(request.clone()).await.unwrap();
                }
            });
            cost[place] = (gate.cpu() - before) * 1e6 / (requests * EVENTS) as f64;
            pace[place] = (requests * EVENTS) as f64 / begun.elapsed().as_secs_f64();
        }
        // The first round warms up.
        if round > 0 {
            costs.push(cost);
        }
    }
    let median = |of: &dyn Fn(&[f64; 3]) -> f64| {
        let mut values: Vec<f64> = costs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    println!(
        "{what}, {} bytes: {:.2} µs CPU an event through a gate that does nothing, {:.2} with decode and encode, {:.2} judged: \
         {:+.2} over decode and encode; {:.0} events/s one request at a time",
        request.len() / EVENTS,
        median(&|c| c[0]),
        median(&|c| c[1]),
        median(&|c| c[2]),
        median(&|c| c[2] - c[1]),
        pace[2],
    );
}

fn join(events: Vec<LogEvent>) -> Vec<u8> {
    native::join_push_request(events.into_iter().map(|event| native::encode_wrapper(event).unwrap()).collect())
}

fn bytes(text: String) -> Value {
    Value::Bytes(text.into_bytes())
}

/// What a `file` source of Vector gives.
fn ordinary() -> Vec<u8> {
    let log = |n: usize| {
        LogEvent::from_fields(
            [
                (
                    "message".to_owned(),
                    bytes(format!(
                        "2026-11-12T22:01:{:02}Z INFO worker-{} finished job {n} in {} ms",
                        n % 60,
                        n % 8,
                        n % 997
                    )),
                ),
                ("file".to_owned(), bytes("/var/log/app/worker.log".to_owned())),
                ("host".to_owned(), bytes("node-17.example".to_owned())),
                ("source_type".to_owned(), bytes("file".to_owned())),
                ("timestamp".to_owned(), Value::Timestamp { seconds: 1_794_524_400 + n as i64, nanos: 0 }),
            ]
            .into(),
        )
    };
    join((0..EVENTS).map(log).collect())
}

/// A parsed log with a dozen fields and JSON in its message.
fn access() -> Vec<u8> {
    let log = |n: usize| {
        let message = format!(
            r#"{{"remote":"192.0.2.{}","method":"GET","path":"/api/items/{n}","status":200,"bytes":{},"agent":"curl/8.5","ms":{}}}"#,
            n % 250,
            n * 7,
            n % 90
        );
        let mut fields = vec![("message".to_owned(), bytes(message))];
        for name in ["remote", "method", "path", "agent", "host", "service", "zone", "pod", "stream"] {
            fields.push((name.to_owned(), bytes(format!("{name}-{}", n % 13))));
        }
        fields.push(("status".to_owned(), Value::Integer(200)));
        fields.push(("ms".to_owned(), Value::Integer(n as i64 % 90)));
        LogEvent::from_fields(fields.into_iter().collect())
    };
    join((0..EVENTS).map(log).collect())
}

/// Events of the Logstore with their marks, as `tail` hands them to an agent.
fn sealed(dir: &Path) -> Vec<u8> {
    let files = dir.join("in");
    let plan = Plan { gzip: false, layout: Layout::Flat, ..Plan::new(10_000, 1, files.clone()) };
    xtask::generate::run(&plan, |_| {}).unwrap();
    let data = dir.join("data");
    let config = dir.join("fill.yaml");
    let yaml = format!(
        "trail: main-trail\ndata_dir: {}\nsources:\n  files: {{ type: file, include: [\"{}/*\"], follow: false }}\n",
        data.display(),
        files.display()
    );
    std::fs::write(&config, yaml).unwrap();
    let run = |args: &[&str]| {
        let output = Command::new(BIN).args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    run(&["run", "--once", "--config", config.to_str().unwrap()]);
    let lines = run(&["tail", "-n", "1000", "--format", "native_json", "--data-dir", data.to_str().unwrap()]);
    let log = |line: &[u8]| match native_json::decode(line, DecodeSettings::default()).unwrap().pop() {
        Some(Item::Log(event)) => event,
        other => panic!("{other:?}"),
    };
    let logs: Vec<LogEvent> = lines.split(|b| *b == b'\n').filter(|line| !line.is_empty()).map(log).collect();
    assert_eq!(logs.len(), EVENTS);
    join(logs)
}
