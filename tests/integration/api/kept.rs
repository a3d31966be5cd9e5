//! What comes with innertrail - dashboards, saved searches, definitions of alerts - as a client gets it from a running
//! `innertrail run`: every query in it runs there, and says what it should of events that were made for it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use chrono::{Duration, SecondsFormat, Utc};
use innertrail_test_cloud::Key;
use innertrail_test_cloud::client::Answer;
use serde_json::{Value, json};

use super::{LS, Serving, get};

/// Who, from where, did what to which bucket, with what end.
const EVENTS: [(&str, &str, &str, &str, &str, &str); 8] = [
    ("ram-user", "alice", "203.0.113.7", "GetObject", "ledger", ""),
    ("ram-user", "alice", "203.0.113.7", "GetObject", "ledger", ""),
    ("ram-user", "alice", "203.0.113.7", "GetObject", "ledger", ""),
    ("ram-user", "alice", "203.0.113.7", "PutBucketAcl", "ledger", ""),
    ("ram-user", "alice", "Internal", "GetObject", "ledger", ""),
    ("ram-user", "bob", "10.0.0.5", "GetObject", "vault", "AccessDenied"),
    ("ram-user", "bob", "10.0.0.5", "GetObject", "vault", "AccessDenied"),
    ("root-account", "root", "203.0.113.9", "DeleteBucket", "old", ""),
];

/// As lines of a source, a few minutes old: alerts look back no further than twenty.
fn lines() -> String {
    let at = (Utc::now() - Duration::minutes(5)).to_rfc3339_opts(SecondsFormat::Secs, true);
    let audit = |(id, (kind, user, address, name, bucket, error)): (usize, (&str, &str, &str, &str, &str, &str))| {
        let mut event = json!({
            "eventId": format!("{id:024X}"), "eventVersion": 1, "eventTime": at, "eventType": "ApiCall",
            "eventRW": if name.starts_with("Get") { "Read" } else { "Write" }, "eventName": name, "serviceName": "Oss",
            "eventSource": format!("{bucket}.oss-cn-hangzhou.aliyuncs.com"), "acsRegion": "cn-hangzhou",
            "requestParameters": {"acl": if name == "PutBucketAcl" { "public-read" } else { "" }},
            "referencedResources": {"ACS::OSS::Bucket": [bucket]}, "sourceIpAddress": address, "userAgent": "sdk",
            "userIdentity": {"type": kind, "principalId": "2000000000000001", "accountId": "1000000000000001",
                "accessKeyId": format!("LTAI-EXAMPLE-{user}"), "userName": user},
        });
        if !error.is_empty() {
            event["errorCode"] = error.into();
        }
        event
    };
    let platform = json!({
        "EventID": "019B863A-2D8A-2597-573E-73607491F7CA", "EventLevel": "WARNING", "EventLocation": "SG",
        "EventName": "Set Bucket Quota Limit", "EventProduct": "OSS", "EventTime": at, "EventType": "ALIYUN_INITIATED_PENALTY",
        "EventVersion": "1.0.0", "ResourceID": "ledger", "ResourceOwnerID": "1000000000000001", "EmployeeID": "RVhBTVBMRQ==",
        "EventDescription": "a scan", "ResourceRegionID": "cn-hangzhou", "ResourceType": "ACS::OSS::Bucket",
        "EventMethod": "Regular Write", "EventAdditionalDetail": "",
    });
    EVENTS.into_iter().enumerate().map(audit).chain([platform]).map(|event| event.to_string() + "\n").collect()
}

/// A query with the Logstore and the range that stand beside it.
struct Asked {
    name: String,
    store: String,
    query: String,
    /// As in `-600s`.
    start: String,
}

impl Asked {
    fn of(name: &Value, store: &Value, query: &Value, start: &str) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self { name: text(name), store: text(store), query: text(query), start: start.to_owned() }
    }

    /// Runs it as the API serves it: it must be answered, and as a whole.
    fn run(&self, serving: &Serving, key: &Key) -> Value {
        let back: i64 = self.start.strip_prefix('-').and_then(|s| s.strip_suffix('s')).unwrap().parse().unwrap();
        let now = Utc::now().timestamp();
        let body = json!({"from": now - back, "to": now + 60, "query": self.query, "line": 100, "offset": 0});
        let path = format!("/logstores/{}/logs", self.store);
        let answer = serving.send(&get(&path, "").with("POST", body.to_string()), key);
        assert_eq!(answer.status, 200, "{}: {}\n{}", self.name, self.query, answer.text());
        let found = answer.json();
        assert_eq!(found["meta"]["progress"], "Complete", "{}", self.name);
        found
    }
}

fn list(serving: &Serving, key: &Key, path: &str, names: &str) -> Vec<String> {
    let list = serving.send(&get(path, "offset=0&size=100"), key).json();
    let name = |entry: &Value| entry.as_str().or(entry["name"].as_str()).unwrap().to_owned();
    list[names].as_array().unwrap().iter().map(name).collect()
}

