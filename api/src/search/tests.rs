//! Searches over a double of the engine that knows one word a question, and times.
#![allow(clippy::unwrap_used)]

use std::sync::Mutex;

use bytes::Bytes;
use hyper::{HeaderMap, Method};
use innertrail_logstore::{Column, Encoding, Kind, Layout, StoredRow, Value};
use serde_json::json;

use super::*;
use crate::{Access, Role};

const SECOND: i64 = 1_000_000;

fn layout() -> Layout {
    let columns = vec![
        Column::new("eventId", Kind::Text, Encoding::Plain),
        Column::new("__topic__", Kind::Text, Encoding::Dictionary),
        Column::new("__source__", Kind::Text, Encoding::Dictionary),
        Column::new("__time__", Kind::Integer, Encoding::Delta),
        Column::new("it_time", Kind::Timestamp, Encoding::Delta),
        Column::new("it_family", Kind::Text, Encoding::Dictionary),
        Column::new("it_envelope", Kind::Text, Encoding::Dictionary),
        Column::new("it_outcome", Kind::Text, Encoding::Dictionary),
    ];
    Layout { columns, key: Some(0) }
}

fn row(seq: u64, time: i64, payload: &str) -> StoredRow {
    let id = format!("id-{seq}");
    let columns = [
        (0, Value::Text(&id)),
        (3, Value::Integer(time)),
        (4, Value::Timestamp(time * SECOND)),
        (5, Value::Text("audit")),
    ];
    StoredRow::new(seq, 9_000 * SECOND, &columns, payload.as_bytes())
}

/// The row with other columns in their places, or beside the ones it has.
fn with(row: &StoredRow, others: &[(u8, Value<'_>)]) -> StoredRow {
    let columns: Vec<_> = row.columns().chain(others.iter().copied()).collect();
    StoredRow::new(row.seq, row.received_us, &columns, row.payload())
}

/// What the double was asked, and what it says.
#[derive(Default)]
struct Double {
    rows: Vec<StoredRow>,
    layout: Layout,
    incomplete: bool,
    refuses: Option<Refusal>,
    table: Table,
    topics: Mutex<Vec<Option<String>>>,
}

impl Engine for Arc<Double> {
    fn state(&self, _: Store) -> Result<Box<dyn State>, Refusal> {
        Ok(Box::new(Arc::clone(self)))
    }
}

struct Asking<'a> {
    double: &'a Double,
    search: String,
    sql: Option<String>,
}

impl State for Arc<Double> {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn question<'a>(&'a self, text: &str, topic: Option<&str>) -> Result<Box<dyn Question + 'a>, Refusal> {
        self.topics.lock().unwrap().push(topic.map(str::to_owned));
        if text == "(" {
            return Err(Refusal::Search("search error at line 1, column 1: `(` is never closed".into()));
        }
        let (search, sql) = text.split_once('|').map_or((text, None), |(s, q)| (s, Some(q)));
        let sql = sql.map(|q| q.trim().to_owned());
        Ok(Box::new(Asking { double: self, search: search.trim().to_owned(), sql }))
    }

    fn around(&self, seq: u64, back: u64, forward: u64) -> Result<Vec<StoredRow>, Refusal> {
        if !self.rows.iter().any(|r| r.seq == seq) {
            return Ok(Vec::new());
        }
        let near = |r: &&StoredRow| r.seq + back >= seq && r.seq <= seq + forward;
        Ok(self.rows.iter().filter(near).cloned().collect())
    }
}

impl Asking<'_> {
    fn matching(&self, range: TimeRange) -> Vec<StoredRow> {
        let time = |r: &StoredRow| match r.column(4) {
            Some(Value::Timestamp(us)) => us,
            _ => r.received_us,
        };
        let wanted = |r: &&StoredRow| {
            let text = String::from_utf8_lossy(r.payload());
            (range.from_us..range.to_us).contains(&time(r)) && (self.search == "*" || text.contains(&self.search))
        };
        let mut rows: Vec<StoredRow> = self.double.rows.iter().filter(wanted).cloned().collect();
        rows.sort_by_key(|r| (time(r), r.seq));
        rows
    }
}

