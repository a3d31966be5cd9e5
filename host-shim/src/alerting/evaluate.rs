//! The thread that reads: records and entries of the journal, in order, through the rules, into the journal.
//!
//! Entries go out as rules fire and are not waited for one by one. What is remembered is written down once everything that
//! it takes for told is durable; so after a crash the same records are looked at again, the same rules fire with the same
//! ids, and those that the journal has already are left out. It must never write its state before that, and never hold up
//! a source.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use innertrail_alerts::{Engine, Record, Store as RuleStore};
use innertrail_logstore::Store;
use innertrail_logstore::consumer::{ConsumerError, Reader, ReaderOptions};

use super::entry::{self, Out};
use super::keep::Kept;
use super::note::{Note, Said};
use super::shared::{Delivered, Mail, Post, Shared};
use super::stored::{InPlace, Places, Row};
use crate::clock;
use crate::journal::{Entry, Kind};
use crate::sink::watch::Weight;

/// Records and bytes read at a time.
const PAGE: (usize, usize) = (1_000, 8 << 20);
/// Pages of one store before the other one is looked at again.
const PAGES: usize = 16;
/// Longest wait before the journal is looked at, when nothing comes into the dedicated Logstore.
const REST: Duration = Duration::from_millis(200);
/// How often what is remembered is written down at the most, and how much of the time that may take.
const KEEP: (Duration, u32) = (Duration::from_secs(1), 20);
/// Most entries that are on their way at a time.
const MOST_OUT: usize = 10_000;
/// How often it is noted that evaluation goes on though nothing changes.
const NOTE_EVERY: Duration = Duration::from_secs(5);
/// How soon it is noted when something changes.
const NOTE_SOON: Duration = Duration::from_millis(500);
/// The first and the longest pause after something went wrong.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));
/// How long the journal is waited for once it is to stop. What is not known to be durable then is looked at again.
const STOP: Duration = Duration::from_secs(3);

/// The thread's own.
pub(super) struct Evaluator {
    pub(super) shared: Arc<Shared>,
    pub(super) post: Post,
    pub(super) engine: Engine,
    /// Keys of what was in the journal about alerts before this began.
    pub(super) entered: HashSet<String>,
    /// Positions: dedicated Logstore, journal.
    pub(super) log: u64,
    pub(super) journal: u64,
    mail: VecDeque<Mail>,
    kept: Instant,
    kept_took: Duration,
    is_dirty: bool,
    noted: Option<(Instant, Said)>,
    /// From this entry of the journal on there is what was entered since it was written down what is remembered.
    learn: u64,
}

/// What fired on a page.
#[derive(Default)]
struct Fired {
    new: Vec<Out>,
    /// What the journal has already.
    known: Vec<Out>,
}

/// Why a turn ended early.
enum Trouble {
    Reading(ConsumerError),
    /// Entries were not taken.
    Lost,
    Stopped,
}

impl From<ConsumerError> for Trouble {
    fn from(error: ConsumerError) -> Self {
        Self::Reading(error)
    }
}

impl Evaluator {
    pub(super) fn new(shared: Arc<Shared>, post: Post, engine: Engine, (log, journal): (u64, u64)) -> Self {
        let (entered, mail) = (HashSet::new(), VecDeque::new());
        let (kept, kept_took) = (Instant::now(), Duration::ZERO);
        let (is_dirty, noted, learn) = (false, None, journal);
        Self { shared, post, engine, entered, log, journal, mail, kept, kept_took, is_dirty, noted, learn }
    }

    /// The thread's life.
    pub(super) fn run(mut self) {
        let mut pause = PAUSE.0;
        while !self.shared.stopped() {
            match self.read() {
                Ok(()) => break,
                Err(Trouble::Stopped) => break,
                Err(trouble) => {
                    let why = match trouble {
                        Trouble::Reading(error) => error.to_string(),
                        _ => "the journal did not take all entries; it is looked into which are missing".to_owned(),
                    };
                    self.shared.state("waiting", Some(why));
                    self.note();
                    self.rest(pause);
                    pause = (pause * 2).min(PAUSE.1);
                    if self.send_again() {
                        pause = PAUSE.0;
                    }
                }
            }
        }
        self.end();
    }

