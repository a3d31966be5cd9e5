//! Runs other programs step by step: says what is run, passes its output through, says how long it took.
//! It must never run anything through a shell.

use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

/// The build profile of every chore. One for all, because DataFusion is built once for each profile.
pub(crate) const PROFILE: &str = "--release";
/// The folder below the target folder that [`PROFILE`] builds into.
pub(crate) const PROFILE_FOLDER: &str = "release";

/// The workspace's folder.
pub(crate) fn root() -> Result<PathBuf> {
    let own = std::env::var_os("CARGO_MANIFEST_DIR")
        .context("run this as `cargo xtask …`, so that cargo says where the workspace is")?;
    PathBuf::from(own).parent().map(PathBuf::from).context("the xtask crate has no folder above it")
}

/// The cargo that started us, to be run in the workspace's folder.
///
/// What cargo told us of our own package is taken away again: `ring` looks at it when it is built, and it and all that stands on
/// it would be built anew at each change between `cargo test` and `cargo xtask test`.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
            command.env_remove(name);
        }
    }
    if let Ok(root) = root() {
        command.current_dir(root);
    }
    command
}

/// The target folder, wherever the environment or cargo's own configuration puts it.
pub(crate) fn target_folder() -> Result<PathBuf> {
    let output = cargo()
        .args(["metadata", "--no-deps", "--locked", "--format-version", "1"])
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        bail!("`cargo metadata` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).context("`cargo metadata` gave no JSON")?;
    let folder = metadata["target_directory"].as_str().context("`cargo metadata` named no target folder")?;
    Ok(PathBuf::from(folder))
}

/// The command as a user would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program()).to_string_lossy().into_owned();
    command.get_args().fold(name, |line, argument| line + " " + &argument.to_string_lossy())
}

/// Runs a command, its output passed through.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus> {
    let line = shown(command);
    command.status().with_context(|| format!("cannot run `{line}`: is it installed and on the PATH?"))
}

/// Runs a command and gives its exit code; a command that a signal ended gives 3.
pub(crate) fn exit_code(command: &mut Command) -> Result<ExitCode> {
    let code = status(command)?.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(3)))
}

/// Runs one step that has to succeed, with a line before and after it.
pub(crate) fn step(what: &str, command: &mut Command) -> Result<()> {
    let (line, started) = (shown(command), Instant::now());
    eprintln!("==> {what}: {line}");
    let status = status(command)?;
    let took = started.elapsed().as_secs_f64();
    if !status.success() {
        bail!("{what} failed after {took:.1} s ({status}): `{line}`");
    }
    eprintln!("==> {what}: done in {took:.1} s");
    Ok(())
}
