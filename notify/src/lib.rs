//! Gets alerts to people: webhooks, robots of DingTalk, Feishu and WeCom, Slack, Alertmanager, e-mail.
//!
//! It must never lose an alert, tell it as anything but harmless text, show a secret, or send faster than a channel allows. It reads
//! neither the journal nor the configuration: the host feeds [`Alert`]s in the journal's order and keeps the [`State`].
//!
//! | part | what it does |
//! |---|---|
//! | [`config`] | the options, with secrets by reference |
//! | `encode` | alerts to a message: pure, one file a channel |
//! | `outbox` | what is due when, in how many messages: no I/O, the clock handed in |
//! | `send` | one message to its receiver, over HTTP or SMTP |
//! | [`Channel`] | these, for the host's loop |
//!
//! What is promised:
//!
//! - At least once: the position moves only behind a positive answer. A message whose fate is unclear goes out again as it was, with the
//!   same id; after a kill alerts may come in other messages, with their own ids (`alert`, `fired`, `position`).
//! - In the order of the journal, per channel.
//! - A digest that cannot show everything says how many it left out and where they are.
//! - What a channel refuses for what is in it is told without any text of an event. What it refuses for good is tried again seldom and
//!   reported; nothing is dropped.
//!
//! # The host's loop
//!
//! ```
//! use std::convert::Infallible;
//! use std::io::{Read, Write};
//!
//! use innertrail_notify::{Alert, Channel, Level, SecretError, SecretText, Secrets, State, Step};
//! use innertrail_notify::config::{ChannelConfig, Secret};
//!
//! # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let url = format!("http://{}/hook/secret-part", listener.local_addr()?);
//! # std::thread::spawn(move || {
//! #     let (mut socket, _) = listener.accept().expect("a connection");
//! #     let mut request = [0; 4096];
//! #     let _ = socket.read(&mut request).expect("a request");
//! #     socket.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").expect("an answer");
//! # });
//! // The host takes `Surroundings`, which reads variables and files; this is for the example.
//! struct Given(String);
//! impl Secrets for Given {
//!     fn read(&self, _: &Secret) -> Result<Option<SecretText>, SecretError> {
//!         Ok(Some(SecretText::new(&self.0)))
//!     }
//! }
//!
//! let config: ChannelConfig = serde_json::from_str(
//!     r#"{"type": "webhook", "url": {"type": "environment", "variable": "HOOK"}, "delivery": {"collect_secs": 0}}"#,
//! )?;
//! let clock = || std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |t| t.as_millis() as i64);
//! let kept: Option<Vec<u8>> = None; // what `save` kept before
//! let state = kept.map(|json| State::from_json(&json)).transpose()?;
//! let mut channel = Channel::new("ops", &config, state, Box::new(Given(url)), clock())?;
//!
//! let mut disk = Vec::new();
//! loop {
//!     // 1. Feed what the journal has behind `channel.position()`, while there is room.
//!     if channel.room() > 0 && channel.position().is_none() {
//!         let alert = Alert { position: 7, fired: true, alert: "0123456789abcdef".into(), level: Level::High, ..Alert::default() };
//!         channel.feed(alert, clock());
//!     }
//!     // 2. Send what is due; `save` has to keep the state before it returns.
//!     let step = channel.step(&clock, &mut |state| { disk = state.to_json(); Ok::<(), Infallible>(()) })?;
//!     // 3. Sleep until something is due, or the journal has more.
//!     match (step, channel.next_ms(clock())) {
//!         (Step::Sent | Step::Failed, _) => {}
//!         (Step::Idle, Some(at)) => std::thread::sleep(std::time::Duration::from_millis((at - clock()).clamp(0, 500) as u64)),
//!         (Step::Idle, None) => break, // here: wait for the journal
//!     }
//!     if channel.report(clock()).sent == 1 { break }
//! }
//! assert_eq!(State::from_json(&disk)?.position(), Some(7));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod alert;
mod channel;
pub mod config;
mod encode;
mod outbox;
mod plain;
mod report;
mod secret;
mod send;
mod settings;
mod way;

pub use alert::{Alert, Level};
pub use channel::{Channel, Step};
pub use outbox::{State, StateError};
pub use report::{Doing, Report};
pub use secret::{SecretError, SecretText, Secrets, Surroundings};
pub use way::ChannelError;
