//! Prints how long pages, histograms and SQL take on a store while a thread appends to it: p50, p99 and the worst, ms.
//! It must never be read as truth on a shared machine: the figures are wall clock.
//!
//! `EVENTS=5000000 cargo bench -p innertrail-query --bench live`, 1,000,000 by default; `RATE=n` for events appended
//! a second, 2,000 by default. The directory is taken from `LOGSTORE_BENCH_DIR`, else the system's temporary one.
#![allow(clippy::unwrap_used)]

#[path = "../../logstore/benches/ingest.rs"]
#[allow(dead_code)]
mod ingest;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ingest::{NOW, Random, build, layout};
use innertrail_logstore::row::RowBuilder;
use innertrail_logstore::{Layout, Options, SealKey, Store, Transaction, Writer};
use innertrail_query::live::{Live, LiveLimits, Page, TimeRange, View, Wanted};

const SECOND: i64 = 1_000_000;
/// Events of one second, as the events' own times have it.
const PER_SECOND: u64 = 40;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(otherwise)
}

/// The events' own time is the column by which rows are ordered.
fn timed() -> Layout {
    let mut layout = layout();
    layout.columns.last_mut().unwrap().name = "it_time".into();
    layout
}

struct Source {
    writer: Writer,
    random: Random,
    next: u64,
}

impl Source {
    fn append(&mut self, rows: u64) {
        let (mut json, mut text, mut builder) = (String::new(), String::new(), RowBuilder::new());
        let mut txn = Transaction::default();
        for _ in 0..rows {
            build(&mut json, &mut text, &mut builder, &mut self.random, self.next);
            txn.push(Store::Log, builder.finish(), json.len() as u64);
            self.next += 1;
        }
        self.writer.commit(txn, NOW + (self.next / PER_SECOND) as i64 * SECOND).unwrap();
    }
}

struct Case {
    name: String,
    text: &'static str,
    ask: Ask,
    times: usize,
}

enum Ask {
    Page { offset: u64, newest_first: bool },
    Counts,
    Sql,
}

fn ask(view: &View, case: &Case, range: TimeRange) -> u64 {
    let reading = view.read(case.text).unwrap();
    let wanted = Wanted { search: &reading.search, topic: None };
    match case.ask {
        Ask::Page { offset, newest_first } => {
            let rows = view.page(wanted, range, Page { offset, rows: 100, newest_first }).unwrap();
            assert!(rows.complete);
            rows.rows.len() as u64
        }
        Ask::Counts => {
            let bounds: Vec<i64> = (0..=60).map(|n| range.from_us + (range.to_us - range.from_us) / 60 * n).collect();
            let counted = view.counts(wanted, &bounds).unwrap();
            assert!(counted.complete);
            counted.counts.iter().sum()
        }
        Ask::Sql => {
            let mut result = view.analyse(wanted, range, &reading.sql.unwrap().text).unwrap();
            let mut rows = 0;
            while let Some(batch) = result.next_batch().unwrap() {
                rows += batch.num_rows() as u64;
            }
            rows
        }
    }
}

fn measure(live: &Live, case: &Case, range: TimeRange) {
    let (mut took, mut found) = (Vec::new(), 0);
    let mut first = Duration::ZERO;
    for n in 0..=case.times {
        let start = Instant::now();
        found = ask(&live.view().unwrap(), case, range);
        if n == 0 {
            first = start.elapsed();
        } else {
            took.push(start.elapsed());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    took.sort();
    let ms = |d: Duration| d.as_secs_f64() * 1_000.0;
    let at = |part: usize| ms(took[(took.len() * part / 100).min(took.len() - 1)]);
    println!(
        "{:<44} first {:>8.1}  p50 {:>8.1}  p99 {:>8.1}  worst {:>8.1}  ({found})",
        case.name,
        ms(first),
        at(50),
        at(99),
        ms(took[took.len() - 1])
    );
}

fn cases(events: u64) -> Vec<Case> {
    let page = |name: &str, text, offset, newest_first| Case {
        name: name.to_owned(),
        text,
        ask: Ask::Page { offset, newest_first },
        times: 300,
    };
    vec![
        page("newest page", "*", 0, true),
        page("oldest page", "*", 0, false),
        page("page at 10,000 from the newest", "*", 10_000, true),
        page("page in the middle", "*", events / 2, true),
        page("newest page, a frequent word of the entry", "eventname-00003", 0, true),
        page("newest page, a field", "eventName:eventName-00003", 0, true),
        page("page at 10,000, a field", "eventName:eventName-00003", 10_000, true),
        page("newest page, a word of one in 30,000", "part-000123.json.gz", 0, true),
        page("newest page, a word that is nowhere", "nowhere-to-be-found", 0, true),
        Case { name: "histogram of all".into(), text: "*", ask: Ask::Counts, times: 100 },
        Case { name: "histogram of a rare word".into(), text: "part-000123.json.gz", ask: Ask::Counts, times: 30 },
        Case { name: "histogram of a field".into(), text: "eventName:eventName-00003", ask: Ask::Counts, times: 5 },
        Case {
            name: "SQL: count by eventName".into(),
            text: "* | select eventName, count(1) group by eventName",
            ask: Ask::Sql,
            times: 20,
        },
    ]
}

fn fill(dir: &Path, events: u64) -> Source {
    let options = Options::new(SealKey::new("bench", [7; 32]).unwrap());
    let writer = Writer::open(dir, "bench", timed(), options, NOW).unwrap();
    let mut source = Source { writer, random: Random(7), next: 0 };
    let start = Instant::now();
    while source.next < events {
        source.append(1_000.min(events - source.next));
    }
    println!("{events} events appended in {:.0} s", start.elapsed().as_secs_f64());
    source
}

fn main() {
    let (events, rate) = (number("EVENTS", 1_000_000), number("RATE", 2_000));
    let parent = match std::env::var_os("LOGSTORE_BENCH_DIR") {
        Some(dir) => tempfile::tempdir_in(dir).unwrap(),
        None => tempfile::tempdir().unwrap(),
    };
    let dir = parent.path().join("d");
    let mut source = fill(&dir, events);
    let live = Live::new(&dir, Store::Log, LiveLimits::default());
    let start = Instant::now();
    let view = live.view().unwrap();
    println!(
        "first view in {:.0} ms: {} segments, {} rows in the tail",
        start.elapsed().as_secs_f64() * 1_000.0,
        view.snapshot().segments(Store::Log).len(),
        view.snapshot().end(Store::Log) - view.snapshot().tail_from(Store::Log)
    );
    drop(view);
    let (stop, appended) = (AtomicBool::new(false), AtomicU64::new(0));
    // Long after the last event that is appended meanwhile.
    let range = TimeRange { from_us: NOW, to_us: NOW + (events / PER_SECOND) as i64 * 2 * SECOND };
    let start = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) && rate > 0 {
                let due = start.elapsed().as_secs_f64() * rate as f64;
                if (appended.load(Ordering::Relaxed) as f64) < due {
                    source.append(100);
                    appended.fetch_add(100, Ordering::Relaxed);
                } else {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        });
        for case in cases(events) {
            measure(&live, &case, range);
        }
        stop.store(true, Ordering::Relaxed);
    });
    let seconds = start.elapsed().as_secs_f64();
    println!("{:.0} events a second were appended meanwhile", appended.into_inner() as f64 / seconds);
}
