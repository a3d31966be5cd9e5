//! A server that lies: each trick ends in a state that is told, within bounded time and memory, and costs no event.

use std::thread;
use std::time::{Duration, Instant};

use innertrail_test_cloud::fault::{Bomb, Fault, Lie, Op, XmlTrick};
use innertrail_test_cloud::schedule::Planned;
use innertrail_test_cloud::{Load, TrailLoad};

use super::stage::{Background, Stage, assert_exactly, kept, many, peak_mib, until};

/// Most memory of the whole process, whatever the server sends, MiB. What is promised is 256.
const MOST_MIB: u64 = 256;

/// How many times in a row each trick is played. Each time the source waits longer before it asks again: once is enough to
/// see that it ends, the longest waits are for the full size.
fn times() -> u32 {
    if many() >= 1_000_000 { 3 } else { 1 }
}

/// Plays all of them at the same time, each with doubles and a process of its own.
fn at_once<T: Sync>(tricks: &[T], play: impl Fn(&T) + Sync) {
    thread::scope(|scope| {
        let played: Vec<_> = tricks.iter().map(|trick| scope.spawn(|| play(trick))).collect();
        for trick in played {
            trick.join().unwrap();
        }
    });
}

/// When it is over, every event is there.
fn survives_sls(name: &str, on: Op, fault: Fault) {
    let stage = Stage::with_logstore(1, &Load { events: 600, seed: 71, ..Load::default() });
    stage.cloud.sls.faults().plan([Planned { after: 2, on: Some(on), times: times(), fault }]);
    let options = ["count: 2", "poll_interval_ms: 50", "shard_refresh_secs: 1"];
    let config = stage.config(&stage.sls("events", &options), "");
    let (begun, process) = (Instant::now(), Background::start(&config, &[]));
    until(name, Duration::from_secs(120), || {
        let peak = peak_mib(process.id()).expect("it runs");
        assert!(peak < MOST_MIB, "{name}: {peak} MiB");
        stage.cloud.sls.faults().pending() == 0 && kept_len(&stage) >= 600
    });
    println!("{name}: over after {:?}, at most {} MiB", begun.elapsed(), peak_mib(process.id()).unwrap());
    process.stop();
    assert_exactly(&stage.data(), &stage.arrived());
}

fn survives_oss(name: &str, on: Op, fault: Fault) {
    let stage = Stage::with_bucket(&TrailLoad { events: 600, seed: 72, per_object: 100, ..TrailLoad::default() });
    stage.cloud.oss.faults().plan([Planned { after: 1, on: Some(on), times: times(), fault }]);
    let config = stage.config(&stage.oss("objects", &["poll_interval_secs: 1"]), "");
    let (begun, process) = (Instant::now(), Background::start(&config, &[]));
    until(name, Duration::from_secs(120), || {
        let peak = peak_mib(process.id()).expect("it runs");
        assert!(peak < MOST_MIB, "{name}: {peak} MiB");
        stage.cloud.oss.faults().pending() == 0 && kept_len(&stage) >= 600
    });
    println!("{name}: over after {:?}, at most {} MiB", begun.elapsed(), peak_mib(process.id()).unwrap());
    process.stop();
    assert_exactly(&stage.data(), &stage.stored());
}

fn kept_len(stage: &Stage) -> usize {
    let ready = stage.data().join("format.json").exists();
    if ready { kept(&stage.data()).len() } else { 0 }
}

#[test]
fn pages_and_sizes_that_are_lies() {
    let bombs = [Bomb::Zeros, Bomb::EmptyGroups, Bomb::EmptyLogs, Bomb::Overlong, Bomb::Nested];
    let lies = [Lie::Smaller, Lie::Larger, Lie::Huge];
    let bombs = bombs.into_iter().map(|bomb| (format!("{bomb:?}"), Fault::Bomb { bomb }));
    let lies = lies.into_iter().map(|lie| (format!("{lie:?}"), Fault::RawSize { lie }));
    let tricks: Vec<(String, Fault)> = bombs.chain(lies).collect();
    at_once(&tricks, |(name, fault)| survives_sls(name, Op::PullLogs, fault.clone()));
}

#[test]
fn bodies_without_end_and_answers_that_are_none() {
    let endless = |announced| Fault::Endless { announced, most: 1 << 30 };
    let tricks = [
        ("endless", Op::PullLogs, endless(false)),
        ("endless, announced", Op::PullLogs, endless(true)),
        ("endless shards", Op::ListShards, endless(false)),
        ("garbage", Op::PullLogs, Fault::Garbage),
        ("html", Op::PullLogs, Fault::Html { status: 200 }),
        ("a loop of cursors", Op::PullLogs, Fault::CursorLoop),
    ];
    at_once(&tricks, |(name, on, fault)| survives_sls(name, *on, fault.clone()));
}

/// Nothing may be sent to the other host, and above all no signature.
#[test]
fn redirects_to_another_host_are_refused() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let to = format!("http://{}/", listener.local_addr().unwrap());
    survives_sls("redirect", Op::PullLogs, Fault::Redirect { to: to.clone() });
    survives_oss("redirect", Op::GetObject, Fault::Redirect { to });
    assert!(listener.accept().is_err(), "somebody followed the redirect");
}

#[test]
fn listings_that_are_tricks() {
    let tricks = [
        XmlTrick::Entities,
        XmlTrick::External,
        XmlTrick::Doctype,
        XmlTrick::Deep,
        XmlTrick::LongKey,
        XmlTrick::NoToken,
        XmlTrick::TokenLoop,
    ];
    at_once(&tricks, |trick| survives_oss(&format!("{trick:?}"), Op::ListObjects, Fault::Xml { trick: *trick }));
    let endless = Fault::Endless { announced: false, most: 1 << 30 };
    at_once(&[Op::GetObject, Op::ListObjects], |on| survives_oss(&format!("endless {on:?}"), *on, endless.clone()));
}
