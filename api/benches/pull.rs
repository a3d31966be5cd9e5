//! What PullLogs costs: CPU an event for pages of 1,000 groups, from segments and from the tail, and of what it is made.
//!
//! `cargo bench -p innertrail-api --bench pull [-- events [block]]`. All on one thread; CPU time is the process's own. "Reader" is what
//! the Logstore's reader takes for the same records with every column lifted; the ratio to it is what makes two runs on
//! two machines comparable.
#![allow(missing_docs, clippy::unwrap_used)]

use std::path::Path;
use std::time::Instant;

use hyper::header::{ACCEPT_ENCODING, HeaderValue};
use hyper::{HeaderMap, Method};
use innertrail_api::{Access, Call, Data, DataOptions, Parameters, Role};
use innertrail_logstore::consumer::{Notify, Reader, ReaderOptions};
use innertrail_logstore::{Options, SealKey, Store, Writer};
use innertrail_plugin::route::{Provenance, Route};
use innertrail_plugin::transform::Transform;
use innertrail_plugin::transform::batch::{self, Codec};
use innertrail_test_agents::layout;

const NOW: i64 = 1_794_524_400_000_000;

fn main() {
    if !std::env::args().any(|word| word == "--bench") {
        // `cargo test --benches` only wants to know that it builds.
        return println!("SKIPPED: figures are taken by `cargo bench`");
    }
    let mut words = std::env::args().skip(1).filter(|a| !a.starts_with("--"));
    let events: u64 = words.next().and_then(|word| word.parse().ok()).unwrap_or(200_000);
    let block = words.next().and_then(|word| word.parse().ok());
    let folder = tempfile::tempdir().unwrap();
    for (name, count) in [("segments", events), ("tail", events.min(32_000))] {
        let dir = folder.path().join(name);
        let (bytes, notify, writer) = fill(&dir, count, name == "segments");
        println!("{name}: {count} events, {} bytes each on average", bytes / count);
        let reader = reading(&dir, &notify, count);
        for form in ["lz4", "zstd", "deflate", ""] {
            let data = serve(&dir, &notify, block, 64 << 20);
            let each = pulling(&data, form, u64::MAX, bytes / count).report(name, form);
            println!("    {:.2} of the reader's", each / reader);
        }
        // Encoding and compression alone: every record is in memory when the second consumer comes.
        let data = serve(&dir, &notify, block, 1 << 30);
        pulling(&data, "", 8_000, bytes / count);
        for form in ["lz4", "zstd", "deflate", ""] {
            pulling(&data, form, 8_000, bytes / count).report("    of records in memory", form);
        }
        drop(writer);
    }
}

fn serve(dir: &Path, notify: &Notify, block: Option<u64>, cache_bytes: usize) -> Data {
    Data::open(dir, DataOptions { notify: Some(notify.clone()), block, cache_bytes, ..DataOptions::default() }).unwrap()
}

/// CPU seconds of this process so far.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn rss() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 4_096.0 / f64::from(1 << 20)
}

fn report(what: &str, events: u64, seconds: f64) -> f64 {
    let each = seconds / events as f64 * 1e6;
    println!(
        "  {what}: {each:.2} µs CPU an event, {:.0} events/s on one core, {:.0} MiB",
        events as f64 / seconds,
        rss()
    );
    each
}

fn reading(dir: &Path, notify: &Notify, events: u64) -> f64 {
    let mut options = ReaderOptions::default();
    options.notify = Some(notify.clone());
    let mut reader = Reader::open(dir, options).unwrap();
    let (before, mut count, mut at) = (cpu(), 0, reader.begin(Store::Log));
    loop {
        let page = reader.pull(at, 1_000, 4 << 20).unwrap();
        count += page.rows.len() as u64;
        at = page.next;
        if page.at_end {
            break;
        }
    }
    assert_eq!(count, events);
    report("Reader, all columns", count, cpu() - before)
}

fn call(parameters: Vec<(&str, String)>, form: &str) -> Call {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_str(form).unwrap());
    Call {
        method: Method::GET,
        path: Vec::new(),
        parameters: Parameters::new(parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        headers,
        body: Default::default(),
        access: Access { key_id: "bench".to_owned(), role: Role::Reader },
        request_id: "0".repeat(24),
        now_us: NOW,
    }
}

/// What a run of pulls gave.
struct Run {
    events: u64,
    cpu: f64,
    wall: f64,
    smaller: f64,
}

impl Run {
    fn report(&self, what: &str, form: &str) -> f64 {
        let form = if form.is_empty() { "plain" } else { form };
        let each = report(&format!("{what}, {form}"), self.events, self.cpu);
        println!(
            "    {} events in {:.2} s, bodies {:.1} times smaller than records",
            self.events, self.wall, self.smaller
        );
        each
    }
}

