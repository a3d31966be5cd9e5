//! The server over a socket: which requests it answers, who may look, and what it says to browsers.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::AtomicU64;

use innertrail_api::search::{Counts, Engine, Page, PageOf, Question, Refusal, State, Table, TimeRange};
use innertrail_logstore::{Column, Encoding, Kind, Layout, Store, StoredRow, Value as Cell};
use serde_json::{Value, json};

use super::*;
use crate::Found;

const TOKEN: &str = "0123456789abcdef-token";
/// 2026-11-23 00:00 UTC.
const NOW: i64 = 1_795_392_000_000_000;

/// A store of one failed event, which writes down what it is asked.
#[derive(Default)]
struct Double {
    slow_ms: AtomicU64,
    layout: Layout,
}

impl Double {
    fn new() -> Self {
        let column = |name: &str| Column::new(name, Kind::Text, Encoding::Plain);
        let layout =
            Layout { columns: vec![column("eventId"), column("it_outcome"), column("eventName")], key: Some(0) };
        Self { slow_ms: AtomicU64::new(0), layout }
    }

    fn row() -> StoredRow {
        let cells = [(0, Cell::Text("A1")), (1, Cell::Text("failure")), (2, Cell::Text("<b>\u{202e}"))];
        StoredRow::new(7, NOW, &cells, b"{\"eventId\":\"A1\"}")
    }
}

impl Engine for Double {
    fn state(&self, _: Store) -> Result<Box<dyn State>, Refusal> {
        thread::sleep(Duration::from_millis(self.slow_ms.load(Ordering::Relaxed)));
        Ok(Box::new(Now(self.layout.clone())))
    }
}

struct Now(Layout);

impl State for Now {
    fn layout(&self) -> &Layout {
        &self.0
    }

    fn question<'a>(&'a self, text: &str, _: Option<&str>) -> Result<Box<dyn Question + 'a>, Refusal> {
        if text.contains("broken") {
            return Err(Refusal::Search("line 1, column 1: broken".to_owned()));
        }
        if text.contains("delete") {
            return Err(Refusal::Writes("refused".to_owned()));
        }
        let (search, sql) =
            text.split_once('|').map_or((text, None), |(search, sql)| (search, Some(sql.trim().to_owned())));
        Ok(Box::new(Asked { search: search.trim().to_owned(), sql }))
    }

    fn around(&self, seq: u64, _: u64, _: u64) -> Result<Vec<StoredRow>, Refusal> {
        Ok((seq == 7).then(Double::row).into_iter().collect())
    }
}

struct Asked {
    search: String,
    sql: Option<String>,
}

impl Question for Asked {
    fn search(&self) -> &str {
        &self.search
    }
    fn sql(&self) -> Option<&str> {
        self.sql.as_deref()
    }
    fn with_places(&self) -> bool {
        false
    }
    fn words(&self) -> Vec<(String, String)> {
        Vec::new()
    }
    fn page(&self, _: TimeRange, page: PageOf) -> Result<Page, Refusal> {
        let rows = if page.offset == 0 { vec![Double::row()] } else { Vec::new() };
        Ok(Page { rows, complete: true, looked_at: 1 })
    }
    fn counts(&self, bounds: &[i64]) -> Result<Counts, Refusal> {
        let mut counts = vec![0; bounds.len() - 1];
        counts[0] = 1;
        Ok(Counts { counts, complete: true })
    }
    fn table(&self, _: TimeRange, _: usize) -> Result<Table, Refusal> {
        let asked = format!("{} | {}", self.search, self.sql.clone().unwrap_or_default());
        let columns = vec![("asked".to_owned(), "varchar"), ("n".to_owned(), "bigint")];
        Ok(Table { columns, rows: vec![vec![Some(asked), Some("1".to_owned())]], limit: None, looked_at: 1 })
    }
}

