//! The console's side of the host: its server, and what fills it from one data directory.
//!
//! It must never ask the writer for anything: it reads files, beside a run or without one.

mod data;
mod groups;
mod verification;

use std::path::Path;
use std::sync::Arc;

use innertrail_alerts::RuleSet;
use innertrail_api::server::TlsFiles;
use innertrail_console::{ConsoleError, Options, Server};
use innertrail_sink::ReferenceError;

use crate::clock;
use crate::config::Console;
use crate::sink::build;
use data::Directory;

/// Why the console cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleStartError {
    /// Address, token, certificate or threads.
    #[error(transparent)]
    Server(#[from] ConsoleError),
    /// The token cannot be read.
    #[error("token: {0}")]
    Token(#[from] ReferenceError),
    /// The Logstore.
    #[error(transparent)]
    Logstore(#[from] innertrail_logstore::Error),
}

/// The server. Ends when it is dropped.
#[derive(Debug)]
pub(crate) struct ConsoleServer {
    server: Server,
    open: bool,
}

impl ConsoleServer {
    /// Takes the address, before there is a Logstore.
    pub(crate) fn bind(console: &Console) -> Result<Self, ConsoleStartError> {
        let mut options = Options::new(&console.listen, clock::now_us);
        let token = build::reference(&console.token);
        options.token = token.map(|token| token.with(str::to_owned)).transpose()?;
        let files =
            |tls: &crate::config::ApiTls| TlsFiles { certificate: tls.certificate.clone(), key: tls.key.clone() };
        options.tls = console.tls.as_ref().map(files);
        options.plaintext = console.plaintext;
        options.names.clone_from(&console.names);
        let open = options.token.is_none();
        Ok(Self { server: Server::bind(options)?, open })
    }

    /// Begins to serve a data directory with a Logstore in it; `rules` are those that events are explained by.
    pub(crate) fn start(&mut self, dir: &Path, rules: Arc<RuleSet>) -> Result<(), ConsoleStartError> {
        let directory = Directory::open(dir, rules)?;
        Ok(self.server.start(Arc::new(directory))?)
    }

    /// What people should know: where it is, and who may look.
    pub(crate) fn told(&self) -> Vec<String> {
        let who = if self.open { "; no token: whoever has a login on this machine may look" } else { "" };
        vec![format!("the console is on {}{who}", self.server.url())]
    }
}
