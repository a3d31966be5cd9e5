//! `innertrail charts`: packs and copies over a real Logstore, what an update touches, and each chart's two questions held
//! against each other: Log Service's language in our own engine, ClickHouse's in ClickHouse, where `INNERTRAIL_PYTHON` has it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{python, query, root, run};

const SCRIPT: &str = include_str!("scale_out.py");
const STORES: [(&str, &str); 3] = [("$logstore", "log"), ("$journal", "journal"), ("$quarantine", "quarantine")];

/// The Logstore of the first five minutes: audit and platform events, failures, and what went to quarantine.
fn logstore(dir: &Path) -> PathBuf {
    let data = dir.join("data");
    run(&["run", "--once", "--config", "fixtures/quickstart/innertrail.yaml", "--data-dir", data.to_str().unwrap()], 0);
    data
}

fn charts(data: &Path, args: &[&str], code: i32) -> (String, String) {
    let (command, rest) = args.split_first().unwrap();
    run(&[&["charts", *command, "--data-dir", data.to_str().unwrap()], rest].concat(), code)
}

fn builtin(name: &str) -> Value {
    let path = root().join(format!("charts/packs/{name}.json"));
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn listed(data: &Path, code: i32) -> Value {
    serde_json::from_str(&charts(data, &["list", "--format", "json"], code).0).unwrap()
}

#[test]
fn an_update_replaces_the_pack_and_touches_no_copy() {
    let dir = tempfile::tempdir().unwrap();
    let data = logstore(dir.path());
    let (told, _) = charts(&data, &["copy", "oss-audit", "my-oss"], 0);
    let copy = data.join("charts/copies/my-oss.json");
    assert!(told.contains(copy.to_str().unwrap()), "{told}");
    let mine = fs::read_to_string(&copy).unwrap().replace("\"OSS audit\"", "\"Ours\"");
    fs::write(&copy, &mine).unwrap();
    let (_, refused) = charts(&data, &["copy", "platform-access", "my-oss"], 2);
    assert!(refused.contains("there is a pack or copy `my-oss` already"), "{refused}");

    let mut newer = builtin("oss-audit");
    let version = newer["version"].as_u64().unwrap();
    let file = dir.path().join("newer.json");
    let update = |pack: &Value, code| {
        fs::write(&file, format!("{pack:#}")).unwrap();
        charts(&data, &["update", file.to_str().unwrap()], code)
    };
    let (_, not_newer) = update(&newer, 2);
    assert!(not_newer.contains(&format!("is at version {version} already")), "{not_newer}");
    newer["version"] = json!(version + 1);
    newer["charts"][0]["search"]["query"] = json!("* | select no_such_function(1) as pv");
    let (_, cannot) = update(&newer, 2);
    assert!(cannot.contains("newer.json: chart \"pv\":") && cannot.contains("nothing was installed"), "{cannot}");
    newer["charts"][0]["search"]["query"] = json!("* | select");
    let (_, broken) = update(&newer, 2);
    assert!(broken.contains("newer.json:") && broken.contains("chart \"pv\""), "{broken}");
    assert_eq!(listed(&data, 0)["packs"][0]["version"], version);

    newer["charts"] = json!([builtin("oss-audit")["charts"][0]]);
    let (done, _) = update(&newer, 0);
    assert!(
        done.contains("each of its 1 questions was asked") && done.contains("my-oss is a copy and stays"),
        "{done}"
    );
    let list = listed(&data, 0);
    assert_eq!(
        list["packs"][0],
        json!({"name": "oss-audit", "version": version + 1, "charts": 1, "display_name": "OSS audit",
        "copied_from": null, "origin": "installed"})
    );
    assert_eq!(list["copies"][0]["origin"], format!("copy of oss-audit {version}, which is at {} now", version + 1));
    assert_eq!(list["copies"][0]["display_name"], "Ours");
    assert_eq!(fs::read_to_string(&copy).unwrap(), mine, "the copy is its user's");

    // A file that is none is named, and the others are there.
    fs::write(data.join("charts/copies/bad.json"), "{\"pack\": 1}").unwrap();
    let (_, told) = charts(&data, &["list"], 2);
    assert!(told.contains("bad.json:1:10: invalid type"), "{told}");
    assert_eq!(listed(&data, 2)["copies"].as_array().unwrap().len(), 1);
    // The folder is nobody's but its owner's, and the seal says nothing of it.
    run(&["verify", "--data-dir", data.to_str().unwrap()], 0);
}

#[test]
fn exports_are_what_other_programs_read() {
    let dir = tempfile::tempdir().unwrap();
    let data = logstore(dir.path());
    let export = |form: &str| -> Value {
        serde_json::from_str(&charts(&data, &["export", "platform-access", "--to", form], 0).0).unwrap()
    };
    assert_eq!(export("pack"), builtin("platform-access"));
    assert_eq!(export("log-service")["dashboardName"], "innertrail-platform-access");
    let target = |dashboard: &Value| dashboard["panels"][0]["targets"][0].clone();
    assert_eq!(target(&export("grafana-log-service"))["logstore"], "innertrail_main-trail");
    let sql = "SELECT count() AS pv FROM innertrail.log WHERE $__timeFilter(it_time) AND it_family = 'platform'";
    assert_eq!(target(&export("grafana-clickhouse"))["rawSql"], sql);
    let (_, unknown) = charts(&data, &["export", "oss"], 2);
    assert!(unknown.contains("there are: oss-audit, platform-access, custody"), "{unknown}");
}

/// Columns of a row as text, without regard to how an engine writes a fraction.
fn texts(rows: &Value) -> Vec<BTreeMap<String, Option<String>>> {
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.parse::<f64>().map_or_else(|_| text.clone(), |number| number.to_string())),
        other => Some(other.as_f64().map_or_else(|| other.to_string(), |number| number.to_string())),
    };
    let row = |row: &Value| row.as_object().unwrap().iter().map(|(name, value)| (name.clone(), text(value))).collect();
    rows.as_array().unwrap().iter().map(row).collect()
}

