//! Which room answers which call, and what metadata says, with rooms that say who they are.

use std::sync::Mutex;

use innertrail_logstore::{Column, Encoding, Kind, Layout};
use serde_json::{Value, json};

use super::*;
use crate::attempts::Told;
use crate::{Access, Facts, Parameters};

struct Doubles;

fn said(room: &str, store: Store) -> Result<Answer, ApiError> {
    Answer::json(&format!("{room} {store}"))
}

impl Rooms for Doubles {
    fn shards(&self, _: Store) -> Vec<ShardInfo> {
        let (begin_key, end_key) = ("0".repeat(32), "f".repeat(32));
        vec![
            ShardInfo {
                id: 0,
                status: "readwrite",
                created: 1_767_225_600,
                begin_key: begin_key.clone(),
                end_key: end_key.clone(),
            },
            ShardInfo { id: 1, status: "readwrite", created: 1_767_225_600, begin_key, end_key },
        ]
    }
    fn cursor(&self, _: &Call, store: Store, shard: u32) -> Result<Answer, ApiError> {
        said(&format!("cursor {shard}"), store)
    }
    fn cursor_time(&self, _: &Call, store: Store, shard: u32) -> Result<Answer, ApiError> {
        said(&format!("cursor_time {shard}"), store)
    }
    fn pull(&self, _: &Call, store: Store, shard: u32) -> Result<Answer, ApiError> {
        said(&format!("pull {shard}"), store)
    }
    fn group_call(&self, _: &Call, store: Store, rest: &[String]) -> Result<Answer, ApiError> {
        said(&format!("group {rest:?}"), store)
    }
    fn logs_v3(&self, _: &Call, store: Store) -> Result<Answer, ApiError> {
        said("logs_v3", store)
    }
    fn logs_v1(&self, _: &Call, store: Store) -> Result<Answer, ApiError> {
        said("logs_v1", store)
    }
    fn histograms(&self, _: &Call, store: Store) -> Result<Answer, ApiError> {
        said("histograms", store)
    }
    fn context(&self, _: &Call, store: Store) -> Result<Answer, ApiError> {
        said("context", store)
    }
}

#[derive(Default)]
struct Process(Mutex<u32>);

impl Host for Process {
    fn facts(&self) -> Result<Facts, ApiError> {
        let columns = vec![
            Column::new("eventName", Kind::Text, Encoding::Dictionary),
            Column::new("count", Kind::Integer, Encoding::Plain),
            Column::new("eventTime", Kind::Timestamp, Encoding::Delta),
        ];
        Ok(Facts {
            region: "cn-hangzhou".to_owned(),
            description: "x".to_owned(),
            created_us: 1_767_225_600_000_000,
            changed_us: 1_767_225_601_000_000,
            retention_days: 180 + *self.0.lock().unwrap(),
            layout: Layout { columns, key: None },
        })
    }
    fn lengthen(&self, days: u32, _: &Call) -> Result<(), ApiError> {
        *self.0.lock().unwrap() = days - 180;
        Ok(())
    }
    fn refused(&self, _: Told) {}
}

fn router() -> Router {
    Router::new(Names::new("audit", "main-trail"), Arc::new(Doubles), Arc::new(Process::default()))
}

fn call(method: &str, target: &str, role: Role, body: &str) -> Call {
    let request = hyper::Request::builder().method(method).uri(target).header("host", "audit.x").body(()).unwrap();
    let head = crate::Head::read(&request.into_parts().0).unwrap();
    Call {
        method: head.method,
        path: head.path,
        parameters: head.parameters,
        headers: head.headers,
        body: body.to_owned().into(),
        access: Access { key_id: "k".to_owned(), role },
        request_id: String::new(),
        now_us: 0,
    }
}

fn ask(method: &str, target: &str, role: Role, body: &str) -> Result<Value, ApiError> {
    let answer = router().answer(&call(method, target, role, body), true)?;
    Ok(if answer.body.is_empty() { Value::Null } else { serde_json::from_slice(&answer.body).unwrap() })
}

const LS: &str = "/logstores/innertrail_main-trail";

