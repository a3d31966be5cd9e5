//! A writer process killed with SIGKILL at random moments: while it opens, commits, rotates, drops old days. Every
//! acknowledged event must be there afterwards, once, and the verifier must find nothing.
//! The child is this very test binary: the test below that does nothing unless it is told where to write.
//!
//! `INNERTRAIL_KILLS` sets how many kills there are, `INNERTRAIL_SEED` repeats a run as far as timing allows. The disk
//! is the real one: what is acknowledged was synced.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, Days};
use innertrail_logstore::{Snapshot, Store, Writer};

use crate::crash_image::Random;
use crate::support::{HOUR, NOW, event, events, layout, raw, small};
use crate::workload::assert_verified;

const DIR: &str = "INNERTRAIL_LOGSTORE_KILL_DIR";
/// Kills, all stores together.
const KILLS: u64 = 1_000;
/// Stores that are filled: each begins empty, so that the first start is hit as well, and none becomes large.
const STORES: u64 = 8;
/// Stores that are filled at the same time.
const LANES: usize = 4;
/// Kills between two looks at everything; each start looks at what was acknowledged.
const LOOK: u64 = 25;

/// The time of event `n`: every twelve events are an hour.
fn time(n: u64) -> i64 {
    NOW + HOUR / 12 * n as i64
}

#[test]
fn child_writes_until_it_is_killed() {
    let Some(dir) = std::env::var_os(DIR) else {
        eprintln!("only runs as the child of kill::acknowledged_events_survive_sigkill");
        return;
    };
    let mut writer = Writer::open(dir.as_ref(), "main", layout(), small(40), NOW).unwrap();
    let begin = writer.state().next(Store::Log);
    println!("\nacknowledged {begin}");
    for n in begin.. {
        // Each transaction repeats the event before it.
        let mut txn = events([n.saturating_sub(1), n]);
        if n.is_multiple_of(3) {
            txn.push(Store::Quarantine, &raw(&[0xff]), 1);
        }
        writer.commit(txn, time(n)).unwrap();
        println!("acknowledged {}", n + 1);
        if n % 64 == 63 {
            let yesterday = DateTime::from_timestamp_micros(time(n)).unwrap().date_naive() - Days::new(1);
            writer.retire(Store::Log, yesterday, time(n)).unwrap();
        }
    }
}

/// One life and its end. Gives what it acknowledged; what it began with must be what was acknowledged before.
fn life(dir: &Path, acknowledged: u64, random: &mut Random) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child_writes_until_it_is_killed", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Kept until after the kill: a closed pipe would end the child in a gentler way.
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut told = lines.filter_map(|line| line.strip_prefix("acknowledged ")?.parse::<u64>().ok());
    let mut last = None;
    if random.below(100) < 40 {
        thread::sleep(Duration::from_micros(random.below(60_000) as u64));
    } else {
        let wanted = 1 + random.below(12);
        last = told.by_ref().take(wanted).inspect(|n| begins(*n, acknowledged)).last();
        assert!(last.is_some(), "the child ended by itself");
        thread::sleep(Duration::from_micros(random.below(6_000) as u64));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    told.inspect(|n| begins(*n, acknowledged)).last().or(last).unwrap_or(acknowledged)
}

fn begins(n: u64, acknowledged: u64) {
    assert!(n >= acknowledged, "{acknowledged} events were acknowledged, the next life begins with {n}");
}

/// Every acknowledged event that retention has left is there, in order and once.
fn look(dir: &Path, acknowledged: u64) {
    let snapshot = match Snapshot::open(dir) {
        Err(innertrail_logstore::Error::NotALogstore { .. }) if acknowledged == 0 => return,
        other => other.unwrap(),
    };
    let first = snapshot.first_kept(Store::Log);
    let rows = snapshot.scan_rows(Store::Log, 0, usize::MAX).unwrap();
    assert!(
        snapshot.end(Store::Log) >= acknowledged,
        "{acknowledged} acknowledged, {} found",
        snapshot.end(Store::Log)
    );
    assert!(rows.iter().map(|r| r.seq).eq(first..snapshot.end(Store::Log)));
    for row in rows {
        assert_eq!(String::from_utf8_lossy(row.payload()), event(row.seq));
    }
}

/// Fills one store through `kills` lives.
fn fill(seed: u64, kills: u64) -> u64 {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    let (mut random, mut acknowledged) = (Random::new(seed), 0);
    for kill in 1..=kills {
        acknowledged = life(&dir, acknowledged, &mut random);
        if kill % LOOK == 0 {
            look(&dir, acknowledged);
        }
    }
    let mut writer = Writer::open(&dir, "main", layout(), small(40), NOW).unwrap();
    let n = writer.state().next(Store::Log);
    begins(n, acknowledged);
    assert_eq!(writer.commit(events([n]), time(n)).unwrap().log, 1, "a fresh event still passes");
    writer.close(time(n)).unwrap();
    look(&dir, n + 1);
    assert_verified(&dir, &format!("seed {seed} after {kills} kills"));
    n
}

#[test]
fn acknowledged_events_survive_sigkill() {
    let setting = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let seed = setting("INNERTRAIL_SEED").unwrap_or(clock.as_secs());
    let kills = setting("INNERTRAIL_KILLS").unwrap_or(KILLS);
    println!("INNERTRAIL_SEED={seed} INNERTRAIL_KILLS={kills}");
    let begun = Instant::now();
    let filled: u64 = thread::scope(|scope| {
        // More than there are cores: a life is mostly waiting for the disk.
        let lane =
            |lane: u64| (lane..STORES).step_by(LANES).map(|n| fill(seed + n, kills.div_ceil(STORES))).sum::<u64>();
        let lanes: Vec<_> = (0..LANES as u64).map(|n| scope.spawn(move || lane(n))).collect();
        lanes.into_iter().map(|lane| lane.join().unwrap_or_else(|e| std::panic::resume_unwind(e))).sum()
    });
    let kills = kills.div_ceil(STORES) * STORES;
    println!("{kills} kills, {filled} events, {:.1} s", begun.elapsed().as_secs_f64());
    assert!(filled > kills, "the lives were too short: {filled} events in {kills} lives");
}
