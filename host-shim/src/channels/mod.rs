//! Channels: tells people what fired. Each has a thread and a position of its own in the journal.
//!
//! Must never keep a source, a commit, the evaluation of rules or another channel waiting: what is told is read from the
//! journal, where it is durable already. What cannot be told now is told later; nothing is dropped.

mod keep;
pub(crate) mod note;
mod work;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use innertrail_alerts::RuleSet;
use innertrail_logstore::consumer::Notify;
use innertrail_notify::config::ChannelConfig;
use innertrail_notify::{Alert, Channel, ChannelError, Level, State, Step, Surroundings};

use crate::clock;
use crate::config::{Alerts as Options, Config};
use crate::sink::watch::{Weight, Word};
use keep::Found;
use note::{Note, Said};
use work::{Telling, Worker};

/// How often they are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often it is noted that they are there though nothing changes.
const NOTE_EVERY: Duration = Duration::from_secs(5);
/// How long a message under way is waited for when they are told to stop.
pub(crate) const STOP: Duration = Duration::from_secs(5);
/// How long a channel that tells nothing is waited for when everything else is done.
/// Longer than the minute for which a limit may hold a message back.
pub(crate) const PATIENCE: Duration = Duration::from_secs(75);

/// What a channel's thread and the pipeline share. No lock is held while something is sent, read or waited for.
#[derive(Debug, Default)]
struct Shared {
    said: Mutex<Said>,
    words: Mutex<Vec<Word>>,
    stop: AtomicBool,
    finish: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct One {
    name: String,
    shared: Arc<Shared>,
    worker: Option<Worker>,
    thread: Option<JoinHandle<()>>,
    told: String,
}

/// The channels of a run.
pub(crate) struct Channels {
    dir: PathBuf,
    all: Vec<One>,
    looked: Option<Instant>,
    noted: Option<(Instant, BTreeMap<String, Said>)>,
}

impl std::fmt::Debug for Channels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.all.iter().map(|one| one.name.as_str()).collect();
        f.debug_struct("Channels").field("names", &names).finish_non_exhaustive()
    }
}

/// What every channel needs to know beside its own options.
#[derive(Clone)]
pub(crate) struct Surrounding<'a> {
    /// The configuration.
    pub(crate) config: &'a Config,
    /// The rules, for what to do about an alert.
    pub(crate) set: Arc<RuleSet>,
    /// End of the journal when the run began: a new channel is told what comes from there on.
    pub(crate) journal: u64,
    /// Told what is durable.
    pub(crate) notify: Notify,
}

/// Whether a channel can be made: its options and secrets. Nothing is sent.
///
/// # Errors
/// [`ChannelError`].
pub(crate) fn check(name: &str, config: &ChannelConfig) -> Result<(), ChannelError> {
    Channel::new(name, config, None, Box::new(Surroundings), now_ms()).map(drop)
}

/// Milliseconds UTC.
fn now_ms() -> i64 {
    clock::now_us().div_euclid(1_000)
}

/// Sends one message that says it is a trial; what came of it.
///
/// # Errors
/// [`ChannelError`], or why it was not taken.
pub(crate) fn try_one(name: &str, options: &Options, trail: &str) -> anyhow::Result<String> {
    let Some(config) = options.channels.get(name) else {
        let known: Vec<&str> = options.channels.keys().map(String::as_str).collect();
        anyhow::bail!("alerts.channels has no `{}`; it has: {}", name.escape_debug(), known.join(", "));
    };
    let mut channel = Channel::new(name, config, None, Box::new(Surroundings), now_ms())?;
    channel.hurry();
    channel.feed(trial(trail), now_ms());
    let until = Instant::now() + Duration::from_millis(config.delivery().timeout_ms.into()) + PATIENCE;
    while Instant::now() < until {
        match channel.step(&now_ms, &mut |_| Ok::<(), std::convert::Infallible>(()))? {
            Step::Sent => return Ok(format!("{name}: a message was taken by its {}", config.kind())),
            Step::Failed => {
                let why = channel.report(now_ms()).last_error.unwrap_or_default();
                anyhow::bail!("{name}: the message was not taken: {why}");
            }
            Step::Idle if channel.report(now_ms()).waiting == 0 => {
                anyhow::bail!("{name}: its filter lets no trial through: {:?}", config.filter());
            }
            Step::Idle => thread::sleep(Duration::from_millis(50)),
        }
    }
    anyhow::bail!("{name}: nothing was sent within its times")
}

/// An alert that no filter by level passes over, and that says what it is.
fn trial(trail: &str) -> Alert {
    Alert {
        fired: true,
        alert: "0000000000000000".to_owned(),
        rule: "innertrail-trial".to_owned(),
        title: "A trial of this channel; nothing happened".to_owned(),
        level: Level::Critical,
        severity: 10,
        store: "journal".to_owned(),
        time_us: clock::now_us(),
        trail: trail.to_owned(),
        ..Alert::default()
    }
}

impl Channels {
    /// Channels that are not started yet; `None` where there are none.
    ///
    /// # Errors
    /// [`ChannelError`] of the first one that cannot be made.
    pub(crate) fn new(options: &Options, around: &Surrounding<'_>) -> Result<Option<Self>, ChannelError> {
        let dir = &around.config.data_dir;
        let mut all = Vec::new();
        for (name, config) in &options.channels {
            all.push(one(name, config, options, around)?);
        }
        Ok((!all.is_empty()).then(|| Self { dir: dir.clone(), all, looked: None, noted: None }))
    }