#[test]
fn every_call_finds_its_room() {
    for (method, target, expected) in [
        ("GET", "/shards/1?type=cursor&from=begin", "cursor 1 log"),
        ("GET", "/shards/0?type=cursor_time&cursor=x", "cursor_time 0 log"),
        ("GET", "/shards/0?type=log&cursor=x", "pull 0 log"),
        ("GET", "/shards/0?type=logs&cursor=x", "pull 0 log"),
        ("GET", "?type=log&query=x", "logs_v1 log"),
        ("GET", "?type=histogram", "histograms log"),
        ("GET", "?type=context_log", "context log"),
        ("POST", "/logs", "logs_v3 log"),
        ("GET", "/consumergroups", "group [] log"),
        ("POST", "/consumergroups", "group [] log"),
        ("POST", "/consumergroups/g?type=heartbeat", "group [\"g\"] log"),
        ("DELETE", "/consumergroups/g", "group [\"g\"] log"),
        ("GET", "-journal/shards/0?type=log", "pull 0 journal"),
        ("POST", "-quarantine/logs", "logs_v3 quarantine"),
        ("GET", "-passthrough?type=histogram", "histograms passthrough"),
    ] {
        assert_eq!(ask(method, &format!("{LS}{target}"), Role::Consumer, "").unwrap(), expected, "{method} {target}");
    }
}

#[test]
fn what_there_is_not_is_said() {
    for (method, target, status, code) in [
        ("GET", "/logstores/other", 404, "LogStoreNotExist"),
        ("GET", "/logstores/other/shards/0?type=log", 404, "LogStoreNotExist"),
        ("GET", &format!("{LS}/shards/2?type=log"), 404, "ShardNotExist"),
        ("GET", &format!("{LS}/shards/-1?type=log"), 404, "ShardNotExist"),
        ("GET", &format!("{LS}/shards/0"), 400, "ParameterInvalid"),
        ("GET", &format!("{LS}?type=other"), 400, "ParameterInvalid"),
        ("GET", &format!("{LS}/logs"), 400, "NotSupported"),
        ("GET", &format!("{LS}/meteringmode"), 400, "NotSupported"),
        ("GET", "/what/ever", 400, "NotSupported"),
        ("GET", "/logs?query=x", 400, "NotSupported"),
        ("GET", "/dashboards/x", 404, "DashboardNotExist"),
        ("GET", "/savedsearches/x", 404, "SavedSearchNotExist"),
        ("GET", "/jobs/x?jobType=Alert", 404, "JobNotExist"),
    ] {
        let told = ask(method, target, Role::Administrator, "").unwrap_err();
        assert_eq!((told.status, told.code), (status, code), "{target}");
    }
    let told = ask("GET", "/logstores/%1b[31m%0a'", Role::Reader, "").unwrap_err();
    assert_eq!(told.message, "logstore 31m does not exist");
}

#[test]
fn a_reader_moves_no_consumer_group() {
    for (method, target, action, end) in [
        ("POST", "", "CreateConsumerGroup", ""),
        ("PUT", "/g", "UpdateConsumerGroup", "/consumergroup/*"),
        ("DELETE", "/g", "DeleteConsumerGroup", "/consumergroup/*"),
        ("POST", "/g?type=heartbeat", "ConsumerGroupHeartBeat", "/consumergroup/*"),
        ("POST", "/g?type=checkpoint", "ConsumerGroupUpdateCheckPoint", "/consumergroup/*"),
        ("POST", "/%1b%5b31mUnauthorized%20?type=%0a", "CreateConsumerGroup", "/consumergroup/*"),
    ] {
        let target = format!("{LS}/consumergroups{target}");
        let told = ask(method, &target, Role::Reader, "").unwrap_err();
        assert_eq!((told.status, told.code), (403, "PermissionDenied"));
        let resource =
            format!("resource: acs:log:cn-hangzhou:*:project/audit{LS}{end};").replace("/logstores", "/logstore");
        assert!(told.message.contains(&format!("action: log:{action}, {resource}")), "{}", told.message);
        assert!(!told.message.to_lowercase().contains("unauthorized"));
        assert!(ask(method, &target, Role::Administrator, "").is_ok());
    }
    assert!(ask("GET", &format!("{LS}/consumergroups/g"), Role::Reader, "").is_ok());
}

#[test]
fn metadata_is_what_clients_insist_on() {
    let project = ask("GET", "/", Role::Reader, "").unwrap();
    for key in ["projectName", "description", "status", "owner", "region", "createTime", "lastModifyTime"] {
        assert!(project[key].is_string(), "{key}");
    }
    assert_eq!((&project["projectName"], &project["createTime"]), (&json!("audit"), &json!("2026-01-01 00:00:00")));
    let logstore = ask("GET", LS, Role::Reader, "").unwrap();
    for key in ["logstoreName", "ttl", "shardCount", "enable_tracking", "appendMeta", "autoSplit", "maxSplitShard"] {
        assert!(!logstore[key].is_null(), "{key}");
    }
    assert_eq!(
        (&logstore["ttl"], &logstore["shardCount"], &logstore["productType"]),
        (&json!(180), &json!(2), &json!("innertrail"))
    );
    let journal = ask("GET", &format!("{LS}-journal"), Role::Reader, "").unwrap();
    assert_eq!(journal["ttl"], 3650);
    let shards = ask("GET", &format!("{LS}/shards"), Role::Reader, "").unwrap();
    assert_eq!((&shards[1]["shardID"], &shards[1]["status"]), (&json!(1), &json!("readwrite")));
    let index = ask("GET", &format!("{LS}/index"), Role::Reader, "").unwrap();
    let kind = |name: &str| index["keys"][name]["type"].as_str().unwrap_or_default().to_owned();
    assert_eq!([kind("eventName"), kind("count"), kind("eventTime"), kind("event")], ["text", "long", "long", "json"]);
    assert!(index["line"]["token"].as_array().is_some_and(|token| !token.is_empty()));
}

