//! Every protocol, with innertrail and the receiver killed and the network broken: nothing lost, invented or altered.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use innertrail_test_agents::http_double::{Claims, spooled};
use innertrail_test_agents::ledger;
use innertrail_test_agents::proxy::{Proxy, Weather};

use super::oracle::judge;
use super::scene::{Dice, Killed, Kills, Lines, Scene, free_port, stop};
use crate::harness::status;

/// How often each side is killed.
const KILLS: usize = 20;

const WEATHER: [Weather; 7] = [
    Weather::Fair,
    Weather::Slow(3),
    Weather::Reset(20_000),
    Weather::Narrow(300_000),
    Weather::HalfClose(8_000),
    Weather::Fair,
    Weather::Reset(0),
];

/// Events of a run: 1,000, or as many as the variable says.
fn events() -> usize {
    let told = std::env::var("INNERTRAIL_SINK_EVENTS").ok();
    let count = told.map_or(1_000, |text| text.parse().expect("INNERTRAIL_SINK_EVENTS is a number"));
    assert!(count < 1_000_000, "`tail` prints a million at the most");
    count
}

/// The share of each round, so that all of them are what was asked for.
fn share() -> usize {
    (events() / KILLS).max(1)
}

/// Connections that the network has to have broken, at the least.
const FAULTS: u64 = 3;

/// Small batches, so that a round is many of them.
const DELIVERY: &str = "    delivery:\n      max_records: 5\n      retry_max_secs: 1\n";

/// Judges and prints the row of the table.
fn verdict(scene: &Scene, seam: &str, kills: &Kills, claims: &Claims) {
    let judged = judge(&scene.data(), scene.sent, claims);
    let told = status(&scene.data());
    assert_eq!(told["conserved"], true);
    assert_eq!(told["sinks"]["agent"]["parked"], 0, "an outage is no reason to park");
    println!("TABLE | double | {seam} | {} | 0 of {} | {} |", kills.told(KILLS), judged.records, judged.duplicated);
}

/// What is waited between a sign of work and a kill: nearly nothing, and in every third round long enough to catch up, so that
/// positions are stored and sinks at rest are killed too.
fn moment(dice: &mut Dice, round: usize) {
    if round.is_multiple_of(3) { dice.pause(150, 400) } else { dice.pause(0, 40) }
}

fn conserves(protocol: &str, sink: impl Fn(SocketAddr) -> String) {
    let port = free_port();
    let proxy = Proxy::to(SocketAddr::from(([127, 0, 0, 1], port)));
    let mut scene = Scene::new(&(sink(proxy.address) + DELIVERY));
    let mut dice = Dice::new(protocol);
    let ledger = scene.ledger();
    let (mut kills, lines) = (Kills::default(), RefCell::new(Lines::default()));
    let out = || lines.borrow_mut().numbers([ledger.clone()]);
    let (mut agent, mut running) = (scene.double(protocol, port), scene.run(Stdio::null()));
    let mut rounds = 0..;
    while let Some(round) =
        rounds.next().filter(|round| kills.go_on(KILLS) || (proxy.faults() <= FAULTS && *round < 3 * KILLS))
    {
        proxy.weather(WEATHER[round % WEATHER.len()]);
        scene.arrive(share());
        scene.until_behind(&out);
        moment(&mut dice, round);
        kills.agent(&scene, agent, &out);
        agent = scene.double(protocol, port);
        dice.pause(50, 300);
        kills.innertrail(&scene, running, &out);
        running = scene.run(Stdio::null());
    }
    proxy.weather(Weather::Fair);
    // One fresh event: what is stuck for good would keep it back.
    scene.arrive(1);
    let last = crate::harness::event(scene.sent, "");
    scene.wait_for("the fresh event", || ledger::read(&scene.ledger()).iter().any(|claim| claim["event"] == *last));
    stop(running);
    assert!(proxy.faults() > FAULTS, "the weather was fair all along");
    verdict(&scene, protocol, &kills, &ledger::read(&scene.ledger()));
    drop(agent);
}

#[test]
fn vector_conserves() {
    conserves("vector", |at| format!("    type: vector\n    endpoint: http://{at}\n    timeout_ms: 600\n"));
}

