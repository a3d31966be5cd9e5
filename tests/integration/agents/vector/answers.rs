//! What a real Vector answers to a request, against what our sink takes it for: delivered, refused, failed, too long, and what
//! it cannot decode. The doubles answer as is written here.

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use innertrail_plugin::event::{LogEvent, Value, native};
use innertrail_sink::Refused;
use innertrail_sink::vector::{Compression, Link, MAX_MESSAGE, VectorConfig};
use innertrail_test_agents::contract::{Answer, Contract};

use crate::agents::real::{Agent, Running, connect, port};

/// A Vector whose source `in` listens, with sinks and transforms of the test's.
pub(super) struct Vector {
    pub(super) dir: tempfile::TempDir,
    port: u16,
    running: Option<Running>,
}

impl Vector {
    /// `behind` is YAML; `{dir}` in it is this Vector's folder.
    pub(super) fn start(agent: &Agent, behind: &str) -> Self {
        let (dir, port) = (tempfile::tempdir().unwrap(), port());
        let behind = behind.replace("{dir}", dir.path().to_str().unwrap());
        let source = format!("sources:\n  in: {{ type: vector, address: \"127.0.0.1:{port}\" }}\n");
        let file = super::write(dir.path(), "vector", &(source + &behind));
        let mut command = super::on(agent, &file);
        let log = || fs::OpenOptions::new().append(true).create(true).open(dir.path().join("log")).unwrap();
        let running = Running::start(command.stdout(log()).stderr(log()));
        drop(connect(port));
        Self { dir, port, running: Some(running) }
    }

    /// Sends one request; waits so long for an answer.
    pub(super) fn push_within(
        &self,
        request: Vec<u8>,
        compression: Compression,
        deadline: Duration,
    ) -> Result<(), Refused> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let at = format!("http://127.0.0.1:{}", self.port);
        let config = VectorConfig { compression, deadline, ..VectorConfig::of(&at) };
        runtime.block_on(async { Link::new(&config).unwrap().push(request.into()).await })
    }

    /// What a request is taken for, with what it was told.
    fn told(&self, wrappers: Vec<Vec<u8>>) -> String {
        self.told_of(native::join_push_request(wrappers), Compression::None)
    }

    fn told_of(&self, request: Vec<u8>, compression: Compression) -> String {
        let (kind, why) = match self.push_within(request, compression, Duration::from_secs(20)) {
            Ok(()) => return "ok".to_owned(),
            Err(Refused::Later { why, .. }) => ("later", why),
            Err(Refused::Never { why }) => ("never", why),
            Err(Refused::Unclear { why }) => ("unclear", why),
            Err(Refused::Closed { why }) => ("closed", why),
        };
        format!("{kind}: {}", why.replace(&format!("http://127.0.0.1:{}: ", self.port), ""))
    }

    /// What it wrote to its log.
    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    /// Ends it and what it holds.
    pub(super) fn end(&mut self) {
        self.running.take().unwrap().end();
    }
}

/// A log with one field.
pub(super) fn log(name: &str, text: &str) -> Vec<u8> {
    let fields = [(name.to_owned(), Value::Bytes(text.into()))];
    native::encode_wrapper(LogEvent::from_fields(fields.into())).unwrap()
}

const BLACKHOLE: &str =
    "sinks:\n  out: { type: blackhole, inputs: [in], print_interval_secs: 0, acknowledgements: { enabled: true } }\n";

/// Vector's own sink before a receiver that answers as it is told to: the answer to us is about what is behind.
#[test]
fn the_answer_is_that_of_the_sinks_behind() {
    let Some(agent) = super::find("the answers") else { return };
    let answer = Arc::new(Mutex::new(Answer::Ok));
    let says = Arc::clone(&answer);
    let behind = Contract::serve(Arc::new(move |_| says.lock().unwrap().clone()));
    let vector = |request: &str| {
        let config = format!(
            "transforms:\n  kept: {{ type: remap, inputs: [in], drop_on_abort: true, source: \"if exists(.drop) {{ abort }}\" }}\n\
             sinks:\n  out: {{ type: vector, inputs: [kept], address: \"{}\", batch: {{ timeout_secs: 0.1 }}, \
             {request}acknowledgements: {{ enabled: true }} }}\n",
            behind.address
        );
        Vector::start(&agent, &config)
    };
    let (patient, impatient) = (vector(""), vector("request: { retry_attempts: 1, retry_max_duration_secs: 1 }, "));
    let told = |vector: &Vector, says: Answer, field: &str| {
        *answer.lock().unwrap() = says;
        vector.told(vec![log(field, "a"), log(field, "b")])
    };
    let (ok, later, never) = (Answer::Ok, Answer::Status(14, "away"), Answer::Status(3, "no"));
    assert_eq!(told(&patient, ok.clone(), "message"), "ok");
    assert_eq!(told(&patient, never.clone(), "message"), "never: DataLoss: Delivery failed");
    // A sink that tries for ever keeps the request open; that is no answer, and not for ever here.
    *answer.lock().unwrap() = later.clone();
    let request = native::join_push_request(vec![log("message", "c")]);
    let refused = patient.push_within(request, Compression::None, Duration::from_secs(3)).unwrap_err();
    assert!(matches!(&refused, Refused::Later { why, .. } if why.contains("no answer within 3s")), "{refused}");
    // One that gives up says that it is for good, though it was not: hence no `retry_attempts` behind us.
    assert_eq!(told(&impatient, later, "message"), "never: DataLoss: Delivery failed");
    // What a transform drops counts as delivered.
    assert_eq!(told(&impatient, never, "drop"), "ok");
    assert_eq!(told(&impatient, ok, "message"), "ok");
}

