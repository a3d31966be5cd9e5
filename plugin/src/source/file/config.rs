//! A file source's configuration, as JSON from the host.

use serde::Deserialize;

use crate::source::limits::{Limits, ObjectNames};

/// A file source's settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Kind of source: `file`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Name of the source, for messages.
    pub name: String,
    /// Name of the trail, for messages.
    pub trail: String,
    /// Globs of files to read.
    pub include: Vec<String>,
    /// Globs of files to leave out.
    pub exclude: Vec<String>,
    /// Whether to go on watching for new files and new bytes.
    pub follow: bool,
    /// How often, seconds.
    pub poll_interval_secs: u32,
    /// Whether names are checked.
    pub object_names: ObjectNames,
    /// Bytes asked for in one read.
    pub read_bytes: u32,
    /// Longest record.
    pub max_event_bytes: u64,
    /// Most bytes that one file may decompress to.
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
            kind: "file".to_owned(),
            name: String::new(),
            trail: String::new(),
            include: Vec::new(),
            exclude: Vec::new(),
            follow: false,
            poll_interval_secs: 5,
            object_names: limits.object_names,
            read_bytes: 256 << 10,
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
        if config.include.is_empty() {
            return Err("include: name at least one file or glob".to_owned());
        }
        if config.read_bytes == 0 || config.max_event_bytes == 0 || config.max_event_bytes > Limits::MOST_EVENT_BYTES {
            return Err("read_bytes must be at least 1, max_event_bytes from 1 to 15728640".to_owned());
        }
        Ok(config)
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
}
