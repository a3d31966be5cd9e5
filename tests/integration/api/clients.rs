//! Further clients of the vendor, unchanged, against a running `innertrail run`: the Node SDK, the Rust SDK (`tests/sdk-rust`, which
//! `INNERTRAIL_RUST_SDK` names when it is built) and the command line tool. Without them a test prints `SKIPPED: reason`.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::{EVENTS, LS, SHARDS, Serving, get};
use crate::harness::{event, run};

/// 2026-11-01 and three weeks later: the events' own times.
const SPAN: (i64, i64) = (1_793_491_200, 1_795_305_600);

/// A run that has taken so many events in, and a key of a reader.
fn holding(dir: &Path, events: usize) -> (Serving, innertrail_test_cloud::Key) {
    let serving = Serving::with(dir, events);
    let reader = serving.key("reader");
    let count = get(LS, &format!("type=histogram&from={}&to={}&query=*", SPAN.0, SPAN.1));
    serving.until(&count, &reader, |answer| answer.header("x-log-count") == events.to_string());
    (serving, reader)
}

fn ready(dir: &Path) -> (Serving, innertrail_test_cloud::Key) {
    holding(dir, EVENTS)
}

/// Size and root of the dedicated Logstore's tree.
fn tree(serving: &Serving) -> Vec<String> {
    let (checkpoint, _) = run(&["checkpoint", "--data-dir", serving.data.to_str().unwrap()], 0);
    checkpoint.lines().skip(1).take(2).map(str::to_owned).collect()
}

