//! Prints what a look-up by id and a search for a rare word cost, and what the token index costs to build, on synthetic
//! events; beside it `gzip -dc | grep -F` over the same events. It must never count what the kernel has not: CPU time
//! is the figure to trust, the machine may be shared.
//!
//! `EVENTS=200000 cargo bench -p innertrail-logstore --bench lookup`. The directory is taken from
//! `LOGSTORE_BENCH_DIR`, else the system's temporary one. Targets: 2 µs an event to build, 10 bytes an event, a
//! look-up within 50 ms and with 1/200 of the CPU time of the pair of `gzip` and `grep`. A rare word costs the decoding
//! of at least one range whatever the number of events, so its ratio grows with them.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use innertrail_logstore::index::{TokenIndex, TokenIndexBuilder, rows_in_ranges};
use innertrail_logstore::row::RowBuilder;
use innertrail_logstore::{
    Column, Encoding, Kind, Layout, Options, SealKey, Snapshot, Store, StoredRow, Transaction, Writer,
};

const NOW: i64 = 1_794_524_400_000_000;
/// So many words stand in one event each. One alone may meet a false positive, or be spared it.
const RARE: u64 = 8;
const COLUMNS: [&str; 10] = [
    "eventId",
    "requestId",
    "eventName",
    "sourceIpAddress",
    "userName",
    "bucketName",
    "objectKey",
    "errorCode",
    "acsRegion",
    "userAgent",
];

fn layout() -> Layout {
    let column = |name: &&str| match *name {
        "eventId" | "requestId" => Column::new(name, Kind::Text, Encoding::Plain).with_bloom(),
        "objectKey" => Column::new(name, Kind::Text, Encoding::Plain),
        _ => Column::new(name, Kind::Text, Encoding::Dictionary),
    };
    Layout { columns: COLUMNS.iter().map(column).collect(), key: Some(0) }
}

fn rare(k: u64) -> String {
    format!("salaries-of-quarter-{k}.xlsx")
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    /// Skewed to small numbers, like names and users are.
    fn skewed(&mut self, below: u64) -> u64 {
        (self.next() % below).min(self.next() % below).min(self.next() % below)
    }
}

fn id(n: u64) -> String {
    let (a, b) = (Random(n).next(), Random(!n).next());
    format!("{:08X}-{:04x}-{:04x}-{:04x}-{:012x}", a as u32, (a >> 32) as u16, (a >> 48) as u16, b as u16, b >> 16)
}

/// Values of the columns, and an audit event of about 1.2 KB with the same fields as operation logs of OSS have.
fn event(n: u64, events: u64, random: &mut Random, json: &mut String) -> [String; COLUMNS.len()] {
    let names =
        ["PutObject", "GetObject", "HeadObject", "DeleteObject", "PutBucketAcl", "ListObjects", "GetBucketInfo"];
    let region = ["cn-hangzhou", "cn-shanghai", "ap-southeast-1"][random.skewed(3) as usize];
    let user = random.skewed(450);
    let address = random.skewed(5_000);
    let mut key = format!("exports/2026/11/{:02}/part-{:06}.json.gz", random.skewed(30), random.skewed(1_000_000));
    let between = events / RARE;
    if n % between == between / 2 && n / between < RARE {
        key = rare(n / between);
    }
    let values = [
        id(n),
        format!("{:016X}{:08X}", random.next(), random.next() as u32),
        names[random.skewed(7) as usize].to_owned(),
        format!("10.{}.{}.{}", address % 7, address / 250, address % 250),
        format!("user-{user:04}"),
        format!("bucket-{:03}", random.skewed(200)),
        key,
        if random.next().is_multiple_of(100) { "AccessDenied".to_owned() } else { String::new() },
        region.to_owned(),
        format!("aliyun-sdk-java/3.{}.0(Linux/5.10.134/amd64;17.0.{})", random.skewed(40), random.skewed(3)),
    ];
    let [event_id, request_id, name, ip, user_name, bucket, key, error, region, agent] = &values;
    let second = n / 40;
    let time = format!(
        "2026-11-{:02}T{:02}:{:02}:{:02}Z",
        1 + second / 86_400 % 28,
        second / 3_600 % 24,
        second / 60 % 60,
        second % 60
    );
    json.clear();
    write!(
        json,
        "{{\"eventId\":\"{event_id}\",\"eventVersion\":\"1\",\"eventSource\":\"{bucket}.oss-{region}.aliyuncs.com\",\"requestId\":\"{request_id}\",\
         \"eventType\":\"ApiCall\",\"eventCategory\":\"Data\",\"eventRW\":\"Write\",\"eventName\":\"{name}\",\"eventTime\":\"{time}\",\
         \"serviceName\":\"Oss\",\"apiVersion\":\"2019-05-17\",\"acsRegion\":\"{region}\",\"sourceIpAddress\":\"{ip}\",\"userAgent\":\"{agent}\",\
         \"errorCode\":\"{error}\",\"errorMessage\":\"\",\"isGlobal\":false,\"recipientAccountId\":\"1000000000000001\",\
         \"userIdentity\":{{\"type\":\"ram-user\",\"principalId\":\"20{user:016}\",\"accountId\":\"1000000000000001\",\"userName\":\"{user_name}\",\
         \"accessKeyId\":\"LTAI5t{user:018}\",\"sessionContext\":{{\"attributes\":{{\"mfaAuthenticated\":\"false\",\"creationDate\":\"2026-11-01T00:00:00Z\"}}}}}},\
         \"resourceType\":\"ACS::OSS::Object\",\"resourceName\":\"{bucket}/{key}\",\"referencedResources\":{{\"ACS::OSS::Bucket\":[\"{bucket}\"],\
         \"ACS::OSS::Object\":[\"{key}\"]}},\"requestParameterJson\":\"{{\\\"bucketName\\\":\\\"{bucket}\\\",\\\"objectName\\\":\\\"{key}\\\"}}\",\
         \"additionalEventData\":{{\"Scheme\":\"https\",\"CallbackUrl\":\"\",\"bytesSent\":{},\"serverTime\":{},\"httpStatus\":200}}}}",
        random.next() % 100_000,
        random.next() % 400,
    )
    .unwrap();
    values
}

