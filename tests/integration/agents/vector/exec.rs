//! The printed `exec` block in a real Vector: it starts `innertrail tail`, and again when that dies. What is lost when Vector dies
//! is counted and not forbidden: nobody can acknowledge on this way.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::agents::real::{Agent, Running, Tally, block, ids, wait_for};
use crate::harness::{BIN, config, event, run};

/// How often Vector is killed: each time, the group's lease has to run out.
const KILLS: usize = 5;
/// Records that wait for each of those kills.
const BACKLOG: usize = 4_000;

/// A trail that grows by a run at a time, and the block's file sink behind it.
struct Scene {
    dir: tempfile::TempDir,
    sent: usize,
}

impl Scene {
    fn arrive(&mut self, count: usize) {
        let lines: String = (self.sent + 1..=self.sent + count).map(|id| event(id, "") + "\n").collect();
        fs::write(self.dir.path().join(format!("{:06}.json", self.sent)), lines).unwrap();
        self.sent += count;
        let include = self.dir.path().join("*.json");
        run(&["run", "--once", "--config", &config(self.dir.path(), include.to_str().unwrap(), "")], 0);
    }

    fn start(&self, agent: &Agent) -> Running {
        let dir = self.dir.path();
        let text = super::local(&block("vector", "exec", dir), &[])
            .replace("[innertrail, ", &format!("[{BIN}, "))
            // A new group begins with the newest ten; here it is owed all of them.
            .replace("--group, vector,", "-n, \"1000000\", --group, vector,")
            .replace("respawn_interval_secs: 5", "respawn_interval_secs: 1");
        assert!(
            text.contains(BIN) && text.contains("-n, \"1000000\"") && text.contains("respawn_interval_secs: 1\n"),
            "{text}"
        );
        let file = super::write(dir, "vector", &text);
        Running::start(super::on(agent, &file).stdout(Stdio::null()).stderr(Stdio::null()))
    }

    fn written(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.out()).unwrap_or_default()).into_owned()
    }

    fn out(&self) -> std::path::PathBuf {
        self.dir.path().join("dedicated.ndjson")
    }
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.len())
}

#[test]
fn the_exec_block_runs_and_goes_on_where_its_program_died() {
    let Some(agent) = super::find("the exec block") else { return };
    let mut scene = Scene { dir: tempfile::tempdir().unwrap(), sent: 0 };
    scene.arrive(300);
    let running = scene.start(&agent);
    wait_for("the first records", || ids(&scene.written()).len() == 300);
    let text = scene.written();
    let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!((&first["log"]["it_seq"], &first["log"]["event"]), (&0.into(), &event(1, "").into()), "{first}");
    assert!(first["log"]["it_seal"].as_str().unwrap().starts_with("v1.0."), "{first}");
    assert!(running.kill_innertrail());
    scene.arrive(300);
    wait_for("those behind a death of the program", || ids(&scene.written()).len() == 600);
    running.end();
    let lost = Tally::of(600, &[&ids(&scene.written())]).lost;
    assert!(lost.is_empty(), "lost: {lost:?}");
}

#[test]
fn what_the_exec_block_loses_when_vector_dies_is_counted() {
    const QUIET: Duration = Duration::from_secs(25);
    let Some(agent) = super::find("the exec block, killed") else { return };
    let mut scene = Scene { dir: tempfile::tempdir().unwrap(), sent: 0 };
    for _ in 0..KILLS {
        scene.arrive(BACKLOG);
        let (before, running) = (length(&scene.out()), scene.start(&agent));
        wait_for("work", || length(&scene.out()) > before);
        // The group notes its place once a second, and a kill before that repeats instead.
        thread::sleep(Duration::from_millis(1_500));
        running.kill();
    }
    scene.arrive(1);
    let (last, running) = (scene.sent, scene.start(&agent));
    wait_for("the last record", || ids(&scene.written()).contains_key(&last));
    let mut grown = (length(&scene.out()), Instant::now());
    while grown.1.elapsed() < QUIET && ids(&scene.written()).len() < scene.sent {
        thread::sleep(Duration::from_millis(200));
        if length(&scene.out()) != grown.0 {
            grown = (length(&scene.out()), Instant::now());
        }
    }
    running.end();
    let tally = Tally::of(scene.sent, &[&ids(&scene.written())]);
    let (lost, twice) = (tally.lost.len(), tally.duplicated);
    println!("TABLE | Vector | `exec` | 0 + {KILLS} | {lost} of {} | {twice} |", scene.sent);
    assert!(lost < scene.sent / 2, "{lost} lost: hardly anything arrived");
}