    /// Starts them.
    ///
    /// # Errors
    /// No thread.
    pub(crate) fn start(&mut self) -> std::io::Result<()> {
        for one in &mut self.all {
            if let Some(worker) = one.worker.take() {
                let name = format!("channel-{}", one.name);
                one.thread = Some(thread::Builder::new().name(name).spawn(move || worker.run())?);
            }
        }
        Ok(())
    }

    /// What they say of themselves, by name.
    pub(crate) fn said(&self) -> BTreeMap<String, Said> {
        self.all.iter().map(|one| (one.name.clone(), lock(&one.shared.said).clone())).collect()
    }

    /// Looks at them when it is time; gives what is to be told.
    pub(crate) fn look(&mut self, at_once: bool) -> Vec<Word> {
        if !at_once && self.looked.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return Vec::new();
        }
        self.looked = Some(Instant::now());
        let words = self.all.iter_mut().flat_map(One::look).collect();
        self.note(at_once);
        words
    }

    /// What `status` reads.
    fn note(&mut self, at_once: bool) {
        let said = self.said();
        let fresh = self.noted.as_ref().is_some_and(|(at, known)| at.elapsed() < NOTE_EVERY && *known == said);
        if fresh && !at_once {
            return;
        }
        // It proves nothing and is written again in seconds.
        let _written = Note { at_us: clock::now_us(), channels: said.clone() }.write(&self.dir);
        self.noted = Some((Instant::now(), said));
    }

    /// Everything else is done: each ends once what the journal has is told.
    pub(crate) fn finish(&self) {
        self.all.iter().for_each(|one| one.shared.finish.store(true, Ordering::Relaxed));
    }

    /// Tells them to stop behind the message that is under way.
    pub(crate) fn stop(&self) {
        self.all.iter().for_each(|one| one.shared.stop.store(true, Ordering::Relaxed));
    }

    /// Whether their threads have ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.all.iter().all(|one| one.thread.as_ref().is_none_or(JoinHandle::is_finished))
    }

    /// Messages that were taken, and places in the journal: whether they come forward.
    pub(crate) fn position(&self) -> u64 {
        self.all.iter().map(|one| lock(&one.shared.said).moved()).sum()
    }

    /// Those that have not told everything.
    pub(crate) fn left(&self) -> Vec<String> {
        let left = |(name, said): (String, Said)| {
            (said.waiting > 0 || said.behind > 0)
                .then(|| format!("channel {name} has not told everything: {}", said.told()))
        };
        self.said().into_iter().filter_map(left).collect()
    }
}

impl Drop for Channels {
    fn drop(&mut self) {
        self.stop();
    }
}

fn one(name: &str, config: &ChannelConfig, options: &Options, around: &Surrounding<'_>) -> Result<One, ChannelError> {
    let shared = Arc::new(Shared::default());
    let dir = around.config.data_dir.clone();
    let (state, from, word) = begin(&dir, name, around.journal);
    lock(&shared.words).extend(word);
    let channel = Channel::new(name, config, state, Box::new(Surroundings), now_ms())?;
    *lock(&shared.said) = Said { kind: config.kind().to_owned(), state: "starting".to_owned(), ..Said::default() };
    let telling =
        Telling { trail: around.config.trail.clone(), set: Arc::clone(&around.set), link: options.console_url.clone() };
    let worker = Worker { dir, shared: Arc::clone(&shared), channel, from, notify: around.notify.clone(), telling };
    Ok(One { name: name.to_owned(), shared, worker: Some(worker), thread: None, told: String::new() })
}

/// What a channel remembers and where it goes on.
fn begin(dir: &Path, name: &str, journal: u64) -> (Option<State>, work::Begin, Option<Word>) {
    match keep::read(dir, name) {
        Found::Sound(state) => (Some(state), work::Begin::Remembered, None),
        Found::Nothing => {
            // Kept now: a kill before its first message must not begin behind what fired meanwhile.
            let state = journal.checked_sub(1).map_or_else(State::default, State::behind);
            let word = keep::write(dir, name, &state).err().map(|error| {
                let text = format!("channel {name}: what it remembers cannot be written yet: {error}");
                Word { weight: Weight::Failing, text }
            });
            (Some(state), work::Begin::Remembered, word)
        }
        Found::Unusable(why) => {
            let text = format!(
                "channel {name}: what it remembered cannot be used, so alerts of the last day may be told again, and older ones that \
                 waited are not told (`innertrail alerts fired` lists them): {why}"
            );
            let day_ago = clock::now_us() - 86_400_000_000;
            (None, work::Begin::Since(day_ago), Some(Word { weight: Weight::Failing, text }))
        }
    }
}

impl One {
    fn look(&mut self) -> Vec<Word> {
        if self.thread.as_ref().is_some_and(JoinHandle::is_finished) {
            let mut said = lock(&self.shared.said);
            if !matches!(said.state.as_str(), "stopped" | "failed") {
                said.state = "failed".to_owned();
                said.why = Some("its thread broke down; please report it; the next run goes on".to_owned());
            }
        }
        let mut words = std::mem::take(&mut *lock(&self.shared.words));
        let said = lock(&self.shared.said).clone();
        if self.told != said.state {
            let failing = matches!(said.state.as_str(), "retrying" | "refused" | "failed");
            let weight = if failing { Weight::Failing } else { Weight::Detail };
            words.push(Word { weight, text: format!("channel {} is {}", self.name, said.told()) });
            self.told.clone_from(&said.state);
        }
        words
    }
}
