//! `cargo xtask`: every chore of the project by name, so a laptop and CI run the same thing.
//! It must never hide a failure: each chore's exit code is the program's.

mod lint;
mod prerequisites;
mod quickstart;
mod steps;
mod suite;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use steps::{cargo, root};
use xtask::generate::{Layout, Plan};
use xtask::{fixtures, generate, quickstart_data};

const HELP: &str = "\
The project's chores.

Usage: cargo xtask <chore> [options]

  quickstart [-- args]   build innertrail and run it once over fixtures/quickstart; args go to `innertrail run`
  test [-- args]         run all tests of the workspace; args go to `cargo test`
  test --agents          only those with log agents of others; INNERTRAIL_AGENTS_REQUIRED=1 makes a missing one a failure
  lint                   formatting, clippy, licences and advisories, file sizes and headers
  fixtures [--check]     write fixtures/ again (or only say what differs)
  generate --events N --seed S --out DIR [--per-file N] [--gzip|--plain] [--layout oss|flat]
                         write a synthetic trail: N events of about 1.3 KB, equal for equal seeds
  bench [-- filter]      run the benchmarks
  help                   this text
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (chore, rest) = arguments.split_first().map_or(("help", &[][..]), |(first, rest)| (first.as_str(), rest));
    match run(chore, without_dashes(rest)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask {chore}: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Arguments after the first `--`, or all when there is none.
fn without_dashes(arguments: &[String]) -> &[String] {
    arguments.strip_prefix(&["--".to_owned()]).unwrap_or(arguments)
}

fn run(chore: &str, rest: &[String]) -> Result<ExitCode> {
    match chore {
        "quickstart" => quickstart::run(rest),
        "test" => suite::run(rest),
        "lint" => lint::run(),
        "fixtures" => write_fixtures(rest),
        "generate" => generate_trail(rest),
        "bench" => bench(rest),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        other => bail!("there is no chore `{other}`; `cargo xtask help` lists them"),
    }
}

/// The benchmarks by name: `cargo bench` alone would also build and start every test binary.
fn bench(rest: &[String]) -> Result<ExitCode> {
    prerequisites::ensure()?;
    let named = [
        "bench",
        "--workspace",
        "--locked",
        "--bench",
        "speed",
        "--bench",
        "ingest",
        "--bench",
        "gate",
        "--bench",
        "alerts",
        "--",
    ];
    steps::exit_code(cargo().args(named).args(rest))
}

fn write_fixtures(rest: &[String]) -> Result<ExitCode> {
    let folder = root()?.join("fixtures");
    if rest.iter().any(|argument| argument == "--check") {
        let stale = fixtures::stale(&folder);
        stale.iter().for_each(|path| println!("differs: fixtures/{}", path.display()));
        return Ok(if stale.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let count = fixtures::write_all(&folder)?;
    quickstart_data::write(&folder.join("quickstart"))?;
    println!("{count} cases and the quickstart trail written to {}", folder.display());
    Ok(ExitCode::SUCCESS)
}

fn generate_trail(rest: &[String]) -> Result<ExitCode> {
    let plan = plan(rest)?;
    let started = std::time::Instant::now();
    let terminal = std::io::stderr().is_terminal();
    let progress = |events| {
        if terminal {
            eprint!("\r{events} events");
        }
    };
    let summary = generate::run(&plan, progress)?;
    if terminal {
        eprintln!();
    }
    let (took, plain) = (started.elapsed().as_secs_f64(), summary.plain_bytes / summary.events.max(1));
    eprintln!(
        "{} events ({} of OSS, {plain} bytes each) in {} files, {} bytes on disk, {took:.1} s",
        summary.events, summary.oss, summary.files, summary.disk_bytes
    );
    Ok(ExitCode::SUCCESS)
}

/// Reads the options of `generate`.
fn plan(rest: &[String]) -> Result<Plan> {
    let (mut events, mut seed, mut out, mut left) = (None, None, None, rest.iter());
    let mut plan = Plan::new(0, 0, PathBuf::new());
    while let Some(option) = left.next() {
        let mut value = || left.next().with_context(|| format!("`{option}` needs a value"));
        let mut number = || -> Result<u64> {
            let text = value()?;
            text.replace('_', "").parse().with_context(|| format!("`{option} {text}`: expected a whole number"))
        };
        match option.as_str() {
            "--events" => events = Some(number()?),
            "--seed" => seed = Some(number()?),
            "--per-file" => plan.per_file = number()?.max(1),
            "--out" => out = Some(Path::new(value()?).to_owned()),
            "--gzip" => plan.gzip = true,
            "--plain" => plan.gzip = false,
            "--layout" => match value()?.as_str() {
                "oss" => plan.layout = Layout::Oss,
                "flat" => plan.layout = Layout::Flat,
                other => bail!("`--layout {other}`: expected oss or flat"),
            },
            other => bail!("generate has no option `{other}`; `cargo xtask help` lists them"),
        }
    }
    plan.events = events.context("generate needs `--events N`")?;
    plan.seed = seed.context("generate needs `--seed S`")?;
    plan.out = out.context("generate needs `--out DIR`")?;
    Ok(plan)
}
