//! `innertrail console`: a Logstore in a browser, read-only, until it is told to stop.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use anyhow::anyhow;

use super::args::ConsoleArgs;
use super::{Failure, Log, Outcome};
use crate::alerting::load;
use crate::config::sinks::{Secret, SecretFile};
use crate::config::{ApiTls, Console};
use crate::console::{ConsoleServer, ConsoleStartError};
use crate::exit;

/// How often it looks whether to stop.
const NAP: Duration = Duration::from_millis(50);

pub(super) fn run(args: &ConsoleArgs, log: &Log) -> Outcome {
    let tls = args.tls_certificate.as_ref().zip(args.tls_key.as_ref());
    let console = Console {
        listen: args.listen.clone(),
        token: args.token_file.as_ref().map_or(Secret::None, |path| Secret::File(SecretFile { path: path.into() })),
        tls: tls.map(|(certificate, key)| ApiTls { certificate: certificate.into(), key: key.into() }),
        plaintext: args.plaintext,
        names: args.names.clone(),
    };
    let usage = |error: ConsoleStartError| Failure::Usage(anyhow!(error));
    let mut server = ConsoleServer::bind(&console).map_err(usage)?;
    let stop = super::run::stop_flag()?;
    server.start(&args.data.data_dir, load::of_the_pack()).map_err(usage)?;
    server.told().iter().for_each(|line| log.line("info", line));
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(NAP);
    }
    Ok(exit::OK)
}
