//! What is asked for next, and the one page that is on its way out.

use super::page::{Page, Portion};
use super::position::Position;
use super::shard::{self, Want};
use super::store::{self, Store};
use super::wire::{self, Asker};
use super::{Action, Call, HELD_BYTES, Session, What};
use crate::source::Emitted;
use crate::source::codes::{Class, Verdict};
use crate::source::framer::Cut;

/// About how many bytes of frames go into one emit.
const EMIT_BYTES: usize = 1 << 20;

/// The page that is on its way out.
#[derive(Debug)]
pub(super) struct Drain {
    pub(super) store: usize,
    pub(super) shard: u32,
    page: Page,
}

impl Session {
    /// Gives out one portion of the page at hand; takes the next page to hand before that, if need be.
    pub(super) fn give_out(&mut self, wanted: &mut Vec<Action>) {
        if self.drain.is_none() {
            self.drain = self.take_up(wanted);
        }
        let Some(mut drain) = self.drain.take() else { return };
        let store = &mut self.stores[drain.store];
        let Some(shard) = store.shards.get_mut(&drain.shard) else { return };
        let mut cut = Cut::default();
        let max_record = usize::try_from(self.config.max_event_bytes).unwrap_or(usize::MAX);
        drain.page.cut(&mut cut, Portion { most: EMIT_BYTES, max_record }, &mut shard.offset);
        let done = drain.page.is_done();
        shard.position = position(&drain.page, done, &shard.share.uploaded);
        let emitted = Emitted {
            origin: wire::origin(&store.logstore, drain.shard),
            data: cut.data,
            frames: cut.frames,
            input_bytes: cut.covered,
            checkpoints: vec![shard.position.checkpoint(&store.logstore, drain.shard)],
        };
        self.emit(emitted, wanted);
        if done {
            self.mark(drain.store, drain.shard);
        } else {
            self.drain = Some(drain);
        }
    }

    /// Opens the next answer that waits, shard by shard in turn.
    fn take_up(&mut self, wanted: &mut Vec<Action>) -> Option<Drain> {
        let all: Vec<(usize, u32)> = self
            .stores
            .iter()
            .enumerate()
            .flat_map(|(at, store)| {
                store.shards.iter().filter(|(_, s)| !s.held.is_empty()).map(move |(id, _)| (at, *id))
            })
            .collect();
        self.turn = self.turn.wrapping_add(1);
        for n in 0..all.len() {
            let (store, id) = all[(self.turn + n) % all.len()];
            if let Some(page) = self.open_page(store, id, wanted) {
                return Some(Drain { store, shard: id, page });
            }
        }
        None
    }

    fn open_page(&mut self, at: usize, id: u32, wanted: &mut Vec<Action>) -> Option<Page> {
        let shard = self.stores[at].shards.get_mut(&id)?;
        let answer = shard.held.pop_front()?;
        match answer.open() {
            Ok(mut page) => {
                shard.well(&self.config);
                let known = shard.position.head.as_ref().is_some_and(|head| page.begins(head));
                if known && page.cursor == shard.position.cursor {
                    page.skip(shard.position.logs);
                }
                if !page.is_done() {
                    return Some(page);
                }
                shard.position = position(&page, true, &shard.share.uploaded);
                self.save(at, id, wanted);
                None
            }
            Err(words) => {
                shard.go_back();
                let verdict = Verdict { class: Class::Retry, code: String::new(), words };
                shard.health.ill(&verdict, self.now_ms, self.started_ms.unwrap_or(0), None);
                None
            }
        }
    }

    /// Sends what is due, as far as there is room.
    pub(super) fn ask(&mut self, wanted: &mut Vec<Action>) {
        for at in 0..self.stores.len() {
            self.ask_beat(at, wanted);
        }
        for at in 0..self.stores.len() {
            self.ask_store(at, wanted);
            self.ask_uploads(at, wanted);
        }
        let mut all: Vec<(usize, u32)> = Vec::new();
        for (at, store) in self.stores.iter().enumerate() {
            all.extend(store.shards.keys().map(|id| (at, *id)));
        }
        let from = self.turn % all.len().max(1);
        for n in 0..all.len() {
            let (at, id) = all[(from + n) % all.len()];
            if !self.calls.room() {
                return;
            }
            self.ask_shard(at, id, wanted);
        }
    }

