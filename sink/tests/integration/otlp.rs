//! The OTLP sender against a strict receiver: what it says, and what it makes of every kind of answer.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use innertrail_logstore::Value;
use innertrail_sink::otlp::{Encoding, Header, Otlp, OtlpConfig, Profile};
use innertrail_sink::{Batch, Reference, Refused, Sender};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value as Any};
use opentelemetry_proto::tonic::logs::v1::LogRecord;

use crate::fixture_records::{self, Fixtures, made};
use crate::otlp_double::{Mood, Receiver, Seen, bodies};

fn sender(receiver: &Receiver, change: impl FnOnce(&mut OtlpConfig)) -> Otlp {
    let mut config = OtlpConfig::of(&receiver.url());
    config.timeout = Duration::from_secs(5);
    change(&mut config);
    Otlp::new(&config).unwrap()
}

fn kind(answer: &Result<(), Refused>) -> &'static str {
    match answer {
        Ok(()) => "taken",
        Err(Refused::Later { .. }) => "later",
        Err(Refused::Closed { .. }) => "closed",
        Err(Refused::Never { .. }) => "never",
        Err(Refused::Unclear { .. }) => "unclear",
    }
}

/// What any encoding has to say of a record.
fn expected(fixtures: &Fixtures, at: usize) -> BTreeMap<String, Any> {
    let record = &fixtures.records[at];
    let text = |t: &str| Any::StringValue(t.to_owned());
    let mut all = BTreeMap::from([
        ("it_seq".to_owned(), Any::IntValue(record.row.seq as i64)),
        ("it_received".to_owned(), Any::IntValue(record.row.received_us)),
        ("it_seal".to_owned(), text(&record.mark)),
    ]);
    for (position, value) in record.row.columns() {
        let value = match value {
            Value::Text(t) => text(t),
            Value::Integer(n) | Value::Timestamp(n) => Any::IntValue(n),
        };
        all.insert(fixtures.layout.columns[usize::from(position)].name.clone(), value);
    }
    all
}

fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, Any> {
    let map: BTreeMap<_, _> = pairs.iter().map(|p| (p.key.clone(), p.value.clone().unwrap().value.unwrap())).collect();
    assert_eq!(map.len(), pairs.len(), "OTLP wants every key once");
    map
}

fn logs(seen: &Seen) -> &[LogRecord] {
    let [resource] = &seen.request.resource_logs[..] else { panic!("one resource") };
    let [scope] = &resource.scope_logs[..] else { panic!("one scope") };
    assert_eq!(scope.scope.as_ref().unwrap().name, "innertrail");
    &scope.log_records
}

/// Every record of every fixture arrives whole, in order, in both encodings, packed or not.
#[test]
fn every_fixture_arrives_as_it_is_stored() {
    let fixtures = fixture_records::all();
    assert!(fixtures.records.len() > 100, "only {} records", fixtures.records.len());
    let receiver = Receiver::start(Mood::Take);
    for (encoding, gzip) in [(Encoding::Protobuf, true), (Encoding::Protobuf, false), (Encoding::Json, true)] {
        let mut sender = sender(&receiver, |c| (c.encoding, c.gzip) = (encoding, gzip));
        sender.send(&fixtures.batch()).unwrap();
        let seen = receiver.last();
        assert_eq!(seen.path, "/v1/logs");
        assert_eq!(seen.headers.contains_key("content-encoding"), gzip);
        let logs = logs(&seen);
        assert_eq!(logs.len(), fixtures.records.len());
        for (at, log) in logs.iter().enumerate() {
            let record = &fixtures.records[at];
            assert_eq!(attributes(&log.attributes), expected(&fixtures, at), "{}", fixtures.cases[at]);
            assert_eq!(log.observed_time_unix_nano, record.row.received_us as u64 * 1_000);
            let time = record.value(&fixtures.layout, "it_time");
            assert_eq!(Some(Value::Timestamp(log.time_unix_nano as i64 / 1_000)), time, "{}", fixtures.cases[at]);
        }
        let raw: Vec<&str> = fixtures.records.iter().map(|r| std::str::from_utf8(r.row.payload()).unwrap()).collect();
        assert_eq!(bodies(&seen.request), raw);
    }
}

