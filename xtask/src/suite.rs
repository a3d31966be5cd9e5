//! `cargo xtask test`: the whole test suite, and an honest sum at the end.
//! It must never report success when nothing was tested.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::process::{ExitCode, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context as _, Result};

use crate::prerequisites;
use crate::steps::{PROFILE, cargo};

/// What the output said.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
    skipped: Vec<String>,
}

impl Tally {
    /// Reads one line of a test binary's output.
    fn line(&mut self, line: &str) {
        if let Some((_, counts)) = line.split_once("test result: ") {
            self.passed += number_before(counts, " passed");
            self.failed += number_before(counts, " failed");
            self.ignored += number_before(counts, " ignored");
        } else if let Some(at) = line.find("SKIPPED: ").filter(|&at| at == 0 || line[..at].ends_with("... ")) {
            self.skipped.push(line[at + "SKIPPED: ".len()..].trim_end().to_owned());
        }
    }
}

fn number_before(text: &str, word: &str) -> u64 {
    let digits = text.split(word).next().filter(|head| head.len() < text.len()).unwrap_or_default();
    digits.rsplit(|c: char| !c.is_ascii_digit()).next().and_then(|n| n.parse().ok()).unwrap_or_default()
}

/// Copies `from` to `to` line by line and counts.
fn pass_through(from: impl Read, mut to: impl Write, tally: &Mutex<Tally>) -> std::io::Result<()> {
    let (mut reader, mut line) = (BufReader::new(from), Vec::new());
    while reader.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        to.flush()?;
        tally.lock().unwrap_or_else(PoisonError::into_inner).line(&String::from_utf8_lossy(&line));
        line.clear();
    }
    Ok(())
}

/// The tests with real agents, and the rows of the README's table that they print. `program` is a test of the doubles' crate: with
/// it cargo builds `agent-double`, which `--bins` alone does not.
const AGENTS: [&str; 10] = [
    "--bins",
    "--test",
    "integration",
    "--test",
    "program",
    "--",
    "agents::",
    "sinks::real::",
    "programs::",
    "--nocapture",
];

/// The arguments with what tests print that pass: the harness hides it, and with it why a test skipped itself.
fn shown(arguments: &[String]) -> Vec<&str> {
    let mut out: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if !out.contains(&"--") {
        out.push("--");
    }
    out.push("--show-output");
    out
}

/// Runs every test of the workspace, or with `--agents` those of log agents, and prints the sum.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    prerequisites::ensure()?;
    let mut command = cargo();
    command.args(["test", PROFILE, "--locked", "--workspace", "--no-fail-fast"]);
    match arguments.split_first() {
        Some((agents, more)) if agents == "--agents" => command.args(AGENTS).args(more),
        _ => command.args(shown(arguments)),
    };
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("cannot run cargo test")?;
    let tally = Mutex::new(Tally::default());
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    thread::scope(|scope| -> Result<()> {
        let errors = scope.spawn(|| stderr.map_or(Ok(()), |from| pass_through(from, std::io::stderr(), &tally)));
        stdout.map_or(Ok(()), |from| pass_through(from, std::io::stdout(), &tally))?;
        errors.join().ok().context("the reader of cargo's messages broke off")??;
        Ok(())
    })?;
    let status = child.wait().context("cargo test was lost")?;
    let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(report(&tally, status.success()))
}

fn report(tally: &Tally, cargo_succeeded: bool) -> ExitCode {
    println!();
    tally.skipped.iter().for_each(|reason| println!("skipped: {reason}"));
    if tally.ignored > 0 {
        println!("{} tests are marked #[ignore] and were not run", tally.ignored);
    }
    if tally.passed == 0 {
        println!("no test passed: that is a failure, whatever cargo says");
    } else if !cargo_succeeded && tally.failed == 0 {
        println!("cargo test failed although no test did: see its message above");
    }
    println!("{} passed, {} failed, {} skipped", tally.passed, tally.failed, tally.skipped.len());
    if cargo_succeeded && tally.failed == 0 && tally.passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
running 3 tests
test a ... ok
SKIPPED: no rsyslog on this machine
test b ... SKIPPED: no network
test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.00s
test result: \u{1b}[31mFAILED\u{1b}[0m. 100 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s
say SKIPPED: in the middle counts nothing
";

    #[test]
    fn output_is_passed_through_and_summed() {
        let (tally, mut copy) = (Mutex::new(Tally::default()), Vec::new());
        pass_through(OUTPUT.as_bytes(), &mut copy, &tally).unwrap();
        assert_eq!(copy, OUTPUT.as_bytes());
        let skipped = vec!["no rsyslog on this machine".to_owned(), "no network".to_owned()];
        assert_eq!(tally.into_inner().unwrap(), Tally { passed: 112, failed: 2, ignored: 1, skipped });
    }

    /// The story: in a clone without any log agent the suite said `0 skipped`, and nobody learned what had not run.
    #[test]
    fn a_test_that_skips_itself_is_not_hidden() {
        let words = |text: &str| text.split(' ').filter(|w| !w.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        for (given, run) in
            [("", "-- --show-output"), ("--test a", "--test a -- --show-output"), ("-- b", "-- b --show-output")]
        {
            assert_eq!(shown(&words(given)).join(" "), run);
        }
    }

    #[test]
    fn nothing_tested_is_no_success() {
        let code = |passed, failed, ok| format!("{:?}", report(&Tally { passed, failed, ..Tally::default() }, ok));
        assert_eq!(code(0, 0, true), format!("{:?}", ExitCode::FAILURE));
        assert_eq!(code(5, 0, false), format!("{:?}", ExitCode::FAILURE));
        assert_eq!(code(5, 0, true), format!("{:?}", ExitCode::SUCCESS));
    }
}
