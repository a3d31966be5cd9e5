//! A rule: what it is called, how grave it is, what to do about it, and what it looks for.
//! It must never guess: a rule that says something which is not understood is no rule.

mod parse;

use serde::{Deserialize, Serialize};

use crate::correlation::Correlation;
use crate::detect::Detection;
use crate::ending::Ending;
use crate::fault::Position;
use crate::record::{Record, Store};
use innertrail_plugin::event::columns::Column;

pub(crate) use parse::{About, Document, digest, documents, level, list};

/// How grave a firing is: Sigma's levels, and Log Service's numbers for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// 2, Log Service's report.
    Informational,
    /// 4
    Low,
    /// 6
    Medium,
    /// 8
    High,
    /// 10
    Critical,
}

impl Level {
    /// Every level, from the least.
    pub const ALL: [Self; 5] = [Self::Informational, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// Sigma's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The number that alerts of Log Service have.
    #[must_use]
    pub fn severity(self) -> u8 {
        match self {
            Self::Informational => 2,
            Self::Low => 4,
            Self::Medium => 6,
            Self::High => 8,
            Self::Critical => 10,
        }
    }
}

/// Which records a rule looks at: `service` of its log source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// Operation logs of OSS: what users did, and what the provider did.
    Oss,
    /// Every operation log that ActionTrail delivers, of whatever product.
    Actiontrail,
    /// Entries of innertrail's own journal.
    Innertrail,
}

impl Service {
    /// The word in the rule.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Oss => "oss",
            Self::Actiontrail => "actiontrail",
            Self::Innertrail => "innertrail",
        }
    }

    /// Whether a record is one of these.
    pub(crate) fn covers(self, record: &Record<'_>) -> bool {
        match self {
            Self::Innertrail => record.store() == Store::Journal && !is_alert(record),
            Self::Actiontrail => record.store() == Store::Log,
            Self::Oss => {
                let is = |column| record.text(column).is_some_and(|product| product.eq_ignore_ascii_case("oss"));
                record.store() == Store::Log && (is(Column::ServiceName) || is(Column::EventProduct))
            }
        }
    }
}

/// Whether an entry of the journal tells of an alert: a rule that fired on those would fire on itself for ever.
fn is_alert(record: &Record<'_>) -> bool {
    record.text(Column::EventName).is_some_and(|kind| kind.starts_with("alert_"))
}

/// What a rule looks for.
#[derive(Debug, Clone)]
pub(crate) enum Search {
    /// One record.
    Single(Box<Detection>),
    /// So many of them.
    Several(Correlation),
}

/// A rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its short name, unique among the rules that are loaded together: `oss-bucket-acl-public`.
    pub name: String,
    /// Sigma's id, a UUID in the packs; empty where the rule has none.
    pub id: String,
    /// One line for people.
    pub title: String,
    /// What it looks for and why.
    pub description: String,
    /// Grows with each change of what it fires on.
    pub version: u32,
    /// What it is about: `exposure`, `provider-access` and the like.
    pub category: String,
    /// How grave a firing is.
    pub level: Level,
    /// What to do when it fires; may be empty for rules of one's own.
    pub remedy: String,
    /// When it fires without harm.
    pub false_positives: Vec<String>,
    /// Where its records come from; a correlation has that of its base rules.
    pub service: Service,
    /// Names and defaults of its parameters, as they hold now.
    pub parameters: Vec<(String, Vec<String>)>,
    /// The file that it is in.
    pub file: String,
    /// Where it begins in the file.
    pub at: Position,
    /// Whether it is only a part of a correlation, and never fires by itself.
    pub is_part: bool,
    /// Whether somebody switched it off: it fires nothing, and is counted all the same where a correlation asks for it.
    pub is_disabled: bool,
    /// A digest of all that decides when it fires.
    pub fingerprint: String,
    pub(crate) search: Search,
    /// What ends an alert of it; none: nothing does.
    pub(crate) ending: Option<Box<Ending>>,
}

impl Rule {
    /// The condition as written: of a correlation its kind, threshold, key and window.
    #[must_use]
    pub fn condition(&self) -> String {
        match &self.search {
            Search::Single(detection) => detection.text.clone(),
            Search::Several(correlation) => correlation.to_string(),
        }
    }

    /// Whether it counts records rather than looking at one.
    #[must_use]
    pub fn is_correlation(&self) -> bool {
        matches!(self.search, Search::Several(_))
    }
}
