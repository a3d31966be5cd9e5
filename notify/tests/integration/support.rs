//! What the tests share: alerts, secrets that are given, a clock that is turned by hand, and the host's loop.
//! It must never wait for the time of the channel under test: the loop turns the clock on.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use innertrail_notify::config::{ChannelConfig, Secret};
use innertrail_notify::{Alert, Channel, Level, Report, SecretError, SecretText, Secrets, State, Step};

pub(crate) const T: i64 = 1_767_323_045_000;

/// Secrets by the names of their variables.
#[derive(Clone)]
pub(crate) struct Given(pub(crate) Vec<(&'static str, String)>);

impl Secrets for Given {
    fn read(&self, reference: &Secret) -> Result<Option<SecretText>, SecretError> {
        let Secret::Environment(at) = reference else { return Ok(None) };
        let found = self.0.iter().find(|(name, _)| *name == at.variable);
        found
            .map(|(_, text)| Some(SecretText::new(text)))
            .ok_or_else(|| SecretError::new(&at.variable, "it is not set"))
    }
}

/// The clock.
#[derive(Clone)]
pub(crate) struct Clock(Arc<AtomicI64>);

impl Clock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicI64::new(T)))
    }

    pub(crate) fn now(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn turn(&self, to: i64) {
        self.0.fetch_max(to, Ordering::SeqCst);
    }
}

pub(crate) fn config(json: &str) -> ChannelConfig {
    serde_json::from_str(json).unwrap()
}

/// A channel of this type whose address is `url` and whose key is `SECkey-for-tests`; `more` is further JSON.
pub(crate) fn channel(kind: &str, url: &str, more: &str, state: Option<State>, clock: &Clock) -> Channel {
    let json = format!(r#"{{"type":"{kind}","url":{{"type":"environment","variable":"URL"}}{more}}}"#);
    let given = Given(vec![
        ("URL", url.to_owned()),
        ("KEY", "SECkey-for-tests".to_owned()),
        ("AUTH", "Bearer tok-en-1".to_owned()),
    ]);
    Channel::new("ops", &config(&json), state, Box::new(given), clock.now()).unwrap()
}

pub(crate) const KEY: &str = r#","signing_key":{"type":"environment","variable":"KEY"}"#;

pub(crate) fn alert(position: u64) -> Alert {
    let some = |text: &str| Some(text.to_owned());
    Alert {
        position,
        fired: true,
        alert: format!("{position:016x}"),
        rule: "5e0c1b7a-0000-4000-8000-000000000001".to_owned(),
        version: 3,
        title: "Bucket made public".to_owned(),
        level: Level::High,
        severity: 8,
        store: "innertrail_my-trail".to_owned(),
        seq: Some(position * 3),
        event_id: some("2D8A0000-1111-4000-9000-00000000000A"),
        event_time: some("2026-01-02T03:04:05Z"),
        actor: some("ram-user:alice <!channel> @all <at user_id=\"all\">"),
        event_name: some("PutBucketAcl"),
        resource: some("acs:oss:*:1000000000000001:bucket [x](http://evil.example)\r\nBcc: <x@evil.example>"),
        time_us: T * 1000,
        trail: "my-trail".to_owned(),
        ..Alert::default()
    }
}

/// Feeds and steps as a host does, until nothing is due for ten hours or `enough` says so; the clock is turned to what is due.
pub(crate) fn drive(
    channel: &mut Channel,
    clock: &Clock,
    alerts: &[Alert],
    enough: impl Fn(&Report) -> bool,
) -> Report {
    let end = clock.now() + 36_000_000;
    while clock.now() < end {
        let position = channel.position();
        for alert in alerts.iter().filter(|a| Some(a.position) > position).take(channel.room()) {
            channel.feed(alert.clone(), clock.now());
        }
        let step = channel.step(&|| clock.now(), &mut |_| Ok::<(), Infallible>(())).unwrap();
        if enough(&channel.report(clock.now())) {
            break;
        }
        match (step, channel.next_ms(clock.now())) {
            (Step::Idle, None) => break,
            (Step::Idle, Some(at)) => clock.turn(at.max(clock.now() + 1)),
            _ => {}
        }
    }
    channel.report(clock.now())
}

/// Until everything was told.
pub(crate) fn deliver(channel: &mut Channel, clock: &Clock, alerts: &[Alert]) -> Report {
    let last = alerts.last().map(|a| a.position);
    let report = drive(channel, clock, alerts, |r| r.position >= last);
    assert_eq!(report.position, last, "{report:?}");
    report
}

/// HMAC-SHA256 by its definition (RFC 2104), to hold the crate's against.
pub(crate) fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    let mut block = [0_u8; 64];
    if key.len() > 64 {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let pad = |with: u8| block.iter().map(|b| b ^ with).collect::<Vec<u8>>();
    let inner = Sha256::digest([pad(0x36), message.to_vec()].concat());
    Sha256::digest([pad(0x5c), inner.to_vec()].concat()).to_vec()
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
