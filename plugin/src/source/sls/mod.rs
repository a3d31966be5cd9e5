//! The Log Service source: reads Logstores shard by shard, in order of arrival, by cursor.
//!
//! Search (GetLogs) goes by the time that a log carries and misses what comes late; a cursor does not. Two ways to
//! remember where a shard was left: the host's own checkpoints (`mode: shards`), or a consumer group of the service, which
//! shares the shards among consumers (`mode: consumer_group`). In a group a checkpoint goes to the service only after the
//! host has said that everything before it is durable.
//!
//! Memory: at most one page is decompressed at a time, and no more than [`HELD_BYTES`] of others wait; an answer that does
//! not fit is let go of and asked for again, which a cursor allows. Order: within a shard. A page that is not what its
//! headers say is asked for again, ever more slowly, and nothing of it goes out. What the service no longer has is told as
//! a gap, and reading goes on at the oldest log that there still is.

mod answers;
mod closed;
pub mod config;
mod drain;
pub mod group;
mod line;
pub mod page;
pub mod position;
pub mod protobuf;
pub mod shard;
pub mod store;
pub mod wire;

use super::calls::Calls;
use super::http::{Failure, Response};
use super::position::Checkpoint;
use super::{Action, Cause, Emitted, Gap, OpenError, Outcome, State};
use config::Config;
use drain::Drain;
use position::Stored;
use shard::{Phase, Want};
use store::Store;

/// Bytes of answers, as they came, that may wait.
const HELD_BYTES: usize = 16 << 20;
/// At least so long between two checkpoints of a shard that go to the group, milliseconds.
const UPLOAD_MS: i64 = 3_000;
/// Longest that the session sleeps when nothing is due, milliseconds.
const SLEEP_MS: i64 = 60_000;

/// What an open request is for.
#[derive(Debug, Clone)]
struct Call {
    store: usize,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Store(store::Ask),
    Beat,
    Shard(u32, shard::Ask),
    Upload(u32, String),
    /// The checkpoint of a shard of a group that is new.
    Initial(u32),
}

/// One Log Service source's session.
#[derive(Debug)]
pub struct Session {
    config: Config,
    stored: Stored,
    stores: Vec<Store>,
    calls: Calls<Call>,
    now_ms: i64,
    started_ms: Option<i64>,
    emits: u64,
    durable: u64,
    drain: Option<Drain>,
    turn: usize,
    abandoned: Vec<String>,
    told: Option<State>,
    ever_well: bool,
    over: bool,
}