/// CPU time in µs of this thread, the only one here that works, by the scheduler's clock; and of children that have
/// ended, in the kernel's ticks of 10 ms.
fn cpu_us() -> (f64, f64) {
    // The scheduler adds up what a thread used when it leaves the processor.
    std::thread::yield_now();
    let own = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let own = own.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1e3;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let tick = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or(f64::NAN) * 10_000.0;
    (own, tick(13) + tick(14))
}

/// CPU and wall time of one run in ms: the middle one of several, because others may use the machine.
fn measured(mut run: impl FnMut()) -> (f64, f64) {
    run();
    let mut runs: Vec<(f64, f64)> = (0..21)
        .map(|_| {
            let (cpu, start) = (cpu_us().0, Instant::now());
            run();
            ((cpu_us().0 - cpu) / 1e3, start.elapsed().as_secs_f64() * 1e3)
        })
        .collect();
    runs.sort_by(|a, b| a.0.total_cmp(&b.0));
    runs[runs.len() / 2]
}

/// Writes the events into the Logstore, and the same lines into one gzip file, both under `dir`.
fn fill(dir: &Path, events: u64) -> u64 {
    let mut gzip = Command::new("gzip")
        .arg("-6")
        .stdin(Stdio::piped())
        .stdout(File::create(dir.join("events.gz")).unwrap())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufWriter::with_capacity(1 << 20, gzip.stdin.take().unwrap());
    let mut writer =
        Writer::open(&dir.join("d"), "bench", layout(), Options::new(SealKey::new("bench", [7; 32]).unwrap()), NOW)
            .unwrap();
    let (mut random, mut json, mut builder) = (Random(7), String::new(), RowBuilder::new());
    let (mut txn, mut raw) = (Transaction::default(), 0);
    for n in 0..events {
        let values = event(n, events, &mut random, &mut json);
        builder.begin(json.as_bytes());
        (0u8..).zip(&values).for_each(|(column, value)| builder.text(column, value));
        txn.push(Store::Log, builder.finish(), json.len() as u64);
        if txn.bytes() >= 1 << 20 {
            writer.commit(std::mem::take(&mut txn), NOW).unwrap();
        }
        json.push('\n');
        lines.write_all(json.as_bytes()).unwrap();
        raw += json.len() as u64;
    }
    writer.commit(txn, NOW).unwrap();
    writer.seal_tail(NOW).unwrap();
    drop(lines.into_inner().unwrap());
    assert!(gzip.wait().unwrap().success());
    raw
}