/// Lengths are worked out before anything is written: numbers of every size, empty and long texts must all agree.
#[test]
fn every_size_of_number_and_text_arrives() {
    let receiver = Receiver::start(Mood::Take);
    let numbers = [i64::MIN, -1, 0, 1, 127, 128, 1 << 14, 1 << 35, i64::MAX];
    let lengths = [0, 1, 127, 128, 16_383, 16_384, 2_097_152];
    let mut records = vec![];
    for (seq, n) in (0..).zip(numbers) {
        let text = "\u{1}\"\\é".repeat(seq as usize);
        let columns =
            [("it_offset", Value::Integer(n)), ("it_time", Value::Timestamp(n)), ("eventName", Value::Text(&text))];
        records.push(made(seq, &columns, b"{}"));
    }
    records.extend(
        (100..)
            .zip(lengths)
            .map(|(seq, len)| made(seq, &[("userAgent", Value::Text(&"é".repeat(len / 2)))], &vec![b'x'; len])),
    );
    let fixtures = Fixtures { layout: fixture_records::layout(), cases: vec![String::new(); records.len()], records };
    for encoding in [Encoding::Protobuf, Encoding::Json] {
        let mut sender = sender(&receiver, |c| c.encoding = encoding);
        sender.send(&fixtures.batch()).unwrap();
        let seen = receiver.last();
        for (at, log) in logs(&seen).iter().enumerate() {
            assert_eq!(attributes(&log.attributes), expected(&fixtures, at));
        }
        let batch = fixtures.batch();
        let told: usize = (0..batch.records.len()).map(|at| sender.encoded_len(&batch, at)).sum();
        assert!((told..=told + 1_024).contains(&seen.body.len()), "{} for {told}", seen.body.len());
    }
}

#[test]
fn severity_is_by_outcome() {
    let fixtures = fixture_records::all();
    let receiver = Receiver::start(Mood::Take);
    sender(&receiver, |_| ()).send(&fixtures.batch()).unwrap();
    let seen = receiver.last();
    let of = |case: &str| {
        let log = &logs(&seen)[usize::try_from(fixtures.of(case).row.seq).unwrap()];
        (log.severity_number, log.severity_text.clone())
    };
    assert_eq!(of("actiontrail/data-get-object"), (9, "INFO".to_owned()));
    assert_eq!(of("actiontrail/outcome-access-denied"), (13, "WARN".to_owned()));
    assert_eq!(of("platform/penalty-system-warning"), (13, "WARN".to_owned()));
    assert_eq!(of("platform/service-person"), (9, "INFO".to_owned()));
}

/// An account that is not everybody's is nobody's.
#[test]
fn the_resource_says_what_holds_for_all_records() {
    let fixtures = fixture_records::all();
    let receiver = Receiver::start(Mood::Take);
    let mut sender = sender(&receiver, |_| ());
    let resource = |batch: &Batch<'_>, sender: &mut Otlp| {
        sender.send(batch).unwrap();
        let seen = receiver.last();
        let pairs = attributes(&seen.request.resource_logs[0].resource.as_ref().unwrap().attributes);
        pairs.into_iter().map(|(k, v)| format!("{k}={v:?}")).collect::<Vec<_>>().join("\n")
    };
    let at = usize::try_from(fixtures.of("actiontrail/data-get-object").row.seq).unwrap();
    insta::assert_snapshot!(resource(&fixtures.part(at, at + 1), &mut sender), @r#"
    cloud.account.id=StringValue("1000000000000001")
    cloud.provider=StringValue("alibaba_cloud")
    it_trail=StringValue("main-trail")
    service.name=StringValue("innertrail")
    "#);
    assert!(!resource(&fixtures.batch(), &mut sender).contains("cloud.account.id"));
}

/// The delivery cuts batches by these figures, so a request must never be longer than they say.
#[test]
fn the_lengths_that_batches_are_cut_by_hold_in_every_profile() {
    let fixtures = fixture_records::all();
    let receiver = Receiver::start(Mood::Take);
    for encoding in [Encoding::Protobuf, Encoding::Json] {
        let mut sender = sender(&receiver, |c| (c.encoding, c.profile) = (encoding, Profile::LoongCollector));
        let batch = fixtures.batch();
        let mut sum = 0;
        let fits = |at: &usize| {
            sum += sender.encoded_len(&batch, *at);
            sum <= sender.max_request_bytes()
        };
        let count = (0..batch.records.len()).take_while(fits).count();
        assert!(count > 5 && count < batch.records.len(), "{count}");
        sender.send(&fixtures.part(0, count)).unwrap();
        let whole = receiver.last().body.len();
        let records: usize = (0..count).map(|at| sender.encoded_len(&batch, at)).sum();
        assert!(whole <= Profile::LoongCollector.max_body(), "{whole}");
        assert!((records..=records + 1_024).contains(&whole), "{whole} for {records} bytes of records");
        assert_eq!(sender.encoded_len(&batch, batch.records.len()), 0);
    }
}

