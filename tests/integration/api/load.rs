//! Everything that a hostile or clumsy crowd can do to the API of a running `innertrail run`, at once, while somebody reads: thousands
//! of silent connections, heads and bodies that drip, writes of five megabytes, bodies that lie about their size. The process is
//! the executable, so its memory is measured without the crowd's.

use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use innertrail_test_cloud::Key;
use innertrail_test_cloud::client::Call;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;

use super::{LS, PATIENCE, Serving, get};
use crate::harness::{query, run};

const EVENTS: usize = 5_000;
/// Silent connections, if the system allows as many files.
const CROWD: usize = 10_000;
/// Files that this process, and the run, need for everything else.
const OTHERS: u64 = 900;
/// Heads, and bodies, that drip.
const DRIPS: usize = 100;
/// How long all of it goes on.
const STORM: Duration = Duration::from_secs(8);
/// The most memory that the run may take at any moment, MiB: the budgets of bodies and answers are 64 and 256, and a reader's pages are small.
const MEMORY: u64 = 400;

/// Raises the limit of files as far as it may; how many silent connections there will be.
fn crowd() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let _as_it_was = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let allowed = usize::try_from(files.saturating_sub(OTHERS)).unwrap_or(usize::MAX);
    if allowed < CROWD {
        println!("only {allowed} silent connections: this process may have {files} files");
    }
    allowed.min(CROWD)
}

