//! Appends events as if one million came a day, and prints what must stay flat: memory, CPU an event, and how long opening
//! takes. It must never be read as wall-clock truth on a shared machine, except for what it says about opening.
//!
//! `EVENTS=20000000 cargo bench -p innertrail-logstore --bench scale`, 2,000,000 by default; `IDS_IN_MEMORY=n` for another number of
//! ids in memory. The directory is taken from `LOGSTORE_BENCH_DIR`, else the system's temporary one. `docs/scale.md` has the figures of such a run.
#![allow(clippy::unwrap_used)]

#[path = "ingest.rs"]
#[allow(dead_code)]
mod ingest;

use std::path::Path;
use std::time::Instant;

use chrono::DateTime;
use ingest::{NOW, Random, build, cpu_us, layout};
use innertrail_logstore::row::RowBuilder;
use innertrail_logstore::{Options, SealKey, Snapshot, Store, Transaction, Writer};

/// Events of a simulated day, and how often a line is printed.
const DAY: u64 = 1_000_000;
const DAY_US: i64 = 86_400_000_000;
/// Rows that are built before they are committed.
const BUILT: usize = 8 << 20;

fn options() -> Options {
    let mut options = Options::new(SealKey::new("bench", [7; 32]).unwrap());
    if let Some(ids) = std::env::var("IDS_IN_MEMORY").ok().and_then(|n| n.parse().ok()) {
        options.ids_in_memory = ids;
    }
    options
}

/// When event `n` is appended.
fn time(n: u64) -> i64 {
    NOW + (n / 1_000) as i64 * (DAY_US / (DAY / 1_000) as i64)
}

fn status(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(f64::NAN) / 1024.0
}

/// Bytes and files below a folder.
fn size(folder: &Path) -> (u64, u64) {
    let mut sum = (0, 0);
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let (bytes, files) = match entry.metadata() {
            Ok(meta) if meta.is_dir() => size(&entry.path()),
            Ok(meta) => (meta.len(), 1),
            Err(_) => (0, 0),
        };
        sum = (sum.0 + bytes, sum.1 + files);
    }
    sum
}

struct Run {
    writer: Writer,
    random: Random,
    commit_cpu: f64,
    /// Longest commit, with what it rotated and flushed, in seconds.
    longest: f64,
    raw: u64,
}

impl Run {
    /// Appends events `from..to`.
    fn append(&mut self, from: u64, to: u64) {
        let (mut json, mut text, mut builder) = (String::new(), String::new(), RowBuilder::new());
        let mut n = from;
        while n < to {
            let mut built: Vec<(u64, Vec<u8>, u64)> = Vec::new();
            let mut bytes = 0;
            while n < to && bytes < BUILT {
                build(&mut json, &mut text, &mut builder, &mut self.random, n);
                let row = builder.finish().to_vec();
                bytes += row.len();
                self.raw += json.len() as u64;
                built.push((n, row, json.len() as u64));
                n += 1;
            }
            let cpu = cpu_us();
            for batch in built.chunks(1_000) {
                let mut txn = Transaction::default();
                batch.iter().for_each(|(_, row, consumed)| txn.push(Store::Log, row, *consumed));
                let start = Instant::now();
                let committed = self.writer.commit(txn, time(batch[0].0)).unwrap();
                assert_eq!(committed.log as usize, batch.len());
                self.longest = self.longest.max(start.elapsed().as_secs_f64());
            }
            self.commit_cpu += cpu_us() - cpu;
        }
    }
}

fn main() {
    let events: u64 = std::env::var("EVENTS").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000_000);
    let parent = match std::env::var_os("LOGSTORE_BENCH_DIR") {
        Some(dir) => tempfile::tempdir_in(dir).unwrap(),
        None => tempfile::tempdir().unwrap(),
    };
    let dir = parent.path().join("d");
    let writer = Writer::open(&dir, "bench", layout(), options(), NOW).unwrap();
    let mut run = Run { writer, random: Random(7), commit_cpu: 0.0, longest: 0.0, raw: 0 };
    println!("events      memory MB  CPU µs/event  longest commit ms  ids B/event  all B/event   files");
    let mut done = 0;
    while done < events {
        let to = (done + DAY).min(events);
        let cpu = run.commit_cpu;
        run.longest = 0.0;
        run.append(done, to);
        let per = (run.commit_cpu - cpu) / (to - done) as f64;
        done = to;
        let ((ids, _), (all, files)) = (size(&dir.join("log/ids")), size(&dir));
        println!(
            "{done:>9} {:>12.0} {per:>13.2} {:>18.0} {:>12.1} {:>12.1} {files:>7}",
            status("RssAnon:"),
            run.longest * 1_000.0,
            ids as f64 / done as f64,
            all as f64 / done as f64,
        );
    }
    println!("in all {:.2} CPU µs/event, {} B raw each", run.commit_cpu / events as f64, run.raw / events);
    drop(run);
    readers(&dir);
    writers(&dir, events);
}

/// How long it takes to open a snapshot.
fn readers(dir: &Path) {
    for _ in 0..2 {
        let (cpu, start) = (cpu_us(), Instant::now());
        let snapshot = Snapshot::open(dir).unwrap();
        let (wall, cpu) = (start.elapsed().as_secs_f64() * 1_000.0, (cpu_us() - cpu) / 1_000.0);
        println!(
            "snapshot    {wall:.0} ms, {cpu:.0} ms CPU, {} segments of the dedicated Logstore",
            snapshot.segments(Store::Log).len()
        );
    }
}

/// How long it takes to open a writer: after a stop, after a clean end, without the index; and to drop a day.
fn writers(dir: &Path, events: u64) {
    let open = |what: &str| {
        let (cpu, start) = (cpu_us(), Instant::now());
        let writer = Writer::open(dir, "bench", layout(), options(), time(events)).unwrap();
        let (wall, cpu) = (start.elapsed().as_secs_f64() * 1_000.0, (cpu_us() - cpu) / 1_000.0);
        let found = writer.recovery();
        println!(
            "open        {wall:.0} ms, {cpu:.0} ms CPU, {} rows in the log, {} ids read; {what}",
            found.rows, found.ids_read
        );
        assert_eq!(writer.ids(), events);
        writer
    };
    drop(open("stopped at any moment"));
    open("again").close(time(events)).unwrap();
    let mut writer = open("closed before");
    let day = DateTime::from_timestamp_micros(NOW).unwrap().date_naive() + chrono::Days::new(1);
    let (cpu, start) = (cpu_us(), Instant::now());
    let retired = writer.retire(Store::Log, day, time(events)).unwrap();
    let (wall, cpu) = (start.elapsed().as_secs_f64() * 1_000.0, (cpu_us() - cpu) / 1_000.0);
    println!("drop a day  {wall:.0} ms, {cpu:.0} ms CPU, {} rows, {} ids left", retired.rows, writer.ids());
    assert_eq!(writer.ids(), events - retired.rows);
    drop(writer);
    std::fs::remove_file(dir.join("log/ids/manifest.json")).ok();
    let (cpu, start) = (cpu_us(), Instant::now());
    let writer = Writer::open(dir, "bench", layout(), options(), time(events)).unwrap();
    let (wall, cpu) = (start.elapsed().as_secs_f64(), (cpu_us() - cpu) / 1_000_000.0);
    println!("rebuild     {wall:.1} s, {cpu:.1} s CPU: {}", writer.recovery().ids_rebuilt.as_deref().unwrap_or("-"));
    assert_eq!(writer.ids(), events - retired.rows);
}
