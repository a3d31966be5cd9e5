//! Which rules a command is about: those of the command line, or those that a configuration's `alerts:` names.

use std::collections::BTreeMap;

use anyhow::anyhow;

use super::super::Failure;
use super::super::args::RulesArg;
use crate::alerting::load::{Loaded, Wanted, load as read};
use crate::config::{Alerts, Config};

/// Loads them.
pub(in crate::cli) fn load(args: &RulesArg) -> Result<Loaded, Failure> {
    let wanted = match options(args)? {
        Some(options) => return read(&Wanted::of(&options)).map_err(|e| Failure::Usage(e.into())),
        None => Wanted {
            pack: !args.no_pack,
            folders: &args.rules,
            parameters: args.parameters.iter().cloned().collect::<BTreeMap<_, _>>(),
            disable: &[],
        },
    };
    read(&wanted).map_err(|e| Failure::Usage(e.into()))
}

/// The `alerts:` of the file that is named, if one is.
pub(super) fn options(args: &RulesArg) -> Result<Option<Alerts>, Failure> {
    let Some(file) = &args.config else { return Ok(None) };
    match Config::load(file)?.alerts {
        Some(options) => Ok(Some(options)),
        None => {
            let path = file.display();
            Err(Failure::Usage(anyhow!("{path}: there is no `alerts:`, so no rule is evaluated; add `alerts: {{}}`")))
        }
    }
}