fn found(serving: &Serving, key: &Key, path: &str) -> Value {
    let answer = serving.send(&get(path, ""), key);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// Every chart of every dashboard with its answer. What a chart draws must be there.
fn charts(serving: &Serving, key: &Key) -> BTreeMap<String, Value> {
    let mut out = BTreeMap::new();
    for name in list(serving, key, "/dashboards", "dashboards") {
        for chart in found(serving, key, &format!("/dashboards/{name}"))["charts"].as_array().unwrap() {
            let search = &chart["search"];
            let start = search["start"].as_str().unwrap();
            let asked = Asked::of(&chart["title"], &search["logstore"], &search["query"], start);
            let answer = asked.run(serving, key);
            for axis in ["xAxis", "yAxis"].iter().flat_map(|axis| chart["display"][axis].as_array().unwrap()) {
                assert!(answer["meta"]["keys"].as_array().unwrap().contains(axis), "{}: {axis}", asked.name);
            }
            assert!(!chart["display"]["yAxis"].as_array().unwrap().is_empty(), "{}", asked.name);
            let of_platform = name == "innertrail-platform-access";
            let title = if of_platform { format!("platform/{}", asked.name) } else { asked.name };
            assert!(out.insert(title, answer["data"].clone()).is_none(), "two charts of one name");
        }
    }
    out
}

/// How many rows each alert would tell of.
fn alerts(serving: &Serving, key: &Key) -> BTreeMap<String, usize> {
    let count = |name: String| {
        let alert = found(serving, key, &format!("/jobs/{name}"));
        let query = &alert["configuration"]["queryList"][0];
        let asked = Asked::of(&alert["name"], &query["store"], &query["query"], query["start"].as_str().unwrap());
        (name, asked.run(serving, key)["data"].as_array().unwrap().len())
    };
    list(serving, key, "/jobs", "results").into_iter().map(count).collect()
}

/// How many records each saved search finds on its first page.
fn searches(serving: &Serving, key: &Key) -> BTreeMap<String, usize> {
    let count = |name: String| {
        let search = found(serving, key, &format!("/savedsearches/{name}"));
        let asked = Asked::of(&search["savedsearchName"], &search["logstore"], &search["searchQuery"], "-3600s");
        (name, asked.run(serving, key)["data"].as_array().unwrap().len())
    };
    list(serving, key, "/savedsearches", "savedsearches").into_iter().map(count).collect()
}

fn serving(dir: &Path, lines: &str) -> Serving {
    fs::create_dir_all(dir.join("in")).unwrap();
    fs::write(dir.join("in/made.jsonl"), lines).unwrap();
    Serving::with(dir, 0)
}

fn refused(serving: &Serving, key: &Key, method: &str, path: &str, query: &str) -> Answer {
    let answer = serving.send(&get(path, query).with(method, "{\"dashboardName\":\"x\"}"), key);
    assert_eq!((answer.status, answer.code().as_str()), (403, "LogStoreReadOnly"), "{method} {path}");
    answer
}

#[test]
fn every_query_of_what_comes_with_it_runs_and_says_what_happened() {
    let dir = tempfile::tempdir().unwrap();
    let serving = serving(dir.path(), &lines());
    let reader = serving.key("reader");
    let all = get(&format!("{LS}/logs"), "")
        .with("POST", json!({"from": 0, "to": 4_000_000_000_u32, "query": "* | select count(1) as n"}).to_string());
    serving.until(&all, &reader, |answer| answer.status == 200 && answer.json()["data"][0]["n"] == "9");

    let writes = [
        ("POST", "/dashboards", "", "dashboards"),
        ("PUT", "/dashboards/innertrail-oss-audit", "", "dashboards"),
        ("DELETE", "/dashboards/innertrail-oss-audit", "", "dashboards"),
        ("POST", "/savedsearches", "", "saved_searches"),
        ("DELETE", "/savedsearches/oss-failures", "", "saved_searches"),
        ("POST", "/jobs", "", "jobs"),
        ("PUT", "/jobs/oss-public-acl", "action=enable", "jobs"),
        ("DELETE", "/jobs/oss-public-acl", "", "jobs"),
    ];
    let refusals = writes.map(|(method, path, query, surface)| {
        let answer = refused(&serving, &reader, method, path, query);
        json!([answer.header("x-log-requestid"), surface, reader.id])
    });
    let entries = serving.journal("write_refused", refusals.len());
    let told: Vec<Value> = entries.iter().map(|one| json!([one["request"], one["surface"], one["key"]])).collect();
    assert_eq!(told, refusals);
    serving.journal("key_added", 1);

    let charts = charts(&serving, &reader);
    let number = |name: &str, column: &str| charts[name][0][column].as_str().unwrap().to_owned();
    let numbers = [
        number("pv", "pv"),
        number("uv", "uv"),
        number("sources", "sources"),
        number("buckets", "buckets"),
        number("failures", "failures"),
        number("refused", "attempts"),
        number("keys", "changes"),
        number("platform/pv", "pv"),
        number("platform/persons", "persons"),
        number("platform/notified", "notified"),
        number("platform/reasonless", "reasonless"),
    ];
    assert_eq!(numbers, ["8", "3", "4", "3", "2", "8", "1", "1", "1", "1", "0"]);
    assert_eq!(number("failure-rate", "percent").parse::<f64>().unwrap(), 25.0);
    let rows = |name: &str, columns: &[&str]| -> Vec<Vec<String>> {
        let cells = |row: &Value| columns.iter().map(|c| row[c].as_str().unwrap().to_owned()).collect();
        charts[name].as_array().unwrap().iter().map(cells).collect()
    };
    assert_eq!(
        rows("top-users", &["it_actor", "pv", "failures", "buckets", "sources"]),
        [
            ["ram-user:alice", "5", "0", "1", "2"],
            ["ram-user:bob", "2", "2", "1", "1"],
            ["root-account:root", "1", "0", "1", "1"]
        ]
    );
    assert_eq!(
        rows("top-buckets", &["bucket", "pv", "failures", "uv"]),
        [["ledger", "5", "0", "1"], ["vault", "2", "2", "1"], ["old", "1", "0", "1"]]
    );
    assert_eq!(rows("networks", &["network", "pv"]), [["internet", "5"], ["intranet", "2"], ["no address", "1"]]);
    assert_eq!(rows("actions", &["it_action", "pv"]), [["read", "6"], ["admin", "2"]]);
    assert_eq!(rows("failure-reasons", &["it_reason", "failures", "uv"]), [["AccessDenied", "2", "1"]]);
    assert_eq!(rows("root", &["eventName", "bucket"]), [["DeleteBucket", "old"]]);
    assert_eq!(rows("deletions", &["it_actor", "deletions"]), [["root-account:root", "1"]]);
    assert_eq!(rows("provider", &["it_reason", "it_country"]), [["penalty", "SG"]]);
    assert_eq!(rows("platform/reasons", &["reason", "pv"]), [["penalty", "1"]]);
    assert_eq!(rows("platform/who", &["who", "pv"]), [["person", "1"]]);
    assert_eq!(rows("platform/countries", &["country", "pv"]), [["SG", "1"]]);
    assert_eq!(rows("platform/regions", &["region", "pv"]), [["cn-hangzhou", "1"]]);
    assert_eq!(rows("platform/told", &["bucket", "EventDescription"]), [["ledger", "a scan"]]);
    let hours: u64 = rows("trend", &["pv"]).iter().map(|row| row[0].parse::<u64>().unwrap()).sum();
    assert_eq!(hours, 8);
    let surfaces: BTreeMap<String, String> = rows("refused-writes", &["surface", "attempts"])
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    let told = [("dashboards", "3"), ("jobs", "3"), ("saved_searches", "2")];
    assert_eq!(surfaces, told.map(|(surface, count)| (surface.to_owned(), count.to_owned())).into());

    let alerts: Vec<String> =
        alerts(&serving, &reader).into_iter().filter(|(_, rows)| *rows > 0).map(|(name, _)| name).collect();
    assert_eq!(
        alerts,
        ["oss-bucket-deleted", "oss-public-acl", "provider-warning", "root-account-used", "writes-refused"]
    );
    let searches = searches(&serving, &reader);
    for (name, count) in [
        ("oss-failures", 2),
        ("oss-access-denied", 2),
        ("oss-changes", 2),
        ("oss-deletions", 1),
        ("oss-public-acl", 1),
        ("oss-protection-off", 0),
        ("root-account", 1),
        ("provider-access", 1),
        ("refused-writes", 8),
        ("quarantine", 0),
    ] {
        assert_eq!(searches[name], count, "{name}");
    }
    assert_eq!(searches.len(), 10);
}

/// On the first day there is nothing, and a dashboard says so instead of failing.
#[test]
fn every_query_runs_over_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let serving = serving(dir.path(), "");
    let reader = serving.key("reader");
    serving.until(&get(LS, ""), &reader, |answer| answer.status == 200);
    let charts = charts(&serving, &reader);
    for (name, column) in [
        ("pv", "pv"),
        ("uv", "uv"),
        ("failures", "failures"),
        ("failure-rate", "percent"),
        ("refused", "attempts"),
        ("platform/pv", "pv"),
    ] {
        assert_eq!(charts[name][0][column].as_str().unwrap().parse::<f64>().unwrap(), 0.0, "{name}");
    }
    assert!(alerts(&serving, &reader).values().all(|rows| *rows == 0));
    assert!(searches(&serving, &reader).values().all(|rows| *rows == 0));
}
