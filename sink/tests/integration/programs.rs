//! The senders against programs of others: Fluent's own Forward server on Node, OTLP's own messages in Python, Rotel.
//!
//! `INNERTRAIL_NODE_MODULES` names a `node_modules` that has `@fluent-org/logger` 1.0.10; `INNERTRAIL_PYTHON` a Python that
//! has `opentelemetry-proto` 1.45 and, for OCSF, `ocsf-json-schema` 1.2 and `jsonschema`; `INNERTRAIL_ROTEL` the program
//! `rotel-agent` that PyPI's `rotel` 0.0.1a15 holds. Without them a test prints `SKIPPED: reason`. Each program listens on a
//! free port of 127.0.0.1, prints it, then a line for what it received, and is ended by its own process id.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use innertrail_sink::forward::{Auth, Forward, ForwardConfig};
use innertrail_sink::otlp::{Encoding, Otlp, OtlpConfig, Profile};
use innertrail_sink::{Reference, Refused, Sender};
use serde_json::{Value, json};

use crate::fixture_records;
use crate::otlp_double::{Mood, Receiver, bodies};

struct Program {
    child: Child,
    lines: BufReader<ChildStdout>,
    port: String,
}

impl Program {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut program = Self { child, lines, port: String::new() };
        program.port = program.line();
        program
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the program ended");
        line.trim_end().to_owned()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn named(variable: &str) -> Option<String> {
    let value = std::env::var(variable).ok();
    if value.is_none() {
        println!("SKIPPED: {variable} is not set");
    }
    value
}

const FLUENT_SERVER: &str = r#"
const { FluentServer } = require('@fluent-org/logger');
const security = process.env.KEY && { serverHostname: 'receiver.example', sharedKey: process.env.KEY, authorize: !!process.env.USER_NAME,
    userDict: { [process.env.USER_NAME]: process.env.PASSWORD } };
const server = new FluentServer({ security: security || undefined, listenOptions: { port: 0, host: '127.0.0.1' } });
const plain = (key, value) => typeof value === 'bigint' ? Number(value) : value;
server.on('entry', (tag, time, record) => console.log(JSON.stringify({ tag, time, record }, plain)));
server.on('error', () => {});
server.listen().then(() => console.log(server.port));
"#;

fn fluent(modules: &str, environment: &[(&str, &str)]) -> Program {
    let mut node = Command::new("node");
    node.args(["-e", FLUENT_SERVER]).env("NODE_PATH", modules).env_remove("KEY").env_remove("USER_NAME");
    Program::start(node.envs(environment.iter().copied()))
}

#[test]
fn fluents_own_server_takes_every_record_and_acknowledges_it() {
    let Some(modules) = named("INNERTRAIL_NODE_MODULES") else { return };
    let fixtures = fixture_records::all();
    for gzip in [false, true] {
        let mut server = fluent(&modules, &[]);
        let mut config = ForwardConfig::of(&format!("127.0.0.1:{}", server.port));
        config.gzip = gzip;
        let mut sender = Forward::new(config).unwrap();
        for (from, to) in [(0, 50), (50, fixtures.records.len())] {
            sender.send(&fixtures.part(from, to)).unwrap();
        }
        for record in &fixtures.records {
            let entry: Value = serde_json::from_str(&server.line()).unwrap();
            assert_eq!(entry["tag"], "innertrail");
            assert_eq!(entry["record"]["it_seq"], record.row.seq);
            assert_eq!(entry["record"]["it_seal"], record.mark.as_str());
            assert_eq!(entry["record"]["event"], json!(String::from_utf8(record.row.payload().to_vec()).unwrap()));
        }
    }
}

#[test]
fn fluents_own_server_shakes_hands_with_who_has_the_key_only() {
    use std::os::unix::fs::PermissionsExt;
    let Some(modules) = named("INNERTRAIL_NODE_MODULES") else { return };
    let (dir, fixtures) = (tempfile::tempdir().unwrap(), fixture_records::all());
    let secret = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        Reference::File(path)
    };
    let (right, wrong, password) = (secret("right", "k3y"), secret("wrong", "other"), secret("password", "word"));
    let user = [("KEY", "k3y"), ("USER_NAME", "alice"), ("PASSWORD", "word")];
    for (environment, key, user, taken) in [
        (&user[..1], &right, None, true),
        (&user[..1], &wrong, None, false),
        (&user[..], &right, Some(("alice".to_owned(), password.clone())), true),
        (&user[..], &right, Some(("alice".to_owned(), wrong.clone())), false),
    ] {
        let mut server = fluent(&modules, environment);
        let mut config = ForwardConfig::of(&format!("127.0.0.1:{}", server.port));
        config.auth = Some(Auth { shared_key: key.clone(), user, hostname: "sender.example".to_owned() });
        let answer = Forward::new(config).unwrap().send(&fixtures.part(0, 1));
        if taken {
            answer.unwrap();
            assert!(server.line().contains(&fixtures.records[0].mark));
        } else {
            let why = match answer {
                Err(Refused::Later { why, .. }) => why,
                other => panic!("{other:?}"),
            };
            assert!(
                why.contains("refuses the shared key, or the user") || why.contains("closed the connection"),
                "{why}"
            );
        }
    }
}

