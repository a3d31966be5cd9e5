//! The API of a running `innertrail run`, asked by a signer that shares no code with it: keys, refused writes in the journal, a longer
//! retention, metrics, an end.

use std::fs;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use innertrail_test_cloud::Key;
use innertrail_test_cloud::client::{Answer, Call, Signature};
use serde_json::{Value, json};

use crate::harness::{event, innertrail, query, run};

mod clients;
mod kept;
mod load;
mod sdk;
mod speed;

const LS: &str = "/logstores/innertrail_main-trail";
const PATIENCE: Duration = Duration::from_secs(60);
const EVENTS: usize = 20;
const SHARDS: usize = 4;

/// A run that serves the API; ended with the test.
struct Serving {
    child: Child,
    at: SocketAddr,
    metrics: SocketAddr,
    data: PathBuf,
    told: Arc<Mutex<Vec<String>>>,
}

impl Serving {
    fn start(dir: &Path) -> Self {
        Self::with(dir, EVENTS)
    }

    /// With so many events in its source.
    fn with(dir: &Path, events: usize) -> Self {
        let (input, data) = (dir.join("in"), dir.join("data"));
        fs::create_dir_all(&input).unwrap();
        let lines: String = (0..events).map(|id| event(id, "") + "\n").collect();
        fs::write(input.join("a.jsonl"), lines).unwrap();
        let path = dir.join("innertrail.yaml");
        let yaml = format!(
            "trail: main-trail\nregion: cn-hangzhou\ndata_dir: {}\nsources:\n  files:\n    type: file\n    include: [\"{}/*.jsonl\"]\n    \
             poll_interval_secs: 1\napi: {{listen: \"127.0.0.1:0\", project: audit}}\nmetrics: {{listen: \"127.0.0.1:0\"}}\n",
            data.display(),
            input.display()
        );
        fs::write(&path, yaml).unwrap();
        Self::of(dir)
    }

    /// With the configuration that is there.
    fn of(dir: &Path) -> Self {
        let (path, data) = (dir.join("innertrail.yaml"), dir.join("data"));
        let mut child = innertrail(&["run", "--config", path.to_str().unwrap()])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let told = Arc::new(Mutex::new(Vec::new()));
        let line = lines.by_ref().inspect(|line| told.lock().unwrap().push(line.clone()));
        let line = { line }.find(|line| line.contains("the API of Log Service is on")).expect("it says where");
        let metrics =
            told.lock().unwrap().iter().find_map(|line| {
                Some(line.split_once("metrics are on http://")?.1.split_once('/')?.0.parse().unwrap())
            });
        let at = line.split("http://").nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
        let more = Arc::clone(&told);
        thread::spawn(move || lines.for_each(|line| more.lock().unwrap().push(line)));
        Self { child, at, metrics: metrics.expect("it says where"), data, told }
    }

    fn key(&self, role: &str) -> Key {
        let data = self.data.to_str().unwrap();
        let (out, _) =
            run(&["keys", "add", "--data-dir", data, "--role", role, "--name", "alice", "--format", "json"], 0);
        let made: Value = serde_json::from_str(&out).unwrap();
        assert!(made["journal"].as_str().unwrap().contains("a run has the Logstore open"), "{made}");
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        Key { id: text("id"), secret: text("secret"), token: None, ..Key::reader() }
    }

    /// A temporary key, as `keys add` tells it.
    fn lent(&self, role: &str, life: &str) -> Value {
        let data = self.data.to_str().unwrap();
        let (out, _) =
            run(&["keys", "add", "--data-dir", data, "--role", role, "--valid-for", life, "--format", "json"], 0);
        serde_json::from_str(&out).unwrap()
    }

