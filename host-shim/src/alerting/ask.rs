//! The thread that asks: scheduled rules over the Logstore, when they are due.
//!
//! A run is told before it is taken for done, so a crash repeats it, with the same ids; what the journal has of it already
//! is taken over at the next start. A rule that fails says so and is asked again when it is due the next time. It must
//! never keep the thread that reads waiting, and never ask without bounds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use innertrail_alerts::{Groups, Query, Scheduled, Store as RuleStore, Table, Told};
use innertrail_logstore::Store;
use innertrail_query::live::{Live, LiveLimits, TimeRange, View, Wanted};
use innertrail_query::{Error, Limits};

use super::entry::{self, Out, Over};
use super::read::Alert;
use super::shared::{Delivered, Mail, Post, Shared};
use crate::clock;
use crate::sink::watch::Weight;

/// What a query may cost: one thread, so that most of the machine is left to the sources.
const LIMITS: Limits =
    Limits { timeout: Duration::from_secs(30), max_rows: MOST_ROWS, memory_bytes: 128 << 20, threads: 1 };
/// Most rows of a result that are looked at.
const MOST_ROWS: usize = 1_000;
/// Of a query without SQL so many records are looked at.
const WITHOUT_SQL: &str = "SELECT * FROM log LIMIT 100";
/// Longest sleep between two looks at the clock.
const NAP: Duration = Duration::from_millis(100);
/// How long the journal is waited for once it is to stop.
const STOP: Duration = Duration::from_secs(2);
/// How long before it is tried again when the journal did not take what fired.
const AGAIN: Duration = Duration::from_secs(1);

/// The thread's own.
pub(super) struct Asker {
    shared: Arc<Shared>,
    post: Post,
    stores: [(Store, Live); 2],
}

impl Asker {
    /// Asks nothing yet.
    pub(super) fn new(shared: Arc<Shared>, post: Post) -> Self {
        let limits = LiveLimits { sql: LIMITS, ..LiveLimits::default() };
        let stores = [Store::Log, Store::Journal].map(|store| (store, Live::new(&shared.dir, store, limits)));
        Self { shared, post, stores }
    }

    /// The thread's life.
    pub(super) fn run(self) {
        let mut closed = false;
        while !self.shared.stopped() {
            closed = closed || (self.look_back() && self.close_what_is_gone());
            let finishing = self.shared.finishing();
            let done = self.look();
            if finishing {
                break;
            }
            std::thread::sleep(if done { NAP } else { AGAIN });
        }
        self.shared.asked.store(true, Ordering::Relaxed);
    }

    /// Runs every rule that is due. `false`: the journal did not take what fired.
    fn look(&self) -> bool {
        if !self.look_back() {
            return false;
        }
        let set = Arc::clone(&self.shared.set);
        for rule in set.scheduled().iter().filter(|rule| !rule.is_disabled) {
            if self.shared.stopped() {
                return true;
            }
            let now = clock::now_us().div_euclid(1_000_000);
            let due = rule.schedule.due(now);
            let last = self.shared.lock().scheduled.get(&rule.name).and_then(|groups| groups.due);
            match last {
                Some(last) if last < due => {
                    if !self.run_one(rule, self.groups(rule), due) {
                        return false;
                    }
                }
                Some(last) if last <= now => {}
                // A new rule waits until it is due for the first time; so does one that ran when the clock was ahead.
                _ => {
                    let mut groups = self.groups(rule);
                    groups.due = Some(due);
                    self.put(rule, groups);
                }
            }
        }
        true
    }

    fn groups(&self, rule: &Scheduled) -> Groups {
        self.shared.lock().scheduled.get(&rule.name).cloned().unwrap_or_else(|| Groups::new(rule))
    }

    fn put(&self, rule: &Scheduled, groups: Groups) {
        let mut state = self.shared.lock();
        state.scheduled.insert(rule.name.clone(), groups);
        state.telling = None;
        state.keep_now = true;
    }

    /// One run; `false` when it has to be made again because the journal did not take what fired.
    fn run_one(&self, rule: &Scheduled, mut groups: Groups, due: i64) -> bool {
        let judged = match self.ask(rule, due) {
            Ok(judged) => judged,
            Err(why) => {
                self.failed(rule, &why);
                groups.due = Some(due);
                self.put(rule, groups);
                return true;
            }
        };
        if judged.left_out > 0 {
            let text = format!("rule {}: {} groups more than can be told triggered", rule.name, judged.left_out);
            self.shared.tell(Weight::Failing, text);
        }
        self.works(rule);
        let told = groups.take(rule, due, judged);
        let out: Vec<Out> = told.iter().map(|told| entry::told(rule, told, due, clock::now_us())).collect();
        if !self.enter(out) {
            return self.shared.stopped();
        }
        self.put(rule, groups);
        true
    }

    /// Puts entries into the journal and waits until they are durable.
    fn enter(&self, out: Vec<Out>) -> bool {
        if out.is_empty() {
            return true;
        }
        {
            let mut state = self.shared.lock();
            state.telling = Some(state.telling.unwrap_or(state.journal));
        }
        let mut mail = Mail::send(&self.post, out);
        loop {
            match mail.wait(&self.shared, STOP) {
                Delivered::Waiting => {}
                Delivered::All => {
                    self.shared.count(&mail.out);
                    return true;
                }
                Delivered::Lost | Delivered::Stopped => return false,
            }
        }
    }

