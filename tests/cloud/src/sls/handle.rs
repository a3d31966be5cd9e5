//! The SLS double as tests hold it: fill it, disturb it, ask it what it knows. It must never tell the client under test
//! anything that way.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use super::proto::{Content, Log, LogGroup};
use super::pull::PageCache;
use super::shard::Chunk;
use super::store::{Logstore, Project};
use super::write::stored;
use super::{Inner, Target};
use crate::account::Account;
use crate::clock::Clock;
use crate::fault::Op;
use crate::front::{Front, Refusal, Words};
use crate::http::{Server, lock};
use crate::keys::Keys;
use crate::schedule::Faults;
use crate::trail::{FIELD, Load, TOPIC, id_in, part_seed};

/// How an SLS double is set up.
#[derive(Clone, Debug)]
pub struct SlsSetup {
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Most bytes of a page before compression.
    pub most_page: usize,
    /// Most bytes of compressed pages kept, so that they are made only once.
    pub cache_bytes: usize,
}

impl Default for SlsSetup {
    /// A free port, pages of 10 MiB, 64 MiB of them kept.
    fn default() -> Self {
        Self { port: 0, most_page: 10 << 20, cache_bytes: 64 << 20 }
    }
}

/// What a consumer group looks like from inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Seconds of silence after which a consumer loses its shards.
    pub timeout_secs: u64,
    /// The consumers that hold each shard: never more than one if the double is right.
    pub holders: BTreeMap<u32, Vec<String>>,
    /// For each shard, groups of logs before its checkpoint, counted from the first that ever arrived.
    pub checkpoints: BTreeMap<u32, u64>,
}

/// A running SLS double; dropping it ends it.
pub struct Sls {
    server: Server,
    inner: Arc<Inner>,
}

impl Sls {
    /// Starts one.
    ///
    /// # Errors
    /// When the port cannot be had.
    pub fn start(setup: &SlsSetup, clock: Arc<Clock>, keys: Arc<Keys>) -> io::Result<Self> {
        let words =
            Words { unavailable: "ServerBusy", internal: "InternalServerError", quota: (403, "ReadQuotaExceed") };
        let inner = Arc::new(Inner {
            front: Front::new(clock, keys, words),
            projects: Mutex::default(),
            pages: Mutex::new(PageCache::default()),
            most_page: setup.most_page.max(1),
            cache_bytes: setup.cache_bytes,
            expired_code: Mutex::new("ParameterInvalid"),
            last: Mutex::default(),
            versions: Mutex::default(),
        });
        let server = Server::start(Arc::<Inner>::clone(&inner), setup.port)?;
        Ok(Self { server, inner })
    }