/// Pulls up to so many records of every shard, from its beginning on, page by page.
fn pulling(data: &Data, form: &str, most: u64, record: u64) -> Run {
    let (mut events, mut sent, begun, before) = (0_u64, 0_u64, Instant::now(), cpu());
    for shard in data.shards(Store::Log) {
        let answer = data.cursor(&call(vec![("from", "begin".to_owned())], ""), Store::Log, shard.id).unwrap();
        let answer: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        let (mut at, mut of_shard) = (answer["cursor"].as_str().unwrap().to_owned(), 0);
        while of_shard < most {
            let page = call(vec![("cursor", at), ("count", "1000".to_owned())], form);
            let page = data.pull(&page, Store::Log, shard.id).unwrap();
            let header = |name| page.headers.iter().find(|(n, _)| *n == name).map(|(_, value)| value.clone()).unwrap();
            let groups: u64 = header("x-log-count").parse().unwrap();
            if groups == 0 {
                break;
            }
            of_shard += groups;
            sent += page.body.len() as u64;
            at = header("x-log-cursor");
        }
        events += of_shard;
    }
    let smaller = (events * record) as f64 / sent.max(1) as f64;
    Run { events, cpu: cpu() - before, wall: begun.elapsed().as_secs_f64(), smaller }
}

/// An OSS audit event of about 1.4 KB.
fn event(id: u64) -> String {
    let name = ["PutObject", "GetObject", "DeleteObject", "GetBucketAcl"][(id % 4) as usize];
    let spread = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (bucket, user) = (id % 12, id % 90);
    format!(
        r#"{{"eventId":"{spread:016X}{id:08X}","eventVersion":"1","eventTime":"2026-11-12T22:{:02}:{:02}Z","eventName":"{name}","eventType":"ApiCall","eventCategory":"Data","eventRW":"Write","eventSource":"bucket-{bucket}.oss-cn-hangzhou.aliyuncs.com","serviceName":"Oss","acsRegion":"cn-hangzhou","apiVersion":"2019-05-17","requestId":"{spread:016X}{id:08X}","sourceIpAddress":"192.0.2.{}","userAgent":"aliyun-sdk-java/3.17.4(Linux/5.10.134-16.al8.x86_64/amd64;17.0.9)","isGlobal":false,"resourceType":"ACS::OSS::Bucket;ACS::OSS::Object","resourceName":"bucket-{bucket};logs/2026/11/12/{spread:016x}.parquet","recipientAccountId":"1000000000000001","userIdentity":{{"type":"assumed-role","principalId":"3000000000000{:03}:session-{user}","accountId":"1000000000000001","userName":"etl-role:session-{user}","accessKeyId":"STS.EXAMPLE{:06}","sessionContext":{{"attributes":{{"mfaAuthenticated":"false","creationDate":"2026-11-12T21:00:00Z"}}}}}},"requestParameters":{{"bucketName":"bucket-{bucket}","objectName":"logs/2026/11/12/{spread:016x}.parquet","x-oss-storage-class":"Standard","Content-Length":"{}","x-oss-acl":"default","encoding":"identity"}},"responseElements":{{"ETag":"{spread:032x}","x-oss-hash-crc64ecma":"{spread}","x-oss-server-time":"{}"}},"additionalEventData":{{"SignVersion":"OSS4-HMAC-SHA256","bytesTransferred":"{}","vpc":"vpc-{:08x}"}}}}"#,
        id / 60 % 60,
        id % 60,
        id % 250,
        id % 700,
        id % 900,
        id % 100_000,
        id % 80,
        id % 100_000,
        id % 9
    )
}

/// Makes a Logstore of events that went through the rooms natively: their bytes, and the writer of what stays in its tail.
fn fill(dir: &Path, events: u64, sealed: bool) -> (u64, Notify, Writer) {
    let mut options = Options::new(SealKey::new("main", [7; 32]).unwrap());
    options.segment_rows = 32_768;
    let mut writer = Writer::open(dir, "main", layout(), options, NOW).unwrap();
    let (rooms, notify, mut total) = (Transform::open(r#"{"trail":"main"}"#).unwrap(), Notify::new(), 0);
    for from in (0..events).step_by(1_000) {
        let mut transaction = writer.begin();
        for id in from..(from + 1_000).min(events) {
            let body = event(id);
            total += body.len() as u64;
            let frames = [batch::Frame { end: u32::try_from(body.len()).unwrap(), offset: 0, fault: None }];
            let batch = batch::Batch {
                provenance: Provenance::OwnSource,
                source: "bench",
                origin: "bench",
                codec: Codec::ActionTrail,
                data: body.as_bytes(),
                frames: &frames,
                sealed: &[],
            };
            let routed = rooms.run(&batch, batch::Encoding::Row);
            assert_eq!(routed.entries[0].route, Route::Dedicated);
            transaction.push(Store::Log, &routed.data, body.len() as u64);
        }
        writer.commit(transaction, NOW).unwrap();
    }
    if sealed {
        writer.seal_tail(NOW).unwrap();
    }
    notify.committed(writer.state());
    (total, notify, writer)
}
