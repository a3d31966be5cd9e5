//! A server that lies: each trick ends in a state that is told, within bounded time and memory, and costs no event.

use std::time::{Duration, Instant};

use innertrail_test_cloud::fault::{Bomb, Fault, Lie, Op, XmlTrick};
use innertrail_test_cloud::schedule::Planned;
use innertrail_test_cloud::{Load, TrailLoad};

use super::stage::{Background, Stage, assert_exactly, kept, until};

/// Most memory of the whole process, whatever the server sends, MiB. What is promised is 256.
const MOST_MIB: u64 = 256;

/// Peak resident memory of a process so far, MiB.
fn peak_mib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) / 1024
}

/// Does it three times; when it is over, every event is there.
fn survives_sls(name: &str, on: Op, fault: Fault) {
    let stage = Stage::with_logstore(1, &Load { events: 600, seed: 71, ..Load::default() });
    stage.cloud.sls.faults().plan([Planned { after: 2, on: Some(on), times: 3, fault }]);
    let options = ["count: 2", "poll_interval_ms: 50"];
    let config = stage.config(&stage.sls("events", &options), "");
    let (begun, process) = (Instant::now(), Background::start(&config, &[]));
    until(name, Duration::from_secs(90), || {
        assert!(peak_mib(process.id()) < MOST_MIB, "{name}: {} MiB", peak_mib(process.id()));
        stage.cloud.sls.faults().pending() == 0 && kept_len(&stage) >= 600
    });
    println!("{name}: over after {:?}, at most {} MiB", begun.elapsed(), peak_mib(process.id()));
    process.stop();
    assert_exactly(&stage.data(), &stage.arrived());
}

fn survives_oss(name: &str, on: Op, fault: Fault) {
    let stage = Stage::with_bucket(&TrailLoad { events: 600, seed: 72, per_object: 100, ..TrailLoad::default() });
    stage.cloud.oss.faults().plan([Planned { after: 1, on: Some(on), times: 3, fault }]);
    let config = stage.config(&stage.oss("objects", &["poll_interval_secs: 1"]), "");
    let (begun, process) = (Instant::now(), Background::start(&config, &[]));
    until(name, Duration::from_secs(90), || {
        assert!(peak_mib(process.id()) < MOST_MIB, "{name}: {} MiB", peak_mib(process.id()));
        stage.cloud.oss.faults().pending() == 0 && kept_len(&stage) >= 600
    });
    println!("{name}: over after {:?}, at most {} MiB", begun.elapsed(), peak_mib(process.id()));
    process.stop();
    assert_exactly(&stage.data(), &stage.stored());
}

fn kept_len(stage: &Stage) -> usize {
    let ready = stage.data().join("format.json").exists();
    if ready { kept(&stage.data()).len() } else { 0 }
}

#[test]
fn pages_that_are_bombs() {
    for bomb in [Bomb::Zeros, Bomb::EmptyGroups, Bomb::EmptyLogs, Bomb::Overlong, Bomb::Nested] {
        survives_sls(&format!("{bomb:?}"), Op::PullLogs, Fault::Bomb { bomb });
    }
}

#[test]
fn sizes_that_are_lies() {
    for lie in [Lie::Smaller, Lie::Larger, Lie::Huge] {
        survives_sls(&format!("{lie:?}"), Op::PullLogs, Fault::RawSize { lie });
    }
}

#[test]
fn bodies_without_end_and_answers_that_are_none() {
    survives_sls("endless", Op::PullLogs, Fault::Endless { announced: false, most: 1 << 30 });
    survives_sls("endless, announced", Op::PullLogs, Fault::Endless { announced: true, most: 1 << 30 });
    survives_sls("endless shards", Op::ListShards, Fault::Endless { announced: false, most: 1 << 30 });
    survives_sls("garbage", Op::PullLogs, Fault::Garbage);
    survives_sls("html", Op::PullLogs, Fault::Html { status: 200 });
    survives_sls("a loop of cursors", Op::PullLogs, Fault::CursorLoop);
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
    for trick in tricks {
        survives_oss(&format!("{trick:?}"), Op::ListObjects, Fault::Xml { trick });
    }
    survives_oss("an endless object", Op::GetObject, Fault::Endless { announced: false, most: 1 << 30 });
    survives_oss("an endless listing", Op::ListObjects, Fault::Endless { announced: false, most: 1 << 30 });
}
