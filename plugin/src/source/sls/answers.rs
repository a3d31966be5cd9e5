//! What the answers of Log Service change.

use super::group::Stage;
use super::page::Answer;
use super::position::Position;
use super::shard::{self, Phase};
use super::store;
use super::wire;
use super::{Action, Call, Gap, HELD_BYTES, Session, UPLOAD_MS, What};
use crate::source::codes::{self, Class, Service, Verdict};
use crate::source::health;
use crate::source::http::{Failure, Fault, Response};

/// How soon a heartbeat goes again that was not answered well, milliseconds.
const BEAT_AGAIN_MS: i64 = 1_000;

impl Session {
    /// An answer, whatever status it has.
    pub(super) fn answered(&mut self, call: &Call, response: Response, wanted: &mut Vec<Action>) {
        if !self.close(call, response.id) {
            return;
        }
        if response.status != 200 {
            let verdict = codes::judge(Service::Sls, response.status, &response.body);
            return self.refused(call, &verdict, health::retry_after_ms(&response.headers), wanted);
        }
        let found = match &call.what {
            What::Shard(shard, shard::Ask::Pull(cursor)) => self.page(call.store, *shard, cursor, response, wanted),
            What::Shard(shard, ask) => self.cursor(call.store, *shard, ask, &response.body, wanted),
            What::Store(ask) => self.store_answered(call.store, ask, &response.body, wanted),
            What::Beat => self.beat(call.store, &response.body),
            What::Upload(shard, cursor) => self.uploaded(call.store, *shard, cursor),
            What::Initial(shard) => self.initialised(call.store, *shard),
        };
        match found {
            Ok(()) => self.ever_well = true,
            Err(verdict) => self.refused(call, &verdict, None, wanted),
        }
    }

    /// No whole answer.
    pub(super) fn failed(&mut self, call: &Call, failure: &Failure, wanted: &mut Vec<Action>) {
        if !self.close(call, failure.id) {
            return;
        }
        let shard = match &call.what {
            What::Shard(id, shard::Ask::Pull(_)) if failure.fault == Fault::TooLarge => {
                self.stores[call.store].shards.get_mut(id)
            }
            _ => None,
        };
        let verdict = match shard {
            Some(shard) => {
                let bytes = failure.body.len().max(self.config.page_bytes as usize) as u64;
                shard.no_page(super::page::NoPage::TooLong(bytes), &self.config)
            }
            None => health::fault(failure),
        };
        self.refused(call, &verdict, health::retry_after_ms(&failure.headers), wanted);
    }

    /// The request is not open any more. `false`: what it was for is gone, or has been asked for again.
    fn close(&mut self, call: &Call, id: u64) -> bool {
        let store = &mut self.stores[call.store];
        let open = match &call.what {
            What::Store(_) | What::Initial(_) => &mut store.open,
            What::Beat => &mut store.beat,
            What::Shard(shard, _) => match store.shards.get_mut(shard) {
                Some(shard) => &mut shard.open,
                None => return false,
            },
            What::Upload(shard, _) => match store.shards.get_mut(shard) {
                Some(shard) => &mut shard.share.open,
                None => return false,
            },
        };
        if *open == Some(id) {
            *open = None;
            return true;
        }
        false
    }

    fn refused(&mut self, call: &Call, verdict: &Verdict, after_ms: Option<i64>, wanted: &mut Vec<Action>) {
        let (now, started) = (self.now_ms, self.started_ms.unwrap_or(self.now_ms));
        let store = &mut self.stores[call.store];
        match &call.what {
            What::Store(store::Ask::Create) if verdict.code == "ConsumerGroupAlreadyExist" => {
                store.health.well();
                self.ever_well = true;
                if let Some(group) = &mut store.group {
                    group.created(false, &self.config);
                }
            }
            What::Shard(id, ask) => {
                let Some(shard) = store.shards.get_mut(id) else { return };
                let pull = matches!(ask, shard::Ask::Pull(_));
                if verdict.class == Class::Gap && pull && !shard.gapped && shard.phase == Phase::Read {
                    shard.phase = Phase::Expired(verdict.words.clone());
                    return;
                }
                if let shard::Ask::OldestTime(cursor) = ask {
                    // Only a nicety of the gap's record hangs on it.
                    return self.reset(call.store, *id, cursor.clone(), None, wanted);
                }
                shard.health.ill(verdict, now, started, after_ms);
                if verdict.class == Class::Relist {
                    store.list_soon(now);
                }
            }
            What::Upload(id, _) if verdict.class == Class::Relist => {
                wanted.push(Action::Note(format!(
                    "{}: the group refuses a checkpoint of shard {id}: {}; the shard is given up until the group gives it again",
                    store.logstore.logstore, verdict.words
                )));
                let id = *id;
                self.let_go(call.store, id);
            }
            what => {
                store.health.ill(verdict, now, started, after_ms);
                if let (What::Beat, Some(group)) = (what, &mut store.group) {
                    group.beat_due_ms = now + BEAT_AGAIN_MS;
                    if verdict.class == Class::Relist {
                        group.stage = Stage::Create;
                    }
                }
            }
        }
    }

