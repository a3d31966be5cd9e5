//! Rules that ask the Logstore from time to time: `search | SQL`, a condition over the result, and what each group of it
//! is up to.
//!
//! Nothing here asks anything or reads a clock: the caller runs the queries, hands in their tables and the time that a run
//! was due, and gets what is to be told. It must never tell a group twice for the same run.

mod condition;
mod groups;
mod judge;
mod parse;
mod times;

pub use groups::{Group, Groups, Told};
pub use judge::{JudgeError, Judged, Table, Triggered};
pub use times::Schedule;

use condition::Condition;
pub(crate) use parse::scheduled;

use crate::fault::Position;
use crate::record::Store;
use crate::rule::Level;

/// A query of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// `search | SQL`.
    pub text: String,
    /// Where it stands in the file.
    pub at: Position,
}

/// What it means that the first query gave no row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NoData {
    /// All is well; what fired is over.
    #[default]
    Ok,
    /// That alone fires.
    Fire,
    /// Nothing can be said; everything stays as it is.
    Ignore,
}

impl NoData {
    /// The word in the rule.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Fire => "fire",
            Self::Ignore => "ignore",
        }
    }
}

/// A scheduled rule.
#[derive(Debug, Clone)]
pub struct Scheduled {
    /// Its short name, unique among all rules that are loaded together.
    pub name: String,
    /// A UUID in the packs; empty where the rule has none.
    pub id: String,
    /// One line for people.
    pub title: String,
    /// What it looks for and why.
    pub description: String,
    /// Grows with each change of what it fires on.
    pub version: u32,
    /// What it is about.
    pub category: String,
    /// How grave a firing is where no grade says otherwise.
    pub level: Level,
    /// What to do when it fires.
    pub remedy: String,
    /// When it fires without harm.
    pub false_positives: Vec<String>,
    /// The file that it is in.
    pub file: String,
    /// Where it begins in the file.
    pub at: Position,
    /// A digest of all that decides when it fires.
    pub fingerprint: String,
    /// Whether somebody switched it off.
    pub is_disabled: bool,
    /// The store that is asked.
    pub store: Store,
    /// When.
    pub schedule: Schedule,
    /// One or more; the others are joined to the rows of the first by the columns of `group`.
    pub queries: Vec<Query>,
    /// Seconds before the moment it is due that are looked at, by the time of the events.
    pub window: u32,
    /// Seconds that the window ends before the moment it is due.
    pub delay: u32,
    /// Rows of the first query, of a group, that have to be there, or to meet the condition.
    pub rows: u32,
    /// Columns whose values make a group.
    pub group: Vec<String>,
    /// What no row at all means.
    pub no_data: NoData,
    /// Runs in a row that have to trigger.
    pub threshold: u32,
    /// Seconds for which a group that fired is not told again. None: for as long as it goes on.
    pub silence: Option<u32>,
    /// Whether the end is told.
    pub recovery: bool,
    pub(crate) when: Option<Condition>,
    pub(crate) grades: Vec<(Condition, Level)>,
}

impl Scheduled {
    /// The condition as people read it.
    #[must_use]
    pub fn condition(&self) -> String {
        let rows = match (self.rows, &self.when) {
            (1, None) => "there is a row".to_owned(),
            (rows, None) => format!("there are {rows} rows"),
            (1, Some(when)) => when.text().to_owned(),
            (rows, Some(when)) => format!("{rows} rows with {}", when.text()),
        };
        let group = if self.group.is_empty() { String::new() } else { format!(", by {}", self.group.join(", ")) };
        let runs = if self.threshold > 1 { format!(", {} runs in a row", self.threshold) } else { String::new() };
        format!("{rows}{group}{runs}")
    }

    /// The texts of the queries.
    #[must_use]
    pub fn query(&self) -> String {
        self.queries.iter().map(|query| query.text.as_str()).collect::<Vec<_>>().join("\n")
    }

    /// The window of a run that was due at this second: first second, and the one behind the last.
    #[must_use]
    pub fn window_of(&self, due: i64) -> (i64, i64) {
        let to = due.saturating_sub(i64::from(self.delay));
        (to.saturating_sub(i64::from(self.window)), to)
    }
}
