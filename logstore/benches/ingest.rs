//! Prints CPU µs an event, bytes an event on disk and peak memory for commit + seal, on synthetic events.
//! It must never be read as wall-clock truth: the machine may be shared, CPU time is the figure to trust.
//!
//! `cargo bench -p innertrail-logstore --bench ingest -- [events]`, 1,000,000 by default. The directory is
//! taken from `LOGSTORE_BENCH_DIR`, else the system's temporary one. Building the rows is measured apart.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::Instant;

use innertrail_logstore::row::RowBuilder;
use innertrail_logstore::{Column, Encoding, Kind, Layout, Options, SealKey, Snapshot, Store, Transaction, Writer};

pub(crate) const NOW: i64 = 1_794_524_400_000_000;

/// Column name, encoding, bloom, distinct values (0: every value distinct).
const COLUMNS: &[(&str, Encoding, bool, u64)] = &[
    ("eventId", Encoding::Plain, true, 0),
    ("requestId", Encoding::Plain, true, 0),
    ("eventName", Encoding::Dictionary, false, 60),
    ("eventType", Encoding::Dictionary, false, 3),
    ("eventSource", Encoding::Dictionary, false, 12),
    ("eventVersion", Encoding::Dictionary, false, 1),
    ("eventRW", Encoding::Dictionary, false, 2),
    ("serviceName", Encoding::Dictionary, false, 1),
    ("acsRegion", Encoding::Dictionary, false, 6),
    ("apiVersion", Encoding::Dictionary, false, 2),
    ("errorCode", Encoding::Dictionary, false, 8),
    ("errorMessage", Encoding::Dictionary, false, 20),
    ("sourceIpAddress", Encoding::Dictionary, false, 5_000),
    ("userAgent", Encoding::Dictionary, false, 40),
    ("userType", Encoding::Dictionary, false, 4),
    ("accountId", Encoding::Dictionary, false, 1),
    ("principalId", Encoding::Dictionary, false, 500),
    ("userName", Encoding::Dictionary, false, 450),
    ("accessKeyId", Encoding::Dictionary, false, 600),
    ("bucketName", Encoding::Dictionary, false, 200),
    ("objectKey", Encoding::Plain, false, 1_000_000),
    ("resourceType", Encoding::Dictionary, false, 2),
    ("it_family", Encoding::Dictionary, false, 3),
    ("it_actor", Encoding::Dictionary, false, 500),
    ("it_action", Encoding::Dictionary, false, 60),
    ("it_resource", Encoding::Dictionary, false, 200),
    ("it_outcome", Encoding::Dictionary, false, 2),
    ("it_country", Encoding::Dictionary, false, 20),
];

pub(crate) fn layout() -> Layout {
    let mut columns: Vec<Column> = COLUMNS
        .iter()
        .map(|(name, encoding, bloom, _)| {
            let column = Column::new(name, Kind::Text, *encoding);
            if *bloom { column.with_bloom() } else { column }
        })
        .collect();
    columns.push(Column::new("eventTime", Kind::Timestamp, Encoding::Delta));
    Layout { columns, key: Some(0) }
}

pub(crate) struct Random(pub(crate) u64);

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

fn value(out: &mut String, column: usize, random: &mut Random) {
    use std::fmt::Write;
    let (name, _, _, distinct) = COLUMNS[column];
    match (name, distinct) {
        ("eventId", _) => {
            let (a, b) = (random.next(), random.next());
            write!(
                out,
                "{:08X}-{:04x}-{:04x}-{:04x}-{:012x}",
                a as u32,
                (a >> 32) as u16,
                (a >> 48) as u16,
                b as u16,
                b >> 16
            )
        }
        ("requestId", _) => write!(out, "{:016X}{:08X}", random.next(), random.next() as u32),
        ("objectKey", n) => {
            let (a, b) = (random.skewed(n), random.skewed(90));
            write!(out, "exports/2026/11/{b:02}/part-{a:06}.json.gz")
        }
        ("sourceIpAddress", n) => {
            let k = random.skewed(n);
            write!(out, "10.{}.{}.{}", k % 7, k / 250, k % 250)
        }
        ("errorCode" | "errorMessage", _) if !random.next().is_multiple_of(100) => Ok(()),
        ("userAgent", n) => {
            write!(out, "aliyun-sdk-java/3.{}.0(Linux/5.10.134/amd64;17.0.{})", random.skewed(n), random.skewed(3))
        }
        (_, n) => write!(out, "{name}-{:05}", random.skewed(n)),
    }
    .unwrap();
}

