//! `innertrail policy`: the RAM policy that the sources of a configuration need, or its mirror.

use std::io;

use anyhow::anyhow;

use super::args::{PolicyArgs, Service};
use super::{Failure, Outcome, print};
use crate::config::Config;
use crate::policy;

pub(super) fn run(args: &PolicyArgs) -> Outcome {
    let config = Config::load(args.config.path())?;
    let Some(policy) = policy::policy(&config, args.service.into()) else {
        let (kind, path) = (args.service.name(), args.config.path().display());
        return Err(Failure::Usage(match args.service {
            Service::Mirror => anyhow!("{path}: there is no `mirror:`"),
            Service::Sls | Service::Oss => anyhow!("{path}: there is no source of type {kind}"),
        }));
    };
    print(&serde_json::to_string_pretty(&policy).map_err(io::Error::from)?)
}