/// Writes that were refused so far, over all surfaces.
fn refused(serving: &Serving) -> u64 {
    let metrics = serving.metrics();
    let lines = metrics.lines().filter(|line| line.starts_with("innertrail_api_refused_writes_total{"));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

fn text(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{out}{err}")
}

#[test]
fn the_official_node_sdk_reads_and_cannot_write() {
    let module = std::env::var("INNERTRAIL_NODE_MODULES").map(|modules| format!("{modules}/@alicloud/log"));
    let Some(module) = module.ok().filter(|module| Path::new(module).is_dir()) else {
        return println!("SKIPPED: INNERTRAIL_NODE_MODULES names no folder with @alicloud/log");
    };
    let dir = tempfile::tempdir().unwrap();
    let (serving, reader) = ready(dir.path());
    let expected = (0..EVENTS).filter(|id| id % 250 == 7).count();
    let setup = json!({"id": reader.id, "secret": reader.secret, "logstore": "innertrail_main-trail", "count": EVENTS,
        "expected": expected, "shards": SHARDS, "port": serving.at.port()});
    let mut node = Command::new("node");
    node.args(["-e", include_str!("node.js")]).env("MODULE", module).env("SETUP", setup.to_string());
    let ran = node.output().unwrap();
    assert!(ran.status.success() && text(&ran).contains("all calls as expected"), "{}", text(&ran));
    assert_eq!(serving.journal("write_refused", 1).len(), 1, "one write is one request");
}

/// What `run` prints is there to be pasted: it runs as it stands but for the key.
#[test]
fn what_a_run_prints_for_python_and_the_command_line_runs_as_it_stands() {
    let tools = std::env::var("INNERTRAIL_PYTHON").ok().map(std::path::PathBuf::from);
    let Some(python) = tools.filter(|python| python.with_file_name("aliyunlog").is_file()) else {
        return println!("SKIPPED: there is no aliyunlog beside the interpreter that INNERTRAIL_PYTHON names");
    };
    let dir = tempfile::tempdir().unwrap();
    let (serving, reader) = ready(dir.path());
    let printed = serving.told.lock().unwrap().clone();
    let snippet = |of: &str| {
        let line = printed.iter().find_map(|line| Some(line.split_once(of)?.1.to_owned())).expect("it is printed");
        line.replace("KEY-ID", &reader.id).replace("SECRET", &reader.secret)
    };
    assert!(printed.iter().all(|line| !line.contains(&reader.secret)));
    let paths = std::env::var("PATH").unwrap();
    let ask = |command: &mut Command| {
        command.env("HOME", dir.path()).env("http_proxy", format!("http://{}", serving.at));
        command.env_remove("no_proxy").env_remove("NO_PROXY");
        let ran = command.env("PATH", format!("{}:{paths}", python.parent().unwrap().display())).output().unwrap();
        assert!(ran.status.success(), "{}", text(&ran));
        text(&ran)
    };
    let answered = ask(Command::new(&python).args(["-c", &snippet("Python: ")]));
    assert!(answered.contains("'progress': 'Complete'"), "{answered}");
    let table = ask(Command::new("sh").args(["-c", &snippet("CLI: ")]));
    assert!(serde_json::from_str::<Value>(&table).unwrap().is_array(), "{table}");
    assert!(
        snippet("plugin aliyun-log-service-datasource: ").contains("Project audit, LogStore innertrail_main-trail")
    );
}

/// Enough events that searches and pulls have several pages. What it pulls and finds is held against the files that went in, and against
/// our own `query` with the same search.
#[test]
fn the_official_rust_sdk_makes_every_call_and_each_write_is_one_request() {
    let Some(sdk) = std::env::var_os("INNERTRAIL_RUST_SDK").filter(|path| Path::new(path).is_file()) else {
        return println!("SKIPPED: INNERTRAIL_RUST_SDK names no built tests/sdk-rust");
    };
    let (dir, count) = (tempfile::tempdir().unwrap(), 2_500);
    let (serving, _) = holding(dir.path(), count);
    let consumer = serving.key("consumer");
    let search = "userIdentity.accessKeyId: \"LTAI-EXAMPLE-3\" and eventName: PutBucketAcl";
    let wanted = |one: &dyn Fn(usize) -> bool| (0..count).filter(|id| one(*id)).map(|id| event(id, "")).collect();
    let (every, some): (Vec<String>, Vec<String>) = (wanted(&|_| true), wanted(&|id| id % 5 == 3));
    let own = crate::harness::query(&serving.data, "log", &format!("{search} | SELECT count(*) AS n FROM log"));
    assert_eq!(own[0]["n"], json!(some.len()));
    let (before, already) = (tree(&serving), refused(&serving));
    assert_eq!(before[0], count.to_string());

    let setup = json!({"id": consumer.id, "secret": consumer.secret, "logstore": "innertrail_main-trail", "count": count,
        "expected": some.len(), "query": search, "shards": SHARDS, "from": SPAN.0, "to": SPAN.1});
    let mut command = Command::new(sdk);
    command.env("SETUP", setup.to_string()).env("http_proxy", format!("http://{}", serving.at));
    let ran = command.env_remove("no_proxy").env_remove("NO_PROXY").output().unwrap();
    assert!(ran.status.success(), "{}", text(&ran));
    let found: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(found["pulled"], json!(every), "what it pulls is what went in, each once");
    assert_eq!(found["found"], json!(some), "what it finds is what we find");
    assert_eq!(found["refused"], json!(12));
    assert_eq!(refused(&serving) - already, 12, "each write is one request");
    assert_eq!(tree(&serving), before, "nothing got into the Logstore");
    run(&["verify", "--data-dir", serving.data.to_str().unwrap()], 0);
}

#[test]
fn the_official_command_line_tool_reads_dumps_and_cannot_delete() {
    let tool =
        std::env::var("INNERTRAIL_PYTHON").ok().and_then(|python| Some(Path::new(&python).parent()?.join("aliyunlog")));
    let Some(tool) = tool.filter(|tool| tool.is_file()) else {
        return println!("SKIPPED: there is no aliyunlog beside the interpreter that INNERTRAIL_PYTHON names");
    };
    let dir = tempfile::tempdir().unwrap();
    let (serving, reader) = ready(dir.path());
    let ask = |words: &[&str]| {
        let mut command = Command::new(&tool);
        // Its own configuration is looked for at home.
        command.arg("log").args(words).env("HOME", dir.path()).env("http_proxy", format!("http://{}", serving.at));
        command.env_remove("no_proxy").env_remove("NO_PROXY").arg("--region-endpoint=http://logs.example.test");
        command.arg(format!("--access-id={}", reader.id)).arg(format!("--access-key={}", reader.secret));
        command.output().unwrap()
    };
    let sql = "--query=* | select eventName, count(1) as n group by eventName";
    let place = ["--project=audit", "--logstore=innertrail_main-trail"];
    let span = ["--from_time=2026-11-01 00:00:00+00:00", "--to_time=2026-11-22 00:00:00+00:00"];
    let found = ask(&["get_log", place[0], place[1], span[0], span[1], sql]);
    let table: Value = serde_json::from_slice(&found.stdout).unwrap_or_else(|_| panic!("{}", text(&found)));
    assert_eq!(table, json!([{"eventName": "PutBucketAcl", "n": EVENTS.to_string()}]));

    let (names, files) =
        (["--project_name=audit", "--logstore_name=innertrail_main-trail"], dir.path().join("{}.dump"));
    let path = format!("--file_path={}", files.display());
    let dumped = ask(&["pull_log_dump", names[0], names[1], "--from_time=begin", "--to_time=end", &path]);
    assert!(dumped.status.success(), "{}", text(&dumped));
    let logs = (0..SHARDS).filter_map(|shard| std::fs::read_to_string(dir.path().join(format!("{shard}.dump"))).ok());
    let mut events: Vec<String> = logs
        .flat_map(|file| file.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>())
        .map(|log| log["event"].as_str().unwrap().to_owned())
        .collect();
    events.sort();
    assert_eq!(events, (0..EVENTS).map(|id| event(id, "")).collect::<Vec<_>>());

    let deleted = ask(&["delete_logstore", names[0], names[1]]);
    assert_eq!(deleted.status.code(), Some(3), "{}", text(&deleted));
    assert!(text(&deleted).contains("LogStoreReadOnly"), "{}", text(&deleted));
}
