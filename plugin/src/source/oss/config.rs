//! An OSS source's configuration, as JSON from the host. It holds no credentials and no address.

use chrono::NaiveDate;
use serde::Deserialize;

use crate::source::http::MOST_OPEN;
use crate::source::limits::{Limits, ObjectNames};

/// The folder into which ActionTrail writes below the trail's own prefix.
const ROOT: &str = "AliyunLogs/";

/// An OSS source's settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Kind of source: `oss`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Name of the source, for messages.
    pub name: String,
    /// Name of the trail, for messages.
    pub trail: String,
    /// The bucket, which is also the endpoint's name.
    pub bucket: String,
    /// The trail's prefix: what stands before `AliyunLogs/`. A prefix that has `AliyunLogs/` in it is taken as it is.
    pub prefix: String,
    /// First UTC day to read, `YYYY-MM-DD`; everything without it.
    pub from: Option<String>,
    /// How long after a later object an earlier one may still arrive, hours.
    pub overlap_hours: u32,
    /// How often to look for new objects, seconds.
    pub poll_interval_secs: u32,
    /// Keys of one page of a listing.
    pub page_keys: u32,
    /// Bytes of one ranged read.
    pub read_bytes: u32,
    /// Most requests that are open, and most objects that are.
    pub max_in_flight: u32,
    /// Whether names are checked.
    pub object_names: ObjectNames,
    /// Whether to go on watching for new objects.
    pub follow: bool,
    /// Longest record, bytes.
    pub max_event_bytes: u64,
    /// Most bytes that one object may decompress to.
    pub max_decompressed_bytes: u64,
    /// Most bytes out for one byte in, once a MiB is out.
    pub max_ratio: u64,
    /// Deepest nesting, to tell where a record that spans lines ends.
    pub max_depth: usize,
}

impl Default for Config {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            kind: "oss".to_owned(),
            name: String::new(),
            trail: String::new(),
            bucket: String::new(),
            prefix: String::new(),
            from: None,
            overlap_hours: 2,
            poll_interval_secs: 60,
            page_keys: 1000,
            read_bytes: 1 << 20,
            max_in_flight: 4,
            object_names: limits.object_names,
            follow: true,
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

    /// Where everything lies that is listed.
    pub fn root(&self) -> String {
        let prefix = self.prefix.trim_start_matches('/');
        if prefix.starts_with(ROOT) || prefix.contains(&format!("/{ROOT}")) {
            return prefix.to_owned();
        }
        let slash = if prefix.is_empty() || prefix.ends_with('/') { "" } else { "/" };
        format!("{prefix}{slash}{ROOT}")
    }

    /// The first UTC day to read.
    pub fn first_day(&self) -> Option<NaiveDate> {
        NaiveDate::parse_from_str(self.from.as_deref()?, "%Y-%m-%d").ok()
    }

    /// What reading may cost.
    pub fn limits(&self) -> Limits {
        Limits {
            object_names: self.object_names,
            max_event_bytes: self.max_event_bytes,
            max_decompressed_bytes: self.max_decompressed_bytes,
            max_ratio: self.max_ratio,
            max_depth: self.max_depth,
        }
    }

    fn check(&self) -> Result<(), String> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(3..=63).contains(&self.bucket.len()) || !self.bucket.chars().all(fits) {
            let bucket = self.bucket.escape_debug();
            return Err(format!("bucket: `{bucket}` must be 3 to 63 lower-case letters, digits or `-`"));
        }
        if self.prefix.len() > 512 || self.prefix.chars().any(char::is_control) {
            return Err("prefix must be at most 512 bytes without control characters".to_owned());
        }
        if let (Some(from), None) = (&self.from, self.first_day()) {
            return Err(format!("from: `{}` is not a day; write YYYY-MM-DD", from.escape_debug()));
        }
        between("overlap_hours", self.overlap_hours, 0, 24 * 7)?;
        between("poll_interval_secs", self.poll_interval_secs, 1, 86_400)?;
        between("page_keys", self.page_keys, 1, 1000)?;
        between("read_bytes", self.read_bytes, 1, 8 << 20)?;
        between("max_in_flight", self.max_in_flight, 1, MOST_OPEN as u32)?;
        if self.max_event_bytes == 0 || self.max_event_bytes > Limits::MOST_EVENT_BYTES {
            return Err("max_event_bytes must be from 1 to 15728640".to_owned());
        }
        Ok(())
    }
}

fn between(field: &str, value: u32, least: u32, most: u32) -> Result<(), String> {
    if (least..=most).contains(&value) { Ok(()) } else { Err(format!("{field} must be from {least} to {most}")) }
}
