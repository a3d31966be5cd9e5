//! `innertrail agent-config`: every block is printed, says what it promises, and is read by what it is for.

use std::fs;

use serde_json::Value;

use crate::harness::run;

/// Agent and way of every block.
fn every() -> Vec<(String, String)> {
    let (out, _) = run(&["agent-config", "--list", "--format", "json"], 0);
    let rows: Vec<Value> = serde_json::from_str(&out).unwrap();
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    rows.iter().map(|row| (text(row, "agent"), text(row, "seam"))).collect()
}

#[test]
fn the_table_names_every_agent_and_what_it_promises() {
    let (out, _) = run(&["agent-config", "--list"], 0);
    let agents =
        ["vector", "fluent-bit", "otelcol", "alloy", "rsyslog", "syslog-ng", "loongcollector", "fluentd", "rotel"];
    for agent in agents {
        assert!(out.lines().any(|line| line.starts_with(agent)), "{agent} is not in\n{out}");
    }
    let exec = out.lines().find(|line| line.split_whitespace().take(2).eq(["vector", "exec"])).unwrap();
    assert!(exec.contains("at most once"), "{exec}");
    let (one, _) = run(&["agent-config", "--list", "rsyslog"], 0);
    assert!(one.contains("mmexternal") && !one.contains("vector"), "{one}");
}

#[test]
fn both_halves_are_printed_and_each_alone() {
    for (agent, seam) in every() {
        let print = |more: &[&str]| run(&[&["agent-config", &agent, "--seam", &seam], more].concat(), 0).0;
        let (whole, theirs, ours) = (print(&[]), print(&["--part", "agent"]), print(&["--part", "innertrail"]));
        assert!(whole.starts_with(&theirs) && theirs.contains("guarantee:"), "{agent}/{seam}");
        let report: Value = serde_json::from_str(&print(&["--format", "json"])).unwrap();
        assert_eq!(report["agent_block"].as_str().unwrap(), theirs);
        match report["innertrail_block"].as_str().unwrap() {
            "" => assert!(ours.starts_with("# none"), "{agent}/{seam}: {ours}"),
            block => assert!(whole.ends_with(block) && ours == block, "{agent}/{seam}"),
        }
    }
}

/// What is printed for Vector is held against the same check that users run. `exec` alone has something to be told.
#[test]
fn the_blocks_for_vector_pass_the_check() {
    let dir = tempfile::tempdir().unwrap();
    let seams: Vec<_> = every().into_iter().filter(|(agent, _)| agent == "vector").map(|(_, seam)| seam).collect();
    assert_eq!(seams, ["vector", "otlp", "spool", "exec", "gate"]);
    for seam in seams {
        let (block, _) = run(&["agent-config", "vector", "--seam", &seam, "--part", "agent"], 0);
        let file = dir.path().join(format!("{seam}.yaml"));
        fs::write(&file, block).unwrap();
        let args = ["check", "--agent-config", file.to_str().unwrap(), "--format", "json"];
        let (out, _) = run(&args, i32::from(seam == "exec"));
        let report: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(report["dedicated_sinks"], serde_json::json!(["innertrail_dedicated"]), "{seam}: {out}");
        let kinds: Vec<_> = report["findings"].as_array().unwrap().iter().map(|f| f["kind"].clone()).collect();
        let expected: &[&str] = if seam == "exec" { &["cannot_acknowledge"] } else { &[] };
        assert_eq!(kinds, expected, "{seam}: {out}");
    }
}

/// Innertrail's halves are configurations of it, each of them.
#[test]
fn innertrails_halves_are_configurations() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("trail.json"), crate::harness::event(1, "")).unwrap();
    let mut seen = 0;
    for (agent, seam) in every() {
        let (block, _) = run(&["agent-config", &agent, "--seam", &seam, "--part", "innertrail"], 0);
        if block.starts_with("# none") {
            continue;
        }
        let head = format!(
            "trail: main-trail\ndata_dir: {0}\nsources:\n  files:\n    type: file\n    include: [\"{0}/*.json\"]\n",
            dir.path().display()
        );
        let whole = if block.contains("trail:") && !block.contains("sinks:") { block } else { head + &block };
        let file = dir.path().join("innertrail.yaml");
        fs::write(&file, whole.replace("/var/lib", dir.path().to_str().unwrap())).unwrap();
        run(&["check", "--config", file.to_str().unwrap()], 0);
        seen += 1;
    }
    assert!(seen >= 15, "{seen}");
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    let (_, err) = run(&["agent-config", "rsyslog", "--seam", "mmexternl"], 2);
    assert!(err.contains("did you mean `mmexternal`") && err.contains("omprog"), "{err}");
    let (_, err) = run(&["agent-config", "logstash"], 2);
    assert!(err.contains("loongcollector"), "{err}");
    run(&["agent-config"], 2);
}