/// The frame is bounded whatever the trail and the account are called.
#[test]
fn the_frame_is_never_longer_than_what_is_kept_for_it() {
    let fixtures = fixture_records::all();
    let receiver = Receiver::start(Mood::Take);
    for (trail, account) in [("t".repeat(256), "\u{1}".repeat(64)), ("t".repeat(9_000), "1".repeat(9_000))] {
        for encoding in [Encoding::Protobuf, Encoding::Json] {
            let mut sender = sender(&receiver, |c| c.encoding = encoding);
            let record = [made(1, &[("recipientAccountId", Value::Text(&account))], b"{}")];
            let batch = Batch { trail: &trail, layout: &fixtures.layout, records: &record };
            sender.send(&batch).unwrap();
            assert!(receiver.last().body.len() <= sender.encoded_len(&batch, 0) + 1_024);
        }
    }
}

#[test]
fn an_event_that_is_no_text_is_sent_as_bytes() {
    let layout = fixture_records::layout();
    let receiver = Receiver::start(Mood::Take);
    for encoding in [Encoding::Protobuf, Encoding::Json] {
        let record = [made(1, &[], b"\xff\xfe{}")];
        sender(&receiver, |c| c.encoding = encoding)
            .send(&Batch { trail: "t", layout: &layout, records: &record })
            .unwrap();
        assert_eq!(bodies(&receiver.last().request), ["Some(BytesValue([255, 254, 123, 125]))"]);
    }
}