#[test]
fn lists_have_pages_and_filters() {
    let all = ["", "-journal", "-passthrough", "-quarantine"].map(|end| format!("innertrail_main-trail{end}"));
    let list = |query: &str| ask("GET", &format!("/logstores?{query}"), Role::Reader, "").unwrap();
    assert_eq!(list("offset=&size=&logstoreName="), json!({"count": 4, "total": 4, "logstores": all}));
    assert_eq!(list("offset=1&size=2"), json!({"count": 2, "total": 4, "logstores": all[1..3]}));
    assert_eq!(list("offset=0&size=-1")["count"], 4);
    assert_eq!(list("logstoreName=journal")["logstores"], json!([all[1]]));
    assert_eq!(list("telemetryType=Metrics")["total"], 0);
    for bad in ["size=x", "offset=-1", "size=-2", "offset=99999999999999999999"] {
        assert_eq!(ask("GET", &format!("/logstores?{bad}"), Role::Reader, "").unwrap_err().code, "ParameterInvalid");
    }
}

/// Each list has pages and a filter, says how many there are in all, and every name in it leads to what has that name.
#[test]
fn what_comes_with_innertrail_is_listed_and_found() {
    let ask = |target: &str| ask("GET", target, Role::Reader, "");
    for (path, key, filter) in [
        ("/dashboards", "dashboards", "dashboardName"),
        ("/savedsearches", "savedsearches", "savedsearchName"),
        ("/jobs", "results", "jobName"),
    ] {
        let name_of = |entry: &Value| entry.as_str().or(entry["name"].as_str()).unwrap().to_owned();
        let names = |query: &str| {
            let list = ask(&format!("{path}?{query}")).unwrap();
            let names: Vec<String> = list[key].as_array().unwrap().iter().map(name_of).collect();
            assert_eq!(list["count"], json!(names.len()), "{path} {query}");
            (names, list["total"].as_u64().unwrap())
        };
        let (all, total) = names("offset=0&size=500");
        assert!(all.len() as u64 == total && total > 1, "{path} {total}");
        assert_eq!(names("offset=1&size=1"), (all[1..2].to_vec(), total));
        assert_eq!(names(&format!("offset={total}&size=100")), (Vec::new(), total));
        assert_eq!(names(&format!("{filter}={}", all[0])).0, all[..1]);
        assert_eq!(names(&format!("{filter}=nothing-like-it")), (Vec::new(), 0));
        assert_eq!(ask(&format!("{path}?size=x")).unwrap_err().code, "ParameterInvalid");
        for name in &all {
            let found = ask(&format!("{path}/{name}")).unwrap();
            let named = ["dashboardName", "savedsearchName", "name"].map(|member| found[member].as_str());
            assert!(named.contains(&Some(name)), "{found}");
            let text = found.to_string();
            assert!(!text.replace("\"${", "").contains("\"$"), "a word stands for no name: {text}");
            assert!(text.contains("innertrail_main-trail"), "{text}");
        }
        assert_eq!(ask(&format!("{path}/{}/charts", all[0])).unwrap_err().code, "NotSupported");
    }
    assert_eq!(ask("/dashboards").unwrap()["dashboardItems"][0]["displayName"], "OSS audit");
    assert_eq!(ask("/jobs?jobType=Alert").unwrap(), ask("/jobs").unwrap());
    for kind in ["Ingestion", "ETL", "Export", "ScheduledSQL", "%1b%5b31m"] {
        assert_eq!(ask(&format!("/jobs?jobType={kind}")).unwrap(), json!({"count": 0, "total": 0, "results": []}));
    }
    let job = ask("/jobs/oss-public-acl").unwrap();
    let query = &job["configuration"]["queryList"][0];
    assert_eq!(
        (&query["project"], &query["store"], &query["region"]),
        (&json!("audit"), &json!("innertrail_main-trail"), &json!("cn-hangzhou"))
    );
    assert_eq!((&job["createTime"], &job["status"]), (&json!(1_767_225_600), &json!("DISABLED")));
    let told = ask("/dashboards/%1b[31m%0a'").unwrap_err();
    assert_eq!((told.status, told.message.as_str()), (404, "dashboard 31m does not exist"));
    assert!(ask(&format!("/savedsearches/{}", "x".repeat(60_000))).unwrap_err().message.len() < 200);
}

