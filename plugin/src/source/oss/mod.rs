//! The OSS source: finds the objects that a trail delivers to a bucket, and reads each once.
//!
//! Where they lie: below `<prefix>AliyunLogs/`, in folders by kind of event, for trails of several accounts by account,
//! and by region; below these by year, month and day. Only the last part is relied on: whatever folder holds years is a
//! *dated* folder with a mark of its own, and objects that lie elsewhere are read too.
//!
//! What is new: a dated folder is listed flat from its mark. The mark is the first day in which an object may still appear:
//! that of the last object before which none waits, less the overlap. Everything listed behind it that has no entry is new,
//! so late objects need no luck with their time. The entries are forgotten once the mark has passed them, and a look
//! through the seven days before it, once a day, finds by their time of change the objects that came later still.
//!
//! Memory: a page of keys, at most as many open objects as `max_in_flight`, and the entries.

mod answers;
pub mod config;
pub mod key;
pub mod known;
pub mod lane;
pub mod listing;
pub mod xml;

use std::collections::VecDeque;

use super::calls::Calls;
use super::health::Health;
use super::http::{Request, Signer};
use super::position::{Checkpoint, Position};
use super::reader::Progress;
use super::{Action, Cause, Emitted, Gap, OpenError, Outcome, State};
use config::Config;
use known::{Known, Object};
use lane::Lane;
use listing::{Folder, Folders, Walk};

/// Most entries: more objects than that within reach of a listing are not a trail's.
const MOST_KNOWN: usize = 200_000;
/// Most bytes of a page of a listing: a thousand keys of the longest kind, encoded.
const PAGE_BYTES: u32 = 8 << 20;
/// Longest that the session sleeps when nothing is due, milliseconds.
const SLEEP_MS: i64 = 60_000;
/// An object's name has one time, and its events lie around it: files hold about 5 minutes and come within 10.
const AROUND_MS: i64 = 600_000;

/// What an open request is for.
#[derive(Debug)]
enum Call {
    Walk(Folder),
    List(String),
    Get(String),
}

/// An object that waits to be read, and the dated folder that it lies in.
type Waiting = (xml::Object, Option<String>);

/// One OSS source's session.
#[derive(Debug)]
pub struct Session {
    config: Config,
    root: String,
    known: Known,
    calls: Calls<Call>,
    health: Health,
    walk: Walk,
    folders: Folders,
    queue: VecDeque<Waiting>,
    lanes: Vec<Lane>,
    turn: usize,
    now_ms: i64,
    started_ms: Option<i64>,
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
        let known = Known::restore(checkpoints).map_err(OpenError::BadCheckpoint)?;
        let folders = known.marks.keys().map(|folder| (folder.clone(), listing::Dated::default())).collect();
        Ok(Self {
            calls: Calls::new(config.max_in_flight),
            root: config.root(),
            config,
            known,
            health: Health::default(),
            walk: Walk::default(),
            folders,
            queue: VecDeque::new(),
            lanes: Vec::new(),
            turn: 0,
            now_ms: 0,
            started_ms: None,
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
            Outcome::Abandoned(about) => self.abandon(&about, &mut wanted),
            Outcome::Responded(response) => self.responded(&response, &mut wanted),
            Outcome::Unanswered(failure) => self.unanswered(&failure, &mut wanted),
            // Positions are the host's; and sessions that read files hear the rest.
            Outcome::Durable(_) | Outcome::Files(_) | Outcome::Bytes(..) | Outcome::Failed(_) => {}
        }
        self.give_out(&mut wanted);
        self.ask(&mut wanted);
        self.tell(&mut wanted);
        wanted
    }

    /// The time only goes forward.
    fn at(&mut self, now_ms: i64) {
        self.now_ms = self.now_ms.max(now_ms);
        self.started_ms.get_or_insert(now_ms);
    }

    /// Takes objects up and gives out what one of them has, one emit with frames a step.
    fn give_out(&mut self, wanted: &mut Vec<Action>) {
        while self.lanes.len() < self.config.max_in_flight as usize {
            let Some((object, folder)) = self.queue.pop_front() else { break };
            let before = match self.known.get(&object.key) {
                Some(Object::Waiting(before)) => before.as_deref(),
                _ => None,
            };
            let limits = self.config.limits();
            self.lanes.push(Lane::new(&self.config.bucket, object, folder, before, &limits, self.known.means));
        }
        self.turn = self.turn.wrapping_add(1);
        let mut done = 0;
        while let Some(at) = self.next_ready() {
            let lane = &mut self.lanes[at];
            match lane.reader.next(false) {
                Progress::Hungry | Progress::Later => lane.ready = false,
                Progress::Emit(cut, position) => {
                    let checkpoints = vec![known::checkpoint(&lane.object.key, &position)];
                    let origin = lane.reader.file.path.clone();
                    wanted.push(Action::Emit(Emitted {
                        origin,
                        data: cut.data,
                        frames: cut.frames,
                        input_bytes: cut.covered,
                        checkpoints,
                    }));
                    return;
                }
                Progress::Done(position, check, means) => {
                    let lane = self.lanes.swap_remove(at);
                    wanted.extend(check.map(Action::Checked));
                    let mut checkpoints = Vec::new();
                    if let (Some(means), None) = (means, self.known.means) {
                        self.known.means = Some(means);
                        checkpoints.push(known::means_checkpoint(means));
                    }
                    self.done(&lane.object.key, lane.folder.as_deref(), &position, checkpoints, wanted);
                    done += 1;
                    if done > 64 {
                        return;
                    }
                }
            }
        }
    }

