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
/// Events a second of a trail that is alive.
const PACE: usize = 5_000;
/// What is searched for, in turn.
const KINDS: [&str; 3] = ["the newest", "those of a name, further back", "one by its id"];
/// Measurements of the ingest alone, and as many beside readers, in turn: one takes seconds, and machines wobble.
const ROUNDS: usize = 5;
/// Events of the suite.
const FEW: usize = 6_000;
const HOUR: Duration = Duration::from_secs(3600);

/// An event an eighth of a second after the one before, as a trail brings them.
fn in_turn(id: usize) -> String {
    let (line, second) = (event(id, ""), id / 8);
    let (before, rest) = line.split_once("\"eventTime\":\"").unwrap();
    let (_, after) = rest.split_once('"').unwrap();
    let (day, hour, minute) = (1 + second / 86_400, second / 3_600 % 24, second / 60 % 60);
    format!("{before}\"eventTime\":\"2026-11-{day:02}T{hour:02}:{minute:02}:{:02}Z\"{after}", second % 60)
}

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

    /// Lets so many events lie there.
    fn put(&self, fed: usize, count: usize) {
        let (tmp, path) = (self.input.join("next"), self.input.join(format!("{}.jsonl", fed + 1)));
        let mut file = BufWriter::new(File::create(&tmp).unwrap());
        (fed..fed + count).for_each(|id| writeln!(file, "{}", in_turn(id)).unwrap());
        file.into_inner().unwrap().sync_all().unwrap();
        fs::rename(&tmp, &path).unwrap();
    }

    /// Lets events come at a pace, for so many seconds. The source looks for new files each second.
    fn drip(&self, seconds: usize) {
        let fed = self.fed.load(Ordering::Relaxed);
        for second in 0..seconds {
            let begun = Instant::now();
            self.put(fed + second * PACE, PACE);
            thread::sleep(Duration::from_secs(1).saturating_sub(begun.elapsed()));
        }
        self.until(fed + seconds * PACE);
        self.fed.store(fed + seconds * PACE, Ordering::Relaxed);
    }

    /// Lets so many events come at once, and gives how many a second were made durable.
    fn feed(&self, count: usize) -> f64 {
        let fed = self.fed.load(Ordering::Relaxed);
        self.put(fed, count);
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

    /// A page of a search, of one of the [`KINDS`].
    fn page(&self, key: &Key, turn: usize) -> Duration {
        let (query, offset, lines) = match turn % KINDS.len() {
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

    /// Asks for pages until it is over; how long those of each kind took.
    fn searches(&self, key: &Key, over: &AtomicBool) -> [Vec<Duration>; KINDS.len()] {
        let mut took = [const { Vec::new() }; KINDS.len()];
        for turn in (0..).take_while(|_| !over.load(Ordering::Relaxed)) {
            took[turn % KINDS.len()].push(self.page(key, turn));
        }
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

/// All readers at once, until it is over.
fn crowd(bench: &Bench, key: &Key, over: &AtomicBool, calls: &AtomicU64) {
    thread::scope(|scope| {
        (0..READERS).for_each(|place| {
            scope.spawn(move || bench.reads(key, place, over, calls));
        });
    });
}

/// Feeds while `beside` goes on; what feeding gave, and what `beside` gave once it was over.
fn while_feeding<F, T: Send>(feed: impl FnOnce() -> F, beside: impl FnOnce(&AtomicBool) -> T + Send) -> (F, T) {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let beside = scope.spawn(|| beside(&over));
        let fed = feed();
        over.store(true, Ordering::Relaxed);
        (fed, beside.join().unwrap())
    })
}

/// Says how long pages took, by kind and all together.
fn tell(beside: &str, pages: [Vec<Duration>; KINDS.len()]) {
    let all = pages.concat();
    for (kind, mut took) in KINDS.iter().chain(&["all"]).zip(pages.into_iter().chain([all])) {
        let [half, most, slowest] = [50, 99, 100].map(|percent| percentile(&mut took, percent));
        println!("beside {beside}: {} pages, {kind}: p50 {half:?}, p99 {most:?}, slowest {slowest:?}", took.len());
    }
}

/// The smallest duration that so many in a hundred do not exceed.
fn percentile(took: &mut [Duration], percent: usize) -> Duration {
    took.sort();
    took[(took.len() * percent / 100).min(took.len() - 1)]
}

fn median(rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

#[test]
fn pages_beside_ingest_and_ingest_beside_readers() {
    let events = std::env::var("INNERTRAIL_API_BENCH").ok().and_then(|n| n.parse().ok()).unwrap_or(FEW);
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::start(dir.path());
    let key = bench.serving.key("reader");
    let first = bench.feed(events);
    let more = events / 10;
    let seconds = if events > FEW { 30 } else { 2 };
    let ((), pages) = while_feeding(|| bench.drip(seconds), |over| bench.searches(&key, over));
    tell(&format!("{PACE} events a second"), pages);
    let (beside, pages) = while_feeding(|| bench.feed(2 * more), |over| bench.searches(&key, over));
    tell("a backlog", pages);
    let (calls, mut alone, mut crowded) = (AtomicU64::new(0), [0.0; ROUNDS], [0.0; ROUNDS]);
    for round in 0..ROUNDS {
        alone[round] = bench.feed(more);
        crowded[round] = while_feeding(|| bench.feed(more), |over| crowd(&bench, &key, over, &calls)).0;
    }
    // So few events as the suite has are durable at once, and their rates say nothing.
    if events > FEW {
        let less = 100.0 - 100.0 * median(&mut crowded) / median(&mut alone);
        println!(
            "{events} events at {first:.0} a second; beside one who searches {beside:.0}; alone {alone:.0?}, beside {READERS} readers \
             {crowded:.0?}: by the medians {less:.0} % less"
        );
    }
    assert!(calls.into_inner() >= READERS as u64, "nobody read");
    let total = events + seconds * PACE + 2 * more * (1 + ROUNDS);
    let count = bench.serving.send(&get(LS, "type=histogram&from=1793491200&to=1795305600&query=*"), &key);
    assert_eq!(count.header("x-log-count"), total.to_string(), "{}", count.text());
}