    /// What was not taken is handed over again, unless the journal has it. `false`: that cannot be told now.
    fn send_again(&mut self) -> bool {
        let Ok(alerts) = self.shared.learn(self.learn) else { return false };
        let there: HashSet<String> = alerts.into_iter().map(|alert| entry::key(&alert.alert, alert.fired)).collect();
        let (mut lost, mut going) = (Vec::new(), VecDeque::new());
        for mut mail in std::mem::take(&mut self.mail) {
            if mail.is_lost() { lost.push(mail) } else { going.push_back(mail) }
        }
        self.mail = going;
        let out = lost.into_iter().flat_map(|mail| mail.out);
        // A gap has no id: it is told again.
        let (there, missing): (Vec<Out>, Vec<Out>) = out.partition(|out| there.contains(&out.key()));
        self.shared.count(&there);
        if !missing.is_empty() {
            self.mail.push_back(Mail::send(&self.post, missing));
        }
        true
    }

    /// Reads until it is to stop, or everything is read and nothing more will come.
    fn read(&mut self) -> Result<(), Trouble> {
        let mut options = ReaderOptions::default();
        options.notify = Some(self.shared.notify.clone());
        let mut reader = Reader::open(&self.shared.dir, options)?;
        let places = Places::new(reader.snapshot().layout());
        loop {
            if self.shared.stopped() {
                return Ok(());
            }
            // What was on its way before the turn is in the journal by then, and is read as well.
            let last = self.shared.finishing() && self.mail.is_empty();
            let all = self.turn(&mut reader, &places)?;
            self.keep_if_due()?;
            self.note_if_due();
            if all && last && self.mail.is_empty() {
                return Ok(());
            }
            if all && self.shared.finishing() {
                self.settle()?;
                continue;
            }
            if all {
                let cursor = reader.begin(Store::Log).at(self.log);
                if reader.wait(cursor, REST).is_err() {
                    // The next pull says what is wrong with the place, or that it is gone.
                    std::thread::sleep(REST);
                }
            }
        }
    }

    /// What there is of both stores, within bounds; whether that was all.
    fn turn(&mut self, reader: &mut Reader, places: &Places) -> Result<bool, Trouble> {
        let mut all = true;
        for store in [Store::Log, Store::Journal] {
            let mut at_end = false;
            for _ in 0..PAGES {
                if at_end || self.shared.stopped() {
                    break;
                }
                at_end = self.page(reader, places, store)?;
            }
            all &= at_end;
        }
        let behind = |store: Store, at: u64| reader.end(store).seq().saturating_sub(at);
        let behind = behind(Store::Log, self.log) + behind(Store::Journal, self.journal);
        self.say(behind);
        Ok(all && behind == 0)
    }

    /// A page of a store through the rules; whether that was all of it.
    fn page(&mut self, reader: &mut Reader, places: &Places, store: Store) -> Result<bool, Trouble> {
        let at = if store == Store::Log { self.log } else { self.journal };
        let cursor = reader.begin(store).at(at);
        let rules = if store == Store::Journal { RuleStore::Journal } else { RuleStore::Log };
        let mut fired = Fired::default();
        let (next, at_end) = match reader.tail(cursor, PAGE.0) {
            Ok(Some(page)) => {
                for row in &page.rows {
                    self.look(row.seq, row.received_us, &InPlace { places, row }.record(rules), &mut fired);
                }
                (page.next.seq(), page.at_end)
            }
            Ok(None) => match reader.pull(cursor, PAGE.0, PAGE.1) {
                Ok(page) => {
                    for row in &page.rows {
                        self.look(row.seq, row.received_us, &Row { places, row }.record(rules), &mut fired);
                    }
                    (page.next.seq(), page.at_end || page.rows.is_empty())
                }
                Err(ConsumerError::Expired { first_kept, .. }) => {
                    return self.missed(store, at, first_kept).map(|()| false);
                }
                Err(error) => return Err(error.into()),
            },
            Err(ConsumerError::Expired { first_kept, .. }) => {
                return self.missed(store, at, first_kept).map(|()| false);
            }
            Err(error) => return Err(error.into()),
        };
        self.send(fired)?;
        self.moved(store, next);
        Ok(at_end)
    }

