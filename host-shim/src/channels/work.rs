//! The thread of a channel: reads alerts of the journal from its position on, sends what is due, keeps what it remembers, waits.
//!
//! Must never send before its state is kept, and never move past an alert that it has not read.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use chrono::DateTime;
use innertrail_alerts::RuleSet;
use innertrail_logstore::consumer::{ConsumerError, Notify};
use innertrail_notify::{Alert, Channel, Level, Step};

use super::{Shared, keep, lock, now_ms};
use crate::alerting::read::{self, Alerts, From};
use crate::sink::watch::{Weight, Word};

/// The longest nap: how soon it hears that it is to stop.
const NAP: Duration = Duration::from_millis(250);
/// The pause after the journal or the disk said no.
const PAUSE: Duration = Duration::from_secs(1);
/// How often a position that moved without a message is kept.
const KEEP_EVERY: Duration = Duration::from_secs(10);

/// Where a channel begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    /// Where it was.
    Remembered,
    /// At the first entry of this time, microseconds UTC.
    Since(i64),
}

/// What an alert is told with beside what the journal says.
pub(super) struct Telling {
    pub(super) trail: String,
    pub(super) set: Arc<RuleSet>,
    /// Where the console is.
    pub(super) link: Option<String>,
}

/// The thread's own.
pub(super) struct Worker {
    pub(super) dir: PathBuf,
    pub(super) shared: Arc<Shared>,
    pub(super) channel: Channel,
    pub(super) from: Begin,
    pub(super) notify: Notify,
    pub(super) telling: Telling,
}

