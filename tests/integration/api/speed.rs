//! What a page of a search takes while events come in, and what readers cost those who bring them.
//!
//! `INNERTRAIL_API_BENCH=5000000` takes the figures; the suite makes the same calls over a few thousand events, and only looks at what
//! is in the answers.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use innertrail_test_cloud::Key;
use serde_json::json;

use super::{LS, SHARDS, Serving, get};
use crate::harness::event;

/// Readers at once.
const READERS: usize = 64;
/// How long one of them thinks between two calls.
const THINKS: Duration = Duration::from_secs(1);
/// Events of the suite.
const FEW: usize = 6_000;
const HOUR: Duration = Duration::from_secs(3600);

struct Bench {
    serving: Serving,
    input: PathBuf,
    /// Events that are durable and that nobody still waits for.
    fed: AtomicUsize,
}

impl Bench {
    fn start(dir: &Path) -> Self {
        Self { serving: Serving::with(dir, 0), input: dir.join("in"), fed: AtomicUsize::new(0) }
    }

    /// Lets so many events come, and gives how many a second were made durable.
    fn feed(&self, count: usize) -> f64 {
        let fed = self.fed.load(Ordering::Relaxed);
        let (tmp, path) = (self.input.join("next"), self.input.join(format!("{}.jsonl", fed + 1)));
        let mut file = BufWriter::new(File::create(&tmp).unwrap());
        (fed..fed + count).for_each(|id| writeln!(file, "{}", event(id, "")).unwrap());
        file.into_inner().unwrap().sync_all().unwrap();
        fs::rename(&tmp, &path).unwrap();
        let begun = self.until(fed + 1);
        let took = self.until(fed + count) - begun;
        self.fed.store(fed + count, Ordering::Relaxed);
        count as f64 / took.as_secs_f64()
    }

    /// When so many events were durable.
    fn until(&self, events: usize) -> Instant {
        let begun = Instant::now();
        while self.durable() < events {
            assert!(begun.elapsed() < HOUR, "{} of {events}", self.durable());
            thread::sleep(Duration::from_millis(if events < 100_000 { 2 } else { 50 }));
        }
        Instant::now()
    }

    fn durable(&self) -> usize {
        let metrics = self.serving.metrics();
        let line = metrics.lines().find(|line| {
            line.starts_with("component_received_events_total{") && line.contains("component_kind=\"source\"")
        });
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
    }

    /// A page of a search: the newest events, events further back, one event by its id.
    fn page(&self, key: &Key, turn: usize) -> Duration {
        let (query, offset, lines) = match turn % 3 {
            0 => ("*".to_owned(), 0, 100),
            1 => ("eventName: PutBucketAcl".to_owned(), 100 * (turn % 50), 100),
            _ => (format!("eventId: {:024X}", turn * 7_919 % self.fed.load(Ordering::Relaxed)), 0, 1),
        };
        let body = json!({
            "from": 1_793_491_200, "to": 1_795_305_600 + turn, "query": query, "line": 100, "offset": offset, "reverse": true
        });
        let begun = Instant::now();
        let page = self.serving.send(&get(&format!("{LS}/logs"), "").with("POST", body.to_string()), key).json();
        let took = begun.elapsed();
        assert_eq!((&page["meta"]["progress"], &page["meta"]["count"]), (&json!("Complete"), &json!(lines)), "{query}");
        took
    }

    /// The next page of a shard, and the cursor behind it.
    fn pull(&self, key: &Key, shard: usize, cursor: &str) -> String {
        let path = format!("{LS}/shards/{shard}");
        let page = self.serving.send(&get(&path, &format!("type=log&cursor={cursor}&count=100")), key);
        assert_eq!(page.status, 200, "{}", page.text());
        page.header("x-log-cursor").to_owned()
    }

    fn newest(&self, key: &Key, shard: usize) -> String {
        let answer = self.serving.send(&get(&format!("{LS}/shards/{shard}"), "type=cursor&from=end"), key).json();
        answer["cursor"].as_str().unwrap().to_owned()
    }

    /// Asks for pages until it is over; how long each took.
    fn searches(&self, key: &Key, over: &AtomicBool) -> Vec<Duration> {
        let turns = (0..).take_while(|_| !over.load(Ordering::Relaxed));
        let mut took: Vec<Duration> = turns.map(|turn| self.page(key, turn)).collect();
        took.sort();
        took
    }

    /// One of the readers: half of them follow a shard, half of them search.
    fn reads(&self, key: &Key, place: usize, over: &AtomicBool, calls: &AtomicU64) {
        let shard = place / 2 % SHARDS;
        let mut cursor = self.newest(key, shard);
        for turn in place.. {
            if over.load(Ordering::Relaxed) {
                return;
            }
            if place.is_multiple_of(2) {
                cursor = self.pull(key, shard, &cursor);
            } else {
                self.page(key, turn);
            }
            calls.fetch_add(1, Ordering::Relaxed);
            thread::sleep(THINKS);
        }
    }
}

/// Feeds while `beside` goes on; how many a second came, and what `beside` gave once it was over.
fn feed_beside<T: Send>(bench: &Bench, count: usize, beside: impl FnOnce(&AtomicBool) -> T + Send) -> (f64, T) {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let beside = scope.spawn(|| beside(&over));
        let rate = bench.feed(count);
        over.store(true, Ordering::Relaxed);
        (rate, beside.join().unwrap())
    })
}

#[test]
fn pages_beside_ingest_and_ingest_beside_readers() {
    let events = std::env::var("INNERTRAIL_API_BENCH").ok().and_then(|n| n.parse().ok()).unwrap_or(FEW);
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::start(dir.path());
    let key = bench.serving.key("reader");
    let first = bench.feed(events);
    let more = events / 5;
    let (beside, pages) = feed_beside(&bench, more, |over| bench.searches(&key, over));
    let alone = bench.feed(more);
    let calls = AtomicU64::new(0);
    let (crowded, ()) = feed_beside(&bench, more, |over| {
        thread::scope(|scope| {
            (0..READERS).for_each(|place| {
                let (bench, key, calls) = (&bench, &key, &calls);
                scope.spawn(move || bench.reads(key, place, over, calls));
            });
        });
    });
    let after = bench.feed(more);
    let at = |share: usize| pages.get(pages.len() * share / 100);
    println!(
        "{} pages beside ingest: p50 {:?}, p99 {:?}, slowest {:?}; {} calls of {READERS} readers",
        pages.len(),
        at(50),
        at(99),
        pages.last(),
        calls.load(Ordering::Relaxed)
    );
    // So few events as the suite has are durable at once, and their rates say nothing.
    if events > FEW {
        let less = 100.0 - 200.0 * crowded / (alone + after);
        println!(
            "{events} events at {first:.0} a second; more of them at {alone:.0} and {after:.0}, {beside:.0} beside one who searches, \
             {crowded:.0} beside {READERS} readers: {less:.0} % less"
        );
    }
    assert!(!pages.is_empty() && calls.into_inner() >= READERS as u64, "nobody read");
    let total = events + 4 * more;
    let count = bench.serving.send(&get(LS, "type=histogram&from=1793491200&to=1795305600&query=*"), &key);
    assert_eq!(count.header("x-log-count"), total.to_string(), "{}", count.text());
}
