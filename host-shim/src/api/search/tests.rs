//! The API's searches over a real Logstore of the repository's fixtures and of events made by number.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use innertrail_api::search::{SearchLimits, Searches};
use innertrail_api::{Access, Answer, ApiError, Call, Parameters, Role};
use innertrail_logstore::row::RowBuilder;
use innertrail_logstore::{Options, SealKey, Snapshot, Writer};
use innertrail_plugin::event::columns::COLUMNS;
use innertrail_query::{Limits, Query};
use innertrail_test_agents::{layout, rows};
use serde_json::{Value, json};

use super::*;

/// 2026-11-12 23:00 UTC.
const NOW: i64 = 1_794_524_400_000_000;
/// A range around everything.
const ALL: (i64, i64) = (0, 4_000_000_000);

fn column(name: &str) -> u8 {
    u8::try_from(COLUMNS.iter().position(|c| c.name == name).unwrap()).unwrap()
}

struct Place {
    parent: tempfile::TempDir,
    writer: Writer,
}

impl Place {
    fn new() -> Self {
        let parent = tempfile::tempdir().unwrap();
        let options = Options::new(SealKey::new("main-trail", [7; 32]).unwrap());
        let writer = Writer::open(&parent.path().join("data"), "main-trail", layout(), options, NOW).unwrap();
        Self { parent, writer }
    }

    fn dir(&self) -> PathBuf {
        self.parent.path().join("data")
    }

    fn searches(&self) -> Searches {
        Searches::new(Arc::new(Stores::new(&self.dir(), LiveLimits::default())), SearchLimits::default())
    }

