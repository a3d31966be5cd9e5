//! The doubles' strings as commands in JSON, for scripts and for tests in other languages: over HTTP on a port of its own, or
//! line by line. It must never be reachable on the ports that the clients under test use.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::fault::{Fault, Flaw};
use crate::http::{Reply, Request, Server, Service};
use crate::schedule::{Planned, schedule, survivable_oss, survivable_sls};
use crate::{Account, Cloud, Key, Load, TrailLoad};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // The names are the documentation.
pub enum Which {
    Sls,
    Oss,
}

/// A Logstore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Its project.
    pub project: String,
    /// Its name.
    pub logstore: String,
}

/// One command. The methods of [`Sls`](crate::Sls), [`Oss`](crate::Oss) and [`Faults`](crate::schedule::Faults) say more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
#[allow(missing_docs)] // The fields are the parameters of the methods of the same names.
pub enum Command {
    /// Adds entries to the schedule of faults.
    Plan { server: Which, entries: Vec<Planned> },
    /// Adds a schedule drawn from a seed; without a menu, from the faults that a correct client survives.
    Schedule {
        server: Which,
        seed: u64,
        count: usize,
        every: u64,
        #[serde(default)]
        menu: Vec<Fault>,
    },
    /// Drops what is still planned.
    Clear { server: Which },
    /// What has happened: faults fired and pending, requests by operation, connections.
    Report,
    /// Sets both servers' clock wrong by so many milliseconds.
    Skew { ms: i64 },
    /// Adds or replaces an access key.
    Key { key: Key },
    /// Makes a Logstore, and its project with it.
    Logstore {
        #[serde(flatten)]
        place: Place,
        region: String,
        shards: u32,
    },
    /// Puts a project into an account state.
    Project { project: String, state: Account },
    /// Fills a Logstore.
    Fill {
        #[serde(flatten)]
        place: Place,
        #[serde(default)]
        load: Load,
    },
    /// Makes pages ahead.
    Prepare {
        #[serde(flatten)]
        place: Place,
        count: u64,
    },
    /// Lets generated events arrive now; answers with their ids.
    Arrive {
        #[serde(flatten)]
        place: Place,
        events: u64,
        seed: u64,
    },
    /// The ids by shard, in the order of arrival.
    Ids {
        #[serde(flatten)]
        place: Place,
    },
    /// Lets everything expire that arrived before a time.
    ExpireBefore {
        #[serde(flatten)]
        place: Place,
        time: u64,
    },
    /// Lets the first groups of a shard expire.
    ExpireShard {
        #[serde(flatten)]
        place: Place,
        shard: u32,
        before: u64,
    },
    /// Splits a shard.
    Split {
        #[serde(flatten)]
        place: Place,
        shard: u32,
    },
    /// Merges a shard with its right neighbour.
    Merge {
        #[serde(flatten)]
        place: Place,
        shard: u32,
    },
    /// A consumer group from inside.
    Group {
        #[serde(flatten)]
        place: Place,
        name: String,
    },
    /// Makes a bucket.
    Bucket { bucket: String, region: String },
    /// Binds a custom domain to a bucket.
    Domain { bucket: String, domain: String },
    /// Puts a bucket into an account state.
    Owner { bucket: String, state: Account },
    /// Fills a bucket.
    FillBucket {
        bucket: String,
        #[serde(default)]
        load: TrailLoad,
    },
    /// Adds the next object, with a flaw or none.
    AddNext {
        bucket: String,
        events: u64,
        #[serde(default)]
        flaw: Option<Flaw>,
    },
    /// Adds a late object.
    AddLate {
        bucket: String,
        events: u64,
        #[serde(default)]
        behind: Option<String>,
    },
    /// Removes an object.
    Remove { bucket: String, object: String },
    /// The keys of a bucket and the events in each.
    Objects { bucket: String },
    /// The ids by object.
    ObjectIds { bucket: String },
}

/// Does one command; the answer is what it asked for, or `{"done": true}`.
#[must_use]
pub fn perform(cloud: &Cloud, command: Command) -> Value {
    match command {
        Command::Plan { server, entries } => {
            faults(cloud, server).plan(entries);
            json!({ "pending": faults(cloud, server).pending() })
        }
        Command::Schedule { server, seed, count, every, menu } => {
            let menu = match (menu.is_empty(), server) {
                (false, _) => menu,
                (true, Which::Sls) => survivable_sls(),
                (true, Which::Oss) => survivable_oss(),
            };
            faults(cloud, server).plan(schedule(seed, count, every, &menu));
            json!({ "pending": faults(cloud, server).pending() })
        }
        Command::Clear { server } => json!({ "cleared": faults(cloud, server).clear() }),
        Command::Report => json!({ "sls": report(cloud, Which::Sls), "oss": report(cloud, Which::Oss) }),
        Command::Skew { ms } => {
            cloud.clock.set_skew_ms(ms);
            done()
        }
        Command::Key { key } => {
            cloud.keys.set(key);
            done()
        }
        other => perform_sls(cloud, other),
    }
}

