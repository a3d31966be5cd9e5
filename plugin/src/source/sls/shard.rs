//! One shard: what to ask next, and what an answer changes. It holds at most two answers that are not out yet.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::config::{Config, From, Mode};
use super::page::{Answer, NoPage};
use super::position::Position;
use crate::source::Cause;
use crate::source::codes::{Class, Verdict};
use crate::source::health::Health;

/// Answers that wait to go out.
const MOST_HELD: usize = 2;
/// Cursors that are remembered, to see that the service goes round in a circle.
const REMEMBERED: usize = 256;
/// Pages without logs that are asked for without a pause, one after the other.
const EMPTY_PAGES: u32 = 16;

/// What somebody wants, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Want<T> {
    /// This, at once.
    Now(T),
    /// Something, at this time.
    At(i64),
    /// Nothing before something else happens.
    Nothing,
}

/// What a shard asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// A cursor to begin with: `begin`, `end` or seconds.
    Begin(String),
    /// The cursor where it ends.
    End,
    /// The oldest cursor that there still is, after one was refused.
    Oldest,
    /// The time of that one.
    OldestTime(String),
    /// A page.
    Pull(String),
}

/// Where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// It has no position. In a consumer group the group's checkpoint is looked at first.
    Start,
    /// It is read.
    Read,
    /// Its cursor was refused, in these words.
    Expired(String),
    /// The same, and this is the oldest cursor that there still is.
    Reset(String, String),
    /// It is read to its end.
    Done,
}

/// A shard.
#[derive(Debug)]
pub struct Shard {
    /// Where it stands.
    pub phase: Phase,
    /// It gets no more logs.
    pub readonly: bool,
    /// What was given out, with the checkpoint that says so.
    pub position: Position,
    /// The cursor of the next page to ask for.
    pub ask: String,
    /// The request that is open for it.
    pub open: Option<u64>,
    /// Answers that wait to go out.
    pub held: VecDeque<Answer>,
    /// Where to stop.
    pub end: Option<String>,
    /// It has given everything that it had.
    pub caught_up: bool,
    /// Bytes that were given out.
    pub offset: u64,
    /// How it is doing.
    pub health: Health,
    /// Its position is to be found in the group's checkpoints first.
    pub unseen: bool,
    /// Listings in a row without it.
    pub absent: u32,
    /// What of it is durable and what the group knows.
    pub share: Share,
    /// A gap was told and nothing has come since.
    pub gapped: bool,
    due_ms: i64,
    count: u32,
    empty: u32,
    seen: VecDeque<u64>,
}

/// A shard's part in a consumer group.
#[derive(Debug, Default)]
pub struct Share {
    /// Emits behind which a page ended, and the cursor there.
    pub marks: VecDeque<(u64, String)>,
    /// The last of those that are durable.
    pub durable: String,
    /// What the group knows.
    pub uploaded: String,
    /// The request that tells it.
    pub open: Option<u64>,
    /// When to tell it next.
    pub due_ms: i64,
    /// The group has given the shard to somebody else; since when.
    pub leaving: Option<i64>,
}

impl Share {
    /// So many emits are durable.
    pub fn durable(&mut self, emits: u64) {
        while self.marks.front().is_some_and(|(emit, _)| *emit <= emits) {
            self.durable = self.marks.pop_front().map(|(_, cursor)| cursor).unwrap_or_default();
        }
    }

    /// Whether the group is to be told something.
    pub fn is_news(&self) -> bool {
        !self.durable.is_empty() && self.durable != self.uploaded
    }
}

impl Shard {
    /// A shard of which nothing is known but how it is listed.
    pub fn new(readonly: bool, config: &Config) -> Self {
        Self {
            phase: Phase::Start,
            readonly,
            position: Position::default(),
            ask: String::new(),
            open: None,
            held: VecDeque::new(),
            end: None,
            caught_up: false,
            offset: 0,
            health: Health::default(),
            unseen: config.mode == Mode::ConsumerGroup,
            absent: 0,
            share: Share::default(),
            gapped: false,
            due_ms: i64::MIN,
            count: config.count,
            empty: 0,
            seen: VecDeque::new(),
        }
    }

    /// Goes on at a position.
    pub fn resume(&mut self, position: Position) {
        self.phase = if position.done { Phase::Done } else { Phase::Read };
        self.caught_up = position.done;
        self.ask.clone_from(&position.cursor);
        self.share.uploaded.clone_from(&position.uploaded);
        self.position = position;
        self.unseen = false;
    }