    /// Retention was faster. The journal has it before the position passes it.
    fn missed(&mut self, store: Store, from: u64, first_kept: u64) -> Result<(), Trouble> {
        let gap = gap(
            &format!("records {from} to {} of the store {}", first_kept.saturating_sub(1), store.name()),
            "retention dropped them before the alert rules had looked at them",
        );
        self.mail.push_back(Mail::send(&self.post, vec![gap]));
        self.settle()?;
        let count = first_kept.saturating_sub(from);
        self.shared.lock().counts.missed += count;
        self.shared
            .tell(Weight::Failing, format!("{count} records were never looked at: retention dropped them first"));
        self.moved(store, first_kept);
        self.keep()
    }

    fn moved(&mut self, store: Store, next: u64) {
        let at = if store == Store::Log { &mut self.log } else { &mut self.journal };
        self.is_dirty |= *at != next;
        *at = next;
        if store == Store::Journal {
            self.shared.lock().journal = next;
        }
    }

    /// A record through the rules.
    fn look(&mut self, seq: u64, received_us: i64, record: &Record<'_>, to: &mut Fired) {
        for firing in self.engine.take(seq, received_us, record) {
            let title = self.shared.set.find(&firing.rule).map_or("", |rule| rule.title.as_str());
            let fired = entry::fired(&firing, title, clock::now_us());
            self.put(fired, to);
        }
        for ended in self.engine.ended(record) {
            self.put(entry::ended(&ended, clock::now_us()), to);
        }
    }

    fn put(&self, out: Out, to: &mut Fired) {
        if self.entered.contains(&out.key()) { to.known.push(out) } else { to.new.push(out) }
    }

    /// Hands over what fired.
    fn send(&mut self, fired: Fired) -> Result<(), Trouble> {
        // They were entered, but counted in no state that was kept.
        self.shared.count(&fired.known);
        if fired.new.is_empty() {
            return Ok(());
        }
        self.mail.push_back(Mail::send(&self.post, fired.new));
        self.collect();
        while self.mail.iter().map(|mail| mail.out.len()).sum::<usize>() > MOST_OUT {
            self.wait_for_first()?;
        }
        Ok(())
    }

    /// Counts what has become durable.
    fn collect(&mut self) {
        while self.mail.front_mut().is_some_and(Mail::is_done) {
            if let Some(mail) = self.mail.pop_front() {
                self.shared.count(&mail.out);
                self.is_dirty = true;
            }
        }
    }

    fn wait_for_first(&mut self) -> Result<(), Trouble> {
        let Some(mail) = self.mail.front_mut() else { return Ok(()) };
        match mail.wait(&self.shared, STOP) {
            Delivered::All => self.collect(),
            Delivered::Lost => return Err(Trouble::Lost),
            Delivered::Stopped => return Err(Trouble::Stopped),
            Delivered::Waiting => {
                let why = "the journal does not take what fired; nothing is lost".to_owned();
                self.shared.state("waiting", Some(why));
                self.note();
            }
        }
        Ok(())
    }

    /// Waits until everything that fired is durable.
    fn settle(&mut self) -> Result<(), Trouble> {
        while !self.mail.is_empty() {
            self.wait_for_first()?;
        }
        Ok(())
    }

