//! A writer process killed with SIGKILL at odd moments; every acknowledged event must be there afterwards, once.
//! The child is this very test binary: the test below that does nothing unless it is told where to write.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use innertrail_logstore::{Snapshot, Store, Writer};

use crate::support::{HOUR, NOW, event, events, layout, open, payloads, small};

const DIR: &str = "INNERTRAIL_LOGSTORE_KILL_DIR";
const ROUNDS: u64 = 12;

#[test]
fn child_writes_until_it_is_killed() {
    let Some(dir) = std::env::var_os(DIR) else {
        eprintln!("only runs as the child of kill::acknowledged_events_survive_sigkill");
        return;
    };
    let mut writer = Writer::open(dir.as_ref(), "main", layout(), small(40), NOW).unwrap();
    for n in writer.state().next(Store::Log).. {
        // Each transaction repeats the event before it.
        writer.commit(events([n.saturating_sub(1), n]), NOW + HOUR / 20 * n as i64).unwrap();
        println!("acknowledged {}", n + 1);
    }
}

#[test]
fn acknowledged_events_survive_sigkill() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("d");
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::child_writes_until_it_is_killed", "--nocapture"])
            .env(DIR, &dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Kept until after the kill: a closed pipe would end the child in a gentler way.
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        // The moment differs from round to round; the seed is the round itself.
        let wanted = acknowledged + 1 + round * 7 % 31;
        for line in lines.by_ref() {
            let Some(n) = line.strip_prefix("acknowledged ").and_then(|n| n.parse::<u64>().ok()) else { continue };
            acknowledged = n;
            if n >= wanted {
                break;
            }
        }
        std::thread::sleep(Duration::from_micros(700 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        drop(lines);
        let snapshot = Snapshot::open(&dir).unwrap();
        let found = payloads(&snapshot, Store::Log);
        assert!(
            found.len() as u64 >= acknowledged,
            "round {round}: {acknowledged} acknowledged, {} found",
            found.len()
        );
        assert_eq!(found, (0..found.len() as u64).map(event).collect::<Vec<_>>(), "round {round}");
        acknowledged = found.len() as u64;
    }
    let mut writer = open(&dir);
    assert_eq!(writer.state().next(Store::Log), acknowledged);
    assert_eq!(writer.commit(events([acknowledged]), NOW).unwrap().log, 1, "a fresh event still passes");
}
