//! Alerts: evaluates rules over what is durable, beside a run, and enters what fires in the journal.
//!
//! [`evaluate`] is the thread that reads records and entries, [`ask`] the one that asks for scheduled rules; [`keep`] is what
//! they remember over a restart, [`note`] what `status` shows. [`read`] is for whoever passes alerts on: nothing here sends
//! anything to anybody. Must never keep a source, a commit or retention waiting, and never tell anything twice.

mod ask;
mod entry;
mod evaluate;
mod keep;
pub(crate) mod load;
pub(crate) mod note;
pub mod read;
mod shared;
pub(crate) mod stored;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use innertrail_alerts::{Bounds, Engine, RuleSet, STATE_VERSION, State, StateError};
use innertrail_logstore::consumer::Notify;
use innertrail_logstore::{Snapshot, Store};

use crate::clock;
use crate::config::{Alerts as Options, AlertsFrom, Config};
use crate::sink::parking::Parked;
use crate::sink::watch::{Weight, Word};
use ask::Asker;
use evaluate::Evaluator;
use keep::{Found, Kept};
use load::{LoadError, Loaded, Wanted};
use note::Said;
use shared::{Mail, Post, Shared};

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// When it begins anew in a Logstore that has alerts, so many entries of the journal are looked through for them.
const LOOK_BACK: u64 = 100_000;
/// How long its threads are waited for once they are told to stop. What they had not told is told by the next run.
pub(crate) const STOP: Duration = Duration::from_secs(6);

/// The evaluation of a run.
pub(crate) struct Alerting {
    shared: Arc<Shared>,
    options: Options,
    /// Ends of the dedicated Logstore and of the journal when the run began.
    ends: (u64, u64),
    threads: Vec<JoinHandle<()>>,
    looked: Option<Instant>,
    told: String,
}

impl std::fmt::Debug for Alerting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Alerting").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Rules with what they remember, and the names of those that begin anew.
fn engine(set: &Arc<RuleSet>, lateness: u32, state: State) -> Result<(Engine, Vec<String>), StateError> {
    Engine::with_state(Arc::clone(set), Bounds { lateness, ..Bounds::default() }, state)
}

impl Alerting {
    /// Loads the rules that a configuration names.
    ///
    /// # Errors
    /// A folder that cannot be read. What is broken in a folder stops nothing.
    pub(crate) fn load(options: &Options) -> Result<Loaded, LoadError> {
        load::load(&Wanted::of(options))
    }

    /// Evaluation that is not started yet. `state` is the Logstore's, before anything is taken.
    pub(crate) fn new(
        config: &Config,
        options: &Options,
        loaded: &Loaded,
        state: &innertrail_logstore::State,
        notify: Notify,
    ) -> Self {
        let set = &loaded.set;
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let disabled = set.rules().iter().filter(|rule| rule.is_disabled).count()
            + set.scheduled().iter().filter(|rule| rule.is_disabled).count();
        let said = Said {
            state: "starting".to_owned(),
            since_us: clock::now_us(),
            rules: count(set.firing().filter(|rule| !rule.is_disabled).count()),
            scheduled: count(set.scheduled().iter().filter(|rule| !rule.is_disabled).count()),
            disabled: count(disabled),
            broken: loaded.faults.iter().map(ToString::to_string).collect(),
            ..Said::default()
        };
        let inner = shared::State { said, ..shared::State::default() };
        let ends = (state.next(Store::Log), state.next(Store::Journal));
        let shared = Arc::new(Shared::new(config.data_dir.clone(), Arc::clone(set), notify, inner));
        Self { shared, options: options.clone(), ends, threads: Vec::new(), looked: None, told: String::new() }
    }

    /// Starts it. `post` hands something to keep to the thread that commits; `false` when that is gone.
    ///
    /// # Errors
    /// No thread.
    pub(crate) fn start(&mut self, post: impl Fn(Parked) -> bool + Clone + Send + 'static) -> std::io::Result<()> {
        self.name_what_is_broken();
        let (kept, anew) = self.remembered();
        let entered = self.entered(&kept, anew.is_some());
        let lateness = self.options.lateness_secs;
        let (engine, dropped) = match engine(&self.shared.set, lateness, kept.engine.clone()) {
            Ok(found) => found,
            // It was looked at when it was read.
            Err(_) => (Engine::new(Arc::clone(&self.shared.set), Bounds { lateness, ..Bounds::default() }), Vec::new()),
        };
        if !dropped.is_empty() {
            let text = format!("rules that count begin anew, being other ones now: {}", dropped.join(", "));
            self.shared.tell(Weight::Good, text);
        }
        let (log, journal) = (kept.log, kept.journal);
        let evaluator: Post = Box::new(post.clone());
        let mut evaluator = Evaluator::new(Arc::clone(&self.shared), evaluator, engine, (log, journal));
        evaluator.entered = entered;
        if let Some(why) = anew {
            // The journal has it; it is not waited for here.
            let _mail = Mail::send(&(Box::new(post.clone()) as Post), vec![evaluate::gap(&why.0, &why.1)]);
        }
        let asks = !self.shared.set.scheduled().is_empty() || !kept.scheduled.is_empty();
        self.shared.asked.store(!asks, Ordering::Relaxed);
        self.threads.push(thread::Builder::new().name("alerts".to_owned()).spawn(move || evaluator.run())?);
        if asks {
            let asker = Asker::new(Arc::clone(&self.shared), Box::new(post));
            self.threads.push(thread::Builder::new().name("alerts-asking".to_owned()).spawn(move || asker.run())?);
        }
        Ok(())
    }