    /// Where it listens: connect here, with `<project>.<any name>` as Host.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Connections accepted since the start.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.server.accepted()
    }

    /// The schedule of faults, the count of those that fired, and of the requests.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.inner.front.faults
    }

    /// Requests received, by operation.
    #[must_use]
    pub fn requests(&self) -> BTreeMap<Op, u64> {
        self.faults().requests()
    }

    /// Requests let in, by signature version (`v1`, `v4`).
    #[must_use]
    pub fn versions(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.inner.versions).clone()
    }

    /// The keys it knows.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.inner.front.keys
    }

    /// Answers expired cursors with `InvalidCursor` instead of `ParameterInvalid`: both are on record.
    pub fn expired_as_invalid_cursor(&self, yes: bool) {
        *lock(&self.inner.expired_code) = if yes { "InvalidCursor" } else { "ParameterInvalid" };
    }

    /// Makes a project, or finds it.
    pub fn create_project(&self, project: &str, region: &str) {
        let created = self.inner.front.clock.now_secs();
        lock(&self.inner.projects).entry(project.to_owned()).or_insert_with(|| Project {
            region: region.to_owned(),
            account: Account::Active,
            created,
            logstores: BTreeMap::new(),
        });
    }

    /// Makes a Logstore with so many shards; one that is there already stays. The project must exist.
    pub fn create_logstore(&self, project: &str, logstore: &str, shards: u32) {
        let created = self.inner.front.clock.now_secs();
        if let Some(project) = lock(&self.inner.projects).get_mut(project) {
            project.logstores.entry(logstore.to_owned()).or_insert_with(|| Logstore::new(shards, created));
        }
    }

    /// Puts a project into an account state; [`Account::Active`] is "paid".
    pub fn set_account(&self, project: &str, account: Account) {
        if let Some(project) = lock(&self.inner.projects).get_mut(project) {
            project.account = account;
        }
    }

    fn with<T: Default>(&self, project: &str, logstore: &str, with: impl FnOnce(&mut Logstore) -> T) -> T {
        let mut projects = lock(&self.inner.projects);
        projects.get_mut(project).and_then(|project| project.logstores.get_mut(logstore)).map(with).unwrap_or_default()
    }

    /// Fills the writable shards evenly with generated events, which are made when they are pulled.
    pub fn fill(&self, project: &str, logstore: &str, load: &Load) {
        let now = self.inner.front.clock.now_secs();
        self.with(project, logstore, |store| store.fill(load, now));
    }

    /// Makes ahead the pages of a client that pulls every shard from its beginning with this `count` and lz4, as far as
    /// [`SlsSetup::cache_bytes`] reaches (about 250 bytes an event); says how many pages that were. So that a test of
    /// throughput does not measure the making of test data.
    pub fn prepare(&self, project: &str, logstore: &str, count: u64) -> u64 {
        let shards: Vec<u32> = self.with(project, logstore, |store| store.shards.keys().copied().collect());
        let target =
            |id: &u32| Target { project: project.to_owned(), logstore: logstore.to_owned(), item: id.to_string() };
        shards.iter().filter_map(|id| self.inner.prepare(&target(id), count).ok()).sum()
    }

    /// Pages that were made since the start, ahead or while pulled; the others came from the cache.
    #[must_use]
    pub fn pages_made(&self) -> u64 {
        lock(&self.inner.pages).made
    }

    /// Lets `events` generated events arrive now, as one group; gives their ids. Two calls with one seed give two times
    /// the same ids.
    pub fn arrive(&self, project: &str, logstore: &str, events: u64, seed: u64) -> Vec<String> {
        let now = self.inner.front.clock.now_secs();
        let mut generator = xtask::generate::Generator::new(part_seed(seed, u64::MAX, 0), 6);
        let events: Vec<Vec<u8>> = (0..events)
            .map(|_| {
                let mut event = Vec::new();
                generator.push_event(now, &mut event);
                event
            })
            .collect();
        self.arrive_raw(project, logstore, &events)
    }

    /// Lets given events arrive now, as one group with ActionTrail's topic; gives the ids found in them.
    pub fn arrive_raw(&self, project: &str, logstore: &str, events: &[Vec<u8>]) -> Vec<String> {
        let now = self.inner.front.clock.now_secs();
        let logs = events.iter().map(|event| Log {
            time: now as u32,
            contents: vec![Content { key: FIELD.to_owned(), value: event.clone() }],
            nanos: None,
        });
        let group = LogGroup { logs: logs.collect(), topic: Some(TOPIC.to_owned()), ..LogGroup::default() };
        let chunk = Chunk::Stored(Arc::new(stored(group, now)));
        self.with(project, logstore, |store| store.push(chunk, None).map(|_| ()).unwrap_or_default());
        events.iter().filter_map(|event| id_in(event)).collect()
    }

    /// Every id that arrived, by shard, in the order of arrival; expired ones included.
    #[must_use]
    pub fn ids(&self, project: &str, logstore: &str) -> BTreeMap<u32, Vec<String>> {
        self.with(project, logstore, |store| store.ids())
    }

    /// The ids of one shard that can still be pulled: the rest is what a gap record has to cover.
    #[must_use]
    pub fn kept_groups(&self, project: &str, logstore: &str) -> BTreeMap<u32, (u64, u64)> {
        self.with(project, logstore, |store| {
            store.shards.values().map(|shard| (shard.id, (shard.first(), shard.end_ordinal()))).collect()
        })
    }

    /// Lets everything expire that arrived before a time (seconds since 1970), as the TTL does, and reclaims read-only
    /// shards that are empty with that; says how many groups that were.
    pub fn expire_before(&self, project: &str, logstore: &str, time: u64) -> u64 {
        self.with(project, logstore, |store| store.expire(time))
    }

    /// Lets the first groups of a shard expire up to an ordinal (counted from the first that ever arrived).
    pub fn expire_shard(&self, project: &str, logstore: &str, shard: u32, before: u64) -> u64 {
        self.with(project, logstore, |store| {
            let dropped = store.shards.get_mut(&shard).map_or(0, |shard| shard.expire(before));
            store.reclaim();
            dropped
        })
    }

    /// Splits a shard in its middle; gives the new ids, or the reason why not.
    ///
    /// # Errors
    /// When the shard does not exist or is read-only: the service's message.
    pub fn split(&self, project: &str, logstore: &str, shard: u32) -> Result<Vec<u32>, String> {
        let now = self.inner.front.clock.now_secs();
        let split = |store: &mut Logstore| Some(store.split(shard, None, now).map(|ids| ids.to_vec()));
        self.with(project, logstore, split).unwrap_or_else(missing).map_err(|refusal| refusal.message)
    }

    /// Merges a shard with the one on its right; gives the new id, or the reason why not.
    ///
    /// # Errors
    /// When there is nothing to merge it with: the service's message.
    pub fn merge(&self, project: &str, logstore: &str, shard: u32) -> Result<u32, String> {
        let now = self.inner.front.clock.now_secs();
        let merge = |store: &mut Logstore| Some(store.merge(shard, now));
        self.with(project, logstore, merge).unwrap_or_else(missing).map_err(|refusal| refusal.message)
    }

    /// A consumer group from inside; nothing when there is none of that name.
    #[must_use]
    pub fn group(&self, project: &str, logstore: &str, name: &str) -> Option<Group> {
        self.with(project, logstore, |store| {
            let group = store.groups.get(name)?;
            let position = |(id, stored): (&u32, &super::groups::Checkpoint)| {
                let shard = store.shards.get(id)?;
                Some((*id, shard.ordinal(&stored.cursor)?))
            };
            Some(Group {
                timeout_secs: group.timeout_secs,
                holders: group.holders(),
                checkpoints: group.checkpoints.iter().filter_map(position).collect(),
            })
        })
    }
}

fn missing<T>() -> Result<T, Refusal> {
    Err(Refusal::new(404, "LogStoreNotExist", "there is no such project or Logstore"))
}