    fn page(
        &mut self,
        at: usize,
        id: u32,
        cursor: &str,
        response: Response,
        wanted: &mut Vec<Action>,
    ) -> Result<(), Verdict> {
        let (now, held) = (self.now_ms, self.held());
        let store = &mut self.stores[at];
        let Some(shard) = store.shards.get_mut(&id) else { return Ok(()) };
        if shard.ask != cursor || shard.phase != Phase::Read || shard.share.leaving.is_some() {
            return Ok(());
        }
        if held > 0 && held + response.body.len() > HELD_BYTES {
            shard.let_go(now);
            return Ok(());
        }
        let about = format!("{}@{cursor}", wire::origin(&store.logstore, id));
        let answer = Answer::read(cursor, response, self.config.page_bytes);
        let mut answer = answer.map_err(|why| shard.no_page(why, &self.config))?;
        if let Some(place) = self.abandoned.iter().position(|known| *known == about) {
            self.abandoned.swap_remove(place);
            answer = answer.emptied();
            wanted.push(Action::Gap(Gap {
                key: super::position::key(&store.logstore, id),
                what: about,
                since_ms: shard.position.time_ms,
                until_ms: answer.time_ms,
                why: "the component fails on this page; its bytes are in quarantine as they came".to_owned(),
            }));
        }
        shard.answered(answer, now, &self.config)
    }

    /// An answer to one of the calls that give cursors.
    fn cursor(
        &mut self,
        at: usize,
        id: u32,
        ask: &shard::Ask,
        body: &[u8],
        wanted: &mut Vec<Action>,
    ) -> Result<(), Verdict> {
        if let shard::Ask::OldestTime(cursor) = ask {
            self.reset(at, id, cursor.clone(), wire::read_cursor_time(body), wanted);
            return Ok(());
        }
        let cursor = wire::read_cursor(body).map_err(not_understood)?;
        let Some(shard) = self.stores[at].shards.get_mut(&id) else { return Ok(()) };
        shard.health.well();
        match (ask, &shard.phase) {
            (shard::Ask::Begin(_), Phase::Start) => {
                shard.resume(Position::at(&cursor));
                self.save(at, id, wanted);
            }
            (shard::Ask::End, Phase::Read) => shard.end = Some(cursor),
            (shard::Ask::Oldest, Phase::Expired(why)) => shard.phase = Phase::Reset(why.clone(), cursor),
            _ => {}
        }
        Ok(())
    }

    /// Tells the gap and begins behind it.
    fn reset(&mut self, at: usize, id: u32, cursor: String, until_ms: Option<i64>, wanted: &mut Vec<Action>) {
        let store = &mut self.stores[at];
        let Some(shard) = store.shards.get_mut(&id) else { return };
        let Phase::Reset(why, _) = &shard.phase else { return };
        wanted.push(Action::Gap(Gap {
            key: super::position::key(&store.logstore, id),
            what: wire::origin(&store.logstore, id),
            since_ms: shard.position.time_ms,
            until_ms,
            why: why.clone(),
        }));
        shard.reset(cursor);
        self.save(at, id, wanted);
    }

    fn store_answered(
        &mut self,
        at: usize,
        ask: &store::Ask,
        body: &[u8],
        wanted: &mut Vec<Action>,
    ) -> Result<(), Verdict> {
        let store = &mut self.stores[at];
        match ask {
            store::Ask::Shards => {
                let listed = wire::read_shards(body).map_err(not_understood)?;
                if listed.is_empty() {
                    return Err(not_understood("the list of shards is empty, which it never is".to_owned()));
                }
                store.list(&listed, self.now_ms, &self.config, &self.stored);
            }
            store::Ask::Create => {
                if let Some(group) = &mut store.group {
                    group.created(true, &self.config);
                }
            }
            store::Ask::Checkpoints => {
                let checkpoints = wire::read_checkpoints(body).map_err(not_understood)?;
                for shard in store.see(&checkpoints, &self.stored) {
                    // Ahead of the group: it may know as soon as what was given out until now is durable.
                    self.mark(at, shard);
                }
                let durable = self.durable;
                self.shards().for_each(|shard| shard.share.durable(durable));
                self.stores[at].health.well();
                return Ok(());
            }
            store::Ask::Initial(shard) => {
                let cursor = wire::read_cursor(body).map_err(not_understood)?;
                let id = self.calls.begin(Call { store: at, what: What::Initial(*shard) });
                store.open = Some(id);
                let asker = wire::Asker { config: &self.config, store: &store.logstore, renew: false };
                wanted.push(Action::Fetch(asker.upload(id, *shard, &cursor, true)));
            }
        }
        store.health.well();
        Ok(())
    }

    fn beat(&mut self, at: usize, body: &[u8]) -> Result<(), Verdict> {
        let held = wire::read_held(body).map_err(not_understood)?;
        self.stores[at].hold(&held, self.now_ms, &self.config);
        Ok(())
    }

    fn uploaded(&mut self, at: usize, id: u32, cursor: &str) -> Result<(), Verdict> {
        if let Some(shard) = self.stores[at].shards.get_mut(&id) {
            cursor.clone_into(&mut shard.share.uploaded);
            shard.share.due_ms = self.now_ms + UPLOAD_MS;
        }
        Ok(())
    }

    /// The group knows where one more shard begins; after the last of them, heartbeats may go.
    fn initialised(&mut self, at: usize, id: u32) -> Result<(), Verdict> {
        if let Some(group) = &mut self.stores[at].group {
            group.to_initialise.remove(&id);
            if group.to_initialise.is_empty() {
                group.stage = Stage::Joined;
            }
        }
        Ok(())
    }
}

/// An answer of status 200 that makes no sense: a proxy's page, or a service of another kind.
fn not_understood(words: String) -> Verdict {
    Verdict { class: Class::Retry, code: String::new(), words }
}