#[test]
fn otlp_conserves() {
    conserves("otlp", |at| format!("    type: otlp\n    endpoint: http://{at}\n    timeout_ms: 600\n"));
}

#[test]
fn forward_conserves() {
    conserves("forward", |at| format!("    type: forward\n    address: \"{at}\"\n    timeout_ms: 600\n"));
}

#[test]
fn http_conserves() {
    conserves("http", |at| format!("    type: http\n    endpoint: http://{at}/in\n    timeout_ms: 600\n"));
}

/// The folder is its own receiver, so only innertrail is killed. A tailer reads whole lines.
#[test]
fn spool_conserves() {
    let sink = "    type: spool\n    dir: \"{dir}/spool\"\n    rotate_bytes: 100000\n";
    // Nobody is asked here, so it is fast: a sync a record and longer rounds, or none of the kills finds it at work.
    let mut scene = Scene::new(&(sink.to_owned() + "    delivery:\n      max_records: 1\n"));
    let folder = scene.dir.path().join("spool");
    let claims = || if folder.is_dir() { spooled(&folder).iter().map(ledger::claim).collect() } else { Claims::new() };
    let files = || fs::read_dir(&folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let lines = RefCell::new(Lines::default());
    let out = || lines.borrow_mut().numbers(files());
    let (mut dice, mut kills) = (Dice::new("spool"), Kills::default());
    let mut running = scene.run(Stdio::null());
    let mut rounds = 0..;
    while let Some(round) = rounds.next().filter(|_| kills.go_on(KILLS)) {
        scene.arrive(8 * share());
        scene.until_behind(&out);
        moment(&mut dice, round);
        kills.innertrail(&scene, running, &out);
        running = scene.run(Stdio::null());
    }
    scene.arrive(1);
    let last = crate::harness::event(scene.sent, "");
    scene.wait_for("the fresh event", || claims().iter().any(|claim| claim["event"] == *last));
    stop(running);
    verdict(&scene, "spool", &kills, &claims());
}

/// Reads a pipe to its end: what was written before a kill is still in it. A broken last line is nobody's.
fn reader(running: &mut Killed, to: &Arc<Mutex<Claims>>) -> thread::JoinHandle<()> {
    let (mut pipe, to) = (running.0.stdout.take().unwrap(), Arc::clone(to));
    thread::spawn(move || {
        let (mut bytes, mut buffer) = (vec![], vec![0; 64 << 10]);
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            bytes.extend_from_slice(&buffer[..count]);
            let Some(end) = bytes.iter().rposition(|b| *b == b'\n') else { continue };
            let whole: Vec<u8> = bytes.drain(..=end).collect();
            let records = innertrail_test_agents::http_double::events(&whole);
            to.lock().unwrap().extend(records.iter().map(ledger::claim));
            // Slower than the sink, so that the pipe is full and a kill finds records behind it.
            thread::sleep(Duration::from_millis(30));
        }
    })
}

#[test]
fn stdout_conserves_while_its_reader_lives() {
    let mut scene = Scene::new(&("    type: stdout\n".to_owned() + DELIVERY));
    let got = Arc::<Mutex<Claims>>::default();
    let out = || {
        let got = got.lock().unwrap();
        got.iter().filter_map(|claim| claim["it_seq"].as_u64()).collect::<BTreeSet<_>>().len()
    };
    let (mut dice, mut kills) = (Dice::new("stdout"), Kills::default());
    let mut rounds = 0..;
    while let Some(round) = rounds.next().filter(|_| kills.go_on(KILLS)) {
        let mut running = scene.run(Stdio::piped());
        let read = reader(&mut running, &got);
        scene.arrive(4 * share());
        scene.until_behind(&out);
        moment(&mut dice, round);
        drop(running);
        read.join().unwrap();
        kills.was_innertrail(out() < scene.held());
    }
    let mut running = scene.run(Stdio::piped());
    let read = reader(&mut running, &got);
    scene.arrive(1);
    let last = crate::harness::event(scene.sent, "");
    scene.wait_for("the fresh event", || got.lock().unwrap().iter().any(|claim| claim["event"] == *last));
    stop(running);
    read.join().unwrap();
    let claims = got.lock().unwrap().clone();
    verdict(&scene, "stdout", &kills, &claims);
}
