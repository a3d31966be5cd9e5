//! `innertrail alerts try`: one message to a channel, to see whether it arrives.
//!
//! Must never touch what a run remembers of the channel.

use anyhow::anyhow;
use innertrail_query::terminal_safe;

use super::super::args::AlertsTryArgs;
use super::super::{Failure, Outcome, print};
use crate::config::Config;
use crate::{channels, exit};

pub(super) fn run(args: &AlertsTryArgs) -> Outcome {
    let config = Config::load(args.config.path())?;
    let Some(options) = &config.alerts else {
        return Err(Failure::Usage(anyhow!("{} has no `alerts:`", args.config.path().display())));
    };
    match channels::try_one(&args.channel, options, &config.trail) {
        Ok(told) => print(&terminal_safe(&told)),
        Err(error) => {
            eprintln!("{}", terminal_safe(&format!("{error:#}")));
            Ok(exit::FOUND)
        }
    }
}
