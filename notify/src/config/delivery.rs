//! Which alerts a channel is told, and how many at a time.
//!
//! Must never let more through than the channel itself allows: its own limits hold whatever is set here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pattern;
use crate::alert::{Alert, Level};

/// Which alerts a channel is told. Without it all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "AlertFilter")]
pub struct Filter {
    /// The least grave level that is told.
    pub min_level: Level,

    /// Rules that are told, by id or title; a `*` at the end stands for any rest. Empty: all.
    #[schemars(length(max = 1000), inner(regex(pattern = pattern::PATH)))]
    pub rules: Vec<String>,

    /// Rules that are not told, in the same form; they win over `rules`.
    #[schemars(length(max = 1000), inner(regex(pattern = pattern::PATH)))]
    pub except_rules: Vec<String>,

    /// Where the records are whose alerts are told: in the dedicated Logstore or in its journal. Empty: in both.
    #[schemars(length(max = 2))]
    pub stores: Vec<AlertStore>,
}

/// A store that rules look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AlertStore {
    /// The dedicated Logstore: operation logs.
    Log,
    /// The journal: what was done to the Logstore.
    Journal,
}

impl AlertStore {
    fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Journal => "journal",
        }
    }
}

/// How a channel is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "ChannelDelivery")]
pub struct Delivery {
    /// Whether alerts are gathered. Webhooks and Alertmanager always get lists.
    pub mode: Mode,

    /// Seconds for which a digest gathers alerts after the first one. Without it 10, for e-mail 60, for webhooks and Alertmanager
    /// 1.
    #[schemars(range(min = 0, max = 3_600))]
    pub collect_secs: Option<u32>,

    /// Most messages in any 60 seconds. Without it DingTalk and WeCom 15, Feishu 60, Slack 30, e-mail 10, others 600. The channel's own
    /// limit holds beside it: 20 a minute for DingTalk and WeCom, 100 a minute and 5 a second for Feishu, 1 a second for Slack.
    #[schemars(range(min = 1, max = 600))]
    pub max_per_minute: Option<u32>,

    /// Hours after which an alert that could not be told is no news any more: it is told in a digest that says so.
    #[schemars(range(min = 1, max = 8_760))]
    pub max_age_hours: u32,

    /// Whether it is told that something is over. Alertmanager is told always.
    pub send_resolved: bool,

    /// Longest time for one message and its answer, in milliseconds.
    #[schemars(range(min = 100, max = 600_000))]
    pub timeout_ms: u32,

    /// Longest pause before a message is tried again, in seconds. It is tried again for ever.
    #[schemars(range(min = 1, max = 3_600))]
    pub retry_max_secs: u32,
}

/// Whether alerts are gathered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ChannelMode")]
pub enum Mode {
    /// What came within `collect_secs` is one message.
    #[default]
    Digest,
    /// Each alert is a message, until one more would be the last that the limit allows: that one is a digest.
    Each,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            mode: Mode::Digest,
            collect_secs: None,
            max_per_minute: None,
            max_age_hours: 24,
            send_resolved: true,
            timeout_ms: 15_000,
            retry_max_secs: 300,
        }
    }
}

impl Filter {
    /// Whether the channel is told of this alert.
    #[must_use]
    pub fn takes(&self, alert: &Alert) -> bool {
        let named = |names: &[String]| names.iter().any(|n| fits(n, &alert.rule) || fits(n, &alert.title));
        alert.level >= self.min_level
            && (self.rules.is_empty() || named(&self.rules))
            && !named(&self.except_rules)
            && (self.stores.is_empty() || self.stores.iter().any(|store| store.as_str() == alert.store))
    }
}

fn fits(name: &str, text: &str) -> bool {
    name.strip_suffix('*').map_or(name == text, |start| text.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_goes_by_level_rule_and_store() {
        let alert = Alert {
            rule: "r-1".to_owned(),
            title: "Bucket made public".to_owned(),
            level: Level::Medium,
            store: "log".to_owned(),
            ..Alert::default()
        };
        let takes = |change: &dyn Fn(&mut Filter)| {
            let mut filter = Filter::default();
            change(&mut filter);
            filter.takes(&alert)
        };
        assert!(takes(&|_| {}) && takes(&|f| f.min_level = Level::Medium) && !takes(&|f| f.min_level = Level::High));
        assert!(takes(&|f| f.rules = vec!["r-1".to_owned()]) && takes(&|f| f.rules = vec!["Bucket*".to_owned()]));
        assert!(!takes(&|f| f.rules = vec!["r-".to_owned()]) && !takes(&|f| f.except_rules = vec!["*".to_owned()]));
        assert!(takes(&|f| f.stores = vec![AlertStore::Log]) && !takes(&|f| f.stores = vec![AlertStore::Journal]));
    }
}
