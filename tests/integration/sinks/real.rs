//! Real agents behind the sinks of `innertrail run`, both killed: Rotel between the OTLP sink and a double, Fluent's own
//! Forward server on Node, rsyslog and syslog-ng on the spool, Vector behind its own protocol.
//!
//! `INNERTRAIL_ROTEL` names `rotel-agent`, `INNERTRAIL_NODE_MODULES` a `node_modules` with `@fluent-org/logger`,
//! `INNERTRAIL_VECTOR` a `vector`. Without one the test says SKIPPED, or fails where `INNERTRAIL_AGENTS_REQUIRED` is 1.

mod vector;

use std::cell::RefCell;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use innertrail_test_agents::http_double::Claims;
use innertrail_test_agents::ledger;
use serde_json::Value;

use super::oracle::{Tally, tally};
use super::scene::{Dice, Killed, Kills, Lines, Scene, free_port, stop};
use crate::agents::real::{Agent, block};
use crate::harness::event;

const KILLS: usize = 20;
/// Records of a batch, as [`DELIVERY`] says.
const BATCH: usize = 5;
/// Small batches, so that a round is many of them.
const DELIVERY: &str = "    delivery:\n      max_records: 5\n      retry_max_secs: 1\n";
/// Events that arrive before each kill.
const ARRIVE: usize = 100;
/// The same for a spool, which asks nobody and is done sooner.
const ARRIVE_SPOOLED: usize = 400;

fn named(variable: &str) -> Option<String> {
    let found = std::env::var(variable).ok();
    if found.is_none() {
        println!("SKIPPED: {variable} is not set");
        assert_ne!(std::env::var("INNERTRAIL_AGENTS_REQUIRED").as_deref(), Ok("1"), "{variable} is required");
    }
    found
}

/// Kills both sides, drains, and prints the row of the table; gives how many were lost. `file` is where the end writes to.
fn killed(
    seam: &str,
    file: &str,
    arrive: usize,
    mut scene: Scene,
    start: &dyn Fn(&Scene) -> Killed,
    claims: &dyn Fn(&Scene) -> Claims,
) -> usize {
    let (file, lines) = (scene.dir.path().join(file), RefCell::new(Lines::default()));
    let out = || lines.borrow_mut().numbers([file.clone()]);
    let (mut dice, mut kills) = (Dice::new(seam), Kills::default());
    let (mut agent, mut running) = (start(&scene), scene.run(Stdio::null()));
    let mut rounds = 0..;
    while let Some(round) = rounds.next().filter(|_| kills.go_on(KILLS)) {
        // Every third round catches up first, so that both are killed at rest too.
        let mut moment = || if round % 3 == 0 { dice.pause(200, 500) } else { dice.pause(0, 25) };
        scene.arrive(arrive);
        scene.until_behind(&out);
        moment();
        kills.agent(&scene, agent, &out);
        agent = start(&scene);
        scene.arrive(arrive);
        scene.until_behind(&out);
        moment();
        kills.innertrail(&scene, running, &out);
        running = scene.run(Stdio::null());
    }
    // All of it reaches the agent before the fresh event does.
    scene.arrive(1);
    let last = event(scene.sent, "");
    scene.wait_for("the fresh event", || claims(&scene).iter().any(|claim| claim["event"] == *last));
    stop(running);
    let found = settled(&scene, claims);
    println!("TABLE | {seam} | {} | {} of {} | {} |", kills.told(KILLS), found.lost, scene.sent, found.duplicated);
    drop(agent);
    found.lost
}

/// What came out, once nothing more does. The story: syslog-ng reads the files of a spool side by side, so lines of an older one
/// may come behind the newest event, and 31 of them were once counted as lost. What is lost never comes.
fn settled(scene: &Scene, claims: &dyn Fn(&Scene) -> Claims) -> Tally {
    let mut seen = 0;
    loop {
        let claims = claims(scene);
        let found = tally(&scene.data(), scene.sent, &claims);
        if found.lost == 0 || claims.len() == seen {
            return found;
        }
        seen = claims.len();
        std::thread::sleep(Duration::from_secs(5));
    }
}