impl Data for Double {
    fn trail(&self) -> &str {
        "main-trail"
    }
    fn folder(&self) -> String {
        "data".to_owned()
    }
    fn engine(&self) -> &dyn Engine {
        self
    }
    fn columns(&self) -> Value {
        json!({"columns": []})
    }
    fn status(&self) -> Result<Value, Problem> {
        Ok(json!({"records": 1, "conserved": true, "sources": {"a": {"lag_seconds": 5}, "b": {"lag_seconds": 7}},
            "quarantine": {"poison": 2}, "seal": {"records": 1}, "lifecycle": {"state": "running", "paused": {}}}))
    }
    fn seal(&self) -> Result<Value, Problem> {
        Ok(json!({"checkpoint": "note", "key": "key"}))
    }
    fn find(&self, id: &str) -> Result<Option<Found>, Problem> {
        Ok((id == "A1").then(|| Found { store: Store::Log, row: Double::row() }))
    }
    fn explain(&self, _: &Found) -> Result<Value, Problem> {
        Ok(json!({"rooms": {}, "kept": {}, "proof": "tlog"}))
    }
    fn groups(&self) -> Result<Value, Problem> {
        Ok(json!({"own": [], "api": []}))
    }
    fn dashboards(&self) -> Vec<Value> {
        innertrail_charts::builtin().iter().map(innertrail_charts::Pack::log_service).collect()
    }
    fn rules(&self) -> Value {
        json!([])
    }
    fn verification(&self) -> Value {
        json!({"under_way": null, "last": null})
    }
    fn verify(&self) -> Result<(), Problem> {
        Ok(())
    }
}

fn serving(change: impl FnOnce(&mut Options)) -> (Server, SocketAddr) {
    serving_with(change, Double::new())
}

fn serving_with(change: impl FnOnce(&mut Options), double: Double) -> (Server, SocketAddr) {
    let mut options = Options::new("127.0.0.1:0", || NOW);
    change(&mut options);
    let mut server = Server::bind(options).unwrap();
    server.start(Arc::new(double)).unwrap();
    let address = server.address();
    (server, address)
}

struct Reply {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(n, _)| n.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

fn raw(at: SocketAddr, request: &str) -> Reply {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Reply { status, head, body: bytes[end + 4..].to_vec() }
}

fn send(at: SocketAddr, method: &str, target: &str, headers: &str, body: &str) -> Reply {
    let host = if headers.to_lowercase().contains("host:") { String::new() } else { format!("Host: {at}\r\n") };
    let size = body.len();
    raw(
        at,
        &format!(
            "{method} {target} HTTP/1.1\r\n{host}{headers}Content-Length: {size}\r\nConnection: close\r\n\r\n{body}"
        ),
    )
}

fn get(at: SocketAddr, target: &str) -> Reply {
    send(at, "GET", target, "", "")
}

#[test]
fn every_answer_tells_a_browser_to_load_and_run_nothing_else() {
    let (_server, at) = serving(|_| ());
    for target in ["/", "/assets/js/app.js", "/api/trust", "/nothing", "/api/nothing"] {
        let reply = get(at, target);
        let policy = reply.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{target}: {policy}");
        assert!(
            policy.contains("frame-ancestors 'none'")
                && policy.contains("base-uri 'none'")
                && !policy.contains("unsafe")
        );
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(reply.header("referrer-policy"), "no-referrer");
        assert_eq!(reply.header("cross-origin-opener-policy"), "same-origin");
        assert_eq!(reply.header("cross-origin-resource-policy"), "same-origin");
        assert_eq!(reply.header("access-control-allow-origin"), "");
    }
}

#[test]
fn files_are_those_of_the_table_packed_tagged_and_not_sent_twice() {
    let (_server, at) = serving(|_| ());
    let whole = get(at, "/assets/js/app.js");
    assert_eq!((whole.status, whole.header("content-type")), (200, "text/javascript; charset=utf-8"));
    let packed = send(at, "GET", "/assets/js/app.js", "Accept-Encoding: br, gzip\r\n", "");
    assert_eq!((packed.header("content-encoding"), &packed.body[..2]), ("gzip", &[0x1f, 0x8b][..]));
    assert!(packed.body.len() < whole.body.len() && packed.header("etag") != whole.header("etag"));
    assert!(send(at, "GET", "/", "Accept-Encoding: gzip;q=0\r\n", "").header("content-encoding").is_empty());
    let known =
        send(at, "GET", "/assets/js/app.js", &format!("If-None-Match: \"x\", {}\r\n", whole.header("etag")), "");
    assert_eq!((known.status, known.body.len(), known.header("etag")), (304, 0, whole.header("etag")));
    let head = send(at, "HEAD", "/assets/js/app.js", "", "");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), whole.body.len().to_string());
    for page in crate::assets::PAGES {
        assert!(get(at, page).body.starts_with(b"<!doctype html>"), "{page}");
    }
    for way_out in [
        "/assets/../Cargo.toml",
        "/assets/%2e%2e/Cargo.toml",
        "/assets//etc/passwd",
        "/assets/js/",
        "/assets",
        "//",
        "/assets/vendor/README.md",
    ] {
        assert_eq!(get(at, way_out).status, 404, "{way_out}");
    }
}