/// The pack's two questions of a chart are one question: in ClickHouse over the segments, and here.
#[test]
fn clickhouse_draws_the_same_charts() {
    let Some(python) = python("chdb") else { return };
    let dir = tempfile::tempdir().unwrap();
    let data = logstore(dir.path());
    let mut asked = Vec::new();
    let mut ours = BTreeMap::new();
    for pack in ["oss-audit", "platform-access", "custody"] {
        for chart in builtin(pack)["charts"].as_array().unwrap() {
            let name = format!("{pack}/{}", chart["title"].as_str().unwrap());
            let (_, store) = STORES.iter().find(|(word, _)| chart["search"]["logstore"] == *word).unwrap();
            let table = format!("file('{}/{store}/data/*/*.parquet', Parquet)", data.display());
            let sql = chart["clickhouse"].as_str().unwrap().replace(&format!("${store}"), &table);
            let sql = sql.replace("$__timeFilter(it_time)", "1").replace("$__timeFilter(it_received)", "1");
            asked.push((name.clone(), sql));
            ours.insert(name, query(&data, store, chart["search"]["query"].as_str().unwrap()));
        }
    }
    let mut command = Command::new(python);
    command.args(["-c", SCRIPT, "clickhouse", &json!(asked).to_string()]).arg(dir.path()).current_dir(dir.path());
    let ran = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    let found = out.lines().find_map(|line| line.strip_prefix("found ")).unwrap_or_else(|| panic!("{out}\n{err}"));
    let found: BTreeMap<String, Value> = serde_json::from_str(found).unwrap();
    for (name, rows) in &ours {
        assert_eq!(texts(&found[name]), texts(rows), "{name}");
    }
    let filled = ours.values().filter(|rows| !rows.as_array().unwrap().is_empty()).count();
    assert!(filled > 45, "only {filled} charts show anything");
    println!("ClickHouse and we agree on {} charts, {filled} of them with rows", ours.len());
}
