//! The config room: one YAML file in, one checked [`Config`] out, or every finding with its line and column.
//!
//! Must never start with a setting it did not understand, read a credential, or print the value of an environment
//! variable.

mod alerts;
mod api;
mod check;
mod cloud;
mod console;
mod dedicated;
mod error;
mod gate;
mod interpolate;
mod json_schema;
mod mirror;
mod pattern;
mod plugin_json;
mod rules;
mod schema;
mod secrets;
pub mod sinks;
#[cfg(test)]
mod tests;
mod yaml;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

pub use alerts::{Alerts, From as AlertsFrom};
pub use api::{Api, ApiTls};
pub use cloud::{
    ActionTrail, AddressStyle, AssumeRoleCredentials, Compression, Connection, Credentials, Network, OssSource, Proxy,
    Signature, SlsSource, Sts,
};
pub use console::{Console, DEFAULT_LISTEN as CONSOLE_LISTEN};
pub use error::{ConfigError, Finding, Position};
pub(crate) use error::{nearest, printable, shown};
pub use gate::{Gate, GateCodec, OtlpGate, VectorGate};
pub use interpolate::Lookup;
pub use mirror::{LeftOut, Mirror};
pub use schema::{
    Config, DEFAULT_DATA_DIR, Decode, EmployeeId, FileSource, Immutable, Interrupt, Logstore, Metrics, ObjectNames,
    Plugin, Redact, Route, Source, UnsupportedProducts,
};
pub use sinks::Sink;
#[cfg(test)]
pub(crate) use tests::snapshot;

/// Largest configuration file that is read, in bytes.
pub const MAX_FILE_BYTES: u64 = 1 << 20;

/// The trail of [`Config::default_for_quickstart`] when none is named.
pub const QUICKSTART_TRAIL: &str = "quickstart";

/// Stands in for a trail with a finding, so that the rest of the file is judged as well.
const PLACEHOLDER_TRAIL: &str = "placeholder";