/// A client that only knows an address asks for its project; one that lists projects says so by its parameters.
#[test]
fn the_bare_host_is_a_list_of_projects_or_the_one_project() {
    let ask = |target: &str, named| {
        let answer = router().answer(&call("GET", target, Role::Reader, ""), named).unwrap();
        serde_json::from_slice::<Value>(&answer.body).unwrap()
    };
    assert_eq!(ask("/?offset=0&size=100", false)["projects"][0]["projectName"], "audit");
    assert_eq!(ask("/?offset=0&size=100&projectName=other", false)["total"], 0);
    for (filter, total) in
        [("description=x", 1), ("description=y", 0), ("resourceGroupId=", 1), ("resourceGroupId=rg-1", 0)]
    {
        assert_eq!(ask(&format!("/?offset=0&size=100&{filter}"), false)["total"], total, "{filter}");
    }
    assert_eq!(ask("/", false)["projectName"], "audit");
    assert_eq!(ask("/?offset=0", true)["projectName"], "audit");
}

#[test]
fn a_retention_may_grow_and_nothing_else_may_change() {
    let settings = ask("GET", LS, Role::Administrator, "").unwrap();
    let put = |change: &[(&str, Value)]| {
        let mut body = settings.clone();
        change.iter().for_each(|(name, value)| body[*name] = value.clone());
        ask("PUT", LS, Role::Administrator, &body.to_string()).map_err(|error| (error.status, error.code))
    };
    let refused = Err((403, "LogStoreReadOnly"));
    assert_eq!(put(&[]), Ok(Value::Null));
    assert_eq!(put(&[("ttl", json!(181))]), Ok(Value::Null));
    assert_eq!(put(&[("ttl", json!(3650)), ("hot_ttl", json!(3650))]), Ok(Value::Null));
    assert_eq!(put(&[("ttl", json!(179))]), refused);
    assert_eq!(put(&[("ttl", json!(0))]), Err((400, "ParameterInvalid")));
    assert_eq!(put(&[("ttl", json!(3651))]), Err((400, "ParameterInvalid")));
    assert_eq!(put(&[("ttl", json!("long"))]), Err((400, "ParameterInvalid")));
    for (name, value) in [
        ("enable_tracking", json!(true)),
        ("enableModify", json!(true)),
        ("appendMeta", json!(true)),
        ("autoSplit", json!(true)),
        ("mode", json!("query")),
        ("hot_ttl", json!(7)),
        ("encrypt_conf", json!({"enable": true})),
        ("telemetryType", json!("Metrics")),
        ("processorId", json!("x")),
        ("productType", json!("mine")),
    ] {
        assert_eq!(put(&[(name, value.clone())]), refused, "{name}");
        assert_eq!(put(&[(name, value), ("ttl", json!(200))]), refused, "{name}");
    }
    for (name, value) in
        [("encrypt_conf", json!({"enable": false})), ("infrequentAccessTTL", json!(-1)), ("new", json!(null))]
    {
        assert_eq!(put(&[(name, value)]), Ok(Value::Null), "{name}");
    }
    for (target, body, code) in [
        (LS.to_owned(), "", "PostBodyInvalid"),
        (LS.to_owned(), "[]", "PostBodyInvalid"),
        (LS.to_owned(), r#"{"logstoreName":"other","ttl":200}"#, "ParameterInvalid"),
        (format!("{LS}-quarantine"), r#"{"ttl":200}"#, "LogStoreReadOnly"),
        (format!("{LS}-journal"), r#"{"ttl":3649}"#, "LogStoreReadOnly"),
    ] {
        assert_eq!(ask("PUT", &target, Role::Administrator, body).unwrap_err().code, code, "{target} {body}");
    }
}

#[test]
fn searches_are_heavy_and_change_nothing() {
    let is = |method, target: &str| {
        let call = call(method, target, Role::Reader, "");
        (weight(&call) == Weight::Heavy, changes(&call))
    };
    assert_eq!(is("POST", &format!("{LS}/logs")), (true, false));
    assert_eq!(is("GET", &format!("{LS}?type=histogram")), (true, false));
    assert_eq!(is("GET", LS), (false, false));
    assert_eq!(is("GET", &format!("{LS}/shards/0?type=log")), (false, false));
    assert_eq!(is("POST", &format!("{LS}/consumergroups/g?type=heartbeat")), (false, true));
    assert_eq!(is("PUT", LS), (false, true));
    let empty = Parameters::default();
    assert_eq!(empty.get("type"), None);
}
