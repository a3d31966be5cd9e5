//! The command line: from arguments to a room and back to an exit code.
//!
//! Every error reaches the user here, once, as one message that says what to do; nothing below prints one.

mod agent_config;
pub(crate) mod alerts;
pub mod args;
mod charts;
mod check;
mod checkpoint;
mod console;
mod disable;
mod doctor;
mod enable;
mod explain;
mod export;
mod fixtures;
mod gate;
mod hold;
mod improg;
mod keys;
mod log;
mod policy;
mod proof;
mod query;
mod reconcile;
mod replay;
mod retention;
mod run;
mod status;
mod tail;
mod tap;
mod top;
mod verify;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use innertrail_logstore::Snapshot;
use innertrail_query::terminal_safe;

use crate::config::{Config, ConfigError};
use crate::exit;
use crate::lifecycle::LifecycleError;
use crate::runtime::Transform;
use crate::setup::SetupError;
use args::{Args, Command};
pub(crate) use log::Log;

/// How a command failed: decides the exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Exit code 2: nothing was started.
    Usage(anyhow::Error),
    /// Exit code 3: it was started, and failed.
    Runtime(anyhow::Error),
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.into())
    }
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        Self::Usage(error.into())
    }
}

impl From<LifecycleError> for Failure {
    fn from(error: LifecycleError) -> Self {
        match error {
            LifecycleError::Logstore(_) => Self::Runtime(error.into()),
            _ => Self::Usage(error.into()),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Runtime(error.into())
    }
}

/// What a command gives back: an exit code of its own, or a failure.
pub(crate) type Outcome = Result<u8, Failure>;

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    crate::allocator::as_many_arenas_as_cores();
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let code = if error.use_stderr() { exit::USAGE } else { exit::OK };
            let _ = error.print();
            return code.into();
        }
    };
    let log = Log::new(&args.global);
    let outcome = match args.command {
        Command::Run(args) => run::run(&args, &log),
        Command::Gate(args) => gate::run(&args, &log),
        Command::Check(args) => check::run(&args),
        Command::AgentConfig(args) => agent_config::run(&args),
        Command::Test(args) => fixtures::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Policy(args) => policy::run(&args),
        Command::Reconcile(args) => reconcile::run(&args),
        Command::Replay(args) => replay::run(&args, &log),
        Command::Enable(args) => enable::run(&args),
        Command::Disable(args) => disable::run(&args),
        Command::Retention(command) => retention::run(&command),
        Command::Hold(command) => hold::run(&command),
        Command::Keys(command) => keys::run(&command),
        Command::Status(args) => status::run(&args),
        Command::Verify(args) => verify::run(&args, &log),
        Command::Export(args) => export::run(&args, &log),
        Command::Checkpoint(args) => checkpoint::run(&args),
        Command::Proof(args) => proof::run(&args),
        Command::Query(args) => query::run(&args),
        Command::Console(args) => console::run(&args, &log),
        Command::Tail(args) => tail::run(&args),
        Command::Top(args) => top::run(&args),
        Command::Tap(args) => tap::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Alerts(command) => alerts::run(&command, &log),
        Command::Charts(command) => charts::run(&command),
        Command::Schema => print(&Config::json_schema()),
        Command::Completions(args) => completions(&args),
    };
    match outcome {
        Ok(code) => code.into(),
        // The reader of a pipe went away: that is its right.
        Err(Failure::Runtime(error)) if is_broken_pipe(&error) => exit::OK.into(),
        Err(Failure::Usage(error)) => report(&log, &error, exit::USAGE),
        Err(Failure::Runtime(error)) => report(&log, &error, exit::RUNTIME),
    }
}

fn report(log: &Log, error: &anyhow::Error, code: u8) -> ExitCode {
    log.line("error", &whole(error));
    code.into()
}

/// The error and its causes, each once: many messages name their cause themselves.
fn whole(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |mut text, cause| {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        text
    })
}

/// JSON that is harmless on a terminal too: what reorders or hides text comes out as `\u` escapes.
pub(crate) fn json_safe(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || c.is_ascii_graphic() || c == ' ' || terminal_safe(c.encode_utf8(&mut [0; 4])).chars().eq([c]) {
            out.push(c);
        } else {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        }
    }
    out
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

fn completions(args: &args::CompletionsArgs) -> Outcome {
    let mut out = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "innertrail", &mut out);
    io::stdout().write_all(&out)?;
    Ok(exit::OK)
}

/// The transform of the last run on this data directory.
fn last_transform(snapshot: &Snapshot, dir: &Path) -> Result<Transform, Failure> {
    crate::explain::last_transform(snapshot, dir).map_err(|error| {
        if error.is::<ConfigError>() || error.is::<SetupError>() {
            Failure::Usage(error)
        } else {
            Failure::Runtime(error)
        }
    })
}

/// Prints to stdout, ending with a newline.
pub(crate) fn print(text: &str) -> Outcome {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        out.write_all(b"\n")?;
    }
    Ok(exit::OK)
}

/// Whether stderr is a terminal on which progress can be drawn.
pub(crate) fn draws_progress(log: &Log) -> bool {
    use std::io::IsTerminal;
    !log.quiet && !log.json && io::stderr().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_on_a_terminal_keeps_its_meaning_and_does_nothing() {
        let value = serde_json::json!({ "a": "x\u{202e}y\u{e0041}é桶\u{1b}" });
        let safe = json_safe(&value.to_string());
        assert_eq!(safe, r#"{"a":"x\u202ey\udb40\udc41é桶\u001b"}"#);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).ok(), Some(value));
    }

    #[test]
    fn a_cause_that_is_named_already_is_not_said_again() {
        let error = anyhow::anyhow!("no such file").context("cannot read x: no such file; name another");
        assert_eq!(whole(&error), "cannot read x: no such file; name another");
        let error = anyhow::anyhow!("no such file").context("cannot read x");
        assert_eq!(whole(&error), "cannot read x: no such file");
    }
}
