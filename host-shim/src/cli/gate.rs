//! `innertrail gate`: the transform role on stdin and stdout, in an agent's codec or in a line dialect.

use std::io::{self, BufWriter};

use super::args::GateArgs;
use super::{Failure, Log, Outcome};
use crate::config::Config;
use crate::exit;
use crate::gate::Gate;

pub(super) fn run(args: &GateArgs, log: &Log) -> Outcome {
    let mut config = Config::load(args.config.path())?;
    if let Some(dir) = &args.data_dir {
        config.data_dir.clone_from(dir);
    }
    if let Some(codec) = args.codec {
        config.gate.codec = codec;
    }
    let gate = Gate::open(&config)?;
    if let Some(dialect) = args.dialect {
        let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
        gate.run_lines(dialect, &mut input, &mut output).map_err(|e| Failure::Runtime(anyhow::Error::new(e)))?;
        return Ok(exit::OK);
    }
    gate.told().iter().for_each(|line| log.line("info", line));
    let refused = gate.status().quarantine.values().sum::<u64>();
    if log.verbose {
        log.line("info", &format!("the gate is open; {refused} records are in quarantine so far"));
    }
    gate.run(&mut io::stdin().lock(), &mut BufWriter::new(io::stdout().lock()))
        .map_err(|e| Failure::Runtime(anyhow::Error::new(e)))?;
    Ok(exit::OK)
}