/// Rotel answers before it has delivered and holds what it took in memory: its death may lose that, and it is counted.
/// The sink's own promise ends at the answer.
#[test]
fn rotel_is_fed_while_both_are_killed() {
    let Some(program) = named("INNERTRAIL_ROTEL") else { return };
    let (http, grpc, behind) = (free_port(), free_port(), free_port());
    let sink = format!(
        "    type: otlp\n    endpoint: http://127.0.0.1:{http}/v1/logs\n    profile: rotel\n    timeout_ms: 2000\n"
    );
    let scene = Scene::new(&(sink + DELIVERY));
    let double = scene.double("otlp", behind);
    let block = block("rotel", "otlp", scene.dir.path())
        .replace("127.0.0.1:4318", &format!("127.0.0.1:{http}"))
        .replace("127.0.0.1:4317", &format!("127.0.0.1:{grpc}"))
        .replace("https://siem.example.com:4318", &format!("http://127.0.0.1:{behind}"));
    let settings: Vec<_> =
        block.lines().filter(|line| !line.starts_with('#')).filter_map(|l| l.split_once('=')).collect();
    assert_eq!(settings.len(), 5, "{block}");
    let start = |_: &Scene| {
        let mut command = Command::new(&program);
        command.args(["start", "--batch-timeout", "100ms"]).envs(settings.iter().copied());
        Killed(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    };
    let lost = killed("Rotel | `otlp`", "ledger", ARRIVE, scene, &start, &|scene| ledger::read(&scene.ledger()));
    assert!(lost < KILLS * ARRIVE, "hardly anything arrived");
    drop(double);
}

const FLUENT: &str = r#"
const { FluentServer } = require('@fluent-org/logger');
const fs = require('fs');
const server = new FluentServer({ listenOptions: { port: Number(process.env.PORT), host: '127.0.0.1' } });
const plain = (key, value) => typeof value === 'bigint' ? Number(value) : value;
server.on('entry', (tag, time, record) => fs.appendFileSync(process.env.LEDGER, JSON.stringify(record, plain) + '\n'));
server.on('error', () => {});
server.listen();
"#;

/// The story: once it lost five records, a batch. This server answers before it hands a batch to its handler, so one that is
/// killed in between loses what it has acknowledged; the sink's own promise ends at the answer.
#[test]
fn fluents_own_server_is_fed_while_both_are_killed() {
    let Some(modules) = named("INNERTRAIL_NODE_MODULES") else { return };
    let port = free_port();
    let sink = format!("    type: forward\n    address: \"127.0.0.1:{port}\"\n    timeout_ms: 2000\n");
    let start = |scene: &Scene| {
        cut(&scene.ledger());
        let mut command = Command::new("node");
        command.args(["-e", FLUENT]).env("NODE_PATH", &modules).env("PORT", port.to_string());
        command.env("LEDGER", scene.ledger()).stdin(Stdio::null()).stdout(Stdio::null());
        Killed(command.spawn().unwrap())
    };
    let claims = |scene: &Scene| -> Claims { ledger::read(&scene.ledger()).iter().map(ledger::claim).collect() };
    let lost = killed(
        "Fluent's Forward server | `forward`",
        "ledger",
        ARRIVE,
        Scene::new(&(sink + DELIVERY)),
        &start,
        &claims,
    );
    assert!(lost <= KILLS * BATCH, "more was lost than a batch a kill: {lost}");
}

/// Takes off what a kill left of a line: it was never acknowledged.
fn cut(path: &Path) {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    std::fs::write(path, text.rfind('\n').map_or("", |at| &text[..=at])).unwrap();
}

/// The records of the whole lines of a file that an agent writes; what a killed writer broke off may stand before a line.
fn written(path: &Path) -> Claims {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let records = text.lines().filter_map(|line| {
        let begin = line.rfind("{\"log\":{")?;
        serde_json::from_str::<Value>(&line[begin..]).ok()
    });
    records.map(|record| ledger::claim(&record)).collect()
}

/// The records of a file whose every line is a record or what a kill left of one; a record behind such a piece does not count.
fn whole_lines(path: &Path) -> Claims {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let records = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    records.map(|record| ledger::claim(&record)).collect()
}

/// A spool in small files, with the folder there before its reader looks for it.
///
/// Nobody is asked before a spool goes on, so it is fast: a sync a record, or it is always done when a kill falls.
fn spool() -> Scene {
    let sink =
        "    type: spool\n    dir: \"{dir}/spool\"\n    rotate_bytes: 100000\n    delivery:\n      max_records: 1\n";
    let scene = Scene::new(sink);
    std::fs::create_dir(scene.dir.path().join("spool")).unwrap();
    scene
}

/// rsyslog with the printed block: imfile on the folder, which notes its place after what it read was written.
#[test]
fn rsyslog_reads_the_spool_while_both_are_killed() {
    use crate::agents::rsyslog::checked;
    let Some(agent) = Agent::find("INNERTRAIL_RSYSLOGD", "rsyslogd", "the spool, killed") else { return };
    let scene = spool();
    let (block, port) = (block("rsyslog", "spool", scene.dir.path()), free_port());
    let start = |scene: &Scene| {
        let mut command = checked(&agent, scene.dir.path(), &block, port);
        Killed(command.arg("-n").spawn().unwrap())
    };
    let claims = |scene: &Scene| whole_lines(&scene.dir.path().join("dedicated.ndjson"));
    let lost = killed("rsyslog | `spool`, imfile", "dedicated.ndjson", ARRIVE_SPOOLED, scene, &start, &claims);
    assert_eq!(lost, 0, "a spooled line was lost");
}

/// syslog-ng with the printed block: wildcard-file on the folder, its place in its persist file.
///
/// The story: it watches 100 files and not one more if it is not told, and the 101st of a spool never came. There are more
/// here.
#[test]
fn syslog_ng_reads_the_spool_while_both_are_killed() {
    use crate::agents::syslog_ng::checked;
    let Some(agent) = Agent::find("INNERTRAIL_SYSLOG_NG", "syslog-ng", "the spool, killed") else { return };
    let scene = spool();
    let block = block("syslog-ng", "spool", scene.dir.path());
    let start = |scene: &Scene| {
        let mut command = checked(&agent, scene.dir.path(), &block, false).unwrap();
        Killed(command.spawn().unwrap())
    };
    let claims = |scene: &Scene| whole_lines(&scene.dir.path().join("dedicated.ndjson"));
    let lost = killed("syslog-ng | `spool`, wildcard-file", "dedicated.ndjson", ARRIVE_SPOOLED, scene, &start, &claims);
    assert_eq!(lost, 0, "a spooled line was lost");
}

/// Vector with the printed block: its source answers once the file sink has written. What it says of a batch is the end's word.
#[test]
fn vector_is_fed_while_both_are_killed() {
    use crate::agents::vector::{command, find};
    let Some(agent) = find("its own protocol, killed") else { return };
    let port = free_port();
    let sink = format!("    type: vector\n    endpoint: http://127.0.0.1:{port}\n    timeout_ms: 5000\n");
    let start = |scene: &Scene| {
        let mut command = command(&agent, scene.dir.path(), "vector", &[(6000, port)]);
        Killed(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    };
    let claims = |scene: &Scene| written(&scene.dir.path().join("dedicated.ndjson"));
    let lost = killed("Vector | `vector`", "dedicated.ndjson", ARRIVE, Scene::new(&(sink + DELIVERY)), &start, &claims);
    assert_eq!(lost, 0, "what was acknowledged was lost");
}