fn number(metrics: &str, name: &str) -> u64 {
    let lines = metrics.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// MiB, by a line of the process's status.
fn memory(serving: &Serving, line: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", serving.child.id())).unwrap();
    let found = status.lines().find_map(|text| text.strip_prefix(line)).unwrap();
    found.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().unwrap() >> 10
}

/// What one reader asks in turn, and what must be in each answer.
fn read(serving: &Serving, reader: &Key, cursor: &str, turn: usize) -> Duration {
    let (from, to) = (1_793_491_200, 1_795_305_600 + turn);
    let begun = Instant::now();
    match turn % 3 {
        0 => {
            let query = format!("type=log&cursor={cursor}&count=100");
            let page = serving.send(&get(&format!("{LS}/shards/0"), &query), reader);
            assert!(page.status == 200 && page.header("x-log-count") == "100", "{} {}", page.status, page.text());
        }
        1 => {
            let body = json!({"from": from, "to": to, "query": "eventName: PutBucketAcl", "line": 100, "offset": turn});
            let page = serving.send(&get(&format!("{LS}/logs"), "").with("POST", body.to_string()), reader).json();
            assert_eq!((&page["meta"]["progress"], &page["meta"]["count"]), (&json!("Complete"), &json!(100)));
        }
        _ => {
            let counts = serving.send(&get(LS, &format!("type=histogram&from={from}&to={to}&query=*")), reader);
            assert_eq!(counts.header("x-log-count"), EVENTS.to_string(), "{}", counts.text());
        }
    }
    begun.elapsed()
}

/// The reads of some time: how many, the median, and the slowest.
fn reads(serving: &Serving, reader: &Key, time: Duration, mut turn: usize) -> (usize, Duration, Duration) {
    let begin = serving.send(&get(&format!("{LS}/shards/0"), "type=cursor&from=begin"), reader).json();
    let (mut took, begun) = (Vec::new(), Instant::now());
    while begun.elapsed() < time {
        took.push(read(serving, reader, begin["cursor"].as_str().unwrap(), turn));
        turn += 1;
    }
    took.sort();
    (took.len(), took[took.len() / 2], took[took.len() - 1])
}

/// Heads, and bodies that nobody wants, a byte every few milliseconds each.
fn drip(at: SocketAddr, over: &AtomicBool) {
    let head = format!("GET {LS} HTTP/1.1\r\nHost: audit.x\r\nX-Drip: {}", "x".repeat(20_000));
    let body = format!("POST {LS}/track HTTP/1.1\r\nHost: audit.x\r\nContent-Length: 9000000\r\n\r\n");
    let mut streams: Vec<TcpStream> = (0..2 * DRIPS).map(|_| TcpStream::connect(at).unwrap()).collect();
    for stream in &mut streams[DRIPS..] {
        stream.write_all(body.as_bytes()).unwrap();
    }
    for byte in head.bytes().cycle() {
        if over.load(Ordering::Relaxed) {
            return;
        }
        for stream in &mut streams {
            let _put_out = stream.write_all(&[byte]);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Writes of five megabytes, one after the other, of somebody who has a key and of somebody who has none.
fn flood(at: SocketAddr, keys: &[Key; 2], over: &AtomicBool, refused: &AtomicU64) {
    let body = vec![7; 5 << 20];
    for (key, code) in keys.iter().zip(["LogStoreReadOnly", "InvalidAccessKeyId"]).cycle() {
        if over.load(Ordering::Relaxed) {
            return;
        }
        let write: Call = get(&format!("{LS}/shards/lb"), "").with("POST", body.clone());
        let answer = write.send(at, key).unwrap();
        assert_eq!(answer.code(), code, "{}", answer.text());
        refused.fetch_add(u64::from(code == "LogStoreReadOnly"), Ordering::Relaxed);
    }
}

/// Bodies whose size is a lie, or that unfold to far more than they say; none is answered with anything but a refusal of it.
fn lie(at: SocketAddr, key: &Key, over: &AtomicBool, lies: &AtomicU64) {
    let bomb = zstd::encode_all(&vec![b' '; 200 << 20][..], 1).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&vec![b' '; 64 << 20]).unwrap();
    let gzip = gzip.finish().unwrap();
    let cases: [(&str, &[u8], &str, &str); 7] = [
        ("zstd", &bomb, "10485760", "PostBodyInvalid"),
        ("zstd", &bomb, "209715200", "PostBodyTooLarge"),
        ("gzip", &gzip, "10485760", "PostBodyInvalid"),
        ("lz4", b"xxxx", "10485760", "PostBodyInvalid"),
        ("lz4", b"xxxx", "18446744073709551615", "PostBodyTooLarge"),
        ("deflate", b"xxxx", "-1", "ParameterInvalid"),
        ("snappy", b"xxxx", "4", "ParameterInvalid"),
    ];
    for (turn, (kind, body, size, code)) in cases.iter().cycle().enumerate() {
        if over.load(Ordering::Relaxed) {
            return;
        }
        let call = get(&format!("{LS}/logs"), &format!("n={turn}")).with("POST", *body);
        let answer = call.header("x-log-compresstype", kind).header("x-log-bodyrawsize", size).send(at, key).unwrap();
        assert_eq!(answer.code(), *code, "{kind} {size}: {}", answer.text());
        lies.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_storm_of_clients_takes_neither_memory_nor_readers_patience() {
    let dir = tempfile::tempdir().unwrap();
    let mut serving = Serving::with(dir.path(), EVENTS);
    let [reader, administrator] = ["reader", "administrator"].map(|role| serving.key(role));
    let count = get(LS, "type=histogram&from=1793491200&to=1795305600&query=*");
    serving.until(&count, &reader, |answer| answer.header("x-log-count") == EVENTS.to_string());
    let (calm, before) = (reads(&serving, &reader, Duration::from_secs(2), 0), memory(&serving, "VmRSS"));
    let at = serving.at;
    let crowd: Vec<TcpStream> = (0..crowd()).map(|_| TcpStream::connect(at).unwrap()).collect();
    let begun = Instant::now();
    while number(&serving.metrics(), "innertrail_api_connections") < crowd.len() as u64 {
        assert!(begun.elapsed() < PATIENCE, "{}", number(&serving.metrics(), "innertrail_api_connections"));
        thread::sleep(Duration::from_millis(100));
    }
    let with_crowd = memory(&serving, "VmRSS");

    let (over, refused, lies) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let keys = [administrator, Key::reader()];
    let stormy = thread::scope(|scope| {
        scope.spawn(|| drip(at, &over));
        for _ in 0..2 {
            scope.spawn(|| flood(at, &keys, &over, &refused));
        }
        scope.spawn(|| lie(at, &reader, &over, &lies));
        let ended = Ended(&over);
        let stormy = reads(&serving, &reader, STORM, 1_000);
        let open = number(&serving.metrics(), "innertrail_api_connections");
        assert!(open >= crowd.len() as u64, "{open} are open, so readers were served beside all of them");
        drop(ended);
        stormy
    });
    let (refused, lies, peak) = (refused.into_inner(), lies.into_inner(), memory(&serving, "VmHWM"));
    println!(
        "{} silent, {} drip, {refused} writes of 5 MiB, {lies} lies: reads {calm:?} before, {stormy:?} in it; memory {before} MiB, \
         {with_crowd} with the crowd, {peak} at the most",
        crowd.len(),
        2 * DRIPS
    );
    assert!(refused > 10 && lies > 20, "there was no storm: {refused} writes, {lies} lies");
    assert!(peak < MEMORY, "{peak} MiB at the most");
    assert!(with_crowd - before.min(with_crowd) < 64, "{before} MiB before, {with_crowd} with the crowd");
    assert!(stormy.1 < Duration::from_millis(500) && stormy.2 < Duration::from_secs(3), "{stormy:?}");
    assert!(serving.child.try_wait().unwrap().is_none(), "it is up");
    let metrics = serving.metrics();
    assert_eq!(number(&metrics, "innertrail_api_refused_writes_total{surface=\"put_logs\"}"), refused);
    assert_eq!(number(&metrics, "innertrail_api_evicted_connections_total"), 0);
    drop(crowd);
    let pid = serving.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert!(serving.child.wait().unwrap().success(), "{:?}", serving.told.lock().unwrap());
    assert_eq!(query(&serving.data, "log", "SELECT count(*) AS n FROM log")[0]["n"], json!(EVENTS));
    run(&["verify", "--data-dir", serving.data.to_str().unwrap()], 0);
}

/// Ends the storm, also when a read of it fails.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
