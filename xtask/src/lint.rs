//! `cargo xtask lint`: formatting, clippy, licences and advisories, and the two house rules no tool knows.
//! It must run every check before it fails, so that one run shows everything.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::prerequisites;
use crate::steps::{PROFILE, cargo, root, step};

/// Most lines of a file, tests not counted.
const MOST_LINES: usize = 400;

/// Runs all checks.
pub(crate) fn run() -> Result<ExitCode> {
    prerequisites::ensure()?;
    let mut problems: Vec<String> = house_rules(&root()?)?;
    let clippy = ["clippy", PROFILE, "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    let checks = [
        step("formatting", cargo().args(["fmt", "--all", "--check"])),
        step("clippy", cargo().args(clippy)),
        dependencies(),
    ];
    problems.extend(checks.into_iter().filter_map(Result::err).map(|error| format!("{error:#}")));
    problems.iter().for_each(|problem| eprintln!("lint: {problem}"));
    println!("{} problems", problems.len());
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn dependencies() -> Result<()> {
    let known = Command::new("cargo-deny").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !known.is_ok_and(|status| status.success()) {
        println!(
            "SKIPPED: cargo deny is not installed; get it with `cargo install --locked cargo-deny --version 0.20.2`"
        );
        return Ok(());
    }
    step("licences, bans, sources", cargo().args(["deny", "check", "licenses", "bans", "sources"]))?;
    advisories()
}

/// The advisories are fetched afresh; a machine that cannot fetch them skips the check and says so.
fn advisories() -> Result<()> {
    let output = cargo().args(["deny", "check", "advisories"]).output().context("cannot run cargo deny")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        return Ok(());
    }
    if said.contains("failed to fetch advisory database") {
        println!("SKIPPED: advisories not checked, their database could not be fetched");
        return Ok(());
    }
    bail!("cargo deny found advisories:\n{}", said.trim_end())
}

/// Files that are too long or do not say what they are for.
fn house_rules(root: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    rust_files(root, &mut files)?;
    files.sort();
    let mut problems = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let name = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        problems.extend(file_problems(&name, &text));
    }
    Ok(problems)
}

/// Every `.rs` file below `folder`, build folders and hidden ones left out.
fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            rust_files(&path, found)?;
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
    Ok(())
}

fn file_problems(name: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if !text.starts_with("//!") {
        problems.push(format!("{name}: does not open with `//!`: say what the file is for and what it must never do"));
    }
    let only_tests = name.ends_with("tests.rs") || name.split('/').any(|part| part == "tests");
    let lines = lines_without_tests(text);
    if lines > MOST_LINES && !only_tests {
        problems.push(format!("{name}: {lines} lines without tests, at most {MOST_LINES}: split it by concept"));
    }
    problems
}

/// Lines before the test module at the end of a file.
fn lines_without_tests(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let is_tests = |at: usize| lines[at..].iter().take(4).any(|line| line.starts_with("mod ") && line.ends_with('{'));
    (0..lines.len()).find(|&at| lines[at].starts_with("#[cfg(test)]") && is_tests(at)).unwrap_or(lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_do_not_count_and_headers_do() {
        let body = "//! A file.\n".to_owned() + &"x\n".repeat(398);
        let tail = "#[cfg(test)]\n#[allow(clippy::unwrap_used)]\nmod tests {\n".to_owned() + &"y\n".repeat(200) + "}\n";
        assert!(file_problems("a.rs", &(body.clone() + &tail)).is_empty());
        assert_eq!(file_problems("a.rs", &(body.clone() + "x\nx\n")).len(), 1);
        assert!(file_problems("tests/a.rs", &(body + "x\nx\n")).is_empty());
        assert_eq!(file_problems("a.rs", "fn main() {}\n").len(), 1);
    }
}
