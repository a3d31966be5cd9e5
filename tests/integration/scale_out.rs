//! The SQL of `docs/scale-out.md`, taken out of it, run by the engines themselves over segments that `innertrail run` made. What comes
//! out is held against what went in, and against our own `query`. An engine that `INNERTRAIL_PYTHON` does not have is SKIPPED.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::harness::{config, event, python, query, root, run};

const SCRIPT: &str = include_str!("scale_out.py");
/// The folder that the document names.
const NAMED: &str = "/var/lib/innertrail";
const EVENTS: usize = 600;
const NAMES: [&str; 3] = ["PutBucketAcl", "GetObject", "DeleteBucket"];

/// The statements of one engine in the document, in order, each with its name; the first ones of an engine may have none.
fn statements(engine: &str) -> Vec<(String, String)> {
    let document = fs::read_to_string(root().join("docs/scale-out.md")).unwrap();
    let mark = format!("<!-- run: {engine}");
    let found = document.match_indices(&mark).map(|(at, _)| {
        let (name, rest) = document[at + mark.len()..].split_once(" -->\n```sql\n").expect("a block follows the mark");
        let (statement, _) = rest.split_once("```").unwrap();
        (name.trim().to_owned(), statement.to_owned())
    });
    found.collect()
}

/// One of the events: three names, and each seventh fails.
fn made(id: usize) -> String {
    let made = event(id, "").replace("\"PutBucketAcl\"", &format!("\"{}\"", NAMES[id % NAMES.len()]));
    if id.is_multiple_of(7) {
        return made.replacen("\"eventVersion\"", "\"errorCode\":\"AccessDenied\",\"eventVersion\"", 1);
    }
    made
}

/// A Logstore of two runs, so of two segments at the least.
fn logstore(dir: &Path) -> (std::path::PathBuf, Vec<String>) {
    let events: Vec<String> = (0..EVENTS).map(made).collect();
    let path = config(dir, &format!("{}/in/*.jsonl", dir.display()), "");
    fs::create_dir(dir.join("in")).unwrap();
    for (name, part) in ["a", "b"].iter().zip(events.chunks(EVENTS / 2)) {
        fs::write(dir.join(format!("in/{name}.jsonl")), part.join("\n") + "\n").unwrap();
        run(&["run", "--once", "--config", &path], 0);
    }
    (dir.join("data"), events)
}

/// Rows with all values as text, as the script gives them.
fn row(values: &[(&str, &str)]) -> Value {
    values.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect::<serde_json::Map<_, _>>().into()
}

/// How often each; most first, then by the key.
fn counted<K: Ord + Clone>(keys: impl Iterator<Item = K>) -> Vec<(K, usize)> {
    let mut counts = BTreeMap::new();
    keys.for_each(|key| *counts.entry(key).or_insert(0) += 1);
    let mut counts: Vec<(K, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(key, n)| (std::cmp::Reverse(*n), key.clone()));
    counts.truncate(20);
    counts
}

fn field<'a>(event: &'a Value, pointer: &str) -> &'a str {
    event.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// What each named statement has to find, from the events that went in.
fn wanted(events: &[String]) -> BTreeMap<&'static str, Value> {
    let parsed: Vec<Value> = events.iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    let total = events.len().to_string();
    let names = counted(parsed.iter().map(|event| field(event, "/eventName")));
    let failed = parsed.iter().filter(|event| event.get("errorCode").is_some());
    let users = counted(failed.map(|event| (field(event, "/userIdentity/userName"), field(event, "/sourceIpAddress"))));
    let hour = parsed.iter().enumerate().filter(|(_, event)| field(event, "/eventTime").starts_with("2026-11-03T08"));
    let hour: Vec<Value> = hour.map(|(seq, _)| row(&[("it_seq", &seq.to_string()), ("acl", "private")])).collect();
    let leaf = |event: &String| {
        let hash = Sha256::new().chain_update([0]).chain_update(event).finalize();
        hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let leaves =
        events.iter().enumerate().map(|(seq, event)| row(&[("it_seq", &seq.to_string()), ("leaf", &leaf(event))]));
    assert!(!hour.is_empty() && !users.is_empty());
    BTreeMap::from([
        ("complete", json!([row(&[("records", &total), ("numbers", &total)])])),
        ("names", names.iter().map(|(name, n)| row(&[("name", name), ("n", &n.to_string())])).collect()),
        (
            "users",
            users
                .iter()
                .map(|((who, address), n)| row(&[("who", who), ("address", address), ("n", &n.to_string())]))
                .collect(),
        ),
        ("hour", json!(hour)),
        ("leaf", leaves.collect()),
    ])
}

fn agrees(engine: &str, module: &str) {
    let Some(python) = python(module) else { return };
    let dir = tempfile::tempdir().unwrap();
    let (data, events) = logstore(dir.path());
    let wanted = wanted(&events);
    let statements: Vec<(String, String)> = statements(engine)
        .into_iter()
        .map(|(name, statement)| (name, statement.replace(NAMED, data.to_str().unwrap())))
        .collect();
    let named: Vec<&str> = statements.iter().map(|(name, _)| name.as_str()).filter(|name| !name.is_empty()).collect();
    assert_eq!(named.len(), wanted.len(), "the document has {named:?} for {engine}");
    let mut command = Command::new(python);
    command.args(["-c", SCRIPT, engine, &json!(statements).to_string()]).arg(dir.path()).current_dir(dir.path());
    let ran = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    let found = out.lines().find_map(|line| line.strip_prefix("found ")).unwrap_or_else(|| panic!("{out}\n{err}"));
    let found: BTreeMap<String, Value> = serde_json::from_str(found).unwrap();
    for (name, rows) in &wanted {
        assert_eq!(&found[*name], rows, "{engine}: {name}");
    }
    println!("{engine}: {named:?} agree over {} segments", segments(&data));
    run(&["verify", "--data-dir", data.to_str().unwrap()], 0);
}

fn segments(data: &Path) -> usize {
    let days = fs::read_dir(data.join("log/data")).unwrap();
    days.map(|day| fs::read_dir(day.unwrap().path()).unwrap().count()).sum()
}

#[test]
fn duckdb_finds_what_went_in() {
    agrees("duckdb", "duckdb");
}

#[test]
fn clickhouse_finds_what_went_in() {
    agrees("clickhouse", "chdb");
}

#[test]
fn spark_finds_what_went_in() {
    agrees("spark", "pyspark");
}

/// What the engines are held against is held against ourselves, also where no engine is at hand.
#[test]
fn our_own_query_finds_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (data, events) = logstore(dir.path());
    assert!(segments(&data) >= 2);
    let own = |sql: &str| -> Vec<Value> {
        let rows = query(&data, "log", sql);
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let row = |row: &Value| row.as_object().unwrap().iter().map(|(k, v)| (k.clone(), json!(text(v)))).collect();
        rows.as_array().unwrap().iter().map(row).collect()
    };
    for (name, statement) in statements("duckdb") {
        if ["complete", "names", "users"].contains(&name.as_str()) {
            let found = own(statement.trim_end().trim_end_matches(';'));
            assert_eq!(json!(found), wanted(&events)[name.as_str()], "{name}");
        }
    }
    for (engine, least) in [("duckdb", 6), ("clickhouse", 6), ("spark", 6)] {
        assert_eq!(statements(engine).len(), least, "{engine}");
    }
}