    /// Takes over what an earlier try brought into the journal, though nobody said so. `false`: that cannot be told now.
    fn look_back(&self) -> bool {
        let Some(from) = self.shared.lock().telling else { return true };
        let Ok(alerts) = self.shared.learn(from) else { return false };
        let mut state = self.shared.lock();
        adopt(&mut state.scheduled, self.shared.set.scheduled(), &alerts);
        state.telling = None;
        true
    }

    fn ask(&self, rule: &Scheduled, due: i64) -> Result<innertrail_alerts::Judged, String> {
        let wanted = if rule.store == RuleStore::Journal { Store::Journal } else { Store::Log };
        let live = self.stores.iter().find(|(store, _)| *store == wanted).map(|(_, live)| live);
        let Some(live) = live else { return Err("there is no such store".to_owned()) };
        let view = live.view().map_err(|e| e.to_string())?;
        let (from, to) = rule.window_of(due);
        let range = TimeRange { from_us: from.saturating_mul(1_000_000), to_us: to.saturating_mul(1_000_000) };
        let mut tables = Vec::new();
        for query in &rule.queries {
            let table = rows(&view, query, range)
                .map_err(|why| format!("{}:{}:{}: {why}", rule.file, query.at.line, query.at.column))?;
            tables.push(table);
        }
        rule.judge(&tables).map_err(|e| format!("{}:{}:{}: {e}", rule.file, rule.at.line, rule.at.column))
    }

    fn failed(&self, rule: &Scheduled, why: &str) {
        let mut state = self.shared.lock();
        state.counts.failed_runs += 1;
        let before = state.said.failing.insert(rule.name.clone(), why.to_owned());
        if before.as_deref() != Some(why) {
            let text = format!("rule {} cannot be evaluated; the others are: {why}", rule.name);
            state.words.push(crate::sink::watch::Word { weight: Weight::Failing, text });
        }
    }

    fn works(&self, rule: &Scheduled) {
        let mut state = self.shared.lock();
        if state.said.failing.remove(&rule.name).is_some() {
            let text = format!("rule {} is evaluated again", rule.name);
            state.words.push(crate::sink::watch::Word { weight: Weight::Good, text });
        }
    }

    /// Alerts of rules that are gone, switched off or other ones now are over. `false`: try again.
    fn close_what_is_gone(&self) -> bool {
        let remembered = self.shared.lock().scheduled.clone();
        for (name, mut groups) in remembered {
            let rule = self.shared.set.scheduled().iter().find(|rule| rule.name == name);
            let why = match rule {
                Some(rule) if rule.is_disabled => "its rule was switched off",
                Some(rule) if rule.fingerprint != groups.fingerprint => "its rule is another one now",
                Some(_) => continue,
                None => "its rule is not there any more",
            };
            let now_us = clock::now_us();
            let out = groups.close(why).into_iter().filter_map(|told| match told {
                Told::Resolved { alert, group, level, why } => {
                    let (title, store) = rule.map_or((name.as_str(), "log"), |rule| (&rule.title, rule.store.name()));
                    let over = Over { rule: &name, title, store, group: &group, level, why: &why };
                    Some(entry::resolved(&over, &alert, now_us))
                }
                Told::Fired { .. } => None,
            });
            if !self.enter(out.collect()) {
                return false;
            }
            let mut state = self.shared.lock();
            state.scheduled.remove(&name);
            (state.telling, state.keep_now) = (None, true);
        }
        true
    }
}

/// Takes over what the journal has of scheduled rules and what was remembered has not.
pub(super) fn adopt(scheduled: &mut BTreeMap<String, Groups>, rules: &[Scheduled], alerts: &[Alert]) {
    for alert in alerts {
        let Some(rule) = rules.iter().find(|rule| rule.name == alert.rule) else { continue };
        let groups = scheduled.entry(rule.name.clone()).or_insert_with(|| Groups::new(rule));
        if !alert.fired {
            groups.adopt_end(&alert.alert);
            continue;
        }
        let level = innertrail_alerts::Level::ALL.into_iter().find(|level| level.name() == alert.level);
        let due = chrono::DateTime::parse_from_rfc3339(&alert.event_time).ok().map(|time| time.timestamp());
        if let (Some(level), Some(due)) = (level, due) {
            groups.adopt(&alert.alert, &alert.group, level, due);
        }
    }
}

fn rows(view: &View, query: &Query, range: TimeRange) -> Result<Table, Error> {
    let reading = view.read(&query.text)?;
    let wanted = Wanted { search: &reading.search, topic: None };
    let sql = reading.sql.as_ref().map_or(WITHOUT_SQL, |sql| sql.text.as_str());
    let mut result = view.analyse(wanted, range, sql)?;
    let columns = result.columns().iter().map(|column| column.name.clone()).collect();
    let mut rows = Vec::new();
    result.for_each_row_of_texts(|row| {
        rows.push(row);
        Ok::<_, Error>(())
    })?;
    Ok(Table { columns, rows })
}