const PYTHON_RECEIVER: &str = r#"
import gzip, json, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from google.protobuf import json_format
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse

def parts(message):
    yield message
    for field, value in message.ListFields():
        if field.message_type:
            # `is_repeated` is new; releases before it have the label alone.
            repeated = field.is_repeated if hasattr(field, 'is_repeated') else field.label == field.LABEL_REPEATED
            for inner in value if repeated else [value]:
                yield from parts(inner)

class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers['content-length']))
        if self.headers.get('content-encoding') == 'gzip':
            body = gzip.decompress(body)
        kind = self.headers['content-type']
        request, response = ExportLogsServiceRequest(), ExportLogsServiceResponse()
        if kind == 'application/json':
            json_format.Parse(body, request)
            answer = json_format.MessageToJson(response).encode()
        else:
            request.ParseFromString(body)
            unknown = [len(UnknownFieldSet(part)) for part in parts(request)]
            assert not any(unknown), unknown
            answer = response.SerializeToString()
        for resource in request.resource_logs:
            for scope in resource.scope_logs:
                for log in scope.log_records:
                    of = {a.key: a.value.string_value or a.value.int_value for a in log.attributes}
                    print(json.dumps({'time': log.time_unix_nano, 'severity': log.severity_number, 'body': log.body.string_value,
                        'attributes': of}), flush=True)
        self.send_response(200)
        self.send_header('content-type', kind)
        self.send_header('content-length', str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
    def log_message(self, *args):
        pass

server = HTTPServer(('127.0.0.1', 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"#;

#[test]
fn protobufs_own_library_reads_every_record_in_both_encodings() {
    let Some(python) = named("INNERTRAIL_PYTHON") else { return };
    let fixtures = fixture_records::all();
    for encoding in [Encoding::Protobuf, Encoding::Json] {
        let mut server = Program::start(Command::new(&python).args(["-c", PYTHON_RECEIVER]));
        let mut config = OtlpConfig::of(&format!("http://127.0.0.1:{}", server.port));
        config.encoding = encoding;
        let mut sender = Otlp::new(&config).unwrap();
        // The program prints before it answers, and a pipe holds 64 KiB: what is sent at once must fit.
        for at in (0..fixtures.records.len()).step_by(5) {
            let to = (at + 5).min(fixtures.records.len());
            sender.send(&fixtures.part(at, to)).unwrap();
            for record in &fixtures.records[at..to] {
                let log: Value = serde_json::from_str(&server.line()).unwrap();
                assert_eq!(log["body"], json!(String::from_utf8(record.row.payload().to_vec()).unwrap()));
                assert_eq!(log["attributes"]["it_seal"], record.mark.as_str());
                assert_eq!(log["attributes"]["it_seq"], record.row.seq);
                assert_eq!(log["attributes"]["eventId"].as_str(), record.text(&fixtures.layout, "eventId"));
                assert!(log["severity"] == 9 || log["severity"] == 13);
            }
        }
    }
}

const OCSF_VALIDATOR: &str = r#"
import json, sys
try:
    import jsonschema
    from ocsf_json_schema.embedded import OcsfJsonSchemaEmbedded
    from ocsf_json_schema.loader import get_ocsf_schema
except ImportError as missing:
    sys.exit(f'SKIPPED: {missing}')
schema = OcsfJsonSchemaEmbedded(get_ocsf_schema('1.8.0')).get_class_schema('api_activity', ['cloud'])
validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
for number, line in enumerate(open(sys.argv[1])):
    print(number, sorted(error.message[:80] for error in validator.iter_errors(json.loads(line))))
"#;

/// Another reading of the schema than the tests' own.
#[test]
fn ocsf_json_schema_finds_every_record_valid_and_a_broken_one_not() {
    let Some(python) = named("INNERTRAIL_PYTHON") else { return };
    let (dir, fixtures) = (tempfile::tempdir().unwrap(), fixture_records::all());
    let (path, mut lines) = (dir.path().join("events.ndjson"), vec![]);
    for record in &fixtures.records {
        innertrail_sink::encode::ocsf::append("main-trail", &fixtures.layout, record, &mut lines);
        lines.push(b'\n');
    }
    lines.extend(b"{\"class_uid\":6003}\n");
    std::fs::write(&path, lines).unwrap();
    let output = Command::new(python).args(["-c", OCSF_VALIDATOR]).arg(&path).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    if error.starts_with("SKIPPED") {
        return println!("{error}");
    }
    assert!(output.status.success(), "{error}");
    let told: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    let (broken, whole) = told.split_last().unwrap();
    assert_eq!(whole, (0..fixtures.records.len()).map(|n| format!("{n} []")).collect::<Vec<_>>());
    assert!(broken.contains("'time' is a required property"), "{broken}");
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits for something, at most ten seconds.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = std::time::Instant::now();
    while !holds() {
        assert!(started.elapsed() < std::time::Duration::from_secs(10), "{what} did not come");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// Through a real agent and out of it again: the marks and the raw events that arrive behind it are those that were sent.
#[test]
fn rotel_takes_every_record_and_hands_it_on() {
    let Some(agent) = named("INNERTRAIL_ROTEL") else { return };
    let (fixtures, behind) = (fixture_records::all(), Receiver::start(Mood::Take));
    let (http, grpc) = (format!("127.0.0.1:{}", free_port()), format!("127.0.0.1:{}", free_port()));
    let mut command = Command::new(agent);
    command.args(["start", "--otlp-http-endpoint", &http, "--otlp-grpc-endpoint", &grpc, "--batch-timeout", "100ms"]);
    command.args(["--exporter", "otlp", "--otlp-exporter-protocol", "http", "--otlp-exporter-endpoint", &behind.url()]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut child = Ended(child);
    until("the agent", || std::net::TcpStream::connect(&http).is_ok() || child.0.try_wait().unwrap().is_some());
    for (encoding, gzip) in [(Encoding::Protobuf, true), (Encoding::Protobuf, false), (Encoding::Json, true)] {
        let mut config = OtlpConfig::of(&format!("http://{http}"));
        (config.encoding, config.gzip, config.profile) = (encoding, gzip, Profile::Rotel);
        Otlp::new(&config).unwrap().send(&fixtures.batch()).unwrap();
        let arrived =
            || -> Vec<String> { behind.seen.lock().unwrap().iter().flat_map(|seen| bodies(&seen.request)).collect() };
        until("the batch", || arrived().len() >= fixtures.records.len());
        let mut wanted: Vec<String> =
            fixtures.records.iter().map(|r| String::from_utf8(r.row.payload().to_vec()).unwrap()).collect();
        let mut found = arrived();
        wanted.sort();
        found.sort();
        assert_eq!(found, wanted, "{encoding:?}");
        let whole = format!("{:?}", behind.seen.lock().unwrap().iter().map(|s| &s.request).collect::<Vec<_>>());
        assert!(fixtures.records.iter().all(|r| whole.contains(&r.mark)), "a mark is missing behind the agent");
        behind.seen.lock().unwrap().clear();
    }
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