impl Session {
    /// Opens a session.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(config: &str, checkpoints: &[Checkpoint]) -> Result<Self, OpenError> {
        let config = Config::parse(config).map_err(OpenError::InvalidConfig)?;
        let stored = Stored::restore(checkpoints).map_err(OpenError::BadCheckpoint)?;
        let stores = config.logstores.iter().map(|one| Store::new(one.clone(), &config, &stored)).collect();
        Ok(Self {
            calls: Calls::new(config.max_in_flight),
            config,
            stored,
            stores,
            now_ms: 0,
            started_ms: None,
            emits: 0,
            durable: 0,
            drain: None,
            turn: 0,
            abandoned: Vec::new(),
            told: None,
            ever_well: false,
            over: false,
        })
    }

    /// Takes what happened, answers with what is wanted.
    pub fn step(&mut self, last: Outcome) -> Vec<Action> {
        let mut wanted = Vec::new();
        if self.over {
            return wanted;
        }
        match last {
            Outcome::Started(now) | Outcome::Woke(now) => self.at(now),
            Outcome::Durable(emits) => {
                self.durable = self.durable.max(emits);
                self.shards().for_each(|shard| shard.share.durable(emits));
            }
            Outcome::Abandoned(about) => self.abandoned.push(about),
            Outcome::Responded(response) => self.responded(response, &mut wanted),
            Outcome::Unanswered(failure) => self.unanswered(&failure, &mut wanted),
            // Said to sessions that read files only.
            Outcome::Files(_) | Outcome::Bytes(..) | Outcome::Failed(_) => {}
        }
        self.go_on(&mut wanted);
        wanted
    }

    /// The time only goes forward.
    fn at(&mut self, now_ms: i64) {
        self.now_ms = self.now_ms.max(now_ms);
        self.started_ms.get_or_insert(now_ms);
    }

    fn shards(&mut self) -> impl Iterator<Item = &mut shard::Shard> {
        self.stores.iter_mut().flat_map(|store| store.shards.values_mut())
    }

    fn responded(&mut self, response: Response, wanted: &mut Vec<Action>) {
        self.at(response.now_ms);
        if let Some(call) = self.calls.end(response.id) {
            self.answered(&call, response, wanted);
        }
    }

    fn unanswered(&mut self, failure: &Failure, wanted: &mut Vec<Action>) {
        self.at(failure.now_ms);
        if let Some(call) = self.calls.end(failure.id) {
            self.failed(&call, failure, wanted);
        }
    }

    fn go_on(&mut self, wanted: &mut Vec<Action>) {
        self.lose(wanted);
        self.give_out(wanted);
        self.settle(wanted);
        self.ask(wanted);
        self.tell(wanted);
    }

    /// Lets go of the shards of a group that must have given them to others.
    fn lose(&mut self, wanted: &mut Vec<Action>) {
        for at in 0..self.stores.len() {
            if !self.stores[at].is_lost(self.now_ms, &self.config) {
                continue;
            }
            let ids: Vec<u32> = self.stores[at].shards.keys().copied().collect();
            ids.into_iter().for_each(|id| self.let_go(at, id));
            let store = &mut self.stores[at];
            if let Some(group) = &mut store.group {
                group.answered = false;
            }
            let name = &store.logstore.logstore;
            wanted.push(Action::Note(format!(
                "{name}: no heartbeat was answered within group_timeout_secs; its shards are given up until one is"
            )));
        }
    }

    fn let_go(&mut self, store: usize, shard: u32) {
        self.stores[store].let_go(shard, &mut self.stored);
        if self.drain.as_ref().is_some_and(|drain| (drain.store, drain.shard) == (store, shard)) {
            self.drain = None;
        }
    }

    /// What follows from what has gone out and been answered: shards that end, leave or are gone.
    fn settle(&mut self, wanted: &mut Vec<Action>) {
        for at in 0..self.stores.len() {
            self.end_shards(at, wanted);
            while let Some(id) =
                self.stores[at].leaves(self.now_ms, &self.config).filter(|id| !self.is_draining(at, *id))
            {
                self.let_go(at, id);
            }
            while let Some(id) = self.stores[at].gone().filter(|id| !self.is_draining(at, *id)) {
                self.forget(at, id, wanted);
            }
            let store = &mut self.stores[at];
            if store.begins() {
                store.begun = true;
                let checkpoint = position::begun(&store.logstore);
                let origin = format!("sls:{}/{}", store.logstore.project, store.logstore.logstore);
                self.emit(bare(origin, checkpoint), wanted);
            }
        }
    }

    fn end_shards(&mut self, at: usize, wanted: &mut Vec<Action>) {
        let ended: Vec<u32> =
            self.stores[at].shards.iter().filter(|(_, shard)| shard.is_at_end()).map(|(id, _)| *id).collect();
        for id in ended.into_iter().filter(|id| !self.is_draining(at, *id)).collect::<Vec<_>>() {
            let Some(shard) = self.stores[at].shards.get_mut(&id) else { continue };
            shard.phase = Phase::Done;
            shard.caught_up = true;
            if shard.readonly {
                shard.position.done = true;
                self.save(at, id, wanted);
            }
        }
    }

    /// A shard is gone. What it had and was not read is a gap.
    fn forget(&mut self, at: usize, id: u32, wanted: &mut Vec<Action>) {
        let store = &mut self.stores[at];
        let Some(shard) = store.shards.remove(&id) else { return };
        let key = position::key(&store.logstore, id);
        let what = wire::origin(&store.logstore, id);
        if !matches!(shard.phase, Phase::Done | Phase::Start) {
            let why = "the shard is not there any more, and had not been read to its end".to_owned();
            wanted.push(Action::Gap(Gap {
                key: key.clone(),
                what: what.clone(),
                since_ms: shard.position.time_ms,
                until_ms: None,
                why,
            }));
        }
        self.emit(bare(what, (key, Vec::new())), wanted);
    }

    /// Gives a shard's position out without frames.
    fn save(&mut self, at: usize, id: u32, wanted: &mut Vec<Action>) {
        let store = &self.stores[at];
        let Some(shard) = store.shards.get(&id) else { return };
        let emitted = bare(wire::origin(&store.logstore, id), shard.position.checkpoint(&store.logstore, id));
        self.emit(emitted, wanted);
        self.mark(at, id);
    }

    /// What was just given out ends a page of this shard: once it is durable, the group may know.
    fn mark(&mut self, at: usize, id: u32) {
        let store = &mut self.stores[at];
        if let (Some(_), Some(shard)) = (&store.group, store.shards.get_mut(&id)) {
            shard.share.marks.push_back((self.emits, shard.position.cursor.clone()));
        }
    }

    fn emit(&mut self, emitted: Emitted, wanted: &mut Vec<Action>) {
        self.emits += 1;
        wanted.push(Action::Emit(emitted));
    }

    fn is_draining(&self, store: usize, shard: u32) -> bool {
        self.drain.as_ref().is_some_and(|drain| (drain.store, drain.shard) == (store, shard))
    }

    /// Bytes of answers that wait.
    fn held(&self) -> usize {
        let shards = self.stores.iter().flat_map(|store| store.shards.values());
        shards.flat_map(|shard| &shard.held).map(page::Answer::held).sum()
    }

    /// Says how it goes, and when to be woken.
    fn tell(&mut self, wanted: &mut Vec<Action>) {
        let state = self.state();
        let over = matches!(state, State::Finished | State::Failed(_));
        if self.told.as_ref() != Some(&state) {
            wanted.push(Action::State(state.clone()));
            self.told = Some(state);
        }
        if over {
            self.over = true;
            return wanted.push(Action::Finish);
        }
        if let Some(ms) = self.sleep_ms() {
            wanted.push(Action::Wait(ms));
        }
    }

    fn state(&self) -> State {
        let stores = self.stores.iter();
        let ills = stores.flat_map(|store| {
            let shards = store.shards.iter().map(|(id, shard)| (wire::origin(&store.logstore, *id), &shard.health));
            let own = (format!("sls:{}/{}", store.logstore.project, store.logstore.logstore), &store.health);
            std::iter::once(own).chain(shards)
        });
        let mut worst: Option<(Cause, String)> = None;
        for (name, health) in ills.filter(|(_, health)| health.ails()) {
            if health.is_fatal() && !self.ever_well {
                let why = health.pause(self.now_ms).map_or("", |(_, why)| why);
                return State::Failed(format!("{name}: {why}"));
            }
            let Some((cause, why)) = health.pause(self.now_ms) else { continue };
            if worst.as_ref().is_none_or(|(known, _)| rank(cause) < rank(*known)) {
                worst = Some((cause, format!("{why} [{name}]")));
            }
        }
        match worst {
            Some((cause, why)) => State::Paused(cause, why),
            None if !self.config.follow && self.drain.is_none() && self.stores.iter().all(Store::is_finished) => {
                State::Finished
            }
            None if self.is_idle() => State::Idle,
            None => State::Running,
        }
    }

    fn is_idle(&self) -> bool {
        let idle = |store: &Store| {
            let joined = store.group.as_ref().is_none_or(|group| group.answered);
            store.listed && joined && store.shards.values().all(|shard| shard.caught_up && shard.held.is_empty())
        };
        self.drain.is_none() && self.stores.iter().all(idle)
    }

    /// When something is due that nothing else brings about.
    fn sleep_ms(&self) -> Option<u32> {
        let waits = self.drain.is_some() || self.stores.iter().any(|s| s.shards.values().any(|s| !s.held.is_empty()));
        if waits {
            return Some(0);
        }
        let now = self.now_ms;
        let mut due = now + SLEEP_MS;
        for store in &self.stores {
            let from = store.from(&self.config);
            let times = store.shards.values().map(|shard| at(&shard.wants(now, self.config.follow, true, from)));
            let uploads = store.shards.values().filter(|s| s.share.open.is_none() && s.share.is_news());
            let uploads = uploads.map(|shard| Some(shard.share.due_ms.max(store.health.due_ms())));
            let own = [at(&store.wants(now)), at(&store.wants_beat(now))];
            let first = times.chain(uploads).chain(own).flatten().min();
            due = due.min(first.unwrap_or(i64::MAX));
        }
        // What is due already waits for room, and an answer makes that.
        let is_open = !self.calls.is_empty();
        let ms = if due <= now && is_open { SLEEP_MS } else { (due - now).clamp(1, SLEEP_MS) };
        u32::try_from(ms).ok()
    }
}

/// When a want is due.
fn at<T>(want: &Want<T>) -> Option<i64> {
    match want {
        Want::Now(_) => Some(i64::MIN),
        Want::At(ms) => Some(*ms),
        Want::Nothing => None,
    }
}

/// Which of several pauses is told: the one that costs data first.
fn rank(cause: Cause) -> u8 {
    match cause {
        Cause::Overdue => 0,
        Cause::SourceGone => 1,
        Cause::NotEntitled => 2,
        Cause::Throttled => 3,
        Cause::Other => 4,
    }
}

/// A position without frames.
fn bare(origin: String, checkpoint: Checkpoint) -> Emitted {
    Emitted { origin, data: Vec::new(), frames: Vec::new(), input_bytes: 0, checkpoints: vec![checkpoint] }
}