impl Question for Asking<'_> {
    fn search(&self) -> &str {
        &self.search
    }

    fn sql(&self) -> Option<&str> {
        self.sql.as_deref().filter(|sql| *sql != "with_pack_meta")
    }

    fn with_places(&self) -> bool {
        self.sql.as_deref() == Some("with_pack_meta")
    }

    fn words(&self) -> Vec<(String, String)> {
        vec![(String::new(), self.search.clone())]
    }

    fn page(&self, range: TimeRange, page: PageOf) -> Result<Page, Refusal> {
        let mut rows = self.matching(range);
        if page.newest_first {
            rows.reverse();
        }
        let looked_at = rows.len() as u64;
        let rows = rows.into_iter().skip(page.offset as usize).take(page.rows).collect();
        Ok(Page { rows, complete: !self.double.incomplete, looked_at })
    }

    fn counts(&self, bounds_us: &[i64]) -> Result<Counts, Refusal> {
        let of = |w: &[i64]| self.matching(TimeRange { from_us: w[0], to_us: w[1] }).len() as u64;
        Ok(Counts { counts: bounds_us.windows(2).map(of).collect(), complete: !self.double.incomplete })
    }

    fn table(&self, _: TimeRange, _: usize) -> Result<Table, Refusal> {
        self.double.refuses.clone().map_or_else(|| Ok(self.double.table.clone()), Err)
    }
}

fn searches(double: Double) -> (Searches, Arc<Double>) {
    let double = Arc::new(Double { layout: layout(), ..double });
    (Searches::new(Arc::new(Arc::clone(&double)), SearchLimits::default()), double)
}

fn call(parameters: &[(&str, &str)], body: &str) -> Call {
    let pairs = parameters.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    Call {
        method: Method::POST,
        path: vec!["logstores".into(), "innertrail_main".into(), "logs".into()],
        parameters: Parameters::new(pairs),
        headers: HeaderMap::new(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        access: Access { key_id: "reader".into(), role: Role::Reader },
        request_id: "0123456789abcdef01234567".into(),
        now_us: 0,
    }
}

fn body(answer: &Answer) -> serde_json::Value {
    serde_json::from_slice(&answer.body).unwrap()
}

#[allow(clippy::needless_pass_by_value)] // So that a question can be written where it is asked.
fn v3(searches: &Searches, body: serde_json::Value) -> Result<Answer, ApiError> {
    searches.logs_v3(&call(&[], &body.to_string()), Store::Log)
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str())
}

fn ten() -> Double {
    Double { rows: (0..10).map(|n| row(n, 1_000 + n as i64, "{\"a\":\"b\"}")).collect(), ..Double::default() }
}

/// A client that names one form of Log Service's gets it, with size and form said together; what a library of HTTP sends by itself
/// means nothing here.
#[test]
fn an_answer_of_v3_is_packed_for_who_asks_for_it() {
    let (searches, _) = searches(ten());
    let ask = |accepted: &str| {
        let mut call = call(&[], &json!({"from": 1_000, "to": 1_005, "query": "* | select 1"}).to_string());
        call.headers.insert("accept-encoding", accepted.parse().unwrap());
        searches.logs_v3(&call, Store::Log).unwrap()
    };
    let members = |raw: &[u8]| {
        let mut body: serde_json::Value = serde_json::from_slice(raw).unwrap();
        body["meta"]["elapsedMillisecond"] = json!(0);
        body
    };
    let plain = ask("gzip, deflate, br, zstd");
    assert!(plain.headers.is_empty());
    for form in ["lz4", "zstd"] {
        let answer = ask(form);
        let size: usize = header(&answer, "x-log-bodyrawsize").unwrap().parse().unwrap();
        assert_eq!(header(&answer, "x-log-compresstype"), Some(form));
        let raw = match form {
            "lz4" => lz4_flex::block::decompress(&answer.body, size).unwrap(),
            _ => zstd::bulk::decompress(&answer.body, size).unwrap(),
        };
        assert_eq!((raw.len(), members(&raw)), (size, members(&plain.body)));
    }
}

