//! The mirror: copies what is sealed into a bucket, beside a run.
//!
//! [`plan`] says which file is next, [`ship`] brings one, [`work`] is the thread between them, [`note`] is what it remembers
//! and `status` shows. Must never keep a source, a commit or retention waiting, and never overwrite or delete in the bucket.

mod cause;
pub(crate) mod note;
mod plan;
mod ship;
mod tell;
mod work;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use innertrail_fetch::{Client, ConfigError};
use innertrail_logstore::Store;

use crate::clock;
use crate::config::{Config, LeftOut, Mirror as Options};
use crate::fetch::cloud::Plan;
use crate::sink::parking::Parked;
use crate::sink::watch::{Weight, Word};
use note::{Note, Said};
use work::{Work, Worker};

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often it is noted that there is a mirror, while an upload keeps its thread.
const NOTE_EVERY: Duration = Duration::from_secs(5);
/// A mirror that has waited for so long is told of once more, and how often after that.
const LONG: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(600));
/// How long a thread that was told to stop is waited for. What it was sending is sent again by the next run.
const STOP: Duration = Duration::from_secs(5);

/// The mirror of a run.
#[derive(Debug)]
pub(crate) struct Mirror {
    dir: PathBuf,
    options: Options,
    client: Arc<Client>,
    note: Arc<Mutex<Note>>,
    stop: Arc<AtomicBool>,
    wake: Sender<()>,
    woken: Option<Receiver<()>>,
    thread: Option<JoinHandle<()>>,
    looked: Option<Instant>,
    noted: Instant,
    /// What was told of it last.
    told: Said,
    /// Since when it has waited, and when that was told last.
    waiting: Option<(Instant, Option<Instant>)>,
}

impl Mirror {
    /// A mirror that is not started yet; it connects to nothing.
    ///
    /// # Errors
    /// Options that cannot work, such as a certificate file that is none.
    pub(crate) fn new(config: &Config, options: &Options) -> Result<Self, ConfigError> {
        let plan = Plan::of_mirror(options)?;
        let client = plan.client(plan.credentials()?)?;
        let target = format!("oss://{}/{}", options.bucket, options.root());
        let said = Said { target, state: "starting".to_owned(), since_us: clock::now_us(), ..Said::default() };
        let (wake, woken) = channel();
        Ok(Self {
            dir: config.data_dir.clone(),
            options: options.clone(),
            client: Arc::new(client),
            note: Arc::new(Mutex::new(Note::starting(said))),
            stop: Arc::default(),
            wake,
            woken: Some(woken),
            thread: None,
            looked: None,
            noted: Instant::now(),
            told: Said::default(),
            waiting: None,
        })
    }

    /// Starts it. `post` hands something to keep to the thread that commits; `false` when that is gone.
    ///
    /// # Errors
    /// No thread.
    pub(crate) fn start(&mut self, post: impl Fn(Parked) -> bool + Send + 'static) -> std::io::Result<()> {
        let Some(woken) = self.woken.take() else { return Ok(()) };
        let secs = |secs: u32| Duration::from_secs(secs.into());
        let left_out = self.options.leave_out.iter().map(|store| match store {
            LeftOut::Quarantine => Store::Quarantine,
            LeftOut::Passthrough => Store::Passthrough,
        });
        let work = Work {
            dir: self.dir.clone(),
            bucket: self.options.bucket.clone(),
            root: self.options.root(),
            left_out: left_out.collect(),
            interval: secs(self.options.interval_secs),
            checkpoint: secs(self.options.checkpoint_secs),
            retry_max: secs(self.options.retry_max_secs),
            client: Arc::clone(&self.client),
            stop: Arc::clone(&self.stop),
            note: Arc::clone(&self.note),
            post: Box::new(post),
        };
        let thread = thread::Builder::new().name("mirror".to_owned()).spawn(move || Worker::new(work, woken).run())?;
        self.thread = Some(thread);
        Ok(())
    }

    /// What it says of itself.
    pub(crate) fn said(&self) -> Said {
        self.note.lock().unwrap_or_else(PoisonError::into_inner).said.clone()
    }