/// One event of about 1.3 KB as text, its row, and the row's slots inside the text where they are there.
pub(crate) fn build(json: &mut String, text: &mut String, builder: &mut RowBuilder, random: &mut Random, n: u64) {
    use std::fmt::Write;
    json.clear();
    json.push('{');
    let mut slots = [(0u32, 0u32); COLUMNS.len()];
    for (c, slot) in slots.iter_mut().enumerate() {
        text.clear();
        value(text, c, random);
        write!(json, "\"{}\":\"", COLUMNS[c].0).unwrap();
        *slot = (json.len() as u32, text.len() as u32);
        json.push_str(text);
        json.push_str("\",");
    }
    let time = NOW / 1_000_000 + (n / 40) as i64;
    write!(json, "\"eventTime\":{time},\"additionalEventData\":{{\"isMFAChecked\":\"false\",\"Scheme\":\"https\",\"loginAccount\":\"1000000000000001\",\"responseElements\":{{\"statusCode\":200,\"bytesSent\":{},\"serverTime\":{},\"isGlobal\":false}}}},\"pad\":\"{}\"}}",
        random.next() % 100_000, random.next() % 400, "the same words in every event of this kind ".repeat(3)).unwrap();
    builder.begin(json.as_bytes());
    for (c, (offset, len)) in slots.into_iter().enumerate() {
        if len > 0 {
            builder.slice(c as u8, offset, len);
        }
    }
    builder.integer(COLUMNS.len() as u8, time * 1_000_000);
}

/// User and system time of this process in µs, from the kernel's counters in 10 ms ticks.
pub(crate) fn cpu_us() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let tick = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or(f64::NAN);
    (tick(11) + tick(12)) * 10_000.0
}

fn peak_rss_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(f64::NAN) / 1024.0
}

fn disk_bytes(dir: &Path) -> u64 {
    Snapshot::open(dir).unwrap().segments(Store::Log).iter().map(|s| s.bytes).sum()
}

fn main() {
    let events: u64 = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(1_000_000);
    let parent = match std::env::var_os("LOGSTORE_BENCH_DIR") {
        Some(dir) => tempfile::tempdir_in(dir).unwrap(),
        None => tempfile::tempdir().unwrap(),
    };
    let dir = parent.path().join("d");
    let mut writer =
        Writer::open(&dir, "bench", layout(), Options::new(SealKey::new("bench", [7; 32]).unwrap()), NOW).unwrap();
    let (mut json, mut text, mut builder, mut random) = (String::new(), String::new(), RowBuilder::new(), Random(7));
    let (mut raw, mut rows, mut commits, mut commit_cpu, mut wall) = (0u64, 0u64, 0u64, 0.0, 0.0);
    let mut batch: Vec<(Vec<u8>, u64)> = Vec::new();
    let mut n = 0;
    while n < events {
        batch.clear();
        let mut bytes = 0;
        // Several transactions are built at once, so that the 10 ms ticks of the CPU clock even out.
        while n < events && bytes < 64 << 20 {
            build(&mut json, &mut text, &mut builder, &mut random, n);
            let row = builder.finish().to_vec();
            bytes += row.len();
            raw += json.len() as u64;
            batch.push((row, json.len() as u64));
            n += 1;
        }
        let (cpu, start) = (cpu_us(), Instant::now());
        let mut txn = Transaction::default();
        for (row, consumed) in &batch {
            txn.push(Store::Log, row, *consumed);
            if txn.bytes() >= 1 << 20 {
                txn.checkpoint("source", b"cursor");
                rows += writer.commit(std::mem::take(&mut txn), NOW).unwrap().log;
                commits += 1;
            }
        }
        rows += writer.commit(txn, NOW).unwrap().log;
        commit_cpu += cpu_us() - cpu;
        wall += start.elapsed().as_secs_f64();
    }
    let cpu = cpu_us();
    writer.seal_tail(NOW).unwrap();
    commit_cpu += cpu_us() - cpu;
    drop(writer);
    assert_eq!(rows, events);
    let per = |total: f64| total / events as f64;
    println!("events {events}, {:.0} B raw each, {commits} commits", per(raw as f64));
    println!("commit + seal   {:6.2} CPU µs/event, {:.0} events/s wall", per(commit_cpu), events as f64 / wall);
    println!("on disk         {:6.1} B/event", per(disk_bytes(&dir) as f64));
    println!("peak memory     {:6.0} MB (64 MB of it the benchmark's own rows)", peak_rss_mb());
    let cpu = cpu_us();
    let writer =
        Writer::open(&dir, "bench", layout(), Options::new(SealKey::new("bench", [7; 32]).unwrap()), NOW).unwrap();
    println!("open            {:6.2} CPU µs/event, {} ids", per(cpu_us() - cpu), writer.ids());
    if std::env::var_os("LOGSTORE_BENCH_COLUMNS").is_some() {
        columns(&dir);
    }
}

/// Compressed bytes an event of every column, over all segments.
fn columns(dir: &Path) {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    let mut sizes = std::collections::BTreeMap::<String, (i64, i64)>::new();
    let mut rows = 0;
    for segment in Snapshot::open(dir).unwrap().segments(Store::Log) {
        let file = SerializedFileReader::new(std::fs::File::open(&segment.path).unwrap()).unwrap();
        for group in file.metadata().row_groups() {
            rows += group.num_rows();
            for column in group.columns() {
                let size = sizes.entry(column.column_path().string()).or_default();
                size.0 += column.compressed_size();
                size.1 += i64::from(column.bloom_filter_length().unwrap_or(0));
            }
        }
    }
    for (name, (data, bloom)) in sizes {
        println!("  {name:20} {:7.2} B/event, bloom {:.2}", data as f64 / rows as f64, bloom as f64 / rows as f64);
    }
}