    /// A heartbeat goes whatever else is open: who is silent loses its shards.
    fn ask_beat(&mut self, at: usize, wanted: &mut Vec<Action>) {
        let Want::Now(carried) = self.stores[at].wants_beat(self.now_ms) else { return };
        if !self.calls.room_at_all() {
            return;
        }
        let id = self.calls.begin(Call { store: at, what: What::Beat });
        let store = &mut self.stores[at];
        store.beat = Some(id);
        if let Some(group) = &mut store.group {
            group.beat_due_ms = self.now_ms + i64::from(self.config.heartbeat_secs) * 1000;
        }
        let asker = Asker { config: &self.config, store: &store.logstore, renew: store.health.renew() };
        wanted.push(Action::Fetch(asker.beat(id, &carried)));
    }

    fn ask_store(&mut self, at: usize, wanted: &mut Vec<Action>) {
        let Want::Now(ask) = self.stores[at].wants(self.now_ms) else { return };
        if !self.calls.room() {
            return;
        }
        let id = self.calls.begin(Call { store: at, what: What::Store(ask.clone()) });
        let store = &mut self.stores[at];
        store.open = Some(id);
        let asker = Asker { config: &self.config, store: &store.logstore, renew: store.health.renew() };
        wanted.push(Action::Fetch(match ask {
            store::Ask::Shards => asker.shards(id),
            store::Ask::Create => asker.create_group(id),
            store::Ask::Checkpoints => asker.checkpoints(id),
            store::Ask::Initial(shard) => asker.cursor(id, shard, "end"),
        }));
    }

    /// Tells the group how far its shards are durable; at once of one that is to be given up.
    fn ask_uploads(&mut self, at: usize, wanted: &mut Vec<Action>) {
        let store = &mut self.stores[at];
        let well = store.health.due_ms() <= self.now_ms;
        for (shard_id, shard) in store.shards.iter_mut().filter(|(_, s)| s.share.open.is_none() && s.share.is_news()) {
            let due = shard.share.due_ms <= self.now_ms || shard.share.leaving.is_some();
            if !(well && due && self.calls.room()) {
                continue;
            }
            let cursor = shard.share.durable.clone();
            let id = self.calls.begin(Call { store: at, what: What::Upload(*shard_id, cursor.clone()) });
            shard.share.open = Some(id);
            let asker = Asker { config: &self.config, store: &store.logstore, renew: store.health.renew() };
            wanted.push(Action::Fetch(asker.upload(id, *shard_id, &cursor, false)));
        }
    }

    /// Whether one more page fits. One request at a time means one page at a time, so that the host can tell which one
    /// the component failed on.
    fn has_room(&self) -> bool {
        let waits = |store: &Store| store.shards.values().any(|shard| !shard.held.is_empty());
        let alone = self.config.max_in_flight > 1 || self.drain.is_none() && !self.stores.iter().any(waits);
        alone && self.held() <= HELD_BYTES / 2
    }

    fn ask_shard(&mut self, at: usize, shard_id: u32, wanted: &mut Vec<Action>) {
        let room = self.has_room();
        let store = &mut self.stores[at];
        let from = store.from(&self.config);
        let Some(shard) = store.shards.get_mut(&shard_id) else { return };
        let Want::Now(ask) = shard.wants(self.now_ms, self.config.follow, room, from) else { return };
        let id = self.calls.begin(Call { store: at, what: What::Shard(shard_id, ask.clone()) });
        shard.open = Some(id);
        let asker = Asker { config: &self.config, store: &store.logstore, renew: shard.health.renew() };
        let end = shard.end.as_deref();
        wanted.push(Action::Fetch(match ask {
            shard::Ask::Begin(from) => asker.cursor(id, shard_id, &from),
            shard::Ask::End => asker.cursor(id, shard_id, "end"),
            shard::Ask::Oldest => asker.cursor(id, shard_id, "begin"),
            shard::Ask::OldestTime(cursor) => asker.cursor_time(id, shard_id, &cursor),
            shard::Ask::Pull(cursor) => asker.pull(id, shard_id, &cursor, end, shard.count()),
        }));
    }
}

/// The position behind what is out of a page.
fn position(page: &Page, done: bool, uploaded: &str) -> Position {
    let (time_ms, uploaded) = (page.time_ms, uploaded.to_owned());
    if done {
        return Position { time_ms, uploaded, ..Position::at(&page.next) };
    }
    Position { logs: page.logs, head: Some(page.head.clone()), time_ms, uploaded, ..Position::at(&page.cursor) }
}