/// Builds every segment's index, writes what is not there, and yields CPU µs spent on building and bytes.
fn build_indexes(snapshot: &Snapshot) -> (f64, u64) {
    let (mut cpu, mut bytes) = (0.0, 0);
    for segment in snapshot.segments(Store::Log) {
        let rows = snapshot.scan_rows(Store::Log, segment.first_seq, segment.rows as usize).unwrap();
        let (mut builder, start) = (TokenIndexBuilder::new(), cpu_us().0);
        rows.iter().for_each(|row| builder.push(row.payload()));
        let file = builder.finish();
        cpu += cpu_us().0 - start;
        bytes += file.len() as u64;
        let path = segment.index_path();
        if !path.exists() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, file).unwrap();
        }
    }
    (cpu, bytes)
}

/// Rows whose payload holds the word: looked for by way of the index in the events alone, then read in full.
fn search(dir: &Path, word: &str) -> Vec<StoredRow> {
    let snapshot = Snapshot::open(dir).unwrap();
    let schema = snapshot.schema(Store::Log);
    let event = Arc::new(schema.project(&[0, schema.index_of("event").unwrap()]).unwrap());
    let mut found = Vec::new();
    for segment in snapshot.segments(Store::Log) {
        let index = TokenIndex::open(&segment.index_path()).unwrap();
        for batch in rows_in_ranges(segment, &event, &index.candidates(&[word]).unwrap()).unwrap() {
            let payloads = batch.column(1).as_string::<i32>().iter().flatten();
            let seqs = batch.column(0).as_primitive::<Int64Type>().values().iter();
            for (_, seq) in payloads.zip(seqs).filter(|(p, _)| p.contains(word)) {
                found.extend(snapshot.scan_rows(Store::Log, seq.cast_unsigned(), 1).unwrap());
            }
        }
    }
    found
}

/// CPU and wall time in ms of `gzip -dc | grep -F word`, and the lines it found.
fn grep(gz: &Path, word: &str) -> (f64, f64, usize) {
    let (cpu, start) = (cpu_us().1, Instant::now());
    let mut gzip = Command::new("gzip").arg("-dc").arg(gz).stdout(Stdio::piped()).spawn().unwrap();
    let grep = Command::new("grep").args(["-F", word]).stdin(gzip.stdout.take().unwrap()).output().unwrap();
    assert!(gzip.wait().unwrap().success());
    let lines = grep.stdout.iter().filter(|&&b| b == b'\n').count();
    ((cpu_us().1 - cpu) / 1e3, start.elapsed().as_secs_f64() * 1e3, lines)
}

fn report(what: &str, (cpu, wall): (f64, f64), (their_cpu, their_wall, _): (f64, f64, usize)) {
    println!(
        "{what:22} {cpu:8.2} CPU ms {wall:8.2} ms wall | gzip -dc | grep -F {their_cpu:8.0} CPU ms {their_wall:8.0} ms wall | {:5.0} times less CPU",
        their_cpu / cpu
    );
}

fn main() {
    let events: u64 = std::env::var("EVENTS").ok().and_then(|e| e.parse().ok()).unwrap_or(200_000);
    let parent = match std::env::var_os("LOGSTORE_BENCH_DIR") {
        Some(dir) => tempfile::tempdir_in(dir).unwrap(),
        None => tempfile::tempdir().unwrap(),
    };
    let (dir, gz) = (parent.path().join("d"), parent.path().join("events.gz"));
    let raw = fill(parent.path(), events);
    let snapshot = Snapshot::open(&dir).unwrap();
    let per = |total: f64| total / events as f64;
    println!("{events} events, {:.0} B raw each, {} segments", per(raw as f64), snapshot.segments(Store::Log).len());
    let (cpu, bytes) = build_indexes(&snapshot);
    println!("index build {:.2} CPU µs/event, {:.2} B/event on disk", per(cpu), per(bytes as f64));

    let there = id(events / 3);
    let find = |id: &str| Snapshot::open(&dir).unwrap().find_by_key(Store::Log, id).unwrap();
    assert_eq!(find(&there).map(|r| r.seq), Some(events / 3));
    report("id, there", measured(|| assert!(find(&there).is_some())), grep(&gz, &there));
    let absent = id(events + 1);
    report("id, absent", measured(|| assert!(find(&absent).is_none())), grep(&gz, &absent));
    let theirs = grep(&gz, &rare(0));
    assert_eq!(theirs.2, 1);
    let (cpu, wall) = measured(|| (0..RARE).for_each(|k| assert_eq!(search(&dir, &rare(k)).len(), 1)));
    report("rare word, mean of 8", (cpu / RARE as f64, wall / RARE as f64), theirs);
}