/// A rejection names no record. Halving the batch finds the culprit, and nothing else is held back.
#[test]
fn bisecting_a_partial_success_finds_the_culprit() {
    fn deliver(sender: &mut Otlp, batch: &Batch<'_>, refused: &mut Vec<u64>) {
        match sender.send(batch) {
            Ok(()) => {}
            Err(Refused::Never { .. }) if batch.records.len() == 1 => refused.push(batch.records[0].row.seq),
            Err(Refused::Never { .. }) => {
                let (left, right) = batch.records.split_at(batch.records.len() / 2);
                deliver(sender, &Batch { records: left, ..*batch }, refused);
                deliver(sender, &Batch { records: right, ..*batch }, refused);
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    let fixtures = fixture_records::all();
    let culprit = fixtures.of("actiontrail/outcome-no-such-bucket");
    let id = culprit.text(&fixtures.layout, "eventId").unwrap().to_owned();
    let receiver = Receiver::start(Mood::RejectsWith(Box::leak(id.into_boxed_str())));
    let mut refused = vec![];
    deliver(&mut sender(&receiver, |_| ()), &fixtures.batch(), &mut refused);
    assert_eq!(refused, [culprit.row.seq]);
}

#[test]
fn every_answer_has_its_meaning() {
    let fixtures = fixture_records::all();
    let batch = fixtures.part(0, 3);
    let receiver = Receiver::start(Mood::Take);
    let status = |status| Mood::Status(status, vec![], b"why".to_vec());
    let with = |status, name, value: &str| Mood::Status(status, vec![(name, value.to_owned())], vec![]);
    let moods = [
        (Mood::Take, "taken"),
        (Mood::Partial(0, ""), "taken"),
        (Mood::Partial(0, "a warning"), "taken"),
        (Mood::Partial(1, "no"), "never"),
        (Mood::Status(200, vec![], vec![]), "taken"),
        (Mood::Raw(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()), "taken"),
        (Mood::Status(200, vec![("content-type", "text/html".to_owned())], b"<html>sign in".to_vec()), "unclear"),
        (status(400), "never"),
        (status(413), "never"),
        (status(422), "never"),
        (status(401), "later"),
        (status(403), "later"),
        (status(404), "later"),
        (status(429), "later"),
        (status(502), "later"),
        (status(503), "later"),
        (status(504), "later"),
        (status(500), "unclear"),
        (status(501), "unclear"),
        (with(307, "location", "http://127.0.0.1:1/v1/logs"), "later"),
        (Mood::Cut, "later"),
        (Mood::Close, "closed"),
        (Mood::Endless, "unclear"),
        (Mood::Raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec()), "later"),
    ];
    for encoding in [Encoding::Protobuf, Encoding::Json] {
        for (mood, wanted) in &moods {
            let mut sender = sender(&receiver, |c| c.encoding = encoding);
            receiver.turn(mood.clone());
            let answer = sender.send(&batch);
            assert_eq!(kind(&answer), *wanted, "{mood:?}: {answer:?}");
            assert!(answer.as_ref().err().is_none_or(|e| e.to_string().len() < 300), "{answer:?}");
        }
    }
    receiver.turn(with(503, "retry-after", "17"));
    let answer = sender(&receiver, |_| ()).send(&batch);
    assert!(matches!(answer, Err(Refused::Later { after: Some(after), .. }) if after.as_secs() == 17), "{answer:?}");
}

/// A redirect would take the events, and what authorises, to a place that nobody configured.
#[test]
fn no_redirect_is_followed() {
    let (elsewhere, fixtures) = (Receiver::start(Mood::Take), fixture_records::all());
    for status in [301, 302, 307, 308] {
        let location = format!("{}/v1/logs", elsewhere.url());
        let receiver = Receiver::start(Mood::Status(status, vec![("location", location)], vec![]));
        assert_eq!(kind(&sender(&receiver, |_| ()).send(&fixtures.part(0, 1))), "later");
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[test]
fn a_receiver_that_says_nothing_costs_the_timeout_and_no_more() {
    let (receiver, fixtures) = (Receiver::start(Mood::Silence), fixture_records::all());
    let mut sender = sender(&receiver, |c| c.timeout = Duration::from_millis(200));
    let started = Instant::now();
    let answer = sender.send(&fixtures.part(0, 1));
    assert!(started.elapsed() < Duration::from_secs(3));
    assert!(matches!(&answer, Err(Refused::Later { why, .. }) if why.contains("not done in time")), "{answer:?}");
    let mut nobody = Otlp::new(&OtlpConfig::of("http://127.0.0.1:1")).unwrap();
    assert_eq!(kind(&nobody.send(&fixtures.part(0, 1))), "later");
}

/// Keys are changed while the agent runs: a refused one is read anew, and none is ever shown.
#[test]
fn a_header_is_sent_renewed_and_never_shown() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    let write = |text: &str| {
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    write("first-secret");
    let (receiver, fixtures) = (Receiver::start(Mood::Take), fixture_records::all());
    let value = Reference::File(path.clone());
    let header = Header { name: "Authorization".to_owned(), prefix: "Bearer ".to_owned(), value };
    let mut sender = sender(&receiver, |c| c.headers = vec![header]);
    let token = || receiver.last().headers["authorization"].clone();
    sender.send(&fixtures.part(0, 1)).unwrap();
    assert_eq!(token(), "Bearer first-secret");
    write("second-secret");
    receiver.turn(Mood::Status(401, vec![], b"expired".to_vec()));
    let answer = sender.send(&fixtures.part(0, 1));
    assert!(kind(&answer) == "later" && !format!("{answer:?}{sender:?}").contains("secret"), "{answer:?}{sender:?}");
    receiver.turn(Mood::Take);
    sender.send(&fixtures.part(0, 1)).unwrap();
    assert_eq!(token(), "Bearer second-secret");
}

/// A receiver with a limit answers 413 and closes, the body unread: the sender may see no more than a broken pipe. An event
/// beyond the receiver's limit would be sent again for ever, and everything behind it would wait.
#[test]
fn an_event_beyond_the_receivers_limit_is_not_held_for_a_failure_of_the_network() {
    let layout = fixture_records::layout();
    let limit = Profile::LoongCollector.max_body();
    let receiver = Receiver::start(Mood::Limit(limit));
    let record = [made(1, &[], &vec![b'x'; 8 << 20]), made(2, &[], b"{}")];
    let mut sender = sender(&receiver, |c| (c.profile, c.gzip) = (Profile::LoongCollector, false));
    let batch = |records| Batch { trail: "t", layout: &layout, records };
    for _ in 0..20 {
        let answer = sender.send(&batch(&record[..1]));
        assert!(["never", "unclear"].contains(&kind(&answer)), "{answer:?}");
        sender.send(&batch(&record[1..])).unwrap();
    }
}

#[test]
fn connections_are_kept_between_requests() {
    let (receiver, fixtures) = (Receiver::start(Mood::Take), fixture_records::all());
    let mut sender = sender(&receiver, |_| ());
    for at in 0..10 {
        sender.send(&fixtures.part(at, at + 1)).unwrap();
    }
    assert_eq!((receiver.connections(), receiver.seen.lock().unwrap().len()), (1, 10));
}