    /// Log groups to ask for.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// What it wants. `room`: for another page in memory. `from`: where it would begin.
    pub fn wants(&self, now_ms: i64, follow: bool, room: bool, from: From) -> Want<Ask> {
        if self.open.is_some() || self.unseen || self.share.leaving.is_some() {
            return Want::Nothing;
        }
        let ask = match &self.phase {
            Phase::Done => return Want::Nothing,
            Phase::Start => Ask::Begin(begin(from)),
            Phase::Expired(_) if self.held.is_empty() => Ask::Oldest,
            Phase::Reset(_, cursor) => Ask::OldestTime(cursor.clone()),
            Phase::Read if self.end.is_none() && (self.readonly || !follow) => Ask::End,
            Phase::Read if self.held.len() < MOST_HELD && self.end.as_ref() != Some(&self.ask) && room => {
                Ask::Pull(self.ask.clone())
            }
            Phase::Read | Phase::Expired(_) => return Want::Nothing,
        };
        let pull = matches!(ask, Ask::Pull(_));
        let due = self.health.due_ms().max(if pull { self.due_ms } else { i64::MIN });
        if due > now_ms { Want::At(due) } else { Want::Now(ask) }
    }

    /// Whether everything up to the place where it stops is out.
    pub fn is_at_end(&self) -> bool {
        self.phase == Phase::Read && self.held.is_empty() && self.end.as_ref() == Some(&self.position.cursor)
    }

    /// A page came.
    ///
    /// # Errors
    /// What is wrong with it; it is asked for again later, and nothing of it goes out.
    pub fn answered(&mut self, answer: Answer, now_ms: i64, config: &Config) -> Result<(), Verdict> {
        let stays = answer.next == answer.cursor;
        if answer.is_empty() && stays {
            self.caught_up = true;
            self.due_ms = now_ms + i64::from(config.poll_interval_ms);
            self.well(config);
            if self.end.is_some() {
                // Nothing is left before the end, whatever the cursors are called.
                self.end = Some(self.ask.clone());
            }
        } else if stays || self.seen.contains(&hash(&answer.next)) {
            let words = "the service gives a cursor that it gave before, so that reading would go in a circle";
            return Err(wrong(words.to_owned()));
        } else {
            self.empty = if answer.is_empty() { self.empty.saturating_add(1) } else { 0 };
            let hurry = self.empty <= EMPTY_PAGES;
            self.due_ms = if hurry { now_ms } else { now_ms + i64::from(config.poll_interval_ms) };
            self.caught_up = false;
            self.gapped &= answer.is_empty();
            self.remember(&answer.cursor);
            self.ask.clone_from(&answer.next);
            self.held.push_back(answer);
        }
        Ok(())
    }

    /// A page was what it said it was.
    pub fn well(&mut self, config: &Config) {
        self.health.well();
        self.count = self.count.saturating_mul(2).min(config.count);
    }

    /// The answer is no page.
    pub fn no_page(&mut self, why: NoPage, config: &Config) -> Verdict {
        match why {
            NoPage::Broken(why) => Verdict { class: Class::Retry, code: String::new(), words: why },
            NoPage::TooLong(_) if self.count > 1 => {
                self.count /= 2;
                let words = "the page is longer than page_bytes; smaller ones are asked for".to_owned();
                Verdict { class: Class::Retry, code: String::new(), words }
            }
            NoPage::TooLong(bytes) => wrong(format!(
                "one log group has {bytes} bytes, more than page_bytes ({}); raise page_bytes",
                config.page_bytes
            )),
        }
    }

    /// There is no room for the answer: it is asked for again in a moment.
    pub fn let_go(&mut self, now_ms: i64) {
        self.due_ms = now_ms + 20;
    }

    /// Goes back to what is out, and lets go of what is not. The cursors of the pages that are let go of will come again,
    /// and that is no circle of the service's.
    pub fn go_back(&mut self) {
        self.held.clear();
        self.seen.clear();
        self.ask.clone_from(&self.position.cursor);
    }

    /// Begins anew behind a gap.
    pub fn reset(&mut self, cursor: String) {
        self.position = Position { uploaded: self.position.uploaded.clone(), ..Position::at(&cursor) };
        self.ask = cursor;
        self.held.clear();
        self.seen.clear();
        self.gapped = true;
        self.phase = Phase::Read;
    }

    fn remember(&mut self, cursor: &str) {
        if self.seen.len() == REMEMBERED {
            self.seen.pop_front();
        }
        self.seen.push_back(hash(cursor));
    }
}

/// Something that does not go away by asking again at once.
fn wrong(words: String) -> Verdict {
    Verdict { class: Class::Pause(Cause::Other), code: String::new(), words }
}

fn begin(from: From) -> String {
    match from {
        From::Begin => "begin".to_owned(),
        From::End => "end".to_owned(),
        From::Time(ms) => ms.div_euclid(1000).max(0).to_string(),
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