/// Why a turn did not get on. Nothing of it is the channel's fault.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("the journal cannot be read: {0}")]
    Journal(#[from] ConsumerError),
    #[error("what it remembers cannot be written, so nothing is sent: {0}")]
    Keep(#[from] io::Error),
}

impl Worker {
    /// The thread's life.
    pub(super) fn run(mut self) {
        while !self.stopped() {
            match self.serve() {
                Ok(()) => break,
                Err(trouble) => {
                    let text = format!("channel {} waits: {trouble}", self.channel.name());
                    {
                        let mut said = lock(&self.shared.said);
                        (said.state, said.why) = ("waiting".to_owned(), Some(trouble.to_string()));
                    }
                    lock(&self.shared.words).push(Word { weight: Weight::Failing, text });
                    std::thread::sleep(PAUSE);
                }
            }
        }
        let _kept = keep::write(&self.dir, self.channel.name(), &self.channel.state());
        let report = self.channel.report(now_ms());
        let mut said = lock(&self.shared.said);
        let why = said.why.take();
        said.update(report);
        said.state = "stopped".to_owned();
        said.why = said.why.take().or(why);
    }

    fn stopped(&self) -> bool {
        self.shared.stop.load(Ordering::Relaxed)
    }

    fn keep(&self) -> io::Result<()> {
        keep::write(&self.dir, self.channel.name(), &self.channel.state())
    }

    /// Opens the journal and tells what it has, until it is to end.
    fn serve(&mut self) -> Result<(), Trouble> {
        let mut alerts = self.open()?;
        // A kill before the first message must not begin behind what fired meanwhile.
        self.keep()?;
        let (mut kept, mut position) = (Instant::now(), self.channel.position());
        loop {
            // What came before it was told to end is read after this.
            let last = self.shared.finish.load(Ordering::Relaxed);
            if last {
                self.channel.hurry();
            }
            let at_end = self.feed(&mut alerts)?;
            let step = self.send()?;
            self.say(&alerts);
            let is_done = last && at_end && step == Step::Idle && self.channel.report(now_ms()).waiting == 0;
            if self.stopped() || is_done {
                return Ok(());
            }
            if kept.elapsed() >= KEEP_EVERY && position != self.channel.position() {
                self.keep()?;
                (kept, position) = (Instant::now(), self.channel.position());
            }
            if step == Step::Idle {
                alerts.wait(self.rest(at_end))?;
            }
        }
    }

    fn open(&mut self) -> Result<Alerts, Trouble> {
        let from = match (self.channel.position(), self.from) {
            (Some(last), _) => From::At(last + 1),
            (None, Begin::Since(us)) => From::Time(us),
            // It was kept before the journal had an entry.
            (None, Begin::Remembered) => From::Begin,
        };
        Ok(Alerts::open(&self.dir, from, Some(self.notify.clone()))?)
    }

    /// Takes in what there is room for; whether that was all.
    fn feed(&mut self, alerts: &mut Alerts) -> Result<bool, Trouble> {
        while self.channel.room() > 0 && !self.stopped() {
            let batch = alerts.batch()?;
            for alert in batch.alerts {
                self.channel.feed(self.telling.alert(alert), now_ms());
            }
            if let Some(last) = batch.next.checked_sub(1) {
                self.channel.seen(last);
            }
            if batch.at_end {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn send(&mut self) -> Result<Step, Trouble> {
        let (dir, name) = (self.dir.clone(), self.channel.name().to_owned());
        Ok(self.channel.step(&now_ms, &mut |state| keep::write(&dir, &name, state))?)
    }

    fn say(&self, alerts: &Alerts) {
        let report = self.channel.report(now_ms());
        let mut said = lock(&self.shared.said);
        said.behind = alerts.behind();
        said.update(report);
    }

    /// How long there is nothing to do, unless the journal has more.
    fn rest(&self, at_end: bool) -> Duration {
        let due =
            self.channel.next_ms(now_ms()).map(|at| Duration::from_millis(u64::try_from(at - now_ms()).unwrap_or(0)));
        let most = if at_end { NAP } else { Duration::from_millis(20) };
        due.unwrap_or(most).min(most)
    }
}

/// Microseconds UTC; what is none is long ago.
fn moment(text: &str) -> i64 {
    DateTime::parse_from_rfc3339(text).map_or(0, |time| time.timestamp_micros())
}

impl Telling {
    /// An alert of the journal as people are told of it.
    fn alert(&self, alert: read::Alert) -> Alert {
        let given = |text: String| (!text.is_empty()).then_some(text);
        let level = Level::ALL.into_iter().find(|level| level.as_str() == alert.level);
        let link = self.link(&alert);
        Alert {
            position: alert.entry,
            fired: alert.fired,
            remedy: self.remedy(&alert.rule),
            alert: alert.alert,
            rule: alert.rule,
            version: alert.version,
            title: alert.title,
            // An entry that another version made may have a level that is not known: it is told to everybody.
            level: level.unwrap_or(Level::Critical),
            severity: alert.severity,
            store: alert.store,
            seq: alert.seq,
            event_id: given(alert.event_id),
            event_time: given(alert.event_time),
            actor: given(alert.actor),
            event_name: given(alert.event_name),
            resource: given(alert.resource),
            key: alert.key,
            window: alert.window.map(|(from, to)| format!("{from} to {to}")),
            value: given(
                alert.value.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", "),
            ),
            group: alert.group,
            query: given(alert.query),
            time_us: moment(&alert.time),
            trail: self.trail.clone(),
            link,
        }
    }

    /// The console's page of alerts, with the record open where the alert is about one.
    fn link(&self, alert: &read::Alert) -> Option<String> {
        let base = self.link.as_ref()?.trim_end_matches('/');
        let event = alert.seq.map(|seq| format!("&event={}:{seq}", alert.store)).unwrap_or_default();
        Some(format!("{base}/alerts?from=all{event}"))
    }

    fn remedy(&self, rule: &str) -> Option<String> {
        let text = self.set.find(rule).map(|rule| rule.remedy.clone());
        text.or_else(|| self.set.scheduled().iter().find(|known| known.name == rule).map(|known| known.remedy.clone()))
            .filter(|text| !text.is_empty())
    }
}