#[test]
fn names_methods_and_pages_of_others_are_refused() {
    let (_server, at) = serving(|options| options.names = vec!["console.example".to_owned()]);
    assert_eq!(send(at, "GET", "/", "Host: evil.example\r\n", "").status, 421);
    assert_eq!(send(at, "GET", "/api/trust", "Host: console.example\r\n", "").status, 200);
    assert_eq!(send(at, "GET", "/api/trust", "Sec-Fetch-Site: cross-site\r\n", "").status, 403);
    assert_eq!(send(at, "POST", "/api/verify", "Origin: http://evil.example\r\n", "").status, 403);
    assert_eq!(
        send(at, "POST", "/api/verify", &format!("Origin: http://{at}\r\nSec-Fetch-Site: same-origin\r\n"), "").status,
        200
    );
    for (method, target, allowed) in [
        ("POST", "/", "GET, HEAD"),
        ("PUT", "/api/search", "GET, HEAD"),
        ("DELETE", "/api/event", "GET, HEAD"),
        ("GET", "/api/verify", "POST"),
        ("GET", "/api/login", "POST"),
        ("OPTIONS", "/api/trust", "GET, HEAD"),
    ] {
        let reply = send(at, method, target, "", "");
        assert_eq!((reply.status, reply.header("allow")), (405, allowed), "{method} {target}");
    }
    assert_eq!(raw(at, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n").status, 421, "no name at all");
}

#[test]
fn with_a_token_nothing_is_told_before_it_is_given() {
    let (_server, at) = serving(|options| options.token = Some(TOKEN.to_owned()));
    for call in crate::calls::CALLS {
        let method = if call.post { "POST" } else { "GET" };
        let reply = send(at, method, call.path, "", "");
        assert_eq!((reply.status, &reply.json()["error"]), (401, &json!("login")), "{}", call.path);
    }
    let about = get(at, "/api/about").json();
    assert_eq!(about, json!({"name": "innertrail", "login": true, "in": false}));
    assert_eq!(get(at, "/").status, 200, "the page that asks for the token");
    let login = |token: &str| send(at, "POST", "/api/login", "", &json!({ "token": token }).to_string());
    let wrong = login("0123456789abcdef-tokem");
    assert_eq!((wrong.status, wrong.header("set-cookie")), (401, ""));
    let right = login(TOKEN);
    assert_eq!((right.status, &right.json()["trail"]), (200, &json!("main-trail")));
    let cookie = right.header("set-cookie").to_owned();
    for part in ["; Path=/", "; HttpOnly", "; SameSite=Strict", "; Max-Age=43200"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let (pair, _) = cookie.split_once(';').unwrap();
    let (name, id) = pair.split_once('=').unwrap();
    assert_eq!((name, id.len()), (format!("innertrail-{}", at.port()).as_str(), 32));
    let with = |cookie: &str| send(at, "GET", "/api/trust", &format!("Cookie: other=1; {cookie}\r\n"), "").status;
    assert_eq!((with(pair), with(&format!("{name}={}", "0".repeat(32)))), (200, 401));
    assert_eq!(send(at, "GET", "/api/trust", &format!("Authorization: Bearer {TOKEN}\r\n"), "").status, 200);
    let out = send(at, "POST", "/api/logout", &format!("Cookie: {pair}\r\n"), "");
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(with(pair), 401);
    for _ in 0..9 {
        login("wrong");
    }
    let late = login(TOKEN);
    assert_eq!((late.status, late.header("retry-after")), (429, "60"));
    assert_eq!(login(&"x".repeat(10_000)).status, 400);
}

#[test]
fn calls_answer_within_their_bounds() {
    let (_server, at) = serving(|_| ());
    let list = get(at, "/api/search?q=a&columns=eventName&limit=1").json();
    assert_eq!(list["rows"][0]["columns"], json!({"eventName": "<b>\u{202e}"}));
    for bad in [
        "limit=501",
        "limit=0",
        "offset=1000001",
        "order=up",
        "columns=nothing",
        "from=now&to=-1h",
        "store=x",
        "size=1",
        "q=broken",
    ] {
        assert_eq!(get(at, &format!("/api/search?{bad}")).status, 400, "{bad}");
    }
    assert_eq!(get(at, "/api/table?q=%2A+%7C+delete").status, 403);
    assert_eq!(get(at, "/api/table?q=only+a+search").status, 400);
    let pieces = get(at, "/api/histogram?q=a+or+b&from=1795391000&to=1795392000&buckets=10&failures=1").json();
    assert_eq!((&pieces["total"], pieces["counts"].as_array().unwrap().len()), (&json!(1), 9));
    assert_eq!(pieces["failures"].as_array().unwrap().len(), 9);
    let tops = get(at, "/api/fields?q=a&field=eventName").json();
    let asked = "a | select cast(\"eventName\" as varchar) as v, count(1) as n group by v order by n desc, v limit 8";
    assert_eq!(tops["values"], json!([{"value": asked, "count": 1}]));
    assert_eq!(get(at, "/api/fields?field=%22%3B--").status, 400);
    let event = get(at, "/api/event?seq=7").json();
    assert_eq!((&event["proof"], &event["raw"]), (&json!("tlog"), &json!("{\"eventId\":\"A1\"}")));
    assert_eq!(
        (get(at, "/api/event?seq=8").status, get(at, "/api/event?id=B").status, get(at, "/api/event").status),
        (404, 404, 400)
    );
    let trust = get(at, "/api/trust").json();
    assert_eq!((&trust["lag_seconds"], &trust["quarantine"], &trust["gaps"]), (&json!(7), &json!(2), &json!(1)));
    let boards = get(at, "/api/charts").json();
    assert!(boards["dashboards"][0]["charts"].as_array().unwrap().len() > 10);
    for path in ["/api/provider", "/api/integrity", "/api/alerts", "/api/consumers", "/api/columns", "/api/span"] {
        assert_eq!(get(at, path).status, 200, "{path}");
    }
}

#[test]
fn what_takes_too_long_is_told_and_does_not_hold_up_what_is_quick() {
    let double = Double::new();
    double.slow_ms.store(600, Ordering::Relaxed);
    let (_server, at) = serving_with(|options| options.call_time = Duration::from_millis(100), double);
    let slow: Vec<_> = (0..LANES[1].0 + 2).map(|_| thread::spawn(move || get(at, "/api/search").status)).collect();
    thread::sleep(Duration::from_millis(30));
    assert_eq!(get(at, "/api/columns").status, 200);
    assert!(slow.into_iter().all(|slow| slow.join().unwrap() == 504));
}

/// The story: a browser leaves a page whose calls wait; each left its number behind, and after some pages every call got 503.
#[test]
fn who_goes_away_takes_no_place_in_the_queue() {
    let double = Double::new();
    double.slow_ms.store(300, Ordering::Relaxed);
    let (_server, at) = serving_with(|_| (), double);
    for _ in 0..LANES[2].1 + 20 {
        let mut stream = TcpStream::connect(at).unwrap();
        stream.write_all(format!("GET /api/table?q=a%7Cb HTTP/1.1\r\nHost: {at}\r\n\r\n").as_bytes()).unwrap();
        thread::sleep(Duration::from_millis(3));
    }
    thread::sleep(Duration::from_millis(500));
    assert_eq!(get(at, "/api/table?q=a%7Cb").status, 200);
}

#[test]
fn an_address_that_others_reach_needs_a_token_and_tls() {
    let bind = |change: &dyn Fn(&mut Options)| {
        let mut options = Options::new("0.0.0.0:0", || NOW);
        change(&mut options);
        Server::bind(options).map(|_| ())
    };
    assert!(matches!(bind(&|_| ()), Err(ConsoleError::Open(_))));
    assert!(matches!(bind(&|o| o.plaintext = true), Err(ConsoleError::Open(_))));
    assert!(matches!(bind(&|o| o.token = Some(TOKEN.to_owned())), Err(ConsoleError::Plaintext(_))));
    assert!(matches!(bind(&|o| o.token = Some("short".to_owned())), Err(ConsoleError::Token)));
    assert!(bind(&|o| (o.token, o.plaintext) = (Some(TOKEN.to_owned()), true)).is_ok());
    assert!(matches!(bind(&|o| o.listen = "localhost:0".to_owned()), Err(ConsoleError::Listen { .. })));
}