#[test]
fn a_sink_that_fails_now_is_for_later() {
    let Some(agent) = super::find("a sink that fails") else { return };
    let config = "sinks:\n  out: { type: file, inputs: [in], path: \"{dir}/log/never.ndjson\", encoding: { codec: json }, \
                  acknowledgements: { enabled: true } }\n";
    // `log` is a file, so there is no such folder and never will be.
    let vector = Vector::start(&agent, config);
    assert_eq!(vector.told(vec![log("message", "a")]), "later: Internal: Delivery error");
    assert!(vector.log().contains("Unable to open the file"), "{}", vector.log());
}

/// A protobuf field that holds bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length > 127 {
        out.push(u8::try_from(length & 127).unwrap() | 128);
        length >>= 7;
    }
    out.push(u8::try_from(length).unwrap());
    out.extend(bytes);
    out
}

/// An object's member, as its map is encoded: in `Log.fields`, and in `ValueMap.fields` too.
fn member(name: &[u8], value: &[u8]) -> Vec<u8> {
    field(1, &[field(1, name), field(2, value)].concat())
}

/// A wrapper of a log with this value in it, whether a codec would write that or not.
fn holding(value: &[u8]) -> Vec<u8> {
    field(1, &member(b"f", value))
}

/// The story: Vector panics on what its decoder does not expect and resets the request, which looks like trouble on the way.
/// Sent again for ever, it would keep all others waiting; so it is unclear, and narrowed down.
#[test]
fn what_vector_cannot_take_ends_one_request_and_no_more() {
    let Some(agent) = super::find("what it cannot take") else { return };
    let vector = Vector::start(&agent, BLACKHOLE);
    let deep = |levels: usize| {
        let text = field(1, b"x");
        holding(&(0..levels).fold(text, |value, _| field(7, &member(b"k", &value))))
    };
    let reset = "unclear: it reset the request, as Vector does when it fails on an event";
    let cases: [(&str, Vec<u8>, &str); 8] = [
        ("no event", vec![], reset),
        ("not a number", holding(&[&[0x29][..], &f64::NAN.to_le_bytes()].concat()), reset),
        ("no such time", holding(&field(2, &[8, 255, 255, 255, 255, 255, 255, 255, 255, 127])), reset),
        ("no kind", holding(&[]), "ok"),
        ("as deep as we write", deep(31), "ok"),
        ("deeper than protobuf", deep(40), "later: Internal: failed to decode Protobuf message"),
        ("no name", field(1, &member(b"\xff", &field(1, b"x"))), "later: Internal: failed to decode Protobuf message"),
        ("no message", b"\xff\xff".to_vec(), "later: Internal: failed to decode Protobuf message"),
    ];
    let mut wrong = vec![];
    for (what, wrapper, expected) in cases {
        let told = vector.told(vec![log("message", "before"), wrapper, log("message", "after")]);
        println!("{what}: {told}");
        if !told.starts_with(expected) {
            wrong.push(format!("{what}: {told}"));
        }
        assert_eq!(vector.told(vec![log("message", "next")]), "ok", "it does not live on after {what}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What our sink takes for the longest request is the longest that a real one takes, whatever the compression.
#[test]
fn the_longest_request_is_as_long_as_the_sink_believes() {
    let Some(agent) = super::find("the longest request") else { return };
    let vector = Vector::start(&agent, BLACKHOLE);
    let request = |length: usize| {
        // What is around the text has the same length for all of these.
        let around = native::join_push_request(vec![log("message", &"x".repeat(length - 64))]).len() - (length - 64);
        let request = native::join_push_request(vec![log("message", &"x".repeat(length - around))]);
        assert_eq!(request.len(), length);
        request
    };
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let (longest, longer) = (request(MAX_MESSAGE), request(MAX_MESSAGE + 1));
        assert_eq!(vector.told_of(longest, compression), "ok", "{compression:?}");
        let told = vector.told_of(longer, compression);
        assert!(told.starts_with("never: OutOfRange"), "{compression:?}: {told}");
    }
}
