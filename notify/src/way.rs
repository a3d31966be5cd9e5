//! How a channel sends: what its configuration and its secrets make of it.
//! It must never repeat a secret in an error.

use std::path::Path;

use crate::config::{ChannelConfig, Secret};
use crate::secret::{Scrub, SecretError, SecretText, Secrets};
use crate::send::{Http, Kind, SendError, Smtp};

/// Why there is no channel. It never repeats a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// A secret cannot be had.
    #[error("channel {channel}: `{option}`: {error}")]
    Secret {
        /// The channel.
        channel: String,
        /// The option with the reference.
        option: &'static str,
        /// Where it was to be, and what is wrong.
        error: SecretError,
    },
    /// A secret is needed and `type: none` was given.
    #[error("channel {channel}: `{option}` is needed: say where it is, with `type: environment` or `type: file`")]
    Missing {
        /// The channel.
        channel: String,
        /// The option.
        option: &'static str,
    },
    /// What was given cannot be used.
    #[error("channel {channel}: {why}")]
    Unusable {
        /// The channel.
        channel: String,
        /// What is wrong, and what to write.
        why: String,
    },
}

/// A way to a receiver.
pub(crate) enum Way {
    Http { http: Http, key: Option<SecretText>, authorization: Option<SecretText> },
    Mail(Smtp),
}

/// What an address is made of, beside the address.
#[derive(Default)]
struct Parts<'a> {
    path: &'a str,
    ca_file: Option<&'a Path>,
    key: Option<SecretText>,
    authorization: Option<SecretText>,
}

impl Way {
    /// Reads the secrets and prepares; sends nothing.
    pub(crate) fn new(name: &str, config: &ChannelConfig, secrets: &dyn Secrets) -> Result<Self, ChannelError> {
        let from = Source { name, secrets, timeout_ms: config.delivery().timeout_ms };
        match config {
            ChannelConfig::Webhook(c) => {
                let key = from.read("signing_key", &c.signing_key)?;
                let authorization = from.read("authorization", &c.authorization)?;
                from.post(
                    Kind::Webhook,
                    &c.url,
                    Parts { ca_file: c.ca_file.as_deref(), key, authorization, ..Parts::default() },
                )
            }
            ChannelConfig::Dingtalk(c) => {
                let key = from.read("signing_key", &c.signing_key)?;
                from.post(Kind::Dingtalk, &c.url, Parts { ca_file: c.ca_file.as_deref(), key, ..Parts::default() })
            }
            ChannelConfig::Feishu(c) => {
                let key = from.read("signing_key", &c.signing_key)?;
                from.post(Kind::Feishu, &c.url, Parts { ca_file: c.ca_file.as_deref(), key, ..Parts::default() })
            }
            ChannelConfig::Wecom(c) => {
                from.post(Kind::Wecom, &c.url, Parts { ca_file: c.ca_file.as_deref(), ..Parts::default() })
            }
            ChannelConfig::Slack(c) => {
                from.post(Kind::Slack, &c.url, Parts { ca_file: c.ca_file.as_deref(), ..Parts::default() })
            }
            ChannelConfig::Alertmanager(c) => {
                let authorization = from.read("authorization", &c.authorization)?;
                let (path, ca_file) = ("/api/v2/alerts", c.ca_file.as_deref());
                from.http(Kind::Alertmanager, &c.url, Parts { path, ca_file, authorization, key: None })
            }
            ChannelConfig::Email(c) => {
                let password = from.read("password", &c.password)?;
                Smtp::new(c, password, Scrub::default()).map(Self::Mail).map_err(|e| from.unusable(&e))
            }
        }
    }
}

/// Where the secrets of one channel come from.
struct Source<'a> {
    name: &'a str,
    secrets: &'a dyn Secrets,
    timeout_ms: u32,
}

impl Source<'_> {
    fn read(&self, option: &'static str, reference: &Secret) -> Result<Option<SecretText>, ChannelError> {
        let bad = |error| ChannelError::Secret { channel: self.name.to_owned(), option, error };
        self.secrets.read(reference).map_err(bad)
    }

    /// An address that is a secret.
    fn post(&self, kind: Kind, url: &Secret, parts: Parts<'_>) -> Result<Way, ChannelError> {
        let missing = || ChannelError::Missing { channel: self.name.to_owned(), option: "url" };
        let url = self.read("url", url)?.ok_or_else(missing)?;
        self.http(kind, url.expose(), parts)
    }

    fn http(&self, kind: Kind, url: &str, parts: Parts<'_>) -> Result<Way, ChannelError> {
        let Parts { path, ca_file, key, authorization } = parts;
        let mut scrub = Scrub::default();
        [&key, &authorization].into_iter().flatten().for_each(|secret| scrub.add(secret.expose()));
        let http = Http::new(kind, url, path, ca_file, self.timeout_ms, scrub).map_err(|e| self.unusable(&e))?;
        Ok(Way::Http { http, key, authorization })
    }

    fn unusable(&self, error: &SendError) -> ChannelError {
        ChannelError::Unusable { channel: self.name.to_owned(), why: error.to_string() }
    }
}
