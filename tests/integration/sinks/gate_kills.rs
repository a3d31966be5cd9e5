//! The conservation oracle of the gate: an agent that sends again until it has its answer, innertrail and the receiver killed
//! again and again. What was acknowledged and may pass is behind the gate, what may not is in quarantine, and nothing else.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use innertrail_sink::Refused;
use innertrail_sink::vector::Compression;
use innertrail_test_agents::http_double::Claims;
use innertrail_test_agents::ledger;
use serde_json::{Value, json};

use super::gate::{Gate, plain, wrapper};
use super::scene::{Dice, free_port, stop};
use crate::harness::{event, query, status};

/// How often each side is killed.
const KILLS: usize = 20;
/// Ids of forged events begin here.
const FORGED: usize = 100_000;

/// The text of an ordinary log.
fn text(number: usize, place: usize) -> String {
    format!("request {number}, log {place}")
}

/// What the receiver owes for one request, in the form that all protocols share.
fn owed(gate: &Gate, number: usize) -> Claims {
    let sealed: Value = serde_json::from_str(&gate.sealed[number % gate.sealed.len()]).unwrap();
    let plain = |place| json!({ "it_seq": null, "it_seal": null, "event": text(number, place) });
    vec![plain(0), ledger::claim(&sealed), plain(1)]
}

fn vector(gate: &Gate, number: usize) -> bool {
    let sealed = wrapper(&gate.sealed[number % gate.sealed.len()]);
    let mut wrappers = vec![plain("event", &text(number, 0)), sealed, plain("event", &text(number, 1))];
    if number.is_multiple_of(3) {
        wrappers.insert(1, plain("message", &event(FORGED + number, "")));
    }
    let compression = [Compression::None, Compression::Gzip, Compression::Zstd][number % 3];
    match gate.push(wrappers, compression) {
        Ok(()) => true,
        Err(Refused::Never { why }) => panic!("request {number} was refused for good: {why}"),
        Err(_) => false,
    }
}

fn otlp(gate: &Gate, number: usize) -> bool {
    let plain = |text: String| json!({ "body": { "stringValue": text } });
    let sealed = gate.records[number % gate.records.len()].clone();
    let mut records = vec![plain(text(number, 0)), sealed, plain(text(number, 1))];
    if number.is_multiple_of(3) {
        records.insert(1, plain(event(FORGED + number, "")));
    }
    match gate.post(&records) {
        200 => true,
        0 | 429 | 502 | 503 | 504 => false,
        status => panic!("request {number} got {status}"),
    }
}

/// Held against what was acknowledged: requests `0..sent`, of which the last may have come without an answer.
fn judge(gate: &Gate, sent: usize, claims: &Claims) -> (usize, usize) {
    let mut due: BTreeMap<String, usize> = BTreeMap::new();
    (0..sent).flat_map(|number| owed(gate, number)).for_each(|claim| *due.entry(claim.to_string()).or_default() += 1);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    claims.iter().for_each(|claim| *seen.entry(claim.to_string()).or_default() += 1);
    for claim in seen.keys() {
        assert!(due.contains_key(claim), "invented or altered: {claim}");
    }
    let mut twice = 0;
    for (claim, count) in &due {
        let came = seen.get(claim).copied().unwrap_or(0);
        assert!(came >= *count, "lost: {claim} came {came} times and was acknowledged {count} times");
        twice += came - count;
    }
    let kept = query(&gate.data(), "quarantine", "SELECT raw FROM log WHERE it_quarantine_reason = 'write_protected'");
    let kept: Vec<&str> = kept.as_array().unwrap().iter().filter_map(|row| row["raw"].as_str()).collect();
    for number in (0..sent).step_by(3) {
        let id = format!("{:024X}", FORGED + number);
        assert!(kept.iter().any(|raw| raw.contains(&id)), "forged event {number} is not in quarantine");
        assert!(!claims.iter().any(|claim| claim.to_string().contains(&id)), "forged event {number} passed");
    }
    (due.values().sum(), twice)
}

fn conserves(protocol: &str, send: fn(&Gate, usize) -> bool) {
    let to = free_port();
    let gate = if protocol == "vector" { Gate::new(to, free_port(), "") } else { Gate::new(free_port(), to, "") };
    let (sent, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut dice = Dice::new(&format!("gate {protocol}"));
    let (mut behind, mut running) = (Some(gate.double(protocol, to)), Some(gate.run()));
    thread::scope(|scope| {
        let agent = scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                let number = sent.load(Ordering::SeqCst);
                while !send(&gate, number) {
                    thread::sleep(Duration::from_millis(20));
                }
                sent.store(number + 1, Ordering::SeqCst);
            }
        });
        for _ in 0..KILLS {
            dice.pause(100, 500);
            drop(behind.take());
            behind = Some(gate.double(protocol, to));
            let before = sent.load(Ordering::SeqCst);
            dice.pause(100, 500);
            drop(running.take());
            running = Some(gate.run());
            // Killed before it answers anything, it would prove nothing.
            gate.wait_for("an answer between two kills", || {
                assert!(!agent.is_finished(), "the agent gave up");
                sent.load(Ordering::SeqCst) > before
            });
        }
        let last = sent.load(Ordering::SeqCst) + 5;
        gate.wait_for("fresh requests", || sent.load(Ordering::SeqCst) >= last);
        over.store(true, Ordering::SeqCst);
        agent.join().unwrap();
    });
    stop(running.unwrap());
    drop(behind);
    let (events, twice) = judge(&gate, sent.load(Ordering::SeqCst), &ledger::read(&gate.ledger()));
    let told = status(&gate.data());
    assert_eq!((&told["conserved"], &told["records"]), (&json!(true), &json!(20)), "{told}");
    println!("TABLE | double | gate {protocol} | {KILLS} + {KILLS} | 0 of {events} | {twice} |");
}

#[test]
fn the_gate_conserves_over_vectors_protocol() {
    conserves("vector", vector);
}

#[test]
fn the_gate_conserves_over_otlp() {
    conserves("otlp", otlp);
}
