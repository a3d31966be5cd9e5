//! One channel: what it may tell, what it still has to, and how.
//! It must never send before the place under its limits is kept, or hold anything that is not in its state or in the journal.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::alert::Alert;
use crate::config::ChannelConfig;
use crate::encode::{self, Batch, alertmanager::Timed};
use crate::outbox::{Answer, Due, Load, Outbox, State};
use crate::plain;
use crate::report::{Doing, Report};
use crate::secret::{SecretText, Secrets};
use crate::send::Verdict;
use crate::settings;
use crate::way::{ChannelError, Way};

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing is due.
    Idle,
    /// A message was taken.
    Sent,
    /// A message was not taken, or nobody knows; it is tried again.
    Failed,
}

/// A channel. The crate's documentation shows the loop that it wants.
pub struct Channel {
    name: String,
    config: ChannelConfig,
    secrets: Box<dyn Secrets>,
    outbox: Outbox,
    way: Way,
}

impl Channel {
    /// A channel that goes on from `state`; without one it begins at the first alert that it is fed. `now_ms` is in UTC.
    ///
    /// # Errors
    /// [`ChannelError`].
    pub fn new(
        name: &str,
        config: &ChannelConfig,
        state: Option<State>,
        secrets: Box<dyn Secrets>,
        now_ms: i64,
    ) -> Result<Self, ChannelError> {
        let way = Way::new(name, config, secrets.as_ref())?;
        let mut seed = [0; 8];
        // Without randomness the pauses are those of every other channel; nothing else depends on it.
        let _seeded = getrandom::fill(&mut seed);
        let outbox = Outbox::new(settings::of(config), state, now_ms, u64::from_le_bytes(seed));
        Ok(Self { name: name.to_owned(), config: config.clone(), secrets, outbox, way })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many more alerts it takes in at the moment; 2,000 at the most.
    #[must_use]
    pub fn room(&self) -> usize {
        self.outbox.room()
    }

    /// Takes an alert in, in the order of the journal. One that was fed already is not taken twice, one that the filter does not let
    /// through is passed over. More than [`Channel::room`] are taken too; they only cost memory.
    pub fn feed(&mut self, alert: Alert, now_ms: i64) {
        self.outbox.feed(alert, now_ms);
    }

    /// There is no alert up to and with this place that was not fed: lets the position follow the journal.
    pub fn seen(&mut self, position: u64) {
        self.outbox.seen(position);
    }

    /// Everything up to here needs not be fed again, not even after a kill.
    #[must_use]
    pub fn position(&self) -> Option<u64> {
        self.outbox.position()
    }

    /// What waits goes out as soon as the limits allow: nothing more will come to be gathered.
    pub fn hurry(&mut self) {
        self.outbox.hurry();
    }

    /// When [`Channel::step`] has something to do, milliseconds UTC; `None`: not before something is fed.
    #[must_use]
    pub fn next_ms(&self, now_ms: i64) -> Option<i64> {
        self.outbox.report(now_ms).next_ms
    }

    /// Sends one message, if one is due, and waits for its answer, at most `timeout_ms` of the configuration; looking up a name may take longer.
    ///
    /// `clock` gives milliseconds UTC; it is asked before and after the message. `save` is called before the message goes out and behind
    /// its answer. It has to keep the state where a kill cannot take it away; if it fails before, nothing is sent.
    ///
    /// # Errors
    /// What `save` gives. A message that is not taken is no error.
    pub fn step<E>(
        &mut self,
        clock: &dyn Fn() -> i64,
        save: &mut dyn FnMut(&State) -> Result<(), E>,
    ) -> Result<Step, E> {
        let now = clock();
        self.outbox.notice(now);
        let due = match self.outbox.poll(now) {
            Due::At(_) => return Ok(Step::Idle),
            due => due,
        };
        self.outbox.begin(due, now);
        if let Err(error) = save(&self.outbox.state()) {
            self.outbox.abort(clock());
            return Err(error);
        }
        let answer = match due {
            Due::Alerts(load) => self.tell(load, now),
            _ => self.tell_again(now),
        };
        let taken = matches!(answer, Answer::Taken { .. });
        let refused = matches!(answer, Answer::Refused { .. });
        self.outbox.answered(answer, clock());
        if refused {
            self.renew();
        }
        save(&self.outbox.state())?;
        Ok(if taken { Step::Sent } else { Step::Failed })
    }

    fn tell(&mut self, load: Load, now_ms: i64) -> Answer {
        let hours = load.late.then(|| self.config.delivery().max_age_hours);
        let name = &self.name;
        let alerts = self.outbox.alerts(load).to_vec();
        let id = message_id(name, &alerts, load);
        let batch = Batch { alerts: &alerts, late_hours: hours, bare: load.bare, id: &id, now_ms };
        match (&self.config, &self.way) {
            (ChannelConfig::Alertmanager(_), _) => {
                let timed = self.outbox.timed(&alerts, now_ms);
                self.tell_alertmanager(&timed, load, now_ms)
            }
            (ChannelConfig::Email(mail), Way::Mail(smtp)) => {
                let made = encode::email::encode(&batch, &mail.from, &mail.to);
                answer(smtp.send(&made.what), made.covered, made.left_out)
            }
            (config, Way::Http { http, key, authorization }) => {
                let key = key.as_ref().map(SecretText::expose);
                let made = match config {
                    ChannelConfig::Dingtalk(_) => encode::dingtalk::encode(&batch, key),
                    ChannelConfig::Feishu(_) => encode::feishu::encode(&batch, key),
                    ChannelConfig::Wecom(_) => encode::wecom::encode(&batch),
                    ChannelConfig::Slack(_) => encode::slack::encode(&batch),
                    _ => encode::webhook::encode(&batch, key, authorization.as_ref().map(SecretText::expose)),
                };
                answer(http.send(&made.what, now_ms), made.covered, made.left_out)
            }
            (_, Way::Mail(_)) => Answer::Refused { why: "only e-mail goes by mail".to_owned() },
        }
    }

    fn tell_again(&mut self, now_ms: i64) -> Answer {
        let timed = self.outbox.again(now_ms);
        self.tell_alertmanager(&timed, Load { count: timed.len(), late: false, bare: false }, now_ms)
    }

    fn tell_alertmanager(&self, timed: &[(Alert, i64)], load: Load, now_ms: i64) -> Answer {
        let Way::Http { http, authorization, .. } = &self.way else {
            return Answer::Refused { why: "Alertmanager is told over HTTP alone".to_owned() };
        };
        let list: Vec<Timed<'_>> =
            timed.iter().map(|(alert, ends_ms)| Timed { alert, ends_ms: *ends_ms, late: load.late }).collect();
        let made = encode::alertmanager::encode(&list, load.bare, authorization.as_ref().map(SecretText::expose));
        answer(http.send(&made.what, now_ms), made.covered, made.left_out)
    }

    /// Reads the secrets again: somebody may have changed what was refused. Those at hand stay where that fails.
    fn renew(&mut self) {
        if let Ok(way) = Way::new(&self.name, &self.config, self.secrets.as_ref()) {
            self.way = way;
        }
    }

    /// What it says of itself.
    #[must_use]
    pub fn report(&self, now_ms: i64) -> Report {
        self.outbox.report(now_ms)
    }

    /// What has to be kept. [`Channel::step`] hands it over whenever a kill would matter; this is for the end of a run, and for now and then, since
    /// alerts that are not for this channel move the position without a message.
    #[must_use]
    pub fn state(&self) -> State {
        self.outbox.state()
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("name", &self.name)
            .field("kind", &self.config.kind())
            .field("position", &self.outbox.position())
            .finish_non_exhaustive()
    }
}

impl Step {
    /// Whether a message was tried.
    #[must_use]
    pub fn tried(self) -> bool {
        self != Self::Idle
    }
}

impl Report {
    /// Whether somebody has to do something.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.doing == Doing::Refused
    }
}

fn answer(verdict: Verdict, covered: usize, left_out: usize) -> Answer {
    match verdict {
        Verdict::Taken => Answer::Taken { covered, left_out },
        Verdict::Later(why, after_ms) => Answer::Later { why, after_ms },
        Verdict::Unclear(why) => Answer::Unclear { why, covered },
        Verdict::Content(why) => Answer::Content { why, covered },
        Verdict::Refused(why) => Answer::Refused { why },
    }
}

/// The same for the same alerts in the same form.
fn message_id(name: &str, alerts: &[Alert], load: Load) -> String {
    let mut hash = Sha256::new();
    hash.update(name.as_bytes());
    hash.update([0, u8::from(load.bare), u8::from(load.late)]);
    for alert in alerts {
        hash.update(alert.position.to_be_bytes());
        hash.update(alert.alert.as_bytes());
        hash.update([0, u8::from(alert.fired)]);
    }
    plain::hex(&hash.finalize()[..16])
}
