//! The API's side of the host: its server, its keys, and what it asks of the Logstore's one writer.
//!
//! It must never hold the pipeline up: what it wants written is posted, and the pipeline takes it when it turns.

mod keys;
mod process;
mod search;
mod snippet;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Sender;

use innertrail_api::auth::Keyring;
use innertrail_api::search::{SearchLimits, Searches};
use innertrail_api::server::{Counts, Options, Server, ServerError, Site, TlsFiles};
use innertrail_api::{Data, DataError, DataOptions, Names, Served};
use innertrail_logstore::consumer::Notify;
use innertrail_query::live::LiveLimits;

use crate::clock;
use crate::config::{Api, Config};
use crate::journal::Entry;
pub(crate) use keys::{CHECKPOINT, Untold, entered};
pub(crate) use search::Stores;

/// What the API asks of the thread that has the writer.
pub(crate) enum Asked {
    /// Something for the journal.
    Enter(Entry),
    /// Records are to be kept longer.
    Lengthen(Lengthen),
}

/// A longer retention, and who waits for it.
pub(crate) struct Lengthen {
    /// Days from now on.
    pub(crate) days: u32,
    /// The administrator's key.
    pub(crate) key_id: String,
    /// The request.
    pub(crate) request_id: String,
    /// Told once it is durable; dropped when it is not to be.
    pub(crate) answer: Sender<()>,
}

/// Why the API cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ApiStartError {
    /// Address, certificate or threads.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The Logstore or its consumer groups.
    #[error(transparent)]
    Data(#[from] DataError),
}

/// What there is to serve, and who may ask.
pub(crate) struct Serving<'a> {
    /// The data directory, with a Logstore in it.
    pub(crate) dir: &'a Path,
    /// Its keys.
    pub(crate) keys: Arc<Keyring>,
    /// Told what is durable.
    pub(crate) notify: Notify,
}

/// The server of a run. Ends when it is dropped.
pub(crate) struct ApiServer {
    server: Server,
    config: Api,
    names: Names,
    region: String,
}

impl ApiServer {
    /// Takes the address, before there is a Logstore.
    pub(crate) fn bind(config: &Config, api: &Api) -> Result<Self, ApiStartError> {
        let mut options = Options::new(&api.listen, clock::now_us);
        options.plaintext = api.plaintext;
        options.connections = usize::try_from(api.connections).unwrap_or(usize::MAX);
        let files =
            |tls: &crate::config::ApiTls| TlsFiles { certificate: tls.certificate.clone(), key: tls.key.clone() };
        options.tls = api.tls.as_ref().map(files);
        Ok(Self {
            server: Server::bind(options)?,
            config: api.clone(),
            names: Names::new(&api.project, &config.trail),
            region: config.region.clone().unwrap_or_default(),
        })
    }

    /// Begins to serve; `post` hands over to the thread that has the writer.
    pub(crate) fn start(
        &mut self,
        serving: Serving<'_>,
        post: impl Fn(Asked) -> bool + Send + Sync + 'static,
    ) -> Result<(), ApiStartError> {
        let Serving { dir, keys, notify } = serving;
        let post: process::Post = Arc::new(post);
        let host = process::Process::new(dir, &self.region, &self.names, Arc::clone(&post));
        let listener = Some(process::groups(&self.names, post));
        let data = Data::open(dir, DataOptions { notify: Some(notify), listener, ..DataOptions::default() })?;
        let engine = Arc::new(search::Stores::new(dir, LiveLimits::default()));
        let rooms = Arc::new(Served::new(data, Some(Searches::new(engine, SearchLimits::default()))));
        Ok(self.server.start(Site { names: self.names.clone(), keys, rooms, host: Arc::new(host) })?)
    }

    /// What people should know: where it is, and what to paste.
    pub(crate) fn told(&self, keys: usize) -> Vec<String> {
        snippet::told(&self.config, &self.names, &self.region, self.server.address(), keys)
    }

    /// What it counts, for metrics.
    pub(crate) fn counts(&self) -> Arc<Counts> {
        self.server.counts()
    }

    /// Takes no more calls, and lets those under way end.
    pub(crate) fn stop(mut self) {
        self.server.stop();
    }
}