    fn keep_if_due(&mut self) -> Result<(), Trouble> {
        self.collect();
        let every = KEEP.0.max(self.kept_took * KEEP.1);
        let now = std::mem::take(&mut self.shared.lock().keep_now);
        if now || (self.is_dirty && self.kept.elapsed() >= every) { self.keep() } else { Ok(()) }
    }

    /// Writes down what is remembered, once everything that it takes for told is durable.
    fn keep(&mut self) -> Result<(), Trouble> {
        self.settle()?;
        let begun = Instant::now();
        let mut kept = Kept::begin(self.log, self.journal);
        kept.engine = self.engine.state().clone();
        {
            let state = self.shared.lock();
            kept.scheduled = state.scheduled.clone();
            kept.counts = state.counts.clone();
            kept.learn = state.telling.unwrap_or(self.journal).min(self.journal);
        }
        if let Err(e) = kept.write(&self.shared.dir) {
            // Nothing is told twice for it: the next run looks at more again.
            self.shared.tell(Weight::Failing, format!("{} cannot be written: {e}", super::keep::FILE));
        }
        self.learn = kept.learn;
        (self.kept, self.kept_took, self.is_dirty) = (Instant::now(), begun.elapsed(), false);
        Ok(())
    }

    fn say(&self, behind: u64) {
        self.shared.state(if behind == 0 { "caught_up" } else { "running" }, None);
        let states = self.engine.state().rules.values();
        let (late, forgotten) = states.fold((0, 0), |(l, f), s| (l + s.late, f + s.forgotten + s.shortened));
        let mut state = self.shared.lock();
        let open = state.scheduled.values().map(innertrail_alerts::Groups::open).sum::<usize>() as u64;
        let counts = state.counts.clone();
        let said = &mut state.said;
        (said.log, said.journal, said.behind) = (self.log, self.journal, behind);
        (said.late, said.forgotten, said.open, said.counts) = (late, forgotten, open, counts);
    }

    /// Notes for `status`: soon when something changed, now and then when nothing did.
    fn note_if_due(&mut self) {
        let said = self.shared.lock().said.clone();
        let due = self
            .noted
            .as_ref()
            .is_none_or(|(at, before)| at.elapsed() >= NOTE_EVERY || (at.elapsed() >= NOTE_SOON && *before != said));
        if due {
            self.note();
        }
    }

    fn note(&mut self) {
        let said = write_note(&self.shared);
        self.noted = Some((Instant::now(), said));
    }

    fn rest(&self, pause: Duration) {
        let until = Instant::now() + pause;
        while Instant::now() < until && !self.shared.stopped() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The last word: what is durable is written down, also what the thread that asks has told.
    fn end(mut self) {
        let begun = Instant::now();
        while !self.shared.asked.load(std::sync::atomic::Ordering::Relaxed)
            && (!self.shared.stopped() || begun.elapsed() < STOP)
        {
            std::thread::sleep(Duration::from_millis(10));
        }
        if self.settle().is_ok() {
            let _written = self.keep();
        }
        let (behind, why) = {
            let state = self.shared.lock();
            (state.said.behind, state.said.why.clone())
        };
        self.say(behind);
        // Why it waited when it was told to stop is what people ask for afterwards.
        self.shared.state("stopped", why);
        self.note();
    }
}

/// An entry about records that no rule looked at.
pub(super) fn gap(what: &str, why: &str) -> Out {
    let entry =
        Entry::new(Kind::Gap, "run", clock::now_us()).with("reader", "alerts").with("what", what).with("why", why);
    Out { alert: String::new(), level: None, rule: String::new(), entry }
}

/// Writes what is shown by `status`; gives it.
pub(super) fn write_note(shared: &Shared) -> Said {
    let said = shared.lock().said.clone();
    let note = Note { at_us: clock::now_us(), said };
    if let Err(e) = note.write(&shared.dir) {
        shared.tell(Weight::Detail, format!("`innertrail status` cannot show it: {e}"));
    }
    note.said
}
