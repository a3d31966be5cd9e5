//! A disk without room: the source stands still, says so, loses nothing, and goes on by itself.
//!
//! The story: a full disk ended the run; whoever restarted it in a loop had a loop, and `status` went on to say `running`.
//! The disk is a real one: a tmpfs of a few MB in a mount namespace of its own, where this machine allows that. These
//! tests start themselves again inside it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{counts, event, innertrail, query, run, status};

/// Set in the namespace: the folder on which the small disk is mounted.
const DISK: &str = "INNERTRAIL_SMALL_DISK";
const MB: usize = 1 << 20;

/// Runs the test of this name again in a mount namespace with a disk of some MB; `false` here, `true` inside.
fn on_a_small_disk(test: &str, megabytes: usize) -> Option<PathBuf> {
    if let Some(disk) = std::env::var_os(DISK) {
        return Some(disk.into());
    }
    let mount = tempfile::tempdir().unwrap();
    let script = format!("mount -t tmpfs -o size={megabytes}m none \"${DISK}\" || exit 77; exec \"$0\" \"$@\"");
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", &script]);
    command.arg(std::env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]).env(DISK, mount.path());
    match command.output() {
        Ok(output) if output.status.success() => {}
        Ok(output)
            if output.status.code() == Some(77) || !String::from_utf8_lossy(&output.stdout).contains("running") =>
        {
            let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            println!("SKIPPED: no mount namespace with a tmpfs for {test}: {why}");
        }
        Ok(output) => {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            panic!("{test} on a small disk\n{}\n{}", text(&output.stdout), text(&output.stderr));
        }
        Err(e) => println!("SKIPPED: no unshare for {test}: {e}"),
    }
    None
}

/// Random-looking events, so that they take room also when they are compressed.
fn input(dir: &Path, count: usize) -> String {
    let mut random = 88_172_645_463_325_252u64;
    let mut text = String::new();
    for id in 0..count {
        let mut noise = String::new();
        while noise.len() < 600 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            noise.push_str(&format!("{random:016x}"));
        }
        text.push_str(&event(id, &format!(",\"noise\":\"{noise}\"")));
        text.push('\n');
    }
    fs::write(dir.join("events.json"), text).unwrap();
    format!("{}/*.json", dir.display())
}