#[test]
fn the_answer_of_v3_has_the_members_that_clients_read() {
    let (searches, _) = searches(ten());
    let answer = v3(&searches, json!({"from": 1_000, "to": 1_005, "query": "*", "line": 2, "powerSql": true})).unwrap();
    assert_eq!((answer.headers.len(), answer.content_type), (0, "application/json"));
    let mut body = body(&answer);
    let elapsed = body["meta"].as_object_mut().unwrap().remove("elapsedMillisecond").unwrap();
    assert!(elapsed.is_u64());
    assert_eq!(
        body["meta"],
        json!({
            "progress": "Complete", "count": 2, "processedRows": 5, "processedBytes": 0, "hasSQL": false,
            "whereQuery": "*", "aggQuery": "", "cpuSec": 0.0, "cpuCores": 0.0, "limited": 2, "mode": 0,
            "scanBytes": 0, "terms": [{"key": "", "term": "*"}], "columnTypes": [], "isAccurate": true,
            "keys": ["__time__", "__source__", "__topic__", "it_seq", "it_received", "__tag__:__receive_time__", "it_time", "it_family", "event"],
            "phraseQueryInfo": {}, "marker": "", "highlights": [], "powerSql": true, "insertedSQL": "",
            "telementryType": "",
        })
    );
    assert_eq!(
        body["data"][1],
        json!({
            "__time__": "1001", "__source__": "", "__topic__": "actiontrail_audit_event", "it_seq": "1",
            "__tag__:__receive_time__": "9000", "it_received": "1970-01-01T02:30:00.000000Z", "it_time": "1970-01-01T00:16:41.000000Z",
            "it_family": "audit", "event": "{\"a\":\"b\"}",
        })
    );
}

