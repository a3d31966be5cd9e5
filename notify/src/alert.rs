//! What is told: an entry of the journal that says that a rule fired, or that it no longer does.
//! It must never be shown as it is: all of its texts can come from log events. [`crate::encode`] makes them harmless.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How grave a rule is, as Sigma has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "AlertLevel")]
pub enum Level {
    /// Worth knowing, nothing to do.
    #[default]
    Informational,
    /// Seldom something.
    Low,
    /// To be looked at.
    Medium,
    /// To be looked at now.
    High,
    /// Something is wrong.
    Critical,
}

impl Level {
    /// All of them, the gravest first.
    pub const ALL: [Self; 5] = [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Informational];

    /// The name, as in rules and configurations.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// One alert. Texts are hostile, and may be of any length.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    /// Place in the journal. Alerts are fed in this order; none has the place of another.
    pub position: u64,
    /// Whether it fired; `false`: what fired before is over.
    pub fired: bool,
    /// The alert's own id, 16 hexadecimal digits. The same for "fired" and "resolved", and in every repetition: receivers
    /// tell repetitions by it, `fired` and `position`.
    pub alert: String,
    /// Id of the rule.
    pub rule: String,
    /// Version of the rule.
    pub version: u32,
    /// Title of the rule.
    pub title: String,
    /// How grave the rule is.
    pub level: Level,
    /// The same as a number, as the journal has it.
    pub severity: u8,
    /// The Logstore of the records.
    pub store: String,
    /// Sequence number of the record that made it fire; none for a scheduled rule.
    pub seq: Option<u64>,
    /// Id of the record's event.
    pub event_id: Option<String>,
    /// When the event happened, as text.
    pub event_time: Option<String>,
    /// Who did it.
    pub actor: Option<String>,
    /// What was done.
    pub event_name: Option<String>,
    /// To what.
    pub resource: Option<String>,
    /// What the rule counts by, with the values.
    pub key: Vec<(String, String)>,
    /// The time that a correlation or a scheduled rule looked at, as text.
    pub window: Option<String>,
    /// What a scheduled rule counted.
    pub value: Option<String>,
    /// The group of a scheduled rule, or what the begin and the end of an alert are about, with the values.
    pub group: Vec<(String, String)>,
    /// The query of a scheduled rule. An alert with one, or with a group, is over only when an entry says so; all others have no
    /// such entry.
    pub query: Option<String>,
    /// When the entry was made, microseconds UTC.
    pub time_us: i64,
    /// The trail.
    pub trail: String,
    /// What to do about it.
    pub remedy: Option<String>,
    /// A link of our own to look at it, `https://…`. One with characters that no URL has is not passed on.
    pub link: Option<String>,
}

impl Alert {
    /// When the entry was made, milliseconds UTC.
    #[must_use]
    pub fn time_ms(&self) -> i64 {
        self.time_us.div_euclid(1000)
    }

    /// Whether an entry will say that it is over.
    #[must_use]
    pub fn recovers(&self) -> bool {
        self.query.is_some() || !self.group.is_empty()
    }
}
