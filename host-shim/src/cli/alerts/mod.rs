//! `innertrail alerts`: the rules listed, tested, explained, and held against what the Logstore holds.
//!
//! It only reads; `run` is what evaluates rules as records come. Texts of rules and of records are hostile: whatever is printed is escaped here.

mod backtest;
mod explain;
mod fired;
mod list;
mod load;
mod test;
mod trial;

pub(crate) use list::one as rule_as_json;

use innertrail_alerts::Fault;
use innertrail_query::terminal_safe;

use super::args::AlertsCommand;
use super::{Log, Outcome};
use crate::exit;

pub(super) fn run(command: &AlertsCommand, log: &Log) -> Outcome {
    match command {
        AlertsCommand::List(args) => list::run(args),
        AlertsCommand::Test(args) => test::run(args),
        AlertsCommand::Explain(args) => explain::run(args),
        AlertsCommand::Backtest(args) => backtest::run(args, log),
        AlertsCommand::Fired(args) => fired::run(args),
        AlertsCommand::Try(args) => trial::run(args),
    }
}

pub(super) use load::load;

/// Names broken rules on standard error; the exit code of a command that went on with the others.
pub(super) fn broken(faults: &[Fault]) -> u8 {
    for fault in faults {
        eprintln!("{}", terminal_safe(&fault.to_string()));
    }
    if faults.is_empty() { exit::OK } else { exit::USAGE }
}