#[test]
fn the_answer_of_v1_says_the_same_in_headers() {
    let (searches, _) = searches(ten());
    let parameters = [("type", "log"), ("from", "1000"), ("to", "1005"), ("query", "\u{e9} b"), ("reverse", "True")];
    let answer = searches.logs_v1(&call(&parameters, ""), Store::Log).unwrap();
    assert_eq!(body(&answer), json!([]));
    assert_eq!(header(&answer, "x-log-progress"), Some("Complete"));
    assert_eq!(header(&answer, "x-log-count"), Some("0"));
    assert_eq!(header(&answer, "x-log-processed-rows"), Some("0"));
    assert_eq!(header(&answer, "x-log-has-sql"), Some("false"));
    assert_eq!(header(&answer, "x-log-where-query"), Some("%C3%A9 b"));
    assert_eq!(header(&answer, "x-log-agg-query"), Some(""));
    let info = header(&answer, "x-log-query-info").unwrap();
    assert_eq!(info, r#"{"keys":[],"terms":[["\u00e9 b",""]],"columnTypes":[]}"#);
    // One client takes every member for a list.
    assert!(
        serde_json::from_str::<serde_json::Value>(info).unwrap().as_object().unwrap().values().all(|v| v.is_array())
    );
    for (name, value) in &answer.headers {
        assert_eq!(*name, name.to_ascii_lowercase());
        assert!(value.bytes().all(|b| (b' '..=b'~').contains(&b)), "{name}: {value}");
    }
    let newest = searches.logs_v1(
        &call(&[("from", "0"), ("to", "5000"), ("query", "*"), ("reverse", "true"), ("line", "1")], ""),
        Store::Log,
    );
    assert_eq!(body(&newest.unwrap())[0]["__time__"], "1009");
}

#[test]
fn result_of_sql_is_texts_and_null_is_one_too() {
    let table = Table {
        columns: vec![("n".into(), "bigint"), ("a \"b\"".into(), "varchar")],
        rows: vec![vec![Some("1".into()), None], vec![Some("2".into()), Some(String::new())]],
        limit: Some(100),
        looked_at: 7,
    };
    let (searches, _) = searches(Double { table, ..ten() });
    // The Python client sends a line of -1 with SQL; neither it nor an offset counts then.
    let asked = json!({"from": 1, "to": 2, "query": "* | select 1", "line": -1, "offset": -5, "reverse": "maybe"});
    let body = body(&v3(&searches, asked).unwrap());
    assert_eq!(body["data"], json!([{"n": "1", "a \"b\"": "null"}, {"n": "2", "a \"b\"": ""}]));
    let meta = &body["meta"];
    assert_eq!(
        (&meta["hasSQL"], &meta["aggQuery"], &meta["whereQuery"]),
        (&json!(true), &json!("select 1"), &json!("*"))
    );
    assert_eq!((&meta["keys"], &meta["columnTypes"]), (&json!(["n", "a \"b\""]), &json!(["bigint", "varchar"])));
    assert_eq!((&meta["limited"], &meta["processedRows"]), (&json!(100), &json!(7)));
}

#[test]
fn bounds_of_a_request_are_checked_and_named() {
    let (searches, _) = searches(ten());
    let code = |body: serde_json::Value| v3(&searches, body).unwrap_err().code;
    assert_eq!(code(json!({"from": 5, "to": 5})), "InvalidTimeRange");
    assert_eq!(code(json!({"from": 6, "to": 5})), "InvalidTimeRange");
    assert_eq!(code(json!({"from": 5, "to": 5, "fromNs": 1, "toNs": 1})), "InvalidTimeRange");
    assert!(v3(&searches, json!({"from": 5, "to": 5, "toNs": 1})).is_ok());
    assert_eq!(code(json!({"to": 5})), "ParameterInvalid");
    assert_eq!(code(json!({"from": "x", "to": 5})), "ParameterInvalid");
    assert_eq!(code(json!({"from": 1.5, "to": 5})), "ParameterInvalid");
    assert_eq!(code(json!({"from": 1, "to": 5, "fromNs": 1_000_000_000})), "ParameterInvalid");
    assert_eq!(code(json!({"from": 1, "to": 5, "line": 101})), "InvalidLine");
    assert_eq!(code(json!({"from": 1, "to": 5, "line": -1})), "InvalidLine");
    assert_eq!(code(json!({"from": 1, "to": 5, "offset": -1})), "InvalidOffset");
    assert_eq!(code(json!({"from": 1, "to": 5, "reverse": "maybe"})), "InvalidReverse");
    assert_eq!(code(json!([])), "PostBodyInvalid");
    assert_eq!(searches.logs_v3(&call(&[], "{\"from\":1"), Store::Log).unwrap_err().code, "PostBodyInvalid");
    assert_eq!(searches.logs_v3(&call(&[], ""), Store::Log).unwrap_err().code, "PostBodyInvalid");
    // Numbers may come as texts, and nothing is as good as null.
    assert!(
        v3(&searches, json!({"from": "1", "to": "5", "topic": null, "line": "100", "session": {}, "forward": 1}))
            .is_ok()
    );
    assert!(v3(&searches, json!({"from": i64::MIN, "to": i64::MAX})).is_ok());
}

#[test]
fn the_topic_of_a_request_reaches_the_engine_and_an_empty_one_is_none() {
    let (searches, double) = searches(ten());
    v3(&searches, json!({"from": 1, "to": 2, "topic": "a b"})).unwrap();
    v3(&searches, json!({"from": 1, "to": 2, "topic": ""})).unwrap();
    assert_eq!(*double.topics.lock().unwrap(), [Some("a b".to_owned()), None]);
}

#[test]
fn refusals_have_the_codes_that_clients_know() {
    let refused = |refusal: Refusal| {
        let (searches, _) = searches(Double { refuses: Some(refusal), ..ten() });
        let error = v3(&searches, json!({"from": 1, "to": 2, "query": "* | x"})).unwrap_err();
        (error.status, error.code)
    };
    assert_eq!(refused(Refusal::Sql("x".into())), (400, "ParameterInvalid"));
    assert_eq!(refused(Refusal::TooDear("x".into())), (400, "ParameterInvalid"));
    assert_eq!(refused(Refusal::Writes("x".into())), (403, "LogStoreReadOnly"));
    assert_eq!(refused(Refusal::Failed("x".into())), (500, "InternalServerError"));
    let (searches, _) = searches(ten());
    let error = v3(&searches, json!({"from": 1, "to": 2, "query": "("})).unwrap_err();
    assert_eq!((error.status, error.code), (400, "InvalidQueryString"));
    assert!(error.message.contains("line 1, column 1"), "{error}");
}

#[test]
fn a_page_for_which_there_was_no_time_is_incomplete() {
    let (searches, _) = searches(Double { incomplete: true, ..ten() });
    let answer = v3(&searches, json!({"from": 1, "to": 5_000, "query": "*"})).unwrap();
    assert_eq!(body(&answer)["meta"]["progress"], "Incomplete");
    let answer = searches.histograms(&call(&[("from", "0"), ("to", "60")], ""), Store::Log).unwrap();
    assert_eq!(header(&answer, "x-log-progress"), Some("Incomplete"));
    assert_eq!(body(&answer)[0]["progress"], "Incomplete");
}

#[test]
fn a_histogram_has_equal_pieces_and_their_sum_in_a_header() {
    let (searches, _) = searches(ten());
    let parameters = [("type", "histogram"), ("from", "940"), ("to", "1060"), ("query", "*|select x"), ("topic", "")];
    let answer = searches.histograms(&call(&parameters, ""), Store::Log).unwrap();
    assert_eq!((header(&answer, "x-log-progress"), header(&answer, "x-log-count")), (Some("Complete"), Some("10")));
    let pieces = body(&answer);
    let pieces = pieces.as_array().unwrap();
    assert_eq!(pieces.len(), 60);
    assert_eq!(pieces[30], json!({"from": 1_000, "to": 1_002, "count": 2, "progress": "Complete"}));
    assert_eq!(pieces.iter().map(|p| p["count"].as_u64().unwrap()).sum::<u64>(), 10);
    let again = searches.histograms(&call(&parameters, ""), Store::Log).unwrap();
    assert_eq!(answer, again);
    // Parts of a second at either end.
    let parameters = [("from", "1000"), ("to", "1001"), ("fromNs", "1"), ("toNs", "1"), ("query", "*")];
    let answer = searches.histograms(&call(&parameters, ""), Store::Log).unwrap();
    assert_eq!(header(&answer, "x-log-count"), Some("1"));
    assert_eq!(body(&answer)[1], json!({"from": 1_001, "to": 1_002, "count": 1, "progress": "Complete"}));
}

#[test]
fn a_log_leads_to_its_neighbours() {
    let (searches, _) = searches(ten());
    let found = v3(&searches, json!({"from": 1_005, "to": 1_006, "query": "*|with_pack_meta"})).unwrap();
    let found = body(&found);
    let log = &found["data"][0];
    let (id, meta) = (log["__tag__:__pack_id__"].as_str().unwrap(), log["__pack_meta__"].as_str().unwrap());
    let ask = |id: &str, meta: &str, back: &str, forward: &str| {
        let parameters = [
            ("type", "context_log"),
            ("pack_id", id),
            ("pack_meta", meta),
            ("back_lines", back),
            ("forward_lines", forward),
        ];
        searches.context(&call(&parameters, ""), Store::Log)
    };
    let context = body(&ask(id, meta, "2", "100").unwrap());
    assert_eq!(context["total_lines"], 7);
    assert_eq!((&context["back_lines"], &context["forward_lines"]), (&json!(2), &json!(4)));
    assert_eq!(context["progress"], "Complete");
    let numbers: Vec<&str> =
        context["logs"].as_array().unwrap().iter().map(|l| l["__index_number__"].as_str().unwrap()).collect();
    assert_eq!(numbers, ["-2", "-1", "0", "1", "2", "3", "4"]);
    assert_eq!(context["logs"][2]["it_seq"], "5");
    for (id, meta, back, forward) in [
        (id, "10", "1", "1"),
        (id, "-1", "1", "1"),
        (id, "", "1", "1"),
        ("x", meta, "1", "1"),
        (id, meta, "101", "1"),
        (id, meta, "1", "-1"),
    ] {
        let error = ask(id, meta, back, forward).unwrap_err();
        assert_eq!((error.status, error.code), (400, "ParameterInvalid"));
    }
}

#[test]
fn more_questions_at_a_time_than_allowed_are_refused_and_the_room_comes_back() {
    let double: Arc<Double> = Arc::new(Double { layout: layout(), ..ten() });
    let limits = SearchLimits { searches: 1, analyses: 1, ..SearchLimits::default() };
    let searches = Searches::new(Arc::new(double), limits);
    let asked = json!({"from": 1, "to": 2, "query": "*"});
    let slot = Slot::take(&searches.searching, 1).unwrap();
    for _ in 0..3 {
        let error = v3(&searches, asked.clone()).unwrap_err();
        assert_eq!((error.status, error.code), (403, "ReadQuotaExceed"));
    }
    // SQL has room of its own.
    assert!(v3(&searches, json!({"from": 1, "to": 2, "query": "* | x"})).is_ok());
    drop(slot);
    assert!(v3(&searches, asked).is_ok());
    assert_eq!(searches.searching.load(Ordering::Acquire), 0);
}

/// A question may have 64 KiB, a header may not.
#[test]
fn a_long_question_is_whole_in_a_body_and_cut_in_a_header() {
    let (searches, _) = searches(ten());
    let query = "\u{e9}\"\n".repeat(16 * 1024);
    let found = body(&v3(&searches, json!({"from": 1, "to": 2, "query": query})).unwrap());
    assert_eq!(found["meta"]["whereQuery"], query.trim());
    let answer = searches.logs_v1(&call(&[("from", "1"), ("to", "2"), ("query", &query)], ""), Store::Log).unwrap();
    assert!(header(&answer, "x-log-where-query").unwrap().starts_with("%C3%A9\"%0A"));
    assert_eq!(header(&answer, "x-log-query-info"), None);
    assert!(answer.headers.iter().all(|(_, value)| value.len() <= 2_048));
}

/// A field that is worked out must not be one that a record brought along.
#[test]
fn no_field_of_a_record_takes_the_place_of_one_that_is_worked_out() {
    let platform = row(
        3,
        1_000,
        r#"{"EventID":"e","__time__":"1","it_seq":"9","it_family":"audit","n":18446744073709551616,"q\"":null}"#,
    );
    let platform = with(&platform, &[(5, Value::Text("platform"))]);
    let fields = log::fields(&platform, &layout(), Store::Log);
    let get = |name: &str| fields.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect::<Vec<_>>();
    assert_eq!((get("__time__"), get("it_seq"), get("it_family")), (vec!["1000"], vec!["3"], vec!["platform"]));
    assert_eq!((get("EventID"), get("n"), get("q\"")), (vec!["e"], vec!["18446744073709551616"], vec!["null"]));
    let raw = std::str::from_utf8(platform.payload()).unwrap();
    assert_eq!(get("event"), [raw], "the record itself is beside its fields, byte for byte");
}

#[test]
fn what_came_around_an_event_comes_back_as_fields() {
    let audit = row(3, 1_000, "{ \"eventId\" : \"e\" }");
    let envelope = r#"{"__topic__":"t","__source__":"10.0.0.1","__tag__:__receive_time__":"1700000000","extra":"x","__time__":5,"event":null}"#;
    let columns =
        [(1, Value::Text("t")), (2, Value::Text("10.0.0.1")), (6, Value::Text(envelope)), (7, Value::Text("success"))];
    let audit = with(&audit, &columns);
    let expected = [
        ("__time__", "1000"),
        ("__source__", "10.0.0.1"),
        ("__topic__", "t"),
        ("it_seq", "3"),
        ("it_received", "1970-01-01T02:30:00.000000Z"),
        ("__tag__:__receive_time__", "9000"),
        ("it_time", "1970-01-01T00:16:40.000000Z"),
        ("it_family", "audit"),
        ("it_outcome", "success"),
        ("event", "{ \"eventId\" : \"e\" }"),
        ("extra", "x"),
    ];
    assert_eq!(log::fields(&audit, &layout(), Store::Log), expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
    // An envelope that is none stays as it is.
    let audit = with(&audit, &[(6, Value::Text("{"))]);
    assert!(log::fields(&audit, &layout(), Store::Log).contains(&("it_envelope".into(), "{".into())));
}

#[test]
fn a_record_without_a_time_has_the_one_at_which_it_came_and_bytes_are_not_lost() {
    let raw = StoredRow::new(0, -1, &[], &[b'a', 0xff]);
    let fields = log::fields(&raw, &layout(), Store::Quarantine);
    assert!(fields.contains(&("__time__".into(), "-1".into())));
    assert!(fields.contains(&("raw_base64".into(), "Yf8=".into())));
}
