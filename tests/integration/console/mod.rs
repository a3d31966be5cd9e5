//! The console of a running executable: that it tells what the commands tell, whom it lets look, and that a browser shows it.

use std::fs;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use innertrail_host_shim::{clock, lifecycle};
use innertrail_logstore::row::RowBuilder;
use innertrail_logstore::{Options, Snapshot, Store, Writer};
use serde_json::{Value, json};

use crate::harness::{event, innertrail, query, root, run, status};

mod browser;

const PATIENCE: Duration = Duration::from_secs(60);
const TOKEN: &str = "0123456789abcdef-of-the-tests";

/// A process that serves the console; ended with the test.
struct Serving {
    child: Child,
    at: SocketAddr,
}

impl Serving {
    /// `innertrail console` over a data directory.
    fn console(data: &Path, more: &[&str]) -> Self {
        let mut args = vec!["console", "--listen", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()];
        args.extend(more);
        Self::of(&args)
    }

    fn of(args: &[&str]) -> Self {
        let mut child = innertrail(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let line = lines.by_ref().find(|line| line.contains("the console is on")).expect("it says where");
        thread::spawn(move || lines.for_each(drop));
        let at = line.split("http://").nth(1).unwrap().split('/').next().unwrap().parse().unwrap();
        Self { child, at }
    }

    fn url(&self) -> String {
        format!("http://{}", self.at)
    }

    fn send(&self, method: &str, target: &str, headers: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(self.at).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n",
            self.at
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_slice(&bytes[end + 4..]).unwrap_or(Value::Null))
    }

    /// A call that is answered.
    fn get(&self, call: &str, parameters: &[(&str, &str)]) -> Value {
        let (status, told) = self.send("GET", &target(call, parameters), "");
        assert_eq!(status, 200, "{call} {parameters:?}: {told}");
        told
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _ended = self.child.wait();
    }
}

fn target(call: &str, parameters: &[(&str, &str)]) -> String {
    let encode = |text: &str| text.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
    let pairs: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    format!("{call}?{}", pairs.join("&"))
}

/// Journal entries as the alerts' engine writes them, and a gap.
fn entries(data: &Path) {
    let key = lifecycle::key::open(data, "main-trail").unwrap();
    let layout = Snapshot::open(data).unwrap().layout().clone();
    let mut writer = Writer::open(data, "main-trail", layout, Options::new(key), clock::now_us()).unwrap();
    let name = u8::try_from(writer.layout().position("eventName").unwrap()).unwrap();
    let mut txn = writer.begin();
    let fired = json!({"time": "2026-06-15T08:50:00Z", "kind": "alert_fired", "by": "run", "alert": "0123456789abcdef",
        "rule": "oss-bucket-deleted", "version": 1, "title": "A bucket was deleted <img src=x onerror=alert(1)>", "level": "high",
        "severity": 8, "store": "log", "seq": 3, "event_id": "A1", "event_time": "2026-06-15T08:49:36Z", "actor": "ram-user:alice\u{202e}",
        "event_name": "DeleteBucket", "resource": "example-ledger-07"});
    let resolved = json!({"time": "2026-06-15T09:50:00Z", "kind": "alert_resolved", "by": "run", "alert": "0123456789abcdef",
        "rule": "oss-bucket-deleted", "why": "acknowledged"});
    let gap = json!({"time": "2026-06-15T10:00:00Z", "kind": "gap", "by": "run", "source": "bucket", "what": "shard 3",
        "key": "c1", "why": "the cursor expired"});
    for entry in [fired, resolved, gap] {
        let mut row = RowBuilder::new();
        row.begin(entry.to_string().as_bytes());
        row.text(name, entry["kind"].as_str().unwrap());
        txn.push(Store::Journal, row.finish(), 0);
    }
    writer.commit(txn, clock::now_us()).unwrap();
    writer.close(clock::now_us()).unwrap();
}

/// A data directory with the quickstart trail, what the provider did, hostile events, and entries of alerts; made once.
fn filled() -> &'static Path {
    static MADE: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, data) = MADE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let (path, data) = (dir.path().join("innertrail.yaml"), dir.path().join("data"));
        let yaml = fs::read_to_string(root().join("fixtures/quickstart/innertrail.yaml")).unwrap();
        let yaml = yaml.replace("target/quickstart-data", data.to_str().unwrap());
        let more = "  more:\n    type: file\n    include: [\"fixtures/bad/hostile-strings/*.ndjson\", \"fixtures/platform/*/*.json\"]\n    follow: false\n";
        let yaml = yaml.replacen("sources:\n", &format!("sources:\n{more}"), 1);
        fs::write(&path, yaml).unwrap();
        run(&["run", "--config", path.to_str().unwrap(), "--once"], 0);
        entries(&data);
        run(&["tail", "--data-dir", data.to_str().unwrap(), "--group", "siem-reader", "-n", "3"], 0);
        (dir, data)
    });
    data
}