    /// Looks at it when it is time; gives what is to be told.
    pub(crate) fn look(&mut self, at_once: bool) -> Vec<Word> {
        if self.thread.is_none() || (!at_once && self.looked.is_some_and(|at| at.elapsed() < LOOK_EVERY)) {
            return Vec::new();
        }
        self.looked = Some(Instant::now());
        if !self.is_running() {
            self.broke_down();
        }
        if self.is_running() && self.noted.elapsed() >= NOTE_EVERY {
            self.noted = Instant::now();
            self.note.lock().unwrap_or_else(PoisonError::into_inner).write_now(&self.dir);
        }
        let said = self.said();
        let words = self.words(&said);
        self.told = said;
        words
    }

    /// A thread that ended without a last word has met a defect.
    fn broke_down(&self) {
        let mut note = self.note.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(note.said.state.as_str(), "stopped" | "failed") {
            (note.said.state, note.said.since_us) = ("failed".to_owned(), clock::now_us());
            note.said.why = Some("its thread broke down; please report it; the next run goes on".to_owned());
            note.write_now(&self.dir);
        }
    }

    fn words(&mut self, said: &Said) -> Vec<Word> {
        let mut words = Vec::new();
        let mut tell = |weight, text: String| words.push(Word { weight, text });
        let before = &self.told;
        let waits = said.state == "waiting";
        if (&before.state, before.cause) != (&said.state, said.cause) {
            let weight =
                if matches!(said.state.as_str(), "waiting" | "failed") { Weight::Failing } else { Weight::Detail };
            tell(weight, format!("it is {}", said.told()));
        }
        if said.conflicts > before.conflicts {
            let first = said.conflict.as_deref().map(innertrail_query::terminal_safe).unwrap_or_default();
            let count = said.conflicts;
            tell(Weight::Failing, format!("{count} files are not in the bucket as they were sealed, such as {first}"));
        }
        if said.missed > before.missed {
            let count = said.missed;
            tell(Weight::Failing, format!("{count} files will never be copied: retention dropped them first"));
        }
        let since = waits.then(|| self.waiting.unwrap_or((Instant::now(), None)));
        if let Some((from, told)) = since {
            let due = told.map_or(from.elapsed() >= LONG.0, |told| told.elapsed() >= LONG.1);
            if due {
                let (minutes, files) = (from.elapsed().as_secs() / 60, said.behind_files);
                tell(
                    Weight::Failing,
                    format!(
                        "nothing was copied for {minutes} min, {files} files behind; retention does not wait: {}",
                        said.told()
                    ),
                );
            }
            self.waiting = Some((from, if due { Some(Instant::now()) } else { told }));
        } else if self.waiting.take().is_some_and(|(_, told)| told.is_some()) {
            tell(Weight::Good, format!("it copies again, {} files behind", said.behind_files));
        }
        words
    }

    /// With everything sealed and nothing running any more, waits until all is copied or the bucket has taken nothing for long.
    /// Told to stop, it stops at once. Gives what is not copied, and why.
    pub(crate) fn finish(mut self, stop: &AtomicBool, tell: &mut dyn FnMut(Word)) -> Option<String> {
        self.thread.as_ref()?;
        let _gone = self.wake.send(());
        while self.is_running() && !stop.load(Ordering::Relaxed) {
            self.look(false).into_iter().for_each(&mut *tell);
            thread::sleep(Duration::from_millis(20));
        }
        let told_to = stop.load(Ordering::Relaxed);
        self.stop();
        let begun = Instant::now();
        while self.is_running() && begun.elapsed() < STOP {
            thread::sleep(Duration::from_millis(5));
        }
        self.look(true).into_iter().for_each(tell);
        let said = self.said();
        (said.behind_files > 0 && !told_to).then(|| {
            let why = said.why.as_deref().map(innertrail_query::terminal_safe);
            let why = why.unwrap_or_else(|| "it was not done".to_owned());
            format!("the mirror is {} files behind: {why}", said.behind_files)
        })
    }

    fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.client.close();
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.stop();
    }
}
