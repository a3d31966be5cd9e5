//! `innertrail policy`: the RAM policy that the sources of a configuration need.

use std::io;

use anyhow::anyhow;

use super::args::PolicyArgs;
use super::{Failure, Outcome, print};
use crate::config::Config;
use crate::policy;

pub(super) fn run(args: &PolicyArgs) -> Outcome {
    let config = Config::load(args.config.path())?;
    let Some(policy) = policy::policy(&config, args.service.into()) else {
        let kind = args.service.name();
        return Err(Failure::Usage(anyhow!("{}: there is no source of type {kind}", args.config.path().display())));
    };
    print(&serde_json::to_string_pretty(&policy).map_err(io::Error::from)?)
}