fn config(home: &Path, data: &Path, include: &str, min_free: usize) -> String {
    let yaml = format!(
        "trail: main-trail\ndata_dir: {}\nsources:\n  files:\n    type: file\n    include: [\"{include}\"]\n    follow: false\n\
         logstore:\n  commit_bytes: 65536\n  min_free_bytes: {min_free}\n",
        data.display()
    );
    let path = home.join("innertrail.yaml");
    fs::write(&path, yaml).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Takes room away.
fn fill(file: &Path, bytes: usize) {
    let file = fs::File::create(file).unwrap();
    let mut at = 0;
    while at < bytes {
        let Ok(n) = file.write_at(&[0; 4096], at as u64) else { return };
        at += n;
    }
}

fn start(config: &str) -> Child {
    innertrail(&["run", "--once", "--config", config]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until `status` from another process says something.
fn wait_for(data: &Path, child: &mut Child, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        if data.join("state.json").exists() {
            let now = status(data);
            if holds(&now) {
                return now;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "no {what}: {now}");
        }
        assert!(child.try_wait().unwrap().is_none(), "the run ended before {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

fn is_full(status: &Value) -> bool {
    status["lifecycle"]["state"] == "paused" && status["lifecycle"]["paused"]["files"]["cause"] == "disk_full"
}

fn end(mut child: Child, code: i32) -> String {
    let mut told = String::new();
    child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(code), "{told}");
    told
}

/// The same counts as a run with room, the journal has the pause and its end, and the seal holds.
fn assert_whole(home: &Path, data: &Path, include: &str) {
    let elsewhere = home.join("elsewhere");
    let path = config(home, &elsewhere, include, 0);
    run(&["run", "--once", "--config", &path], 0);
    assert_eq!(counts(&status(data)), counts(&status(&elsewhere)));
    let data = data.to_str().unwrap();
    run(&["verify", "--data-dir", data], 0);
    let rows = query(Path::new(data), "journal", "SELECT event FROM log ORDER BY it_seq");
    let entries = rows.as_array().unwrap().iter().map(|row| row["event"].as_str().unwrap());
    let entries: Vec<Value> = entries.map(|entry| serde_json::from_str(entry).unwrap()).collect();
    let full: Vec<&Value> = entries.iter().filter(|e| e["cause"] == "disk_full").map(|e| &e["kind"]).collect();
    assert!(full.len() >= 2 && full.len().is_multiple_of(2), "{entries:?}");
    assert!(full.chunks(2).all(|pair| pair[0] != pair[1] && pair[..] == full[..2]), "{full:?}");
}

#[test]
fn below_the_bound_the_source_pauses_and_goes_on_by_itself() {
    let test = "disk_full::below_the_bound_the_source_pauses_and_goes_on_by_itself";
    let Some(disk) = on_a_small_disk(test, 24) else { return };
    let home = tempfile::tempdir().unwrap();
    let include = input(home.path(), 3_000);
    let (data, filler) = (disk.join("data"), disk.join("filler"));
    // Room for some of it: 24 MB, 17 of which are somebody else's or must stay free.
    fill(&filler, 9 * MB);
    let path = config(home.path(), &data, &include, 12 * MB);
    let mut child = start(&path);
    let paused = wait_for(&data, &mut child, "pause", is_full);
    let before = paused["records"].as_u64().unwrap();
    assert!(before > 0 && before < 3_000, "{paused}");
    assert_eq!(paused["conserved"], true);
    assert_eq!(paused["sources"]["files"]["state"]["state"], "paused");
    // It stands still, and does not end.
    thread::sleep(Duration::from_millis(1_500));
    assert!(child.try_wait().unwrap().is_none());
    assert_eq!(status(&data)["records"].as_u64(), Some(before));
    fs::remove_file(&filler).unwrap();
    let told = end(child, 0);
    assert!(
        told.contains("warning: paused: the disk of") && told.contains("there is room on the disk again"),
        "{told}"
    );
    assert_eq!(status(&data)["lifecycle"]["state"], "running");
    assert_whole(home.path(), &data, &include);
}

#[test]
fn a_disk_that_is_really_full_pauses_and_loses_nothing() {
    let test = "disk_full::a_disk_that_is_really_full_pauses_and_loses_nothing";
    let Some(disk) = on_a_small_disk(test, 16) else { return };
    let home = tempfile::tempdir().unwrap();
    let include = input(home.path(), 3_000);
    let (data, filler) = (disk.join("data"), disk.join("filler"));
    fill(&filler, 13 * MB);
    let path = config(home.path(), &data, &include, 0);
    let mut child = start(&path);
    let paused = wait_for(&data, &mut child, "pause", is_full);
    assert!(paused["records"].as_u64().unwrap() < 3_000, "{paused}");
    assert_eq!(paused["conserved"], true, "{paused}");
    let text = run(&["status", "--data-dir", data.to_str().unwrap()], 0).0;
    assert!(text.contains("paused: disk_full since"), "{text}");
    // Another writer is kept out meanwhile.
    let (_, second) = run(&["run", "--once", "--config", &path], 2);
    assert!(second.contains("another writer holds"), "{second}");
    // Still no room: it tries again at its own pace, and does not end.
    thread::sleep(Duration::from_millis(3_500));
    assert!(child.try_wait().unwrap().is_none());
    assert!(is_full(&status(&data)));
    fs::remove_file(&filler).unwrap();
    let told = end(child, 0);
    assert!(told.contains("warning: paused, the disk is full"), "{told}");
    assert_eq!(status(&data)["lifecycle"]["state"], "running");
    assert_whole(home.path(), &data, &include);
}

#[test]
fn stopped_while_the_disk_is_full_it_says_so_and_the_next_run_goes_on() {
    let test = "disk_full::stopped_while_the_disk_is_full_it_says_so_and_the_next_run_goes_on";
    let Some(disk) = on_a_small_disk(test, 16) else { return };
    let home = tempfile::tempdir().unwrap();
    let include = input(home.path(), 3_000);
    let (data, filler) = (disk.join("data"), disk.join("filler"));
    for (round, (bound, room)) in [(0, 13 * MB), (10 * MB, 4 * MB)].into_iter().enumerate() {
        fill(&filler, room);
        let path = config(home.path(), &data, &include, bound);
        let mut child = start(&path);
        // Not what an earlier run has left: what this one says.
        let mut said = String::new();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        while !said.contains("warning: paused") {
            assert!(lines.read_line(&mut said).unwrap() > 0, "round {round}: {said}");
        }
        wait_for(&data, &mut child, "pause", is_full);
        let killed = Command::new("kill").arg(child.id().to_string()).status().unwrap();
        assert!(killed.success());
        lines.read_to_string(&mut said).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(3), "round {round}: {said}");
        assert!(
            said.contains("stopped while the disk of") && said.contains("free space first"),
            "round {round}: {said}"
        );
        assert!(is_full(&status(&data)), "round {round}: it still says why");
        fs::remove_file(&filler).unwrap();
    }
    let path = config(home.path(), &data, &include, 0);
    run(&["run", "--once", "--config", &path], 0);
    assert_eq!(status(&data)["lifecycle"]["state"], "running");
    run(&["verify", "--data-dir", data.to_str().unwrap()], 0);
    assert_eq!(status(&data)["records"].as_u64(), Some(3_000));
}
