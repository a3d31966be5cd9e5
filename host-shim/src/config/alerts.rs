//! Options of alerts: which rules a run evaluates, and who is told. Must never hold a secret: channels name where theirs are.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use innertrail_notify::config::ChannelConfig;

use super::pattern;
use super::schema::yes;

/// Rules that `innertrail run` evaluates over what is durable. Each firing is an entry of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Alerts {
    /// Whether the rules that are built in are evaluated.
    #[serde(default = "yes")]
    pub pack: bool,

    /// Folders with rules of your own; relative to the working directory.
    #[schemars(length(max = 100), inner(regex(pattern = pattern::PATH)))]
    pub rules: Vec<PathBuf>,

    /// Names of rules that are not evaluated. A rule that a correlation counts is counted all the same.
    #[schemars(length(max = 1000), inner(length(min = 1, max = 200)))]
    pub disable: Vec<String>,

    /// Values of rules' parameters in place of their defaults, such as `expected_countries: [CN, SG]`.
    pub parameters: BTreeMap<String, Vec<String>>,

    /// Seconds that a record may be older than the newest one of its rule and still be counted by a correlation.
    #[schemars(range(min = 60, max = 604_800))]
    pub lateness_secs: u32,

    /// Where evaluation begins in a Logstore that has records already, when it was never evaluated before.
    pub from: From,

    /// Who is told of alerts, by name. Each channel has its own position in the journal: one that is away keeps nobody waiting, and is told
    /// when it is back.
    #[schemars(extend("propertyNames" = { "maxLength": 64, "pattern": pattern::NAME }))]
    pub channels: BTreeMap<String, ChannelConfig>,

    /// Where people open the console, such as `https://audit.example:8687`: alerts are told with a link to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 1024), regex(pattern = pattern::URL))]
    pub console_url: Option<String>,
}

/// Where evaluation begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum From {
    /// At the end: only what comes from now on is looked at.
    #[default]
    End,
    /// At the first record that is kept.
    Beginning,
}

impl Default for Alerts {
    fn default() -> Self {
        Self {
            pack: true,
            rules: Vec::new(),
            disable: Vec::new(),
            parameters: BTreeMap::new(),
            lateness_secs: 3_600,
            from: From::End,
            channels: BTreeMap::new(),
            console_url: None,
        }
    }
}
