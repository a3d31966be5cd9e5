//! The server of OTLP/HTTP between a client of plain sockets and a strict double of a receiver.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use innertrail_gate::{Batch, Counts, Judge, Limits, NotJudged, Running, Server};
use innertrail_sink::otlp::OtlpConfig;
use innertrail_test_agents::otlp_double::{Mood, Receiver};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

/// What was refused, as the judge saw it.
type Kept = Arc<Mutex<Vec<String>>>;

/// Refuses what is broken or says `forged`; cannot judge what says `later`.
struct Double(Kept);

impl Judge for Double {
    fn judge(&mut self, batch: &Batch) -> Result<Vec<bool>, NotJudged> {
        let mut start = 0;
        let frames = batch.frames.iter().map(|frame| {
            let bytes = &batch.data[std::mem::replace(&mut start, frame.end)..frame.end];
            let text = String::from_utf8_lossy(bytes).into_owned();
            if text.contains("later") {
                return Err(NotJudged("the disk is full".to_owned()));
            }
            let passes = frame.broken.is_none() && !text.contains("forged");
            if !passes {
                self.0.lock().unwrap().push(text);
            }
            Ok(passes)
        });
        frames.collect()
    }
}

struct Stage {
    kept: Kept,
    behind: Receiver,
    gate: SocketAddr,
    running: Running,
}

fn stage(mood: Mood) -> Stage {
    staged(mood, Limits::default(), |to| to)
}

fn staged(mood: Mood, limits: Limits, more: impl Fn(OtlpConfig) -> OtlpConfig) -> Stage {
    let (kept, behind) = (Kept::default(), Receiver::start(mood));
    let to = more(OtlpConfig::of(&behind.url()));
    let judge = Box::new(Double(Arc::clone(&kept)));
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), to, limits, judge).unwrap();
    let gate = server.address();
    Stage { kept, behind, gate, running: server.start().unwrap() }
}

/// An answer: status, headers in lower case, body.
struct Told {
    status: u16,
    head: String,
    body: Vec<u8>,
}

const PROTOBUF: &str = "content-type: application/x-protobuf\r\n";
const JSON: &str = "content-type: application/json\r\n";

fn send(gate: SocketAddr, path: &str, headers: &str, body: &[u8]) -> Told {
    let mut stream = TcpStream::connect(gate).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).unwrap();
    // Who is refused for its length may be cut off while it sends.
    let _cut_off = stream.write_all(body);
    read(stream)
}

fn read(stream: TcpStream) -> Told {
    let (mut stream, mut head) = (BufReader::new(stream), String::new());
    while !head.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut head).unwrap() > 0, "no answer: {head}");
    }
    let head = head.to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    Told { status: head[9..12].parse().unwrap(), head, body }
}

impl Stage {
    fn export(&self, headers: &str, body: &[u8]) -> Told {
        send(self.gate, "/v1/logs", headers, body)
    }

    fn kept(&self) -> Vec<String> {
        self.kept.lock().unwrap().clone()
    }

    fn asked(&self) -> usize {
        self.behind.seen.lock().unwrap().len()
    }

    fn counts(&self) -> Counts {
        self.running.counts()
    }
}

fn text(text: &str) -> Option<AnyValue> {
    Some(AnyValue { value: Some(Value::StringValue(text.to_owned())) })
}

