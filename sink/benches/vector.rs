//! How fast the Vector sink is, and what it costs: sender and a discarding receiver on the same machine, each a process.
//!
//! `cargo bench -p innertrail-sink --bench vector [-- events]`. Prints events a second, CPU time an event on both sides, and
//! what an idle sink adds to its process. The receiver reads each request whole and answers; it decodes no event, so
//! its CPU is what the protocol costs and not what a Vector does with it. It leaves Nagle's algorithm on, as a server does
//! that sets nothing.
#![allow(missing_docs, clippy::unwrap_used)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use innertrail_logstore::consumer::{Reader, ReaderOptions};
use innertrail_logstore::{Column, Encoding, Kind, Layout, Options, SealKey, Store, Writer};
use innertrail_plugin::event::columns::{COLUMNS, KEY, Kind as ColumnKind};
use innertrail_plugin::route::{Provenance, Route};
use innertrail_plugin::transform::Transform;
use innertrail_plugin::transform::batch::{self, Codec};
use innertrail_sink::delivery::{Delivery, NotParked, Parking, Place, Settings, Start, State};
use innertrail_sink::vector::{Compression, Vector, VectorConfig};
use innertrail_sink::{Batch, Record, Sender};

const NOW: i64 = 1_794_524_400_000_000;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    if words.first().is_some_and(|word| word == "receiver") {
        innertrail_test_agents::discard::serve();
    }
    if !std::env::args().any(|word| word == "--bench") {
        // `cargo test --benches` only wants to know that it builds.
        return println!("SKIPPED: figures are taken by `cargo bench`");
    }
    let events: u64 = words.first().and_then(|word| word.parse().ok()).unwrap_or(200_000);
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let bytes = fill(&data, events);
    println!("{events} events, {} bytes each on average", bytes / events);
    // First, while nothing else has left its memory behind.
    idle(&data, Start::End);
    idle(&data, Start::Begin);
    reading(&data);
    for compression in [Compression::None, Compression::Zstd, Compression::Gzip] {
        sending(&data, compression, true);
    }
    sending(&data, Compression::None, false);
    for compression in [Compression::None, Compression::Zstd] {
        delivering(&data, compression, events);
    }
}

/// CPU seconds of a process so far, from its `stat`.
fn cpu(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}

fn rss() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 4_096.0 / f64::from(1 << 20)
}

struct Receiver {
    child: Child,
    url: String,
}

