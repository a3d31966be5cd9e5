//! Vector itself, when there is one: what is printed for it is held against its own `validate`, and one is run behind the sink
//! (`sinks/real.rs`). What a run needs is checked here without Vector too, as nobody has it at hand everywhere.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::real::{Agent, block};
use crate::harness::run;

/// A `vector` that says that it is one; other programs have that name too.
pub(crate) fn find(test: &str) -> Option<Agent> {
    let agent = Agent::find("INNERTRAIL_VECTOR", "vector", test)?;
    let output = agent.command().arg("--version").output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    if !told.starts_with("vector 0.") {
        println!("SKIPPED: the vector on the path is not the log agent: {}", told.lines().next().unwrap_or_default());
        assert_ne!(std::env::var("INNERTRAIL_AGENTS_REQUIRED").as_deref(), Ok("1"), "vector is required");
        return None;
    }
    Some(agent)
}

/// Writes the printed block with this port, lines of `native_json`, and a data directory; gives the file.
///
/// Those lines begin alike, so that what a killed Vector broke off can be told from what it wrote after that.
pub(crate) fn configured(dir: &Path, port: u16) -> std::path::PathBuf {
    let block = block("vector", "vector", dir);
    let state = dir.join("vector");
    fs::create_dir_all(&state).unwrap();
    let text = block
        .replace("127.0.0.1:6000", &format!("127.0.0.1:{port}"))
        .replace("codec: json", "codec: native_json")
        .replace("dedicated-%Y-%m-%d.ndjson", "dedicated.ndjson");
    let file = dir.join("vector.yaml");
    fs::write(&file, format!("data_dir: {}\n{text}", state.display())).unwrap();
    file
}

/// A command of Vector on that configuration.
pub(crate) fn command(agent: &Agent, dir: &Path, port: u16) -> Command {
    let mut command = agent.command();
    command.arg("--config").arg(configured(dir, port)).env("VECTOR_LOG", "warn");
    command
}

/// Whoever has a Vector runs it on this; here it is read by our own check, which knows its topology.
#[test]
fn the_configuration_for_a_run_is_sound() {
    let dir = tempfile::tempdir().unwrap();
    let file = configured(dir.path(), 61_234);
    let text = fs::read_to_string(&file).unwrap();
    let out = format!("path: {}/dedicated.ndjson", dir.path().display());
    for what in ["address: 127.0.0.1:61234", "codec: native_json", "enabled: true", "data_dir: ", &out] {
        assert!(text.contains(what), "{what} is not in {text}");
    }
    assert!(!text.contains("/var/") && !text.contains(":6000"), "{text}");
    let name = "--dedicated-source";
    let args = ["check", "--agent-config", file.to_str().unwrap(), name, "innertrail", "--format", "json"];
    let report: serde_json::Value = serde_json::from_str(&run(&args, 0).0).unwrap();
    assert_eq!(report["dedicated_sinks"], serde_json::json!(["innertrail_dedicated"]), "{report}");
    assert_eq!(report["findings"], serde_json::json!([]), "acknowledgements are on, and nobody else writes there");
}

#[test]
fn vector_takes_every_block_that_is_printed_for_it() {
    let Some(agent) = find("validate") else { return };
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("spool")).unwrap();
    for seam in ["vector", "otlp", "spool", "exec"] {
        let file = dir.path().join(format!("{seam}.yaml"));
        fs::write(&file, block("vector", seam, dir.path())).unwrap();
        // Without its environment: no folder has to be there, and nothing has to listen.
        let output = agent.command().args(["validate", "--no-environment"]).arg(&file).output().unwrap();
        let told = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{seam}: {}{}", told(&output.stdout), told(&output.stderr));
    }
}