fn done() -> Value {
    json!({ "done": true })
}

fn faults(cloud: &Cloud, which: Which) -> &crate::schedule::Faults {
    match which {
        Which::Sls => cloud.sls.faults(),
        Which::Oss => cloud.oss.faults(),
    }
}

fn report(cloud: &Cloud, which: Which) -> Value {
    let faults = faults(cloud, which);
    let connections = match which {
        Which::Sls => cloud.sls.connections(),
        Which::Oss => cloud.oss.connections(),
    };
    json!({
        "fired": faults.fired(),
        "pending": faults.pending(),
        "requests": faults.requests(),
        "connections": connections,
        "versions": if which == Which::Sls { json!(cloud.sls.versions()) } else { Value::Null },
    })
}

fn perform_sls(cloud: &Cloud, command: Command) -> Value {
    let sls = &cloud.sls;
    match command {
        Command::Logstore { place, region, shards } => {
            sls.create_project(&place.project, &region);
            sls.create_logstore(&place.project, &place.logstore, shards);
            done()
        }
        Command::Project { project, state } => {
            sls.set_account(&project, state);
            done()
        }
        Command::Fill { place, load } => {
            sls.fill(&place.project, &place.logstore, &load);
            done()
        }
        Command::Prepare { place, count } => {
            json!({ "pages": sls.prepare(&place.project, &place.logstore, count) })
        }
        Command::Arrive { place, events, seed } => json!(sls.arrive(&place.project, &place.logstore, events, seed)),
        Command::Ids { place } => json!(sls.ids(&place.project, &place.logstore)),
        Command::ExpireBefore { place, time } => {
            json!({ "expired": sls.expire_before(&place.project, &place.logstore, time) })
        }
        Command::ExpireShard { place, shard, before } => {
            json!({ "expired": sls.expire_shard(&place.project, &place.logstore, shard, before) })
        }
        Command::Split { place, shard } => match sls.split(&place.project, &place.logstore, shard) {
            Ok(ids) => json!({ "shards": ids }),
            Err(why) => json!({ "error": why }),
        },
        Command::Merge { place, shard } => match sls.merge(&place.project, &place.logstore, shard) {
            Ok(id) => json!({ "shards": [id] }),
            Err(why) => json!({ "error": why }),
        },
        Command::Group { place, name } => match sls.group(&place.project, &place.logstore, &name) {
            Some(group) => json!({
                "timeout": group.timeout_secs,
                "holders": group.holders,
                "checkpoints": group.checkpoints,
            }),
            None => json!({ "error": "there is no such consumer group" }),
        },
        other => perform_oss(cloud, other),
    }
}

fn perform_oss(cloud: &Cloud, command: Command) -> Value {
    let oss = &cloud.oss;
    match command {
        Command::Bucket { bucket, region } => oss.create_bucket(&bucket, &region),
        Command::Domain { bucket, domain } => oss.bind_domain(&domain, &bucket),
        Command::Owner { bucket, state } => oss.set_account(&bucket, state),
        Command::FillBucket { bucket, load } => return json!({ "objects": oss.fill(&bucket, &load) }),
        Command::AddNext { bucket, events, flaw } => return json!({ "key": oss.add_next(&bucket, events, flaw) }),
        Command::AddLate { bucket, events, behind } => {
            return json!({ "key": oss.add_late(&bucket, events, behind.as_deref()) });
        }
        Command::Remove { bucket, object } => oss.remove(&bucket, &object),
        Command::Objects { bucket } => return json!(oss.keys_of(&bucket)),
        Command::ObjectIds { bucket } => return json!(oss.ids(&bucket)),
        // All others were done before.
        _ => return json!({ "error": "this command belongs to neither server" }),
    }
    done()
}

/// Does a command given as JSON.
#[must_use]
pub fn perform_text(cloud: &Cloud, text: &[u8]) -> Value {
    match serde_json::from_slice(text) {
        Ok(command) => perform(cloud, command),
        Err(error) => json!({ "error": format!("this is no command: {error}") }),
    }
}

struct Strings(Arc<Cloud>);

impl Service for Strings {
    fn reply(&self, request: &Request) -> Reply {
        let answer = perform_text(&self.0, &request.body);
        let status = if answer.get("error").is_some() { 400 } else { 200 };
        Reply::new(status).with_header("Content-Type", "application/json").with_body(format!("{answer}\n"))
    }

    fn malformed(&self, status: u16, why: &str) -> Reply {
        Reply::new(status).with_body(format!("{}\n", json!({ "error": why })))
    }
}

/// The commands over HTTP; dropping it ends it.
pub struct Control(Server);

impl Control {
    /// Listens on 127.0.0.1; port 0 takes a free one.
    ///
    /// # Errors
    /// When the port cannot be had.
    pub fn start(cloud: Arc<Cloud>, port: u16) -> io::Result<Self> {
        Ok(Self(Server::start(Arc::new(Strings(cloud)), port)?))
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }
}