impl Receiver {
    fn start() -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut child = command.arg("receiver").stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
        Self { child, url: format!("http://{}", line.trim()) }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// An OSS audit event of about 1.4 KB.
fn event(id: u64) -> String {
    let name = ["PutObject", "GetObject", "DeleteObject", "GetBucketAcl"][(id % 4) as usize];
    let spread = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!(
        r#"{{"eventId":"{spread:016X}{id:08X}","eventVersion":"1","eventTime":"2026-11-12T22:{:02}:{:02}Z","eventName":"{name}","eventType":"ApiCall","eventCategory":"Data","eventRW":"Write","eventSource":"bucket-{}.oss-cn-hangzhou.aliyuncs.com","serviceName":"Oss","acsRegion":"cn-hangzhou","apiVersion":"2019-05-17","requestId":"{spread:016X}{id:08X}","sourceIpAddress":"192.0.2.{}","userAgent":"aliyun-sdk-java/3.17.4(Linux/5.10.134-16.al8.x86_64/amd64;17.0.9)","isGlobal":false,"resourceType":"ACS::OSS::Bucket;ACS::OSS::Object","resourceName":"bucket-{};logs/2026/11/12/{spread:016x}.parquet","recipientAccountId":"1000000000000001","userIdentity":{{"type":"assumed-role","principalId":"3000000000000{:03}:session-{}","accountId":"1000000000000001","userName":"etl-role:session-{}","accessKeyId":"STS.EXAMPLE{:06}","sessionContext":{{"attributes":{{"mfaAuthenticated":"false","creationDate":"2026-11-12T21:00:00Z"}}}}}},"requestParameters":{{"bucketName":"bucket-{}","objectName":"logs/2026/11/12/{spread:016x}.parquet","x-oss-storage-class":"Standard","Content-Length":"{}","x-oss-acl":"default","encoding":"identity"}},"responseElements":{{"ETag":"{spread:032x}","x-oss-hash-crc64ecma":"{spread}","x-oss-server-time":"{}"}},"additionalEventData":{{"SignVersion":"OSS4-HMAC-SHA256","bytesTransferred":"{}","vpc":"vpc-{:08x}"}}}}"#,
        id / 60 % 60,
        id % 60,
        id % 12,
        id % 250,
        id % 12,
        id % 700,
        id % 90,
        id % 90,
        id % 900,
        id % 12,
        id % 100_000,
        id % 80,
        id % 100_000,
        id % 9
    )
}

/// Makes a Logstore of events that went through the rooms natively; gives their bytes.
fn fill(dir: &Path, events: u64) -> u64 {
    let columns = COLUMNS.iter().map(|c| {
        let kind = match c.kind {
            ColumnKind::Text => Kind::Text,
            ColumnKind::Integer => Kind::Integer,
            ColumnKind::Timestamp => Kind::Timestamp,
        };
        Column::new(c.name, kind, Encoding::Dictionary)
    });
    let layout = Layout { columns: columns.collect(), key: Some(KEY as u8) };
    let key = SealKey::new("main", [7; 32]).unwrap();
    let mut writer = Writer::open(dir, "main", layout, Options::new(key), NOW).unwrap();
    let rooms = Transform::open(r#"{"trail":"main"}"#).unwrap();
    let mut total = 0;
    for from in (0..events).step_by(1_000) {
        let mut transaction = writer.begin();
        for id in from..(from + 1_000).min(events) {
            let body = event(id);
            total += body.len() as u64;
            let frames = [batch::Frame { end: u32::try_from(body.len()).unwrap(), offset: 0, fault: None }];
            let routed = rooms.run(
                &batch::Batch {
                    provenance: Provenance::OwnSource,
                    source: "bench",
                    origin: "bench",
                    codec: Codec::ActionTrail,
                    data: body.as_bytes(),
                    frames: &frames,
                    sealed: &[],
                },
                batch::Encoding::Row,
            );
            assert_eq!(routed.entries[0].route, Route::Dedicated);
            transaction.push(Store::Log, &routed.data, body.len() as u64);
        }
        writer.commit(transaction, NOW).unwrap();
    }
    writer.close(NOW).unwrap();
    total
}

fn sender(url: &str, compression: Compression) -> Vector {
    Vector::new(VectorConfig { compression, ..VectorConfig::of(url) }).unwrap()
}

/// Stands in for the host's mark: a string as long as the real one.
fn mark(seq: u64, _: &[u8]) -> String {
    format!("v1.{seq}.{:064x}", seq)
}

/// Reading pages alone, which every sink pays.
fn reading(dir: &Path) {
    let mut reader = Reader::open(dir, ReaderOptions::default()).unwrap();
    let (mut next, mut count) = (reader.begin(Store::Log), 0);
    let (begun, before) = (Instant::now(), cpu(std::process::id()));
    loop {
        let page = reader.pull(next, 1_000, 4 << 20).unwrap();
        count += page.rows.len();
        next = page.next;
        if page.at_end {
            break;
        }
    }
    report("read from the Logstore alone", count as u64, begun.elapsed(), cpu(std::process::id()) - before, 0.0);
}

/// The sender alone, from records in memory.
fn sending(dir: &Path, compression: Compression, prepared: bool) {
    let receiver = Receiver::start();
    let mut sender = sender(&receiver.url, compression);
    let mut reader = Reader::open(dir, ReaderOptions::default()).unwrap();
    let page = reader.pull(reader.begin(Store::Log), 20_000, usize::MAX).unwrap();
    let layout = reader.snapshot().layout().clone();
    let mut records: Vec<Record> =
        page.rows.into_iter().map(|row| (mark(row.seq, &[]), row)).map(|(mark, row)| Record::new(row, mark)).collect();
    if prepared && let Some(mut prepare) = sender.prepare() {
        prepare("main", &layout, &mut records);
    }
    let mut send = |count: usize| {
        for chunk in records.chunks(1_000).cycle().take(count) {
            let batch = Batch { trail: "main", layout: &layout, records: chunk };
            let sizes: usize = (0..chunk.len()).map(|at| sender.encoded_len(&batch, at)).sum();
            assert!(sizes < sender.max_request_bytes());
            sender.send(&batch).unwrap();
        }
    };
    send(5);
    let rounds = if compression == Compression::Gzip { 60 } else { 400 };
    let (begun, own, theirs) = (Instant::now(), cpu(std::process::id()), cpu(receiver.child.id()));
    send(rounds);
    let (own, theirs) = (cpu(std::process::id()) - own, cpu(receiver.child.id()) - theirs);
    let how = if prepared { "sent as written down before" } else { "written down and sent" };
    report(&format!("{how}, {compression:?}"), rounds as u64 * 1_000, begun.elapsed(), own, theirs);
}

struct Nowhere;

impl Parking for Nowhere {
    fn park(&mut self, _: &str, _: &Record, why: &str) -> Result<(), NotParked> {
        panic!("{why}")
    }
    fn missed(&mut self, _: &str, _: u64, _: u64) -> Result<(), NotParked> {
        panic!()
    }
}

fn delivery(dir: &Path, sender: Vector, start: Start) -> Delivery {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let name = format!("bench-{}", RUNS.fetch_add(1, Relaxed));
    let place = Place { name, dir: dir.to_owned(), consumer: "bench".to_owned(), notify: None, start };
    Delivery::new(place, Settings::default(), Box::new(sender), Box::new(Nowhere), Arc::new(mark))
}

/// The whole way from the Logstore.
fn delivering(dir: &Path, compression: Compression, events: u64) {
    let receiver = Receiver::start();
    let mut delivery = delivery(dir, sender(&receiver.url, compression), Start::Begin);
    let (begun, own, theirs) = (Instant::now(), cpu(std::process::id()), cpu(receiver.child.id()));
    delivery.drain(&AtomicBool::new(false)).unwrap();
    let (own, theirs) = (cpu(std::process::id()) - own, cpu(receiver.child.id()) - theirs);
    assert_eq!(delivery.status().report().sent, events);
    report(&format!("delivered from the Logstore, {compression:?}"), events, begun.elapsed(), own, theirs);
}

/// What a sink that waits for records adds to its process: one that began at the end, and one that sent everything.
fn idle(dir: &Path, start: Start) {
    let receiver = Receiver::start();
    let before = rss();
    let mut vector = sender(&receiver.url, Compression::None);
    vector.health().unwrap();
    let running = delivery(dir, vector, start).spawn().unwrap();
    while running.status().report().state != State::CaughtUp {
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(Duration::from_millis(500));
    let cpu_before = cpu(std::process::id());
    std::thread::sleep(Duration::from_secs(2));
    println!(
        "an idle sink, begun at {start:?}: {:.1} MiB more than before it was made, {:.1} ms CPU a second",
        rss() - before,
        (cpu(std::process::id()) - cpu_before) / 2.0 * 1_000.0
    );
    running.stop();
    running.join().unwrap();
}

fn report(what: &str, events: u64, took: Duration, own: f64, theirs: f64) {
    let count = events as f64;
    println!(
        "{what}: {:.0} events/s, {:.2} µs CPU an event here, {:.2} µs at the receiver",
        count / took.as_secs_f64(),
        own / count * 1e6,
        theirs / count * 1e6
    );
}
