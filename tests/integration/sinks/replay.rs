//! `innertrail replay`: records again from the place that was asked for, and the sink's own position only where it was meant.

use std::process::Stdio;

use serde_json::Value;

use super::scene::{Scene, stop};
use crate::harness::{run, status};

/// Numbers of the records in the spool, in its order.
fn spooled(scene: &Scene) -> Vec<u64> {
    let folder = scene.dir.path().join("spool");
    if !folder.is_dir() {
        return Vec::new();
    }
    let lines = innertrail_test_agents::http_double::spooled(&folder);
    lines.iter().map(|line| line["log"]["it_seq"].as_u64().unwrap()).collect()
}

fn position(scene: &Scene) -> Value {
    status(&scene.data())["sinks"]["agent"]["position"].clone()
}

#[test]
fn records_go_out_again_and_the_position_moves_only_when_told() {
    let mut scene = Scene::new("    type: spool\n    dir: \"{dir}/spool\"\n");
    let config = scene.dir.path().join("innertrail.yaml").to_str().unwrap().to_owned();
    let running = scene.run(Stdio::null());
    scene.arrive(60);
    scene.wait_for("the records", || spooled(&scene).len() == 60);
    let replay = |more: &[&str], code| {
        let mut args = vec!["replay", "--config", &config, "--sink", "agent"];
        args.extend(more);
        run(&args, code)
    };
    // The story: beside a run, as its help says it may, a replay to a spool ended with "held by another process".
    let (out, _) = replay(&["--from", "10", "--to", "20", "--format", "json"], 0);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&told["sent"], &told["next"]), (&10.into(), &20.into()), "{told}");
    assert_eq!(spooled(&scene)[60..], (10..20).collect::<Vec<_>>());
    let beside = scene.dir.path().join("spool/innertrail-replay-00000000000000000000.ndjson");
    assert_eq!(std::fs::read_to_string(beside).unwrap().lines().count(), 10);
    stop(running);
    // Received later than everything: there is nothing to send.
    replay(&["--from", "2100-01-01T00:00:00Z"], 0);
    assert_eq!((spooled(&scene).len(), position(&scene)), (70, 60.into()));
    for (wrong, says) in [
        (&["--from", "61"][..], "there is no record 61; the Logstore keeps 0 to 59"),
        (&["--from", "20", "--to", "10"], "--to lies before --from"),
    ] {
        assert!(replay(wrong, 2).1.contains(says), "{wrong:?}");
    }
    let (_, unknown) = run(&["replay", "--config", &config, "--sink", "siem", "--from", "0"], 2);
    assert!(unknown.contains("no sink `siem`; it has: agent"), "{unknown}");
    replay(&["--from", "50", "--set-position"], 0);
    assert_eq!((spooled(&scene).len(), position(&scene)), (70, 50.into()), "that sends nothing");
    let running = scene.run(Stdio::null());
    scene.wait_for("the last ten", || spooled(&scene).len() == 80);
    stop(running);
    // The files of a replay come last by name.
    assert_eq!(spooled(&scene)[60..70], (50..60).collect::<Vec<_>>());
}
