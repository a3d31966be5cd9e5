//! A Log Service source's configuration, as JSON from the host. It holds no credentials and no address.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::source::http::{MOST_OPEN, Signer};
use crate::source::limits::Limits;

/// Most log groups of one pull (PullLogs, `count`).
const MOST_GROUPS: u32 = 1000;

/// Most Logstores of one source.
const MOST_LOGSTORES: usize = 256;

/// Least and most bytes of a page: below, no log of the longest kind fits; above, the component's memory does not do.
const PAGE_BYTES: std::ops::RangeInclusive<u32> = 64 << 10..=16 << 20;

/// One Logstore.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logstore {
    /// Its project, which is also the endpoint's name.
    pub project: String,
    /// Its name.
    pub logstore: String,
}

/// Who remembers which shard is read by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// This session reads all shards; the host's checkpoints are the only memory.
    #[default]
    Shards,
    /// A consumer group of the service shares the shards among its consumers.
    ConsumerGroup,
}

/// Where a shard is begun that nobody has a position of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(from = "FromJson")]
pub enum From {
    /// At the oldest log that the service still has.
    #[default]
    Begin,
    /// Behind the newest log.
    End,
    /// At the first log that the service received at or after this time, milliseconds since the Unix epoch.
    Time(i64),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum FromJson {
    Word(FromWord),
    Time(i64),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum FromWord {
    Begin,
    End,
}

impl std::convert::From<FromJson> for From {
    fn from(json: FromJson) -> Self {
        match json {
            FromJson::Word(FromWord::Begin) => Self::Begin,
            FromJson::Word(FromWord::End) => Self::End,
            FromJson::Time(ms) => Self::Time(ms),
        }
    }
}

/// How pages are compressed on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// One raw lz4 block.
    #[default]
    Lz4,
    /// A zstd frame.
    Zstd,
    /// Not at all.
    None,
}

impl Compression {
    /// As the service calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
            Self::None => "",
        }
    }
}

/// The signature's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signature {
    /// HMAC-SHA256, the date and the region in the key.
    #[default]
    V4,
    /// HMAC-SHA1.
    V1,
}

/// A Log Service source's settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Kind of source: `sls`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Name of the source, for messages.
    pub name: String,
    /// Name of the trail, for messages.
    pub trail: String,
    /// What is read.
    pub logstores: Vec<Logstore>,
    /// Who shares the shards out.
    pub mode: Mode,
    /// Name of the consumer group.
    pub consumer_group: String,
    /// Name of this consumer, unique in the group and the same after a restart.
    pub consumer: String,
    /// How often the group hears that this consumer lives, seconds.
    pub heartbeat_secs: u32,
    /// After how long a silence the group gives a consumer's shards to others, seconds.
    pub group_timeout_secs: u32,
    /// Where to begin.
    pub from: From,
    /// How often a shard is asked that has nothing new, milliseconds.
    pub poll_interval_ms: u32,
    /// How often the list of shards is asked for, seconds.
    pub shard_refresh_secs: u32,
    /// Log groups of one pull.
    pub count: u32,
    /// Most requests that are open.
    pub max_in_flight: u32,
    /// How pages are compressed.
    pub compression: Compression,
    /// How requests are signed.
    pub signature: Signature,
    /// Whether to go on behind what is there when the session begins.
    pub follow: bool,
    /// Most bytes of a page, decompressed.
    pub page_bytes: u32,
    /// Longest record, bytes.
    pub max_event_bytes: u64,
    /// Not of use here: a page is bounded by `page_bytes`. Every source takes the same limits of decoding.
    pub max_decompressed_bytes: u64,
    /// The same.
    pub max_ratio: u64,
    /// The same.
    pub max_depth: usize,
}

impl Default for Config {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            kind: "sls".to_owned(),
            name: String::new(),
            trail: String::new(),
            logstores: Vec::new(),
            mode: Mode::default(),
            consumer_group: String::new(),
            consumer: String::new(),
            heartbeat_secs: 10,
            group_timeout_secs: 60,
            from: From::default(),
            poll_interval_ms: 500,
            shard_refresh_secs: 60,
            count: 100,
            max_in_flight: 4,
            compression: Compression::default(),
            signature: Signature::default(),
            follow: true,
            page_bytes: 12 << 20,
            max_event_bytes: limits.max_event_bytes,
            max_decompressed_bytes: limits.max_decompressed_bytes,
            max_ratio: limits.max_ratio,
            max_depth: limits.max_depth,
        }
    }
}

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    /// What is wrong and what to do, in words.
    pub fn parse(json: &str) -> Result<Self, String> {
        let config: Self = serde_json::from_str(json).map_err(|e| format!("not a source configuration: {e}"))?;
        config.check().map(|()| config)
    }

    /// What signs the requests.
    pub fn signer(&self) -> Signer {
        match self.signature {
            Signature::V4 => Signer::Sls4,
            Signature::V1 => Signer::Sls1,
        }
    }

    fn check(&self) -> Result<(), String> {
        let distinct: BTreeSet<_> = self.logstores.iter().collect();
        if self.logstores.is_empty() || self.logstores.len() > MOST_LOGSTORES || distinct.len() < self.logstores.len() {
            return Err(format!("logstores: name at least one, at most {MOST_LOGSTORES}, and each once"));
        }
        for one in &self.logstores {
            name("logstores.project", &one.project)?;
            name("logstores.logstore", &one.logstore)?;
        }
        if self.mode == Mode::ConsumerGroup {
            name("consumer_group", &self.consumer_group)?;
            name("consumer", &self.consumer)?;
            if self.heartbeat_secs == 0 || self.group_timeout_secs <= self.heartbeat_secs {
                return Err("heartbeat_secs must be at least 1 and less than group_timeout_secs".to_owned());
            }
        }
        between("count", self.count, 1, MOST_GROUPS)?;
        between("max_in_flight", self.max_in_flight, 1, MOST_OPEN as u32)?;
        between("page_bytes", self.page_bytes, *PAGE_BYTES.start(), *PAGE_BYTES.end())?;
        between("poll_interval_ms", self.poll_interval_ms, 50, 3_600_000)?;
        between("shard_refresh_secs", self.shard_refresh_secs, 1, 86_400)?;
        if self.max_event_bytes == 0 || self.max_event_bytes > Limits::MOST_EVENT_BYTES {
            return Err("max_event_bytes must be from 1 to 15728640".to_owned());
        }
        Ok(())
    }
}

/// Names go into paths and checkpoint keys, so that no character of either may be in them.
fn name(field: &str, name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 128 || !name.chars().all(fits) || name.starts_with('.') {
        return Err(format!("{field}: `{}` must be 1 to 128 letters, digits, `-`, `_` or `.`", name.escape_debug()));
    }
    Ok(())
}

fn between(field: &str, value: u32, least: u32, most: u32) -> Result<(), String> {
    if (least..=most).contains(&value) { Ok(()) } else { Err(format!("{field} must be from {least} to {most}")) }
}