    fn name_what_is_broken(&self) {
        let state = &mut *self.shared.lock();
        for fault in &state.said.broken {
            let text = format!("a rule is broken and is not evaluated: {fault}");
            state.words.push(Word { weight: Weight::Failing, text });
        }
        let Said { rules, scheduled, .. } = &state.said;
        let text = format!("{rules} rules and {scheduled} scheduled ones are evaluated");
        state.words.push(Word { weight: Weight::Good, text });
    }

    /// What is remembered, or where it begins anew; the second part when records may have been passed over: which, and why.
    fn remembered(&self) -> (Kept, Option<(String, String)>) {
        let (log, journal) = self.ends;
        let (kept, why) = match Kept::read(&self.shared.dir) {
            Found::Sound(kept) if kept.log <= log && kept.journal <= journal => return (*kept, None),
            Found::Sound(_) => (Kept::begin(log, journal), Some("it is of another Logstore".to_owned())),
            Found::Unusable(why) => (Kept::begin(log, journal), Some(why)),
            // A Logstore without records is looked at from its first one on.
            Found::Nothing if log == 0 => (Kept::begin(0, 0), None),
            Found::Nothing if self.options.from == AlertsFrom::Beginning => (Kept::begin(self.first_kept(), 0), None),
            Found::Nothing => {
                let text =
                    format!("the Logstore has {log} records that were there before: evaluation begins behind them");
                self.shared.tell(Weight::Good, text);
                (Kept::begin(log, journal), None)
            }
        };
        let told = why.map(|why| {
            let text = format!("what rules remembered cannot be used, evaluation begins anew at record {log}: {why}");
            self.shared.tell(Weight::Failing, text);
            (
                format!("records before {log} that no rule had looked at, if there are any"),
                format!("{}: {why}", keep::FILE),
            )
        });
        // Written now, so that a run that is killed before its first record does not begin behind it.
        let mut kept = kept;
        kept.engine.version = STATE_VERSION;
        if let Err(e) = kept.write(&self.shared.dir) {
            self.shared.tell(Weight::Failing, format!("{} cannot be written: {e}", keep::FILE));
        }
        (kept, told)
    }

    /// The first record that retention has left.
    fn first_kept(&self) -> u64 {
        Snapshot::open(&self.shared.dir).map_or(0, |snapshot| snapshot.first_kept(Store::Log))
    }

    /// Keys of what the journal has about alerts and what is remembered has not; those of scheduled rules are taken over.
    fn entered(&self, kept: &Kept, anew: bool) -> HashSet<String> {
        let from = if anew { kept.journal.saturating_sub(LOOK_BACK) } else { kept.learn };
        let alerts = self.shared.learn(from).unwrap_or_else(|e| {
            self.shared.tell(Weight::Failing, format!("the journal cannot be looked into, alerts may come twice: {e}"));
            Vec::new()
        });
        let mut state = self.shared.lock();
        state.counts = kept.counts.clone();
        state.scheduled = kept.scheduled.clone();
        state.journal = kept.journal;
        ask::adopt(&mut state.scheduled, self.shared.set.scheduled(), &alerts);
        alerts.into_iter().map(|alert| entry::key(&alert.alert, alert.fired)).collect()
    }

    /// What it says of itself.
    pub(crate) fn said(&self) -> Said {
        self.shared.lock().said.clone()
    }

    /// Looks at it when it is time; gives what is to be told.
    pub(crate) fn look(&mut self, at_once: bool) -> Vec<Word> {
        if !at_once && self.looked.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return Vec::new();
        }
        self.looked = Some(Instant::now());
        self.look_for_defects();
        let mut state = self.shared.lock();
        let mut words = std::mem::take(&mut state.words);
        let now = if state.said.state == "running" { "caught_up".to_owned() } else { state.said.state.clone() };
        if self.told != now {
            let weight = if matches!(now.as_str(), "waiting" | "failed") { Weight::Failing } else { Weight::Detail };
            words.push(Word { weight, text: format!("evaluation is {}", state.said.told()) });
            self.told = now;
        }
        words
    }

    /// A thread that ended without a last word has met a defect.
    fn look_for_defects(&self) {
        let mut state = self.shared.lock();
        let over = matches!(state.said.state.as_str(), "stopped" | "failed");
        if over || self.threads.is_empty() {
            return;
        }
        let reads = self.threads.first().is_some_and(|thread| !thread.is_finished());
        let asks = self.threads.get(1).is_none_or(|thread| !thread.is_finished());
        if !reads || (!asks && !self.shared.asked.load(Ordering::Relaxed)) {
            (state.said.state, state.said.since_us) = ("failed".to_owned(), clock::now_us());
            state.said.why = Some("a thread of it broke down; please report it; the next run goes on".to_owned());
            drop(state);
            self.shared.asked.store(true, Ordering::Relaxed);
            evaluate::write_note(&self.shared);
        }
    }

    /// Everything else is done: it ends once everything that is durable is looked at and told.
    pub(crate) fn finish(&self) {
        self.shared.finish.store(true, Ordering::Relaxed);
    }

    /// Tells it to stop.
    pub(crate) fn stop(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }

    /// Whether its threads have ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// How far it is and what keeps it, when it has not looked at everything.
    pub(crate) fn left(&self) -> Option<String> {
        let said = self.said();
        (said.behind > 0 || said.state == "failed" || said.why.is_some()).then(|| {
            let Said { log, journal, behind, .. } = said;
            format!("alerts are at record {log}, journal {journal}, {behind} behind: {}", said.told())
        })
    }

    /// Records and entries that were looked at: whether it comes forward.
    pub(crate) fn position(&self) -> u64 {
        let state = self.shared.lock();
        state.said.log + state.said.journal
    }
}

impl Drop for Alerting {
    fn drop(&mut self) {
        self.stop();
    }
}
