//! A source's configuration, as JSON from the host.

use serde::Deserialize;

/// JSON Schema of [`Config`].
pub const SCHEMA: &str = include_str!("config.schema.json");

/// Whether the promises in ActionTrail object names are held against what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectNames {
    /// Wherever a name has the form.
    #[default]
    Actiontrail,
    /// Never.
    Ignore,
}

/// A file source's settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Kind of source; `file` is the only one of this version.
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
        Self {
            kind: "file".to_owned(),
            name: String::new(),
            trail: String::new(),
            include: Vec::new(),
            exclude: Vec::new(),
            follow: false,
            poll_interval_secs: 5,
            object_names: ObjectNames::default(),
            read_bytes: 256 << 10,
            max_event_bytes: 4 << 20,
            max_decompressed_bytes: 8 << 30,
            max_ratio: 1000,
            max_depth: 64,
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
        if config.kind != "file" {
            return Err(format!("type: `{}` is not a source of this version; use `file`", config.kind));
        }
        if config.include.is_empty() {
            return Err("include: name at least one file or glob".to_owned());
        }
        if config.read_bytes == 0 || config.max_event_bytes == 0 || config.max_event_bytes > 15 << 20 {
            return Err("read_bytes must be at least 1, max_event_bytes from 1 to 15728640".to_owned());
        }
        Ok(config)
    }
}