    /// Appends events; each seventh has no time of its own.
    fn append(&mut self, from: u64, to: u64) {
        let (mut builder, mut txn) = (RowBuilder::new(), self.writer.begin());
        for id in from..to {
            let name = ["PutObject", "GetObject", "DeleteBucket"][(id % 3) as usize];
            let text = format!(r#"{{"eventId":"event-{id:06}","eventName":"{name}","a \"quoted\" field":"x"}}"#);
            builder.begin(text.as_bytes());
            builder.text(column("eventId"), &format!("event-{id:06}"));
            builder.text(column("eventName"), name);
            builder.text(column("it_family"), "audit");
            if !id.is_multiple_of(7) {
                let time = NOW - 100_000_000 + id as i64 * 1_000;
                builder.integer(column("it_time"), time);
                builder.integer(column("__time__"), time.div_euclid(1_000_000));
            }
            txn.push(Store::Log, builder.finish(), 1);
        }
        self.writer.commit(txn, NOW).unwrap();
    }
}

/// Every operation log of the fixtures, as the component makes rows of them. Returns what was appended.
fn fixtures(place: &mut Place) -> u64 {
    rows::fill(&mut place.writer, &Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures"), NOW)
}

fn call(parameters: &[(&str, String)], body: &Value) -> Call {
    let pairs = parameters.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect();
    Call {
        method: hyper::Method::POST,
        path: Vec::new(),
        parameters: Parameters::new(pairs),
        headers: hyper::HeaderMap::new(),
        body: body.to_string().into(),
        access: Access { key_id: "reader".into(), role: Role::Reader },
        request_id: "0123456789abcdef01234567".into(),
        now_us: NOW,
    }
}

fn logs(searches: &Searches, mut asked: Value, store: Store) -> Result<Value, ApiError> {
    let members = asked.as_object_mut().unwrap();
    members.entry("from").or_insert(ALL.0.into());
    members.entry("to").or_insert(ALL.1.into());
    let answer = searches.logs_v3(&call(&[], &asked), store)?;
    Ok(serde_json::from_slice(&answer.body).unwrap())
}

/// As a client fetches everything.
fn all(searches: &Searches, query: &str, reverse: bool) -> Vec<Value> {
    let mut found = Vec::new();
    loop {
        let asked = json!({"query": query, "offset": found.len(), "line": 100, "reverse": reverse});
        let answer = logs(searches, asked, Store::Log).unwrap();
        let data = answer["data"].as_array().unwrap();
        assert_eq!((&answer["meta"]["progress"], &answer["meta"]["count"]), (&json!("Complete"), &json!(data.len())));
        if data.is_empty() {
            return found;
        }
        found.extend(data.iter().cloned());
    }
}

fn histogram(searches: &Searches, query: &str) -> (Answer, u64) {
    let parameters = [("from", ALL.0.to_string()), ("to", ALL.1.to_string()), ("query", query.to_owned())];
    let answer = searches.histograms(&call(&parameters, &json!({})), Store::Log).unwrap();
    let pieces: Value = serde_json::from_slice(&answer.body).unwrap();
    let sum = pieces.as_array().unwrap().iter().map(|p| p["count"].as_u64().unwrap()).sum();
    (answer, sum)
}

fn own_count(place: &Place, query: &str) -> u64 {
    let query_text = format!("{query} | select count(1) as n");
    let query = Query::open(Snapshot::open(&place.dir()).unwrap(), Store::Log, Limits::default()).unwrap();
    let mut count = None;
    query
        .run(&query_text)
        .unwrap()
        .for_each_row(|cells| {
            if let innertrail_query::Cell::Int(n) = &cells[0] {
                count = u64::try_from(*n).ok();
            }
            Ok::<_, Error>(())
        })
        .unwrap();
    count.unwrap()
}

#[test]
fn pages_histogram_sql_and_the_command_line_count_the_same_events() {
    let mut place = Place::new();
    place.append(0, 1_203);
    place.writer.seal_tail(NOW).unwrap();
    place.append(1_203, 1_500);
    let searches = place.searches();
    for (query, expected) in
        [("*", 1_500), ("eventName:PutObject", 500), ("deletebucket not event-000002", 499), ("nowhere", 0)]
    {
        for reverse in [false, true] {
            let found = all(&searches, query, reverse);
            assert_eq!(found.len() as u64, expected, "{query}");
            let seqs: BTreeSet<&str> = found.iter().map(|l| l["it_seq"].as_str().unwrap()).collect();
            assert_eq!(seqs.len() as u64, expected);
            let times: Vec<i64> = found.iter().map(|l| l["__time__"].as_str().unwrap().parse().unwrap()).collect();
            assert!(times.is_sorted_by(|a, b| if reverse { a >= b } else { a <= b }));
        }
        let (answer, sum) = histogram(&searches, query);
        assert_eq!(sum, expected);
        assert!(answer.headers.contains(&("x-log-count", expected.to_string())));
        assert_eq!(own_count(&place, query), expected);
        let counted = logs(&searches, json!({"query": format!("{query} | select count(1) as n")}), Store::Log).unwrap();
        assert_eq!(counted["data"], json!([{"n": expected.to_string()}]));
    }
    // What comes meanwhile is there with the next call.
    place.append(1_500, 1_501);
    assert_eq!(histogram(&searches, "*").1, 1_501);
}

/// The fields that come out are those that went in: `event` byte for byte, and the fields of a platform event beside it.
#[test]
fn events_of_the_fixtures_come_as_they_were_recorded() {
    let mut place = Place::new();
    let appended = fixtures(&mut place);
    assert!(appended > 50, "{appended}");
    place.writer.seal_tail(NOW).unwrap();
    let searches = place.searches();
    let found = all(&searches, "", false);
    assert_eq!(found.len() as u64, appended);
    let stored = Snapshot::open(&place.dir()).unwrap().scan_rows(Store::Log, 0, usize::MAX).unwrap();
    let (mut flat, mut tagged) = (0, 0);
    for log in &found {
        let row = &stored[log["it_seq"].as_str().unwrap().parse::<usize>().unwrap()];
        let payload = std::str::from_utf8(row.payload()).unwrap();
        let log = log.as_object().unwrap();
        assert!(log.values().all(Value::is_string), "{log:?}");
        assert!(log["__time__"].as_str().unwrap().parse::<i64>().is_ok());
        tagged += usize::from(log.keys().any(|name| name.starts_with("__tag__:")));
        if log["it_family"] == "platform" {
            flat += 1;
            let record: Value = serde_json::from_str(payload).unwrap();
            for (name, value) in record.as_object().unwrap() {
                let text = log[name].as_str().unwrap();
                match value.as_str() {
                    Some(value) => assert_eq!(text, value, "{name}"),
                    None => assert_eq!(serde_json::from_str::<Value>(text).unwrap(), *value, "{name}"),
                }
            }
        }
        assert_eq!(log["event"], payload);
    }
    assert!(flat > 3 && tagged > 0, "{flat} flat, {tagged} with tags");
}

#[test]
fn what_cannot_be_asked_says_where_and_what_would_write_is_refused() {
    let mut place = Place::new();
    place.append(0, 10);
    let searches = place.searches();
    let error = |query: &str| logs(&searches, json!({"query": query}), Store::Log).unwrap_err();
    let is = |query: &str, status: u16, code: &str, place: &str| {
        let error = error(query);
        assert_eq!((error.status, error.code), (status, code), "{query}: {error}");
        assert!(error.message.contains(place), "{query}: {error}");
    };
    is("a and (b", 400, "InvalidQueryString", "line 1, column 7");
    is("eventName > 5", 400, "InvalidQueryString", "text");
    is("* | select nothing", 400, "ParameterInvalid", "line 1, column 12");
    is("* | selec 1", 400, "ParameterInvalid", "line 1, column 5");
    is("* | select 1 limit 1000001", 400, "ParameterInvalid", "1000000");
    is("* | select 1 / (it_seq - it_seq)", 400, "ParameterInvalid", "");
    is(&format!("a{}", " or a".repeat(14_000)), 400, "ParameterInvalid", "bytes");
    for query in [
        "* | insert into log values (1)",
        "insert into Unauthorized select * from log",
        "* | create table t as select * from log",
        "* | copy log to '/tmp/x'",
        "* | set x = 1",
        "* | delete from log",
        "update log set a = 1",
        "* | drop table log",
        "* | select * into t from log",
    ] {
        is(query, 403, "LogStoreReadOnly", "refused");
        assert!(!error(query).message.contains("Unauthorized"), "{query}");
    }
    // The one SET that Log Service's own users write.
    assert!(logs(&searches, json!({"query": "* | set session mode=scan; select 1"}), Store::Log).is_ok());
    // Quotes in names reach the answer as they are.
    let named = logs(&searches, json!({"query": "* | select 1 as \"a\"\"b\" limit 1"}), Store::Log).unwrap();
    assert_eq!(named["data"], json!([{"a\"b": "1"}]));
    let hostile = logs(&searches, json!({"query": "\"a \\\"quoted\\\" field\":x"}), Store::Log).unwrap();
    assert_eq!(hostile["meta"]["count"], 10);
}

#[test]
fn a_result_that_is_too_large_is_refused_and_other_stores_answer() {
    let mut place = Place::new();
    place.append(0, 100);
    let limits = SearchLimits { result_bytes: 1_000, ..SearchLimits::default() };
    let searches = Searches::new(Arc::new(Stores::new(&place.dir(), LiveLimits::default())), limits);
    let error = logs(&searches, json!({"query": "* | select event"}), Store::Log).unwrap_err();
    assert_eq!((error.status, error.code), (400, "ParameterInvalid"));
    assert!(error.message.contains("1000 bytes"), "{error}");
    let mut builder = RowBuilder::new();
    builder.begin(&[0xff, 0xfe]);
    let mut txn = place.writer.begin();
    txn.push(Store::Quarantine, builder.finish(), 1);
    place.writer.commit(txn, NOW).unwrap();
    let found = logs(&searches, json!({"query": "*"}), Store::Quarantine).unwrap();
    assert_eq!(
        (&found["data"][0]["raw_base64"], &found["data"][0]["__time__"]),
        (&json!("//4="), &json!("1794524400"))
    );
    assert_eq!(logs(&searches, json!({"query": "*"}), Store::Journal).unwrap()["data"], json!([]));
}

#[test]
fn memory_and_time_have_bounds_that_are_said() {
    let mut place = Place::new();
    place.append(0, 3_000);
    let sql = Limits { memory_bytes: 1, ..LiveLimits::default().sql };
    let engine = |limits| Searches::new(Arc::new(Stores::new(&place.dir(), limits)), SearchLimits::default());
    let searches = engine(LiveLimits { sql, ..LiveLimits::default() });
    let asked = || json!({"query": "* | select eventId, count(1) group by eventId order by 1 limit 5"});
    let error = logs(&searches, asked(), Store::Log).unwrap_err();
    assert_eq!((error.status, error.code), (400, "ParameterInvalid"));
    assert!(error.message.contains("bytes of memory"), "{error}");
    let sql = Limits { timeout: std::time::Duration::ZERO, ..LiveLimits::default().sql };
    let searches = engine(LiveLimits { sql, search: std::time::Duration::ZERO, ..LiveLimits::default() });
    let error = logs(&searches, asked(), Store::Log).unwrap_err();
    assert_eq!((error.status, error.code), (400, "ParameterInvalid"));
    assert!(error.message.contains("stopped after"), "{error}");
    let found = logs(&searches, json!({"query": "getobject"}), Store::Log).unwrap();
    assert_eq!((&found["meta"]["progress"], &found["data"]), (&json!("Incomplete"), &json!([])));
}

#[test]
fn a_log_and_its_neighbours() {
    let mut place = Place::new();
    place.append(0, 30);
    place.writer.seal_tail(NOW).unwrap();
    place.append(30, 40);
    let searches = place.searches();
    let found = logs(&searches, json!({"query": "event-000029 | with_pack_meta"}), Store::Log).unwrap();
    let log = &found["data"][0];
    let text = |name: &str| log[name].as_str().unwrap().to_owned();
    let parameters = [
        ("pack_id", text("__tag__:__pack_id__")),
        ("pack_meta", text("__pack_meta__")),
        ("back_lines", "2".to_owned()),
        ("forward_lines", "3".to_owned()),
    ];
    let answer = searches.context(&call(&parameters, &json!({})), Store::Log).unwrap();
    let context: Value = serde_json::from_slice(&answer.body).unwrap();
    let seqs: Vec<&str> = context["logs"].as_array().unwrap().iter().map(|l| l["it_seq"].as_str().unwrap()).collect();
    assert_eq!(seqs, ["27", "28", "29", "30", "31", "32"]);
}

/// An audit event from a file or from OSS has no topic of its own. It is shown under ActionTrail's, so it must be found under it.
#[test]
fn a_log_is_found_under_the_topic_that_it_is_shown_with() {
    let mut place = Place::new();
    place.append(0, 10);
    let searches = place.searches();
    let shown = all(&searches, "*", false);
    let topic = shown[0]["__topic__"].as_str().unwrap();
    assert_eq!(topic, "actiontrail_audit_event");
    for (query, parameter, count) in [
        (format!("__topic__:{topic}"), "", 10),
        (format!("__topic__:\"{topic}\" and eventName:PutObject"), "", 4),
        (format!("not __topic__:{topic}"), "", 0),
        ("__topic__:*".to_owned(), "", 10),
        ("*".to_owned(), topic, 10),
        ("*".to_owned(), "other", 0),
    ] {
        let asked = json!({"query": query, "topic": parameter, "line": 100});
        let found = logs(&searches, asked, Store::Log).unwrap();
        assert_eq!(found["data"].as_array().unwrap().len(), count, "{query} {parameter}");
    }
    assert_eq!(own_count(&place, &format!("__topic__:{topic}")), 10);
}
