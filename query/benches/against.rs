//! The other half of `benches/compare.py`: a warm reader in a process of its own.
//!
//! `against warm DIR` opens the store once, then runs each line of its input as one query, and answers each with one
//! line of JSON: the rows and how long it took. Whoever measures reads the CPU clock of the process between two lines.
//!
//! `against visible DIR` asks again and again for the rows that came since the last time, beside a writer, and prints
//! how long after its append each batch was in an answer. It ends with its input.
//!
//! It must never measure another path than users take: a snapshot, a [`Query`], SQL or a search as text.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use innertrail_logstore::{Snapshot, Store};
use innertrail_query::{Cell, Error, Format, Limits, Query};

/// Between two questions, so that the writer is not measured beside a reader that never rests.
const PAUSE: Duration = Duration::from_millis(50);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["warm", dir] => warm(Path::new(dir)),
        ["visible", dir] => visible(Path::new(dir)),
        _ => println!("run benches/compare.py, which runs this beside other readers of the same files"),
    }
}

fn warm(dir: &Path) {
    let query = Query::open(Snapshot::open(dir).unwrap(), Store::Log, Limits::default()).unwrap();
    for line in std::io::stdin().lock().lines() {
        let begun = Instant::now();
        let mut rows = Vec::new();
        query.run(&line.unwrap()).unwrap().write(Format::Json, &mut rows).unwrap();
        let rows: serde_json::Value = serde_json::from_slice(&rows).unwrap();
        let answer = serde_json::json!({"ms": 1e3 * begun.elapsed().as_secs_f64(), "rows": rows});
        println!("{answer}");
    }
}

fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros().try_into().unwrap()
}

fn visible(dir: &Path) {
    let ended = Arc::new(AtomicBool::new(false));
    let end = Arc::clone(&ended);
    std::thread::spawn(move || {
        drop(std::io::stdin().read_to_end(&mut Vec::new()));
        end.store(true, Ordering::Relaxed);
    });
    let (mut snapshot, mut next) = (Snapshot::open(dir).unwrap(), None);
    let (mut waits, mut questions) = (Vec::new(), 0u64);
    while !ended.load(Ordering::Relaxed) {
        std::thread::sleep(PAUSE);
        snapshot = snapshot.refresh().unwrap();
        let (from, end) = (next.unwrap_or_else(|| snapshot.end(Store::Log)), snapshot.end(Store::Log));
        next = Some(end);
        if from < end {
            waits.extend(answered(&snapshot, from));
            questions += 1;
        }
    }
    waits.sort_unstable();
    let at = |share: f64| waits.get((share * waits.len() as f64) as usize).map_or(0.0, |us| *us as f64 / 1e3);
    let answer = serde_json::json!({
        "batches": waits.len(), "questions": questions, "p50_ms": at(0.5), "p99_ms": at(0.99),
        "max_ms": waits.last().map_or(0.0, |us| *us as f64 / 1e3),
    });
    println!("{answer}");
    std::io::stdout().flush().unwrap();
}

/// How long each batch from the row `from` on had been appended when a query answered with it, in microseconds.
fn answered(snapshot: &Snapshot, from: u64) -> Vec<i64> {
    let query = Query::open(snapshot.clone(), Store::Log, Limits::default()).unwrap();
    let sql = format!("SELECT to_unixtime(it_received) AS s, count(*) AS n FROM log WHERE it_seq >= {from} GROUP BY 1");
    let mut appended = Vec::new();
    let each = |row: &[Cell<'_>]| {
        let Cell::Float(seconds) = row[0] else { panic!("{row:?}") };
        appended.push((seconds * 1e6).round() as i64);
        Ok::<(), Error>(())
    };
    query.run(&sql).unwrap().for_each_row(each).unwrap();
    let now = now_us();
    appended.into_iter().map(|us| now - us).collect()
}
