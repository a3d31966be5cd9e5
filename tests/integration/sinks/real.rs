//! Real agents behind the sinks of `innertrail run`, both killed: Rotel between the OTLP sink and a double, Fluent's own
//! Forward server on Node, rsyslog on the spool.
//!
//! `INNERTRAIL_ROTEL` names `rotel-agent`, `INNERTRAIL_NODE_MODULES` a `node_modules` with `@fluent-org/logger`. Without
//! one the test says SKIPPED, or fails where `INNERTRAIL_AGENTS_REQUIRED` is 1.

use std::path::Path;
use std::process::{Command, Stdio};

use innertrail_test_agents::http_double::Claims;
use innertrail_test_agents::ledger;
use serde_json::Value;

use super::oracle::tally;
use super::scene::{Dice, Killed, Scene, free_port, stop};
use crate::harness::event;

const KILLS: usize = 20;
const DELIVERY: &str = "    delivery:\n      max_records: 20\n      retry_max_secs: 1\n";

fn named(variable: &str) -> Option<String> {
    let found = std::env::var(variable).ok();
    if found.is_none() {
        println!("SKIPPED: {variable} is not set");
        assert_ne!(std::env::var("INNERTRAIL_AGENTS_REQUIRED").as_deref(), Ok("1"), "{variable} is required");
    }
    found
}

/// Kills both sides, drains, and prints the row of the table; gives how many were lost.
fn killed(seam: &str, mut scene: Scene, start: &dyn Fn(&Scene) -> Killed, claims: &dyn Fn(&Scene) -> Claims) -> usize {
    let mut dice = Dice::new(seam);
    let (mut agent, mut running) = (start(&scene), scene.run(Stdio::null()));
    for _ in 0..KILLS {
        scene.arrive(50);
        dice.pause(200, 500);
        drop(agent);
        agent = start(&scene);
        dice.pause(100, 400);
        drop(running);
        running = scene.run(Stdio::null());
    }
    // All of it reaches the agent before the fresh event does.
    scene.arrive(1);
    let last = event(scene.sent, "");
    scene.wait_for("the fresh event", || claims(&scene).iter().any(|claim| claim["event"] == *last));
    stop(running);
    let found = tally(&scene.data(), scene.sent, &claims(&scene));
    println!("TABLE | {seam} | {KILLS} + {KILLS} | {} of {} | {} |", found.lost, scene.sent, found.duplicated);
    drop(agent);
    found.lost
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
    let start = |_: &Scene| {
        let at = |port: u16| format!("127.0.0.1:{port}");
        let mut command = Command::new(&program);
        command.args(["start", "--otlp-http-endpoint", &at(http), "--otlp-grpc-endpoint", &at(grpc)]);
        command.args(["--batch-timeout", "100ms", "--exporter", "otlp", "--otlp-exporter-protocol", "http"]);
        command.args(["--otlp-exporter-endpoint", &format!("http://{}", at(behind))]);
        Killed(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    };
    let lost = killed("Rotel | `otlp`", scene, &start, &|scene| ledger::read(&scene.ledger()));
    assert!(lost < KILLS * 50, "hardly anything arrived");
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
    let lost = killed("Fluent's Forward server | `forward`", Scene::new(&(sink + DELIVERY)), &start, &claims);
    assert_eq!(lost, 0, "what was acknowledged was lost");
}

/// Takes off what a kill left of a line: it was never acknowledged.
fn cut(path: &Path) {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    std::fs::write(path, text.rfind('\n').map_or("", |at| &text[..=at])).unwrap();
}

/// rsyslog with the printed block: imfile on the folder, a disk queue behind it.
#[test]
fn rsyslog_reads_the_spool_while_both_are_killed() {
    use crate::agents::{real::Agent, real::block, rsyslog::checked};
    let Some(agent) = Agent::find("INNERTRAIL_RSYSLOGD", "rsyslogd", "the spool, killed") else { return };
    let sink = "    type: spool\n    dir: \"{dir}/spool\"\n    rotate_bytes: 100000\n";
    let scene = Scene::new(&(sink.to_owned() + DELIVERY));
    std::fs::create_dir(scene.dir.path().join("spool")).unwrap();
    let (block, port) = (block("rsyslog", "spool", scene.dir.path()), free_port());
    let start = |scene: &Scene| {
        let mut command = checked(&agent, scene.dir.path(), &block, port);
        Killed(command.arg("-n").spawn().unwrap())
    };
    let claims = |scene: &Scene| -> Claims {
        let text = std::fs::read_to_string(scene.dir.path().join("dedicated.ndjson")).unwrap_or_default();
        // imfile puts a blank before each line; what a killed writer broke off stands before the next line.
        let records = text.lines().filter_map(|line| {
            let begin = line.rfind("{\"log\":{")?;
            serde_json::from_str::<Value>(&line[begin..]).ok()
        });
        records.map(|record| ledger::claim(&record)).collect()
    };
    let lost = killed("rsyslog | `spool`, imfile, disk queue", scene, &start, &claims);
    assert_eq!(lost, 0, "a spooled line was lost");
}