#[test]
fn the_console_tells_what_the_commands_tell() {
    let data = filled();
    let serving = Serving::console(data, &[]);
    for (search, store) in [
        ("*", "log"),
        ("it_outcome: failure", "log"),
        ("eventName: Put*", "log"),
        ("*", "quarantine"),
        ("*", "journal"),
    ] {
        let sql = format!("{search} | select count(1) as n");
        let counted = query(data, store, &sql)[0]["n"].clone();
        assert!(counted.as_u64().unwrap() > 0, "{search} in {store}");
        let pieces = serving.get("/api/histogram", &[("q", search), ("store", store), ("buckets", "50")]);
        assert_eq!((&pieces["total"], &pieces["complete"]), (&counted, &json!(true)), "{search} in {store}");
        let table = serving.get("/api/table", &[("q", &sql), ("store", store)]);
        assert_eq!(table["rows"], json!([[counted.to_string()]]));
    }
    let tops = serving.get("/api/fields", &[("field", "eventName")]);
    let own = query(
        data,
        "log",
        "* | select eventName as value, count(1) as count group by eventName order by count desc, value limit 8",
    );
    assert_eq!(tops["values"], own);
    // Charts are the dashboards' queries, and give what `query` gives.
    let boards = serving.get("/api/charts", &[]);
    let charts = boards["dashboards"].as_array().unwrap().iter().flat_map(|b| b["charts"].as_array().unwrap());
    for chart in charts {
        let text = |name: &str| chart["search"][name].as_str().unwrap().to_owned();
        let table = serving.get("/api/table", &[("q", &text("query")), ("store", &text("store"))]);
        let own = query(data, &text("store"), &text("query"));
        assert_eq!(table["rows"].as_array().unwrap().len(), own.as_array().unwrap().len(), "{}", chart["title"]);
    }
    let told = serving.get("/api/integrity", &[]);
    let mut own = status(data);
    own["seal"]["age_seconds"] = told["status"]["seal"]["age_seconds"].clone();
    for source in told["status"]["sources"].as_object().unwrap().keys() {
        // A second may have passed; what passes through has no lag.
        if let Some(lag) = told["status"]["sources"][source].get("lag_seconds") {
            own["sources"][source]["lag_seconds"] = lag.clone();
        }
    }
    assert_eq!(told["status"], own);
    assert_eq!((&told["gaps_total"], &told["gaps"][0]["why"]), (&json!(1), &json!("the cursor expired")));
    let alerts = serving.get("/api/alerts", &[]);
    assert_eq!((&alerts["total"], &alerts["entries"][0]["kind"]), (&json!(2), &json!("alert_resolved")));
    assert!(alerts["rules"].as_array().unwrap().iter().all(|rule| !rule["remedy"].as_str().unwrap().is_empty()));
}

#[test]
fn an_event_comes_with_what_explain_and_proof_say() {
    let data = filled();
    let serving = Serving::console(data, &[]);
    let line = serving.get("/api/search", &[("q", "it_family: platform"), ("columns", "eventId"), ("limit", "1")]);
    let id = line["rows"][0]["columns"]["eventId"].as_str().unwrap();
    let told = serving.get("/api/event", &[("id", id)]);
    let dir = data.to_str().unwrap();
    let (explained, _) = run(&["explain", "--data-dir", dir, "--format", "json", id], 0);
    let explained: Value = serde_json::from_str(&explained).unwrap();
    for part in ["rooms", "kept", "columns"] {
        assert_eq!(told[part], explained[part], "{part}");
    }
    let (proof, _) = run(&["proof", "--data-dir", dir, id], 0);
    assert_eq!(told["proof"].as_str().unwrap().trim_end(), proof.trim_end());
    let provider = serving.get("/api/provider", &[("limit", "500")]);
    let counted = query(data, "log", "it_family: platform | select count(1) as n")[0]["n"].clone();
    assert_eq!(provider["total"], counted);
    let people = query(data, "log", "it_actor: provider-person* | select count(1) as n")[0]["n"].clone();
    let by = |who: &str| provider["rows"].as_array().unwrap().iter().filter(|row| row["by"] == who).count();
    assert_eq!(json!(by("person")), people);
    assert!(by("system") > 0);
}