    fn next_ready(&self) -> Option<usize> {
        let len = self.lanes.len();
        (0..len).map(|n| (self.turn + n) % len).find(|at| self.lanes[*at].ready)
    }

    /// An object needs nothing more. Moves its folder's mark, where that is possible by now.
    fn done(
        &mut self,
        key: &str,
        folder: Option<&str>,
        position: &Position,
        mut checkpoints: Vec<Checkpoint>,
        wanted: &mut Vec<Action>,
    ) {
        let start = folder.and_then(|folder| self.known.marks.get(folder)).map(|mark| mark.start.as_str());
        if start.is_some_and(|start| key < start) {
            // It came so late that no listing will come by again.
            self.known.remove(key);
            checkpoints.push((known::object_key(key), Vec::new()));
        } else {
            let state = if position.abandoned { Object::Abandoned } else { Object::Done(position.identity.clone()) };
            self.known.set(key, state);
            checkpoints.push(known::checkpoint(key, position));
        }
        if let Some(folder) = folder {
            checkpoints.extend(self.advance(folder));
        }
        let origin = lane::origin(&self.config.bucket, key);
        wanted.push(Action::Emit(Emitted {
            origin,
            data: Vec::new(),
            frames: Vec::new(),
            input_bytes: 0,
            checkpoints,
        }));
    }

    fn advance(&mut self, folder: &str) -> Vec<Checkpoint> {
        let Some(dated) = self.folders.get(folder) else { return Vec::new() };
        let settled = self.known.settled(folder, dated.covered());
        let floor = settled.and_then(|key| key::floor(folder, key, self.config.overlap_hours));
        let Some(start) = floor.map(|day| key::day_prefix(folder, day)) else { return Vec::new() };
        match self.known.marks.get(folder) {
            Some(mark) if mark.start >= start => Vec::new(),
            _ => self.known.advance(folder, start),
        }
    }

    /// The host has the object's bytes in quarantine.
    fn abandon(&mut self, about: &str, wanted: &mut Vec<Action>) {
        let Some(key) = about.strip_prefix(&format!("oss:{}/", self.config.bucket)).map(str::to_owned) else { return };
        self.lanes.retain(|lane| lane.object.key != key);
        self.queue.retain(|(object, _)| object.key != key);
        let folder = self.folders.keys().rev().find(|folder| key.starts_with(*folder)).cloned();
        let position = Position { done: true, abandoned: true, ..Position::default() };
        self.done(&key, folder.as_deref(), &position, Vec::new(), wanted);
    }

    /// What an object's key says of the time of its events.
    fn gap(&self, key: &str, why: String) -> Gap {
        let time = key::time_ms(key);
        Gap {
            key: known::object_key(key),
            what: lane::origin(&self.config.bucket, key),
            since_ms: time.map(|ms| ms - AROUND_MS),
            until_ms: time.map(|ms| ms + AROUND_MS),
            why,
        }
    }

    /// Sends what is due, as far as there is room: objects first, since they make room.
    fn ask(&mut self, wanted: &mut Vec<Action>) {
        for at in 0..self.lanes.len() {
            let lane = &mut self.lanes[at];
            if !self.calls.room() {
                return;
            }
            if lane.open.is_none() && !lane.ready && lane.health.due_ms() <= self.now_ms {
                let id = self.calls.begin(Call::Get(lane.object.key.clone()));
                lane.open = Some(id);
                wanted.push(Action::Fetch(lane.request(id, &self.config.bucket, self.config.read_bytes)));
            }
        }
        let may_list = |session: &Self| {
            let trying = session.health.ails() && session.calls.open().any(|call| !matches!(call, Call::Get(_)));
            session.calls.room() && session.has_room() && session.health.due_ms() <= session.now_ms && !trying
        };
        self.walk.begin(&self.root, self.now_ms);
        while may_list(self) {
            let Some(folder) = self.walk.take() else { break };
            let request = self.list(&folder.prefix, Some(folder.token.as_deref()), "", Call::Walk(folder.clone()));
            wanted.push(Action::Fetch(request));
        }
        let names: Vec<String> = self.folders.keys().cloned().collect();
        let from = self.turn % names.len().max(1);
        for n in 0..names.len() {
            let folder = &names[(from + n) % names.len()];
            if !may_list(self) {
                return;
            }
            if let Some(after) = self.next_page(folder) {
                let request = self.list(folder, None, &after, Call::List(folder.clone()));
                wanted.push(Action::Fetch(request));
            }
        }
    }

