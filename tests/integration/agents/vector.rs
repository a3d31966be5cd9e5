//! Vector itself, when there is one: what is printed for it is held against its own `validate`, and one is run behind the sink
//! (`sinks/real.rs`). What a run needs is checked here without Vector too, as nobody has it at hand everywhere.

mod answers;
mod codecs;
mod exec;
mod loadable;
mod spool;

use std::fs;
use std::path::{Path, PathBuf};
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

/// Writes the printed block with ports of this run in place of its own, lines of `native_json`, and a data directory; gives the
/// file.
///
/// Those lines begin alike, so that what a killed Vector broke off can be told from what it wrote after that.
pub(crate) fn configured(dir: &Path, seam: &str, ports: &[(u16, u16)]) -> PathBuf {
    write(dir, "vector", &local(&block("vector", seam, dir), ports))
}

/// A printed block, with these ports and files of `native_json`.
pub(crate) fn local(block: &str, ports: &[(u16, u16)]) -> String {
    let plain = block.replace("codec: json", "codec: native_json").replace("-%Y-%m-%d.ndjson", ".ndjson");
    ports.iter().fold(plain, |text, (printed, own)| {
        let (printed, own) = (format!("127.0.0.1:{printed}\n"), format!("127.0.0.1:{own}\n"));
        assert!(text.contains(&printed), "{printed} is not in {text}");
        text.replace(&printed, &own)
    })
}

/// Writes a configuration with a data directory of its own.
pub(crate) fn write(dir: &Path, name: &str, text: &str) -> PathBuf {
    let (state, file) = (dir.join(name), dir.join(format!("{name}.yaml")));
    fs::create_dir_all(&state).unwrap();
    fs::write(&file, format!("data_dir: {}\n{text}", state.display())).unwrap();
    file
}

/// A command of Vector on a configuration.
pub(crate) fn on(agent: &Agent, file: &Path) -> Command {
    let mut command = agent.command();
    command.arg("--config").arg(file).env("VECTOR_LOG", "warn");
    command
}

/// The same on a printed block.
pub(crate) fn command(agent: &Agent, dir: &Path, seam: &str, ports: &[(u16, u16)]) -> Command {
    on(agent, &configured(dir, seam, ports))
}

/// Whoever has a Vector runs it on this; here it is read by our own check, which knows its topology.
#[test]
fn the_configuration_for_a_run_is_sound() {
    let dir = tempfile::tempdir().unwrap();
    let file = configured(dir.path(), "vector", &[(6000, 61_234)]);
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
    for seam in ["vector", "otlp", "spool", "exec", "gate"] {
        let file = dir.path().join(format!("{seam}.yaml"));
        fs::write(&file, block("vector", seam, dir.path())).unwrap();
        // Without its environment: no folder has to be there, and nothing has to listen.
        let output = agent.command().args(["validate", "--no-environment"]).arg(&file).output().unwrap();
        let told = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{seam}: {}{}", told(&output.stdout), told(&output.stderr));
    }
}
