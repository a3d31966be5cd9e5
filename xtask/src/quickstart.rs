//! `cargo xtask quickstart`: from a fresh clone to a filled Logstore with one command.
//! It must never change the user's own data folder or configuration.

use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Result, bail};

use crate::prerequisites;
use crate::steps::{PROFILE, PROFILE_FOLDER, cargo, exit_code, root, shown, step, target_folder};

const CONFIG: &str = "fixtures/quickstart/innertrail.yaml";

/// Builds and runs; the exit code is that of `innertrail run`.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let started = Instant::now();
    prerequisites::ensure()?;
    let target = target_folder()?;
    // The whole workspace is selected, as `cargo xtask test` does: another selection unifies the features of shared
    // dependencies differently, and DataFusion would be built a second time.
    let build = ["build", PROFILE, "--locked", "--workspace", "--bin", "innertrail"];
    step("build innertrail (the first build takes minutes: DataFusion and wasmtime are large)", cargo().args(build))?;
    let binary = target.join(PROFILE_FOLDER).join(format!("innertrail{}", std::env::consts::EXE_SUFFIX));
    if !binary.is_file() {
        bail!("the build made no {}: is another target set in cargo's configuration?", binary.display());
    }
    let mut command = Command::new(binary);
    command.current_dir(root()?).args(run_arguments(arguments, &target.join("quickstart-data").to_string_lossy()));
    eprintln!("==> {}", shown(&command));
    let code = exit_code(&mut command)?;
    eprintln!("==> quickstart: {:.1} s in all", started.elapsed().as_secs_f64());
    Ok(code)
}

/// The arguments of `innertrail`: what the user gave, and a default for what they did not.
fn run_arguments(given: &[String], data_dir: &str) -> Vec<String> {
    let has =
        |name: &str| given.iter().any(|a| a == name || a.strip_prefix(name).is_some_and(|rest| rest.starts_with('=')));
    let mut out = vec!["run".to_owned()];
    if !has("--once") {
        out.push("--once".to_owned());
    }
    for (name, value) in [("--config", CONFIG), ("--data-dir", data_dir)] {
        if !has(name) {
            out.extend([name.to_owned(), value.to_owned()]);
        }
    }
    out.extend(given.iter().cloned());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_user_gives_is_not_given_twice() {
        let args =
            |given: &[&str]| run_arguments(&given.iter().map(|&a| a.to_owned()).collect::<Vec<_>>(), "d").join(" ");
        assert_eq!(args(&[]), format!("run --once --config {CONFIG} --data-dir d"));
        assert_eq!(args(&["--once", "--data-dir=x", "--config", "y"]), "run --once --data-dir=x --config y");
    }
}
