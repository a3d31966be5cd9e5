//! The vendor's own Python clients against the doubles. Where they are not installed the tests say SKIPPED with the reason;
//! `INNERTRAIL_PYTHON` names another interpreter than `python3`.

use std::process::Command;

use innertrail_test_cloud::TrailLoad;
use serde_json::{Value, json};

use super::{BUCKET, LOGSTORE, PROJECT, cloud};

fn python() -> String {
    std::env::var("INNERTRAIL_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

/// Whether modules can be imported; says SKIPPED when not.
fn has(modules: &str) -> bool {
    let tried = Command::new(python()).args(["-c", &format!("import {modules}")]).output();
    let there = tried.is_ok_and(|output| output.status.success());
    if !there {
        println!("SKIPPED: {} cannot import {modules}", python());
    }
    there
}

/// Runs a script of `tests/cloud/python` and reads the line of JSON that it ends with.
fn run(script: &str, setup: &Value) -> Value {
    let path = format!("{}/python/{script}", env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(python()).args(["-B", &path, &setup.to_string()]).output().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{complained}");
    let last = said.lines().next_back().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {said}\n{complained}"))
}

fn sorted(value: &Value) -> Vec<String> {
    let mut list: Vec<String> = value.as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
    list.sort();
    list
}

#[test]
fn the_sls_sdk_writes_pulls_consumes_and_resumes() {
    if !has("aliyun.log") {
        return;
    }
    let cloud = cloud(2);
    let proxy = format!("http://{}", cloud.sls.address());
    let out = run("sls_client.py", &json!({ "proxy": proxy, "project": PROJECT, "logstore": LOGSTORE }));
    let written = sorted(&out["written"]);
    assert_eq!(written.len(), 125);
    for how in ["pulled_v1", "pulled_v4", "plain_v1", "plain_v4", "consumed"] {
        assert_eq!(sorted(&out[how]), written, "{how}: every event exactly once");
    }
    assert_eq!(out["resumed"], out["late"], "from the checkpoints, and nothing twice");
    for version in ["v1", "v4"] {
        assert_eq!(out[format!("project_{version}")], "cn-hangzhou");
        assert_eq!(out[format!("logstore_{version}")], 2);
        assert_eq!(out[format!("index_{version}")], 180);
        assert!(cloud.sls.versions()[version] > 20, "{:?}", cloud.sls.versions());
    }
    assert_eq!(out["cursor_time"], true);
    assert_eq!(out["refused_put"], json!([401, "Unauthorized"]));
    assert_eq!(out["refused_delete"], json!([401, "Unauthorized"]));
    assert_eq!(out["refused_cursor"], json!([400, "ParameterInvalid"]));
    assert_eq!(out["refused_secret"], json!([401, "SignatureNotMatch"]));
    let oracle: Vec<String> = cloud.sls.ids(PROJECT, LOGSTORE).into_values().flatten().collect();
    assert_eq!(sorted(&json!(oracle)), [written, sorted(&out["late"])].concat());
    let group = cloud.sls.group(PROJECT, LOGSTORE, "python-group").unwrap();
    let ends: Vec<u64> = cloud.sls.kept_groups(PROJECT, LOGSTORE).into_values().map(|(_, end)| end).collect();
    assert_eq!(group.checkpoints.into_values().collect::<Vec<u64>>(), ends, "all is checkpointed");
}

#[test]
fn oss2_lists_and_reads_and_moto_lists_the_same() {
    if !has("oss2") {
        return;
    }
    let moto = has("moto.server, boto3");
    let cloud = cloud(1);
    cloud.oss.fill(BUCKET, &TrailLoad { events: 1_000, per_object: 150, ..TrailLoad::default() });
    let proxy = format!("http://{}", cloud.oss.address());
    let out = run("oss_client.py", &json!({ "proxy": proxy, "bucket": BUCKET, "moto": moto }));
    let keys: Vec<String> = cloud.oss.ids(BUCKET).into_keys().filter(|key| key.starts_with("AliyunLogs/")).collect();
    assert_eq!(sorted(&out["listed"][0]), keys);
    assert_eq!(out["listed"][2], keys.len().div_ceil(3));
    for key in &keys {
        let size: u64 = key.rsplit('_').nth(1).unwrap().parse().unwrap();
        assert_eq!(out["read"][key], json!([size, true, true]), "{key}: the size in the name, the ranges, the head");
    }
    assert_eq!((&out["location"], &out["info"]), (&json!("oss-cn-hangzhou"), &json!(BUCKET)));
    for (what, status, code) in [
        ("refused_put", 403, "AccessDenied"),
        ("refused_delete", 403, "AccessDenied"),
        ("refused_key", 404, "NoSuchKey"),
        ("refused_v1", 403, "AccessDenied"),
    ] {
        assert_eq!(out[what], json!([status, code]), "{what}");
    }
    assert_eq!(out["odd"], json!([["odd/\u{fc} b+c&d?e=f%25.gz"], "payload"]));
    assert_eq!((&out["deleted"], &out["temporary"]), (&json!([]), &json!(true)));
    if moto {
        assert_eq!(out["moto"]["compared"], 150);
        assert_eq!(out["moto"]["differences"], json!([]), "a difference to moto has to be understood");
    }
}
