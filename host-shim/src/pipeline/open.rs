//! Makes a pipeline: everything that a configuration names, taken or refused before anything is read.
//!
//! Must never start a source, and never make a Logstore for a configuration that cannot be used.

use std::collections::BTreeMap;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use innertrail_api::auth::Keyring;

use super::committer::Committer;
use super::gates::Gates;
use super::{Event, Pipeline};
use crate::alerting::Alerting;
use crate::alerting::load::{self, Loaded};
use crate::api::{ApiServer, Serving, Untold};
use crate::channels::{Channels, Surrounding};
use crate::config::Config;
use crate::console::ConsoleServer;
use crate::gate::server as gate_server;
use crate::lag::Lag;
use crate::lifecycle::standstill::Standstill;
use crate::metrics::{Board, Server};
use crate::mirror::Mirror;
use crate::setup::{Rooms, SetupError};
use crate::sink::Sinks;
use crate::sink::parking::ToWriter;
use crate::status::TRANSFORM;
use crate::tap::Tap;

impl Pipeline {
    /// Starts everything that a configuration names, recovering the Logstore where needed.
    ///
    /// # Errors
    /// See [`SetupError`]; nothing was started then.
    pub fn open(config: &Config) -> Result<Self, SetupError> {
        // A sink that cannot be set up is told before there is a Logstore.
        let senders = crate::sink::build::all(config)?;
        let mirror = config.mirror.as_ref().map(|options| Mirror::new(config, options)).transpose();
        let mirror = mirror.map_err(SetupError::Mirror)?;
        let rules = config.alerts.as_ref().map(Alerting::load).transpose()?;
        for (name, channel) in config.alerts.iter().flat_map(|alerts| &alerts.channels) {
            crate::channels::check(name, channel)?;
        }
        let mut server = config.metrics.as_ref().map(|metrics| Server::bind(&metrics.listen)).transpose()?;
        let board = server.as_ref().map(|_| Arc::new(Board::new(config)));
        let mut api = config.api.as_ref().map(|api| ApiServer::bind(config, api)).transpose()?;
        let mut console = config.console.as_ref().map(ConsoleServer::bind).transpose()?;
        let Rooms { component, bisector, native, writer, custody, mut told } = Rooms::open(config, "run")?;
        if let Err(e) = Standstill::reserve(&config.data_dir) {
            told.push(format!("`innertrail status` will not show it when the disk is full: no room for its note: {e}"));
        }
        let tap = Tap::open(&config.data_dir);
        if let Err(e) = &tap {
            told.push(format!("`innertrail tap` cannot look into this run: no socket in the data directory: {e}"));
        }
        let tap = tap.ok();
        let mut txn = writer.begin();
        if writer.state().checkpoint(TRANSFORM) != Some(config.transform_json().as_bytes()) {
            txn.checkpoint(TRANSFORM, config.transform_json().as_bytes());
        }
        let lag = Lag::new(writer.layout());
        let keys = Arc::new(Keyring::of(&config.data_dir));
        let untold = Untold::new(Arc::clone(&keys), writer.state());
        let (post, events) = channel();
        let layout = writer.layout().clone();
        let sinks = Sinks::new(config, senders, &native.key, writer.state(), || {
            let post = post.clone();
            Box::new(ToWriter::new(&layout, move |parked| post.send(Event::Park(parked)).is_ok()))
        });
        let alerting = config.alerts.as_ref().zip(rules.as_ref());
        let alerting =
            alerting.map(|(options, rules)| Alerting::new(config, options, rules, writer.state(), sinks.notify()));
        let channels = channels(config, rules.as_ref(), writer.state(), &sinks)?;
        let gates = gate_server::bind(config, &component, &native, || {
            let post = post.clone();
            move |refusal| post.send(Event::Gate(refusal)).is_ok()
        })?;
        told.extend(gates.iter().map(|(name, server)| format!("gate.{name} listens on {}", server.address())));
        let committer = Committer::start(writer, post.clone(), board.clone()).map_err(SetupError::Thread)?;
        if let (Some(server), Some(board)) = (&mut server, &board) {
            server.start(Arc::clone(board)).map_err(SetupError::Thread)?;
            told.push(format!("metrics are on http://{}/metrics", server.address()));
        }
        if let Some(api) = &mut api {
            let post = Mutex::new(post.clone());
            let count = keys.check()?;
            let serving = Serving { dir: &config.data_dir, keys, notify: sinks.notify() };
            api.start(serving, move |asked| post.lock().is_ok_and(|post| post.send(Event::Api(asked)).is_ok()))?;
            told.extend(api.told(count));
            if let Some(board) = &board {
                board.counts(api.counts());
            }
        }
        if let Some(console) = &mut console {
            let rules = rules.as_ref().map_or_else(load::of_the_pack, |loaded| Arc::clone(&loaded.set));
            console.start(&config.data_dir, rules)?;
            told.extend(console.told());
        }
        Ok(Self {
            bisector,
            config: config.clone(),
            component,
            native,
            txn,
            committer,
            custody,
            told,
            begun: Instant::now(),
            failed: BTreeMap::new(),
            states: BTreeMap::new(),
            emits: BTreeMap::new(),
            meters: BTreeMap::new(),
            lag,
            events,
            post,
            sinks,
            gates: Gates::new(gates),
            mirror,
            alerting,
            channels,
            board,
            tap,
            _server: server,
            api,
            console,
            untold,
            parked: Default::default(),
            undelivered: Vec::new(),
            stop: Arc::default(),
        })
    }
}

/// The channels that are told of alerts. They are made before anything fires, so that a new one begins behind what was there.
fn channels(
    config: &Config,
    rules: Option<&Loaded>,
    state: &innertrail_logstore::State,
    sinks: &Sinks,
) -> Result<Option<Channels>, SetupError> {
    let Some((options, rules)) = config.alerts.as_ref().zip(rules) else { return Ok(None) };
    let journal = state.next(innertrail_logstore::Store::Journal);
    let around = Surrounding { config, set: Arc::clone(&rules.set), journal, notify: sinks.notify() };
    Ok(Channels::new(options, &around)?)
}