impl Config {
    /// Reads and checks the file; variables come from the environment of the process.
    ///
    /// # Errors
    /// [`ConfigError`]: the file cannot be read, is too large, is not UTF-8, or has findings.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        Self::parse(file, &read(file)?, &|name| std::env::var_os(name))
    }

    /// Checks `text`. `file` is the name that findings are told under; nothing is opened.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with all findings, in the order of the text.
    pub fn parse(file: &Path, text: &str, lookup: &Lookup<'_>) -> Result<Self, ConfigError> {
        let mut findings = Vec::new();
        let config = build(text, lookup, &mut findings);
        findings.sort_by_key(|finding| finding.position);
        match config {
            Some(config) if findings.is_empty() => Ok(config),
            _ => Err(ConfigError::Invalid { file: file.to_owned(), findings }),
        }
    }

    /// The configuration when there is no file: these globs as the one source `files`, every other option at its
    /// default. Without a trail it is [`QUICKSTART_TRAIL`]; without a folder, [`DEFAULT_DATA_DIR`].
    ///
    /// # Errors
    /// [`ConfigError::CommandLine`] when the trail, a glob or the folder cannot be used, or there is no glob.
    pub fn default_for_quickstart(
        trail: Option<&str>,
        include: Vec<String>,
        data_dir: Option<PathBuf>,
    ) -> Result<Self, ConfigError> {
        let refuse = |option, message| ConfigError::CommandLine { option, message };
        let trail = parse_trail(trail.unwrap_or(QUICKSTART_TRAIL)).map_err(|m| refuse("--trail", m))?;
        if include.is_empty() {
            return Err(refuse("--include", "no file is named; give at least one glob".to_owned()));
        }
        for glob in &include {
            parse_path(glob).map_err(|m| refuse("--include", m))?;
        }
        let data_dir = data_dir.unwrap_or_else(|| PathBuf::from(DEFAULT_DATA_DIR));
        parse_path(&data_dir.to_string_lossy()).map_err(|m| refuse("--data-dir", m))?;
        Ok(Self {
            trail,
            account: None,
            region: None,
            data_dir,
            sources: BTreeMap::from([("files".to_owned(), Source::File(FileSource::of(include)))]),
            actiontrail: None,
            sinks: BTreeMap::new(),
            decode: Decode::default(),
            redact: Redact::default(),
            route: Route::default(),
            logstore: Logstore::default(),
            plugin: Plugin::default(),
            gate: Gate::default(),
            metrics: None,
            api: None,
            console: None,
            mirror: None,
            alerts: None,
        })
    }

    /// Has every source end when all was read, as `--once` asks, and no server started that somebody may come to at any time.
    pub fn set_once(&mut self) {
        (self.gate.vector, self.gate.otlp, self.api, self.console) = (None, None, None, None);
        for source in self.sources.values_mut() {
            source.set_follow(false);
        }
    }

    /// The `type:` of a `source` or a `sink`; `innertrail` for the rooms between them.
    #[must_use]
    pub(crate) fn component_type(&self, kind: &str, name: &str) -> String {
        let value = match kind {
            "source" => self.sources.get(name).map(serde_json::to_value),
            "sink" => self.sinks.get(name).map(serde_json::to_value),
            _ => return "innertrail".to_owned(),
        };
        value.and_then(Result::ok).and_then(|value| value["type"].as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// Name of the dedicated Logstore: `innertrail_<trail>`.
    #[must_use]
    pub fn dedicated_logstore(&self) -> String {
        format!("{}{}", dedicated::PREFIX, self.trail)
    }

    /// The JSON Schema of the file, as `innertrail schema` prints it and `schema/config.json` holds it.
    #[must_use]
    pub fn json_schema() -> String {
        json_schema::text()
    }
}

/// Takes the name of a trail as given on a command line.
///
/// # Errors
/// What is wrong with it, and what is expected.
pub fn parse_trail(text: &str) -> Result<String, String> {
    let length = text.chars().count();
    match pattern::mismatch(pattern::TRAIL, text) {
        None if (6..=36).contains(&length) => Ok(text.to_owned()),
        None => Err(format!("{} has {length} characters, expected 6 to 36", error::shown(text))),
        Some(words) => Err(format!("{} is not the name of a trail, expected {words}", error::shown(text))),
    }
}

/// Takes a path or a glob as given on a command line.
///
/// # Errors
/// What is wrong with it, and what is expected.
pub fn parse_path(text: &str) -> Result<String, String> {
    match pattern::mismatch(pattern::PATH, text) {
        None => Ok(text.to_owned()),
        Some(words) => Err(format!("{} cannot be used, expected {words}", error::shown(text))),
    }
}

fn build(text: &str, lookup: &Lookup<'_>, findings: &mut Vec<Finding>) -> Option<Config> {
    let mut root = yaml::parse(text, findings)?;
    interpolate::expand_tree(&mut root, lookup, findings);
    let mut values = check::check(&json_schema::value(), &root, findings);
    if let (false, Some(map)) = (findings.is_empty(), values.as_object_mut()) {
        map.entry("trail").or_insert_with(|| PLACEHOLDER_TRAIL.into());
    }
    match serde_json::from_value::<Config>(values) {
        Ok(config) => {
            rules::check(&config, &root, findings);
            Some(config)
        }
        Err(_) => {
            // With findings this is only their echo; without, the schema and the types disagree. The error's own
            // text is not shown: it may quote the value of a variable.
            if findings.is_empty() {
                let message = "the file keeps the schema and still cannot be used".to_owned();
                let help = Some("this is a defect of innertrail; please report it".to_owned());
                findings.push(Finding { position: root.position, path: String::new(), message, help });
            }
            None
        }
    }
}

fn read(file: &Path) -> Result<String, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { file: file.to_owned(), source };
    let mut bytes = Vec::new();
    std::fs::File::open(file)
        .and_then(|open| open.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(ConfigError::TooLarge { file: file.to_owned(), limit: MAX_FILE_BYTES });
    }
    String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        ConfigError::NotUtf8 { file: file.to_owned(), offset }
    })
}