    fn has_room(&self) -> bool {
        self.queue.len() < self.config.page_keys as usize && self.known.len() < MOST_KNOWN
    }

    /// Where the next page of a folder begins, when one is due.
    fn next_page(&mut self, folder: &str) -> Option<String> {
        let mark = self.known.marks.get(folder);
        let start = mark.map_or_else(|| self.first_start(folder), |mark| mark.start.clone());
        let deep = mark.filter(|mark| mark.deep_ms > 0 && self.now_ms - mark.deep_ms >= listing::DEEP_MS);
        let day = key::day(folder, &format!("{start}x")).filter(|_| self.config.follow);
        let dated = self.folders.get_mut(folder)?;
        // Before anything else the folder is listed from its mark once.
        let deep = deep.and(day).filter(|_| dated.done).map(|day| {
            let first = key::day_prefix(folder, key::days_before(day, listing::DEEP_DAYS));
            first.max(self.config.first_day().map_or_else(String::new, |day| key::day_prefix(folder, day)))
        });
        let after = dated.after(&start, deep.as_deref(), self.now_ms)?;
        dated.open = true;
        Some(after)
    }

    fn first_start(&self, folder: &str) -> String {
        self.config.first_day().map_or_else(|| folder.to_owned(), |day| key::day_prefix(folder, day))
    }

    /// ListObjectsV2: of a folder alone (with a token, if it goes on), or of everything below it behind a key.
    fn list(&mut self, prefix: &str, folder: Option<Option<&str>>, after: &str, call: Call) -> Request {
        let mut query = vec![
            ("list-type".to_owned(), "2".to_owned()),
            ("encoding-type".to_owned(), "url".to_owned()),
            ("max-keys".to_owned(), self.config.page_keys.to_string()),
            ("prefix".to_owned(), prefix.to_owned()),
        ];
        match folder {
            Some(token) => {
                query.push(("delimiter".to_owned(), "/".to_owned()));
                query.extend(token.map(|token| ("continuation-token".to_owned(), token.to_owned())));
            }
            None => query.push(("start-after".to_owned(), after.to_owned())),
        }
        Request {
            id: self.calls.begin(call),
            endpoint: self.config.bucket.clone(),
            signer: Signer::Oss4,
            renew: self.health.renew(),
            method: "GET",
            path: "/".to_owned(),
            query,
            headers: Vec::new(),
            body: Vec::new(),
            max_body: PAGE_BYTES,
            retries: true,
            about: format!("oss:{} {prefix}", self.config.bucket),
        }
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
        wanted.push(Action::Wait(self.sleep_ms()));
    }

    fn state(&self) -> State {
        let own = (format!("oss:{}", self.config.bucket), &self.health);
        let lanes = self.lanes.iter().map(|lane| (lane.reader.file.path.clone(), &lane.health));
        for (name, health) in std::iter::once(own).chain(lanes).filter(|(_, health)| health.ails()) {
            let Some((cause, why)) = health.pause(self.now_ms) else { continue };
            if health.is_fatal() && !self.ever_well {
                return State::Failed(format!("{name}: {why}"));
            }
            return State::Paused(cause, format!("{why} [{name}]"));
        }
        if self.known.len() >= MOST_KNOWN || self.walk.overflow {
            let why = "there are more objects or folders below the prefix than a trail has; narrow the prefix";
            return State::Paused(Cause::Other, format!("{why} [oss:{}/{}]", self.config.bucket, self.root));
        }
        let listed = self.walk.done && self.folders.values().all(|folder| folder.done);
        match listed && self.queue.is_empty() && self.lanes.is_empty() {
            true if self.config.follow => State::Idle,
            true if self.calls.is_empty() && !self.walk.is_going() => State::Finished,
            _ => State::Running,
        }
    }

    /// Milliseconds until something is due that no answer brings about.
    fn sleep_ms(&self) -> u32 {
        let now = self.now_ms;
        if self.lanes.iter().any(|lane| lane.ready)
            || self.lanes.len() < self.config.max_in_flight as usize && !self.queue.is_empty()
        {
            return 0;
        }
        let lanes = self.lanes.iter().filter(|lane| lane.open.is_none()).map(|lane| lane.health.due_ms());
        let folders =
            self.folders.values().filter(|f| !f.open).map(|f| if f.round.is_some() { i64::MIN } else { f.due_ms });
        let walk = (!self.walk.is_going()).then_some(self.walk.due_ms);
        let again = self.walk.waits().then_some(i64::MIN);
        let lists = folders.chain(walk).chain(again).map(|due| due.max(self.health.due_ms()));
        let lists = lists.filter(|_| self.has_room());
        let due = lanes.chain(lists).min().unwrap_or(i64::MAX);
        // What is due already waits for room, and an answer makes that.
        let ms =
            if due <= now && !self.calls.is_empty() { SLEEP_MS } else { due.saturating_sub(now).clamp(1, SLEEP_MS) };
        u32::try_from(ms).unwrap_or(u32::MAX)
    }
}
