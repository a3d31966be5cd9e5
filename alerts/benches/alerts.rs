//! `cargo xtask bench -- alerts`: CPU time that the whole pack costs an event, over two streams.
//!
//! *mixed*: as trails with data events are, 19 in 20 reads and writes of objects, the rest every fixture of the rooms and of the
//! rules in turn. *management*: those alone, so that nearly every event concerns a rule. CPU time is the thread's own, medians of
//! rounds, because these machines are shared. Decoding an event is not in it: that is done before it is stored.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use innertrail_alerts::{Bounds, Bundle, Cell, Columns, Engine, Record, RuleSet, Sample, Sampler, Store, fixture};
use innertrail_plugin::event::columns::{ALL, Column};

/// Events of a stream.
const EVENTS: usize = 50_000;

/// Rounds of which the median is told.
const ROUNDS: usize = 7;

/// Nanoseconds that this thread has run.
fn cpu_ns() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// An event with its columns in place, as a stored row has them.
struct Stored {
    cells: Vec<Option<Owned>>,
    payload: Vec<u8>,
    time_us: i64,
}

enum Owned {
    Text(String),
    Number(i64),
}

impl Columns for Stored {
    fn cell(&self, column: Column) -> Option<Cell<'_>> {
        self.cells[column as usize].as_ref().map(|cell| match cell {
            Owned::Text(text) => Cell::Text(text),
            Owned::Number(number) => Cell::Number(*number),
        })
    }
}

impl Stored {
    fn new(sample: &Sample) -> Self {
        let record = sample.record();
        let cell = |column: &Column| {
            record.cell(*column).map(|cell| match cell {
                Cell::Text(text) => Owned::Text(text.to_owned()),
                Cell::Number(number) => Owned::Number(number),
            })
        };
        let time_us = record.time_us().unwrap_or_default();
        Self { cells: ALL.iter().map(cell).collect(), payload: record.payload().to_vec(), time_us }
    }
}

/// Every event of the fixtures of the rooms, and one of each case of the rules.
fn fixtures(set: &RuleSet, bundle: &Bundle) -> Vec<Stored> {
    let sampler = Sampler::new();
    let mut found = Vec::new();
    for room in ["actiontrail", "platform"] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(room);
        let mut folders: Vec<_> = fs::read_dir(root).unwrap().map(|e| e.unwrap().path()).collect();
        folders.sort();
        for file in folders.iter().flat_map(|folder| ["input.json", "input.ndjson"].map(|name| folder.join(name))) {
            let text = fs::read_to_string(file).unwrap_or_default();
            found.extend(text.lines().filter_map(|line| sampler.log(line.as_bytes()).ok()).map(|s| Stored::new(&s)));
        }
    }
    let (cases, faults) = fixture::cases(set, &bundle.fixtures(), &[]);
    assert!(faults.is_empty());
    let events = cases.iter().map(|case| &case.events[0]).filter(|event| fixture::store_of(event) == Store::Log);
    found.extend(events.map(|event| Stored::new(&sampler.log(event.to_string().as_bytes()).unwrap())));
    found
}

/// Reads and writes of objects that succeed.
fn objects() -> Vec<Stored> {
    let sampler = Sampler::new();
    let names =
        ["GetObject", "PutObject", "HeadObject", "ListObjectsV2", "GetObjectMeta", "CopyObject", "AppendObject"];
    let event = |name: &str| {
        let text = fs::read_to_string(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/actiontrail/data-get-object/input.json"),
        );
        Stored::new(&sampler.log(text.unwrap().trim().replace("GetObject", name).as_bytes()).unwrap())
    };
    names.iter().map(|name| event(name)).collect()
}

/// Microseconds of CPU an event, the median of rounds, and how many firings a round had.
fn measure(set: &Arc<RuleSet>, stream: &[&Stored]) -> (f64, usize) {
    let mut rounds = Vec::new();
    let mut fired = 0;
    for _ in 0..ROUNDS {
        let mut engine = Engine::new(Arc::clone(set), Bounds::default());
        fired = 0;
        let begun = cpu_ns();
        for (seq, event) in (0..).zip(stream) {
            let record = Record::new(Store::Log, *event, &event.payload);
            fired += black_box(engine.take(seq, event.time_us + 60_000_000, &record)).len();
        }
        rounds.push((cpu_ns() - begun) as f64 / 1000.0 / stream.len() as f64);
    }
    rounds.sort_by(f64::total_cmp);
    (rounds[ROUNDS / 2], fired)
}

/// The same rules asked one after the other by another implementation, which wants the event as a tree of its own.
fn witness(bundle: &Bundle, stream: &[&Stored]) -> f64 {
    let rules: Vec<sigma_rust::Rule> = bundle
        .rules()
        .iter()
        .filter_map(|(_, text)| sigma_rust::rule_from_yaml(text.split("\n---\n").next().unwrap_or_default()).ok())
        .collect();
    let stream = &stream[..2_000];
    let begun = cpu_ns();
    for stored in stream {
        let text = std::str::from_utf8(&stored.payload).unwrap();
        if let Ok(event) = sigma_rust::event_from_json(text) {
            black_box(rules.iter().filter(|rule| rule.is_match(&event)).count());
        }
    }
    (cpu_ns() - begun) as f64 / 1000.0 / stream.len() as f64
}

fn main() {
    let named: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    if !named.is_empty() && !named.iter().any(|name| "alerts".contains(name.as_str())) {
        return;
    }
    let bundle = Bundle::built_in();
    let (set, faults) = RuleSet::load(&bundle.rules(), &BTreeMap::new());
    assert!(faults.is_empty());
    let set = Arc::new(set);
    let (fixtures, objects) = (fixtures(&set, &bundle), objects());
    let management: Vec<&Stored> = (0..EVENTS).map(|i| &fixtures[i % fixtures.len()]).collect();
    let mixed: Vec<&Stored> = (0..EVENTS)
        .map(|i| if i % 20 == 7 { &fixtures[i / 20 % fixtures.len()] } else { &objects[i % objects.len()] })
        .collect();
    let (filed, unfiled) = set.filing();
    println!("alerts: {} rules, {filed} filed, {unfiled} held against every record", set.firing().count());
    for (name, stream) in [("mixed", &mixed), ("management", &management)] {
        let (us, fired) = measure(&set, stream);
        let bytes: usize = stream.iter().map(|event| event.payload.len()).sum();
        println!(
            "alerts/{name:<11} {us:6.2} µs CPU an event of {} bytes; {fired} firings of {EVENTS} events; sigma-rust, every rule: {:.0} µs",
            bytes / stream.len(),
            witness(&bundle, stream)
        );
    }
}