#[test]
fn it_verifies_on_request_and_writes_nothing() {
    let data = filled();
    let serving = Serving::console(data, &[]);
    let files = |dir: &Path| {
        let (out, _) = run(&["checkpoint", "--data-dir", dir.to_str().unwrap()], 0);
        let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|file| file.unwrap().file_name()).collect();
        names.sort();
        (out, names)
    };
    let before = files(data);
    assert_eq!(serving.get("/api/trust", &[])["verification"]["last"], Value::Null);
    assert_eq!(serving.send("POST", "/api/verify", "").0, 200);
    let begun = Instant::now();
    let last = loop {
        let last = serving.get("/api/trust", &[])["verification"]["last"].clone();
        if !last.is_null() {
            break last;
        }
        assert!(begun.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(50));
    };
    assert_eq!((&last["ok"], &last["findings_total"]), (&json!(true), &json!(0)), "{last}");
    assert_eq!(last["records"], status(data)["records"]);
    for sql in [
        "* | delete from log",
        "* | insert into log values (1)",
        "* | drop table log",
        "* | create table t as select 1",
        "* | copy log to '/tmp/x'",
    ] {
        let (status, told) = serving.send("GET", &target("/api/table", &[("q", sql)]), "");
        assert_eq!((status, &told["error"]), (403, &json!("read_only")), "{sql}: {told}");
    }
    let (status, told) = serving.send("GET", &target("/api/search", &[("q", "a and (b")]), "");
    assert!(status == 400 && told["message"].as_str().unwrap().contains("line 1, column 7"), "{told}");
    // SQL has a limit of rows, and says that it was reached.
    let table = serving.get("/api/table", &[("q", "* | select a.it_seq from log a, log b limit 1000000")]);
    assert_eq!((table["rows"].as_array().unwrap().len(), &table["cut"]), (10_000, &json!(true)));
    assert_eq!(files(data), before);
}

#[test]
fn a_run_serves_it_beside_its_sources_until_it_is_told_to_stop() {
    let dir = tempfile::tempdir().unwrap();
    let (input, data, path) = (dir.path().join("in"), dir.path().join("data"), dir.path().join("innertrail.yaml"));
    fs::create_dir_all(&input).unwrap();
    let yaml = format!(
        "trail: main-trail\ndata_dir: {}\nsources:\n  files:\n    type: file\n    include: [\"{}/*.jsonl\"]\n    poll_interval_secs: 1\nconsole: {{listen: \"127.0.0.1:0\"}}\n",
        data.display(),
        input.display()
    );
    fs::write(&path, yaml).unwrap();
    let mut serving = Serving::of(&["run", "--config", path.to_str().unwrap()]);
    let lines = |from: usize, to: usize| (from..to).map(|id| event(id, "") + "\n").collect::<String>();
    for (n, total) in [(1, 20), (2, 45)] {
        fs::write(input.join("next"), lines(if n == 1 { 0 } else { 20 }, total)).unwrap();
        fs::rename(input.join("next"), input.join(format!("{n}.jsonl"))).unwrap();
        let begun = Instant::now();
        while serving.get("/api/histogram", &[])["total"] != json!(total) {
            assert!(begun.elapsed() < PATIENCE);
            thread::sleep(Duration::from_millis(50));
        }
    }
    let trust = serving.get("/api/trust", &[]);
    assert_eq!(
        (&trust["records"], &trust["seal"]["records"], &trust["state"]),
        (&json!(45), &json!(45), &json!("running"))
    );
    assert!(Command::new("kill").args(["-TERM", &serving.child.id().to_string()]).status().unwrap().success());
    assert!(serving.child.wait().unwrap().success());
    run(&["verify", "--data-dir", data.to_str().unwrap()], 0);
}

#[test]
fn others_need_a_token_and_a_configuration_without_one_is_refused_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("innertrail.yaml");
    let check = |console: &str| {
        fs::write(
            &path,
            format!("trail: main-trail\nsources: {{files: {{type: file, include: ['x']}}}}\nconsole:\n{console}"),
        )
        .unwrap();
        run(&["check", "--config", path.to_str().unwrap()], 2).1
    };
    let told = check("  listen: 0.0.0.0:8687\n");
    assert!(told.contains("innertrail.yaml:4:11") && told.contains("there is no `console.token`"), "{told}");
    let told = check("  listen: 0.0.0.0:8687\n  token: {type: environment, variable: TOKEN}\n");
    assert!(told.contains("innertrail.yaml:4:11") && told.contains("there is no `console.tls`"), "{told}");
    assert!(check("  names: ['http://x']\n").contains("a host name"));
    let data = filled().to_str().unwrap();
    let (_, told) = run(&["console", "--data-dir", data, "--listen", "0.0.0.0:0"], 2);
    assert!(told.contains("there is no token"), "{told}");
    let token = dir.path().join("token");
    fs::write(&token, TOKEN).unwrap();
    let file = token.to_str().unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(run(&["console", "--data-dir", data, "--token-file", file], 2).1.contains("chmod 600"));
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    let serving = Serving::console(filled(), &["--token-file", file]);
    assert_eq!(serving.send("GET", "/api/trust", "").0, 401);
    assert_eq!(serving.send("GET", "/api/trust", &format!("Authorization: Bearer {TOKEN}\r\n")).0, 200);
}