    /// Told to end while clients hold connections, one idle, one in the middle of a head and one in the middle of a body, it ends well
    /// within the grace that calls under way have, and cuts them off.
    fn ends_with_connections_open(mut self) {
        let open = |sent: &str| {
            let mut stream = TcpStream::connect(self.at).unwrap();
            stream.write_all(sent.as_bytes()).unwrap();
            stream
        };
        let connections = [
            open(""),
            open("GET / HTTP/1.1\r\nHost: audit.x\r\n"),
            open(&format!("POST {LS}/logs HTTP/1.1\r\nHost: audit.x\r\nContent-Length: 99\r\n\r\n{{")),
        ];
        thread::sleep(Duration::from_millis(200));
        let begun = Instant::now();
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let ended = self.child.wait().unwrap();
        assert!(ended.success(), "{:?}", self.told.lock().unwrap());
        assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
        for mut connection in connections {
            let mut rest = Vec::new();
            let _cut = connection.read_to_end(&mut rest);
        }
        run(&["verify", "--data-dir", self.data.to_str().unwrap()], 0);
    }

    fn send(&self, call: &Call, key: &Key) -> Answer {
        call.send(self.at, key).unwrap()
    }

    /// Asks until the answer is as wanted.
    fn until(&self, call: &Call, key: &Key, wanted: impl Fn(&Answer) -> bool) -> Answer {
        let begun = Instant::now();
        loop {
            let answer = self.send(call, key);
            if wanted(&answer) {
                return answer;
            }
            assert!(begun.elapsed() < PATIENCE, "{} {}", answer.status, answer.text());
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn metrics(&self) -> String {
        let mut stream = TcpStream::connect(self.metrics).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    fn journal(&self, kind: &str, count: usize) -> Vec<Value> {
        let sql = format!("SELECT event FROM log WHERE eventName = '{kind}' ORDER BY it_seq");
        let begun = Instant::now();
        loop {
            let rows = query(&self.data, "journal", &sql);
            let entries: Vec<Value> = rows
                .as_array()
                .unwrap()
                .iter()
                .map(|row| serde_json::from_str(row["event"].as_str().unwrap()).unwrap())
                .collect();
            if entries.len() >= count {
                return entries;
            }
            assert!(begun.elapsed() < PATIENCE, "{kind}: {entries:?}");
            thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn get(path: &str, query: &str) -> Call {
    Call::get("audit.logs.example", path, query, Signature::Sls4)
}

/// Every page of every shard, as plain bytes, from the beginning to the end.
fn pulled(serving: &Serving, key: &Key) -> Vec<u8> {
    let mut pages = Vec::new();
    for shard in serving.send(&get(&format!("{LS}/shards"), ""), key).json().as_array().unwrap() {
        let path = format!("{LS}/shards/{}", shard["shardID"]);
        let mut cursor = serving.send(&get(&path, "type=cursor&from=begin"), key).json()["cursor"].clone();
        loop {
            let at = cursor.as_str().unwrap().to_owned();
            let page = serving.send(&get(&path, &format!("type=log&cursor={at}&count=7")), key);
            assert_eq!(page.status, 200, "{}", page.text());
            assert_eq!(page.header("x-log-bodyrawsize"), page.body.len().to_string());
            pages.extend_from_slice(&page.body);
            cursor = json!(page.header("x-log-cursor"));
            if page.header("x-log-count") == "0" {
                assert_eq!(cursor, at);
                break;
            }
        }
    }
    pages
}

fn times(haystack: &[u8], needle: &str) -> usize {
    haystack.windows(needle.len()).filter(|window| *window == needle.as_bytes()).count()
}

#[test]
fn what_went_in_comes_out_of_pulls_and_consumers_share_it() {
    let dir = tempfile::tempdir().unwrap();
    let serving = Serving::start(dir.path());
    let (reader, consumer) = (serving.key("reader"), serving.key("consumer"));
    serving.until(&get(LS, ""), &reader, |answer| answer.status == 200);
    let begun = Instant::now();
    let pages = loop {
        let pages = pulled(&serving, &reader);
        if times(&pages, "\"eventId\"") >= EVENTS {
            break pages;
        }
        assert!(begun.elapsed() < PATIENCE, "{}", String::from_utf8_lossy(&pages));
        thread::sleep(Duration::from_millis(100));
    };
    for id in 0..EVENTS {
        assert_eq!(times(&pages, &event(id, "")), 1, "event {id} is there once, byte for byte");
    }

    let groups = format!("{LS}/consumergroups");
    let body = json!({"consumerGroup": "siem", "timeout": 60, "order": false}).to_string();
    let create = get(&groups, "").with("POST", body);
    let denied = serving.send(&create, &reader);
    assert_eq!((denied.status, denied.code().as_str()), (403, "PermissionDenied"));
    assert_eq!(serving.send(&create, &consumer).status, 200);
    let group = format!("{groups}/siem");
    let mut beats = 0;
    let mut beat = |name: &str, held: &Value| {
        // The same request within its second would be taken for a repeated one, and get the first one's answer.
        beats += 1;
        let call = get(&group, &format!("type=heartbeat&consumer={name}&beat={beats}")).with("POST", held.to_string());
        serving.send(&call, &consumer).json()
    };
    let all = beat("a", &json!([]));
    assert_eq!(all.as_array().unwrap().len(), SHARDS);
    assert_eq!(beat("b", &json!([])), json!([]), "nobody gets a shard that another one may still read");
    let kept = beat("a", &all);
    beat("a", &kept);
    let given = beat("b", &json!([]));
    let mut both: Vec<&Value> = [&kept, &given].iter().flat_map(|list| list.as_array().unwrap()).collect();
    assert_eq!((kept.as_array().unwrap().len(), both.len()), (SHARDS / 2, SHARDS), "{kept} {given}");
    both.sort_by_key(|shard| shard.as_u64());
    assert_eq!(json!(both), all);
    let shard = kept[0].as_u64().unwrap();
    let end =
        serving.send(&get(&format!("{LS}/shards/{shard}"), "type=cursor&from=end"), &consumer).json()["cursor"].clone();
    let store = get(&group, "type=checkpoint&consumer=a&forceSuccess=false")
        .with("POST", json!({"shard": shard, "checkpoint": end}).to_string());
    assert_eq!(serving.send(&store, &consumer).status, 200);
    let kept = serving.send(&get(&group, &format!("shard={shard}")), &consumer).json();
    assert_eq!((&kept[0]["checkpoint"], &kept[0]["consumer"]), (&end, &json!("a")));
    let made = serving.journal("group_changed", 1);
    assert_eq!(
        (&made[0]["done"], &made[0]["group"], &made[0]["logstore"], &made[0]["key"]),
        (&json!("created"), &json!("siem"), &json!("innertrail_main-trail"), &json!(consumer.id))
    );
    let folder = serving.data.join("consumers/sls");
    assert!(folder.join("log/siem.json").is_file());

    serving.ends_with_connections_open();
}

#[test]
fn searches_of_both_versions_histograms_and_sql_agree() {
    let dir = tempfile::tempdir().unwrap();
    let serving = Serving::start(dir.path());
    let reader = serving.key("reader");
    // 2026-11-01 and three weeks later.
    let (from, to) = (1_793_491_200, 1_795_305_600);
    let range = format!("from={from}&to={to}");
    let histogram = get(LS, &format!("type=histogram&{range}&query=eventName: PutBucketAcl"));
    let counts = serving.until(&histogram, &reader, |answer| answer.header("x-log-count") == EVENTS.to_string());
    assert_eq!(counts.header("x-log-progress"), "Complete");
    let sum: u64 = counts.json().as_array().unwrap().iter().map(|piece| piece["count"].as_u64().unwrap()).sum();
    assert_eq!(sum, EVENTS as u64);
    let ask = |query: &str| {
        let body = json!({"from": from, "to": to, "query": query, "line": 100, "offset": 0, "reverse": true});
        serving.send(&get(&format!("{LS}/logs"), "").with("POST", body.to_string()), &reader)
    };
    let found = ask("eventName: PutBucketAcl").json();
    assert_eq!((&found["meta"]["progress"], &found["meta"]["count"]), (&json!("Complete"), &json!(EVENTS)));
    let old = serving.send(&get(LS, &format!("type=log&{range}&line=100&reverse=true&query=PutBucketAcl")), &reader);
    assert_eq!((old.status, old.header("x-log-count")), (200, EVENTS.to_string().as_str()));
    assert_eq!(old.json(), found["data"]);
    let mut events: Vec<String> =
        found["data"].as_array().unwrap().iter().map(|log| log["event"].as_str().unwrap().to_owned()).collect();
    events.sort();
    assert_eq!(events, (0..EVENTS).map(|id| event(id, "")).collect::<Vec<_>>());
    assert_eq!(ask("* | select count(1) as n").json()["data"], json!([{"n": EVENTS.to_string()}]));
    let wrong = ask("eventName: (");
    assert_eq!((wrong.status, wrong.code().as_str()), (400, "InvalidQueryString"), "{}", wrong.text());
    let write = ask("* | insert into log values (1)");
    assert_eq!((write.status, write.code().as_str()), (403, "LogStoreReadOnly"));
    assert_eq!(serving.journal("write_refused", 1)[0]["surface"], "sql");
}

/// A Logstore whose source is gone is there to be read.
#[test]
fn without_a_source_a_run_serves_what_is_there_and_once_serves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let serving = Serving::start(dir.path());
    let reader = serving.key("reader");
    let count = get(LS, "type=histogram&from=1793491200&to=1795305600&query=*");
    serving.until(&count, &reader, |answer| answer.header("x-log-count") == EVENTS.to_string());
    serving.ends_with_connections_open();
    let path = dir.path().join("innertrail.yaml");
    let yaml = fs::read_to_string(&path).unwrap();
    let (head, rest) = yaml.split_once("sources:").unwrap();
    let api = &rest[rest.find("api:").unwrap()..];
    fs::write(&path, format!("{head}{api}")).unwrap();
    let (_, told) = run(&["run", "--once", "--config", path.to_str().unwrap()], 2);
    assert!(told.contains("there is no source to run"), "{told}");
    let serving = Serving::of(dir.path());
    assert_eq!(serving.send(&count, &reader).header("x-log-count"), EVENTS.to_string());
    serving.ends_with_connections_open();
}

#[test]
fn a_run_serves_metadata_and_refuses_writes_and_the_journal_knows() {
    let dir = tempfile::tempdir().unwrap();
    let mut serving = Serving::start(dir.path());
    assert!(
        serving.told.lock().unwrap().iter().any(|line| line.contains("LogClient(") || line.contains("project audit"))
    );
    let (reader, administrator) = (serving.key("reader"), serving.key("administrator"));
    let found = serving.until(&get(LS, ""), &reader, |answer| answer.status == 200);
    assert_eq!((&found.json()["ttl"], &found.json()["productType"]), (&json!(180), &json!("innertrail")));
    let index = serving.send(&get(&format!("{LS}/index"), ""), &reader).json();
    assert_eq!(
        (&index["keys"]["eventName"]["type"], &index["keys"]["event"]["type"]),
        (&json!("text"), &json!("json"))
    );
    let project = serving.send(&get("/", ""), &reader).json();
    assert_eq!((&project["projectName"], &project["region"]), (&json!("audit"), &json!("cn-hangzhou")));

    let write = get(&format!("{LS}/shards/lb"), "").with("POST", vec![b'x'; 5 << 20]);
    let refused = serving.send(&write, &administrator);
    assert_eq!((refused.status, refused.code().as_str()), (403, "LogStoreReadOnly"));
    for word in ["unauthorized", "invalidaccesskeyid", "securitytoken", "quota"] {
        assert!(!refused.text().to_lowercase().contains(word), "clients repeat on {word}: {}", refused.text());
    }
    let entries = serving.journal("write_refused", 1);
    let wanted = json!({"by": "api", "count": 1, "key": administrator.id, "kind": "write_refused", "origin": "127.0.0.1",
        "request": refused.header("x-log-requestid"), "surface": "put_logs", "time": entries[0]["time"]});
    assert_eq!(entries, [wanted]);

    let put = |days: u32| get(LS, "").with("PUT", json!({"ttl": days}).to_string());
    assert_eq!(serving.send(&put(365), &reader).code(), "LogStoreReadOnly");
    assert_eq!(serving.send(&put(365), &administrator).status, 200);
    assert_eq!(serving.send(&get(LS, ""), &reader).json()["ttl"], 365);
    assert_eq!(serving.send(&put(180), &administrator).code(), "LogStoreReadOnly");
    let changed = serving.journal("retention_changed", 1);
    assert_eq!((&changed[0]["new_days"], &changed[0]["key"]), (&json!(365), &json!(administrator.id)));

    let data = serving.data.to_str().unwrap().to_owned();
    run(&["keys", "revoke", "--data-dir", &data, &reader.id], 0);
    serving.until(&get(LS, ""), &reader, |answer| answer.code() == "InvalidAccessKeyId");
    assert_eq!(serving.journal("key_added", 2).len(), 2);
    let revoked = serving.journal("key_revoked", 1);
    assert_eq!(
        (&revoked[0]["key"], &revoked[0]["role"], &revoked[0]["name"]),
        (&json!(reader.id), &json!("reader"), &Value::Null)
    );

    // What it refused last is in the journal although it ends at once.
    let tracking = Call::get("audit.x", &format!("{LS}/track.gif"), "APIVersion=0.6.0", Signature::None);
    assert_eq!(serving.send(&tracking, &reader).status, 403);
    let pid = serving.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert!(serving.child.wait().unwrap().success(), "{:?}", serving.told.lock().unwrap());
    let last = serving.journal("write_refused", 4).pop().unwrap();
    assert_eq!((&last["surface"], &last["key"]), (&json!("tracking"), &Value::Null));
    run(&["verify", "--data-dir", &data], 0);
}

/// Keys that are made while nothing runs are entered at once; secrets are shown once, and never again.
#[test]
fn keys_without_a_run() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let data = data.to_str().unwrap();
    let (_, told) = run(&["keys", "list", "--data-dir", data], 2);
    assert!(told.contains("there is no Logstore"), "{told}");
    run(&["enable", "--data-dir", data, "--trail", "main-trail"], 0);
    let (none, _) = run(&["keys", "list", "--data-dir", data], 0);
    assert!(none.contains("there is no access key"), "{none}");
    let (made, _) = run(&["keys", "add", "--data-dir", data, "--role", "consumer", "--name", "a\u{1b}[31mb"], 0);
    let field = |name: &str| made.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    let (id, secret) = (field("access key id"), field("access key secret"));
    assert!(made.contains("entered in the journal"), "{made}");
    for format in ["text", "json"] {
        let (list, _) = run(&["keys", "list", "--data-dir", data, "--format", format], 0);
        assert!(
            list.contains(&id) && list.contains("consumer") && !list.contains(&secret) && !list.contains('\u{1b}'),
            "{list}"
        );
    }
    let (_, unknown) = run(&["keys", "revoke", "--data-dir", data, "INTLnobody"], 2);
    assert!(unknown.contains("there is no key INTLnobody"), "{unknown}");
    let (lent, _) = run(&["keys", "add", "--data-dir", data, "--role", "reader", "--valid-for", "12h"], 0);
    let field = |name: &str| lent.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    let (token, until) = (field("security token"), field("valid until"));
    assert!(field("access key id").starts_with("STS.") && token.len() == 64, "{lent}");
    let (list, _) = run(&["keys", "list", "--data-dir", data], 0);
    assert!(list.contains(&format!("until {until}")) && !list.contains(&token), "{list}");
    run(&["keys", "add", "--data-dir", data, "--role", "reader", "--valid-for", "1s"], 0);
    thread::sleep(Duration::from_millis(1_100));
    let (list, _) = run(&["keys", "list", "--data-dir", data], 0);
    assert_eq!((list.matches("until 20").count(), list.matches("ended 20").count()), (1, 1), "{list}");
    let (_, refused) = run(&["keys", "add", "--data-dir", data, "--role", "reader", "--valid-for", "8d"], 2);
    assert!(refused.contains("from 1s to 7d"), "{refused}");
    run(&["keys", "revoke", "--data-dir", data, &id], 0);
    let kinds = query(Path::new(data), "journal", "SELECT eventName FROM log ORDER BY it_seq");
    let kinds: Vec<&str> = kinds.as_array().unwrap().iter().map(|row| row["eventName"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["enabled", "key_added", "key_added", "key_added", "key_revoked"]);
    let file = Path::new(data).join("api-keys.json");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let (_, open) = run(&["keys", "add", "--data-dir", data, "--role", "reader"], 2);
    assert!(open.contains("chmod 600"), "{open}");
    run(&["verify", "--data-dir", data], 0);
}
