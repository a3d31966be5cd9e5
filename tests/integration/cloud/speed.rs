//! How soon an event that arrives at the service can be found here, how many a second, and in how much memory.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use innertrail_logstore::{Snapshot, Store};
use innertrail_test_cloud::{Cloud, Load, Setup, SlsSetup};

use super::stage::{Background, LOGSTORE, PROJECT, Stage, peak_mib, until};

/// What is promised: the 99th percentile from arrival to a committed, searchable record.
const PROMISED: Duration = Duration::from_secs(2);

#[test]
fn an_event_that_arrives_is_searchable_within_two_seconds() {
    let stage = Stage::with_logstore(2, &Load { events: 100, seed: 81, ..Load::default() });
    let config = stage.config(&stage.sls("events", &[]), "");
    let process = Background::start(&config, &[]);
    let data = stage.data();
    let records = || Snapshot::open(&data).map_or(0, |snapshot| snapshot.end(Store::Log));
    until("the first events", Duration::from_secs(60), || records() >= 100);
    // The other tests run beside this one on the same processors and may hold it up for a round, but not for three.
    let mut told = Vec::new();
    for round in 0..3 {
        let took = arrivals(&stage, &data, 8_100 + 1_000 * round);
        let (half, p99, worst) = (took[took.len() / 2], took[took.len() * 99 / 100 - 1], took[took.len() - 1]);
        println!("from arrival to searchable: median {half:?}, p99 {p99:?}, worst {worst:?}");
        told.push(p99);
        if p99 <= PROMISED {
            break;
        }
    }
    process.stop();
    assert!(told.iter().any(|p99| *p99 <= PROMISED), "99th percentiles of three rounds: {told:?}");
}

/// How long 100 events took from their arrival to a record that a reader finds, sorted.
fn arrivals(stage: &Stage, data: &Path, first_seed: u64) -> Vec<Duration> {
    let mut took: Vec<Duration> = Vec::new();
    for n in 0..100 {
        let (begun, ids) = (Instant::now(), stage.cloud.sls.arrive(PROJECT, LOGSTORE, 1, first_seed + n));
        let found = || {
            let snapshot = Snapshot::open(data).ok();
            snapshot.is_some_and(|snapshot| snapshot.find_by_key(Store::Log, &ids[0]).is_ok_and(|row| row.is_some()))
        };
        until("an event", Duration::from_secs(30), found);
        took.push(begun.elapsed());
        thread::sleep(Duration::from_millis(n * 7 % 100));
    }
    took.sort();
    took
}

/// Log groups of one pull: the default of `count`.
const COUNT: u64 = 100;

/// What a page of compressed test data may take of the double's memory, bytes an event.
const KEPT: usize = 400;

/// The measurement behind the figure in the README: `INNERTRAIL_CLOUD_BENCH=1000000`, the suite on its own. Here: that
/// memory stays bounded however much is waiting. The double's pages are made before, all of them: what is measured is
/// pulling, and not the making of a million events of test data on the same two cores.
#[test]
fn throughput_and_memory() {
    let events = std::env::var("INNERTRAIL_CLOUD_BENCH").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let sls = SlsSetup { cache_bytes: usize::try_from(events).unwrap() * KEPT, ..SlsSetup::default() };
    let stage = Stage::of(Cloud::start_with(&Setup { sls, ..Setup::default() }).unwrap());
    stage.fill(4, &Load { events, seed: 82, ..Load::default() });
    let pages = stage.cloud.sls.prepare(PROJECT, LOGSTORE, COUNT);
    let config = stage.config(&stage.sls("events", &[]), "");
    let begun = Instant::now();
    let process = Background::start(&config, &["--once"]);
    let pid = process.id();
    let watcher = thread::spawn(move || {
        let (mut most, mut cpu) = (0, 0.0);
        while let Some(peak) = peak_mib(pid) {
            most = most.max(peak);
            cpu = cpu_seconds(pid).unwrap_or(cpu);
            thread::sleep(Duration::from_millis(20));
        }
        (most, cpu)
    });
    assert_eq!(process.wait(), Some(0));
    let took = begun.elapsed();
    let (most, cpu) = watcher.join().unwrap();
    println!(
        "{events} events in {took:?}, start and end included: {:.0} a second; {:.1} µs CPU an event; at most {most} MiB",
        events as f64 / took.as_secs_f64(),
        cpu * 1e6 / events as f64
    );
    assert!(most <= 256, "{most} MiB");
    assert_eq!(stage.cloud.sls.pages_made(), pages, "pages were made while pulling");
    let snapshot = Snapshot::open(&stage.data()).unwrap();
    assert_eq!(snapshot.end(Store::Log), events);
}

/// CPU time of a process so far, seconds.
fn cpu_seconds(pid: u32) -> Option<f64> {
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<f64>().ok();
    Some((next()? + next()?) / TICKS)
}