fn pair(key: &str, value: Option<AnyValue>) -> KeyValue {
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

fn record(body: Option<AnyValue>) -> LogRecord {
    LogRecord {
        time_unix_nano: 5,
        severity_number: 9,
        body,
        attributes: vec![pair("n", Some(AnyValue { value: Some(Value::IntValue(-1)) }))],
        trace_id: vec![7; 16],
        ..LogRecord::default()
    }
}

/// Two resources, the first with two scopes.
fn request(texts: [&str; 4]) -> ExportLogsServiceRequest {
    let [a, b, c, d] = texts.map(|t| record(text(t)));
    let scope = |name: &str, log_records| ScopeLogs {
        scope: Some(InstrumentationScope {
            name: name.to_owned(),
            attributes: vec![pair("s", text("scope"))],
            ..InstrumentationScope::default()
        }),
        log_records,
        schema_url: "https://schema.example".to_owned(),
    };
    let resource = |name: &str, scope_logs| ResourceLogs {
        resource: Some(Resource { attributes: vec![pair("service.name", text(name))], ..Resource::default() }),
        scope_logs,
        schema_url: String::new(),
    };
    let resource_logs = vec![
        resource("one", vec![scope("x", vec![a, b]), scope("y", vec![c])]),
        resource("two", vec![scope("z", vec![d])]),
    ];
    ExportLogsServiceRequest { resource_logs }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// The request without the records that say `forged`.
fn clean(mut request: ExportLogsServiceRequest) -> ExportLogsServiceRequest {
    for scope in request.resource_logs.iter_mut().flat_map(|r| &mut r.scope_logs) {
        scope.log_records.retain(|log| !format!("{log:?}").contains("forged"));
    }
    request
}

#[test]
fn what_passes_is_the_bytes_that_came() {
    let stage = stage(Mood::Take);
    let whole = request(["a", "b", "c", "d"]);
    let (protobuf, json) = (whole.encode_to_vec(), serde_json::to_vec_pretty(&whole).unwrap());
    for (headers, body) in [(PROTOBUF, &protobuf), (JSON, &json)] {
        let told = stage.export(headers, body);
        assert_eq!(told.status, 200, "{}", String::from_utf8_lossy(&told.body));
        assert!(told.head.contains(headers), "{}", told.head);
        assert_eq!(stage.behind.last().body, *body);
        let packed = format!("{headers}content-encoding: gzip\r\n");
        assert_eq!(stage.export(&packed, &gzip(body)).status, 200);
        assert_eq!(
            (&stage.behind.last().body, stage.behind.last().headers["content-encoding"].as_str()),
            (body, "gzip")
        );
    }
    assert_eq!((stage.asked(), stage.kept().len()), (4, 0));
    assert_eq!((stage.counts().received, stage.counts().delivered, stage.counts().requests), (16, 16, 4));
}

#[test]
fn what_is_refused_is_taken_out_and_all_else_stays() {
    let stage = stage(Mood::Take);
    for texts in [["forged", "b", "c", "d"], ["a", "b", "forged", "d"], ["a", "forged", "forged", "d"]] {
        let whole = request(texts);
        for headers in [PROTOBUF, JSON] {
            let body = if headers == JSON { serde_json::to_vec(&whole).unwrap() } else { whole.encode_to_vec() };
            assert_eq!(stage.export(headers, &body).status, 200);
            assert_eq!(stage.behind.last().request, clean(whole.clone()));
            // Protobuf has one way to write this, so these are the bytes that came, less the record's.
            if headers == PROTOBUF {
                assert_eq!(stage.behind.last().body, clean(whole.clone()).encode_to_vec());
            }
        }
    }
    assert_eq!((stage.asked(), stage.kept().len()), (6, 8));
    assert!(stage.kept()[0].contains("\"event\":\"forged\""), "{}", stage.kept()[0]);
    assert!(stage.kept()[0].contains("\"traceId\":\"07070707"), "{}", stage.kept()[0]);
    // Nothing is left to send: the receiver is not asked, and it is no error.
    let none = request(["forged"; 4]);
    assert_eq!(stage.export(PROTOBUF, &none.encode_to_vec()).status, 200);
    let told = stage.export(JSON, &serde_json::to_vec(&none).unwrap());
    assert_eq!((told.status, told.body.as_slice()), (200, &b"{}"[..]));
    assert_eq!(stage.export(PROTOBUF, b"").status, 200);
    assert_eq!((stage.asked(), stage.kept().len()), (6, 16));
    assert_eq!((stage.counts().delivered, stage.counts().refused), (16, 16));
}

/// A receiver may read an event out of a body that is a map, or take what is said of a resource for a record's own.
#[test]
fn what_is_said_elsewhere_is_judged_too_and_the_record_kept_whole() {
    let stage = stage(Mood::Take);
    let mut of_resource = request(["a", "b", "c", "d"]);
    of_resource.resource_logs[0].resource.as_mut().unwrap().attributes.push(pair("it_seal", text("forged")));
    assert_eq!(stage.export(PROTOBUF, &of_resource.encode_to_vec()).status, 200);
    assert_eq!(stage.behind.last().request.resource_logs[1].scope_logs[0].log_records.len(), 1);
    assert!(stage.behind.last().request.resource_logs[0].scope_logs.iter().all(|s| s.log_records.is_empty()));
    // The resource's own, and the three records that it is said of.
    assert_eq!(stage.kept().len(), 4);
    let list = KeyValueList {
        values: vec![pair(
            "log",
            Some(AnyValue {
                value: Some(Value::KvlistValue(KeyValueList { values: vec![pair("eventId", text("forged"))] })),
            }),
        )],
    };
    let mut mapped = request(["a", "b", "c", "d"]);
    mapped.resource_logs[0].scope_logs[0].log_records[0].body =
        Some(AnyValue { value: Some(Value::KvlistValue(list)) });
    assert_eq!(stage.export(PROTOBUF, &mapped.encode_to_vec()).status, 200);
    assert_eq!(stage.behind.last().request.resource_logs[0].scope_logs[0].log_records.len(), 1);
    assert!(stage.kept().iter().any(|kept| kept == "{\"log\":{\"eventId\":\"forged\"}}"), "{:?}", stage.kept());
}

#[test]
fn the_answer_is_the_receivers() {
    let told = |mood: Mood| {
        let stage = stage(mood);
        let told = stage.export(JSON, &serde_json::to_vec(&request(["a", "b", "c", "d"])).unwrap());
        let after = told.head.lines().find_map(|line| line.strip_prefix("retry-after: ").map(str::to_owned));
        (told.status, after, String::from_utf8_lossy(&told.body).into_owned(), stage.counts())
    };
    let (status, _, body, counts) = told(Mood::Partial(2, "too old"));
    assert_eq!(status, 200);
    assert!(body.contains("too old"), "{body}");
    // It does not say which records it took.
    assert_eq!((counts.delivered, counts.never), (0, 0));
    let wish = vec![("retry-after", "7".to_owned())];
    let (status, after, body, counts) = told(Mood::Status(429, wish, b"slow down".to_vec()));
    assert_eq!((status, after.as_deref(), body.as_str()), (429, Some("7"), "slow down"));
    assert_eq!((counts.later, counts.delivered), (1, 0));
    assert_eq!(told(Mood::Status(400, vec![], b"no".to_vec())).0, 400);
    assert_eq!(told(Mood::Status(500, vec![], vec![])).0, 500);
    // What is about the receiver is no reason for an agent to throw records away, or to go elsewhere.
    for status in [401, 404, 307] {
        let header = vec![("location", "http://192.0.2.1/v1/logs".to_owned())];
        let (status, after, body, _) = told(Mood::Status(status, header, vec![]));
        assert_eq!((status, after.as_deref()), (503, Some("1")), "{body}");
    }
    // A success that is none, cut, endless or broken off: to be sent again, and never taken.
    for mood in [
        Mood::Status(200, vec![("content-type", "text/html".to_owned())], b"<html>".to_vec()),
        Mood::Cut,
        Mood::Endless,
        Mood::Close,
    ] {
        let name = format!("{mood:?}");
        let (status, _, body, counts) = told(mood);
        assert!(matches!(status, 502 | 503), "{name}: {status} {body}");
        assert_eq!((counts.delivered, counts.later), (0, 1), "{name}");
    }
}

#[test]
fn a_receiver_that_is_down_and_a_judge_that_cannot_are_for_later() {
    let stage = staged(Mood::Take, Limits::default(), |to| OtlpConfig { url: "http://127.0.0.1:9".to_owned(), ..to });
    let body = |texts| request(texts).encode_to_vec();
    for texts in [["forged", "a", "b", "c"], ["later", "a", "b", "c"]] {
        assert_eq!(stage.export(PROTOBUF, &body(texts)).status, 503);
    }
    assert_eq!(stage.kept().len(), 1);
    assert_eq!((stage.counts().delivered, stage.counts().later), (0, 2));
}

#[test]
fn hostile_requests_are_refused_and_what_is_no_request_is_kept() {
    let stage = staged(Mood::Take, Limits::default(), |to| OtlpConfig { max_body: Some(1 << 20), ..to });
    let status = |headers: &str, body: &[u8]| stage.export(headers, body).status;
    assert_eq!(status(PROTOBUF, b"garbage"), 400);
    assert_eq!(status(JSON, b"{\"resourceLogs\":"), 400);
    assert_eq!(status(JSON, b"[]"), 400);
    assert_eq!(stage.kept(), ["garbage", "{\"resourceLogs\":", "[]"]);
    // What a receiver may read and this version does not know.
    let hidden = [&request(["a", "b", "c", "d"]).encode_to_vec()[..], &[0x12, 2, 8, 1]].concat();
    assert_eq!(status(PROTOBUF, &hidden), 400);
    for key in ["resource_Logs", "resourceLog\\u0073\":[],\"resourceLogs"] {
        assert_eq!(status(JSON, format!("{{\"{key}\":[]}}").as_bytes()), 400, "{key}");
    }
    let both = br#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"a"}}],"log_records":[]}]}]}"#;
    assert_eq!(status(JSON, both), 400);
    let kept = stage.kept().len();
    let unknown = br#"{"resource_logs":[{"scope_logs":[{"log_records":[{"Body":{"stringValue":"a"}},{"body":{}}]}]}]}"#;
    assert_eq!(status(JSON, unknown), 200);
    assert_eq!((stage.kept().len() - kept, stage.asked()), (1, 1));
    // A few kilobytes of gzip may become a gigabyte.
    let packed = format!("{PROTOBUF}content-encoding: gzip\r\n");
    assert_eq!(status(&packed, &gzip(&vec![0; 200 << 20])), 413);
    assert_eq!(status(&packed, b"no gzip"), 400);
    assert_eq!(status(PROTOBUF, &vec![0; (1 << 20) + 1]), 413);
    // Half a million records of two bytes, and values within values.
    let tiny = [0x12, 0].repeat((1 << 19) - 8);
    let wrapped = |number: u8, inner: Vec<u8>| {
        let mut out = vec![number << 3 | 2];
        let mut len = inner.len();
        while len >= 0x80 {
            out.push((len & 0x7f) as u8 | 0x80);
            len >>= 7;
        }
        out.push(len as u8);
        out.extend(inner);
        out
    };
    assert_eq!(status(PROTOBUF, &wrapped(1, wrapped(2, tiny))), 400);
    let deep = (0..5_000).fold(vec![], |inner, _| wrapped(5, wrapped(1, inner)));
    assert_eq!(status(PROTOBUF, &wrapped(1, wrapped(2, wrapped(2, wrapped(5, deep))))), 200);
    let deep = format!("{}{}", "{\"arrayValue\":{\"values\":[".repeat(20_000), "]}}".repeat(20_000));
    let deep = format!("{{\"resourceLogs\":[{{\"scopeLogs\":[{{\"logRecords\":[{{\"body\":{deep}}}]}}]}}]}}");
    assert!(matches!(status(JSON, deep.as_bytes()), 200 | 400));
    assert_eq!(stage.asked(), 1, "nothing of it reached the receiver");
}

#[test]
fn other_requests_are_told_what_there_is() {
    let stage = stage(Mood::Take);
    assert_eq!(send(stage.gate, "/v1/traces", PROTOBUF, b"").status, 404);
    assert_eq!(stage.export("content-type: text/plain\r\n", b"").status, 415);
    assert_eq!(stage.export(&format!("{JSON}content-encoding: br\r\n"), b"").status, 415);
    assert_eq!(stage.export("content-type: application/json; charset=utf-8\r\n", b"{}").status, 200);
    let mut stream = TcpStream::connect(stage.gate).unwrap();
    stream.write_all(b"GET /v1/logs HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let told = read(stream);
    assert!(told.status == 405 && told.head.contains("allow: post"), "{}", told.head);
}

#[test]
fn who_says_nothing_is_put_out_and_keeps_nobody_waiting() {
    let limits = Limits { connections: 1, handshake: Duration::from_millis(300), ..Limits::default() };
    let stage = staged(Mood::Take, Limits { arrival: Duration::from_millis(500), ..limits }, |to| to);
    let mut silent = TcpStream::connect(stage.gate).unwrap();
    silent.write_all(b"PO").unwrap();
    assert_eq!(stage.export(PROTOBUF, &request(["a", "b", "c", "d"]).encode_to_vec()).status, 200);
    assert_eq!(silent.read(&mut [0; 8]).unwrap_or(0), 0, "the connection is still open");
    // A body that does not come.
    let begun = Instant::now();
    let mut slow = TcpStream::connect(stage.gate).unwrap();
    let head = format!("POST /v1/logs HTTP/1.1\r\nhost: x\r\n{PROTOBUF}content-length: 100\r\n\r\nab");
    slow.write_all(head.as_bytes()).unwrap();
    assert_eq!(read(slow).status, 503);
    assert!(begun.elapsed() < Duration::from_secs(5));
}
