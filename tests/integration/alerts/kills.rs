//! `kill -9` at any moment: each alert once, and the same ones as a backtest of the same Logstore gives.
//!
//! The story: a rule engine beside a log kept its position in one file and sent its alerts elsewhere. Killed between the
//! two it told some twice; killed the other way round it told some never.

use std::process::Stdio;
use std::thread;
use std::time::Instant;

use super::scene::{RULES, Scene, did, ids};
use crate::harness::innertrail;

/// Kills that are wanted, and events of a round.
const KILLS: u32 = 24;
const EVENTS: usize = 9_000;

/// Small transactions, so that a run takes long enough to be hit in the middle.
const SMALL: &str = "logstore: {commit_bytes: 16384, segment_rows: 900}\n";

fn fill(scene: &Scene) {
    for file in 0..6 {
        let of = |n: usize| {
            let id = file * EVENTS / 6 + n;
            match id % 40 {
                0 => did(id, "DeleteBucket", "alice", id / 4),
                // Users come and go, so that windows of the correlation open all the time, some of them full.
                n if n % 9 == 4 => did(id, "DeleteObject", &format!("user-{}", id / 90), id / 4),
                _ => did(id, "PutBucketAcl", "bob", id / 4),
            }
        };
        scene.add(&format!("{file}"), (0..EVENTS / 6).map(of));
    }
}

/// A generator of numbers below 1, the same at every run of the test.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 40) as f64) / f64::from(1_u32 << 24)
    }
}

#[test]
fn killed_at_any_moment_each_alert_is_told_once() {
    let undisturbed = Scene::new(RULES);
    fill(&undisturbed);
    let config = undisturbed.config("", SMALL);
    let begun = Instant::now();
    undisturbed.once(&config);
    let takes = begun.elapsed();
    let expected = ids(&undisturbed.told());
    assert_eq!(undisturbed.backtest(&config), expected);
    assert!(expected.len() > EVENTS / 40, "{} alerts: does nobody reach the threshold?", expected.len());
    let (mut killed, mut rounds, mut pace, mut dice) = (0, 0, 1.0, Dice(20_261_130));
    // Alerts that were there after a kill, each kill's: they show that the kills fell into work.
    let mut there = Vec::new();
    while killed < KILLS && rounds < 40 {
        let scene = Scene::new(RULES);
        fill(&scene);
        let config = scene.config("", SMALL);
        for _ in 0..8 {
            let mut command = innertrail(&["run", "--once", "--config", &config]);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            thread::sleep(takes.mul_f64((0.05 + 0.4 * dice.next()) * pace));
            let going = child.try_wait().unwrap().is_none();
            if going {
                child.kill().unwrap();
                killed += 1;
            }
            child.wait().unwrap();
            there.push(scene.told().len());
            if !going {
                pace *= 0.8;
                break;
            }
        }
        scene.once(&config);
        assert_eq!(ids(&scene.told()), expected, "round {rounds}, {killed} kills so far");
        rounds += 1;
    }
    assert!(killed >= KILLS, "only {killed} runs were still going when they were to be killed: make the input larger");
    let within = there.iter().filter(|told| (1..expected.len()).contains(*told)).count();
    assert!(within >= there.len() / 4, "only {within} of {} kills fell into work: {there:?}", there.len());
    println!("{takes:?} undisturbed; alerts after each kill: {there:?}");
    println!("killed {killed} times in {rounds} rounds; {} alerts, each once, every time", expected.len());
}
