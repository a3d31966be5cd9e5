//! Names: the table's columns and the names a query makes itself, found without regard to case.
//! It must never invent a name: what is not found stays as written, and the engine refuses it.

use std::collections::HashMap;

/// The table's name inside the engine.
pub(crate) const TABLE: &str = "log";
/// What Log Service puts before the fields of an event.
const PREFIX: &str = "event.";

/// Columns and accepted table names of one store.
#[derive(Debug)]
pub(crate) struct Schema {
    columns: Vec<String>,
    folded: HashMap<String, usize>,
    tables: Vec<String>,
}

impl Schema {
    pub(crate) fn new(arrow: &arrow::datatypes::Schema, tables: [&str; 3]) -> Self {
        let columns: Vec<String> = arrow.fields().iter().map(|f| f.name().clone()).collect();
        let mut folded = HashMap::with_capacity(columns.len());
        for (at, name) in columns.iter().enumerate() {
            folded.entry(name.to_lowercase()).or_insert(at);
        }
        let mut known: Vec<String> = Vec::with_capacity(tables.len());
        for table in tables {
            if !known.iter().any(|k| k == table) {
                known.push(table.to_owned());
            }
        }
        Self { columns, folded, tables: known }
    }

    /// The stored spelling of a column: exact, else without regard to case, else the same without `event.`.
    pub(crate) fn column(&self, written: &str) -> Option<&str> {
        self.plain(written).or_else(|| {
            let head = written.get(..PREFIX.len()).filter(|h| h.eq_ignore_ascii_case(PREFIX))?;
            self.plain(&written[head.len()..])
        })
    }

    fn plain(&self, written: &str) -> Option<&str> {
        if let Some(exact) = self.columns.iter().find(|c| *c == written) {
            return Some(exact);
        }
        self.folded.get(&written.to_lowercase()).map(|&at| self.columns[at].as_str())
    }

    /// Whether `written` is one of the table's names.
    pub(crate) fn is_table(&self, written: &str) -> bool {
        self.tables.iter().any(|t| t.to_lowercase() == written.to_lowercase())
    }

    pub(crate) fn tables(&self) -> &[String] {
        &self.tables
    }

    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }
}

/// Names that the query itself makes; the first spelling of each wins.
#[derive(Debug, Default)]
pub(crate) struct Defined {
    columns: HashMap<String, String>,
    relations: HashMap<String, String>,
}

impl Defined {
    pub(crate) fn add_column(&mut self, name: &str) {
        self.columns.entry(name.to_lowercase()).or_insert_with(|| name.to_owned());
    }

    pub(crate) fn add_relation(&mut self, name: &str) {
        self.relations.entry(name.to_lowercase()).or_insert_with(|| name.to_owned());
    }

    pub(crate) fn column(&self, written: &str) -> Option<&str> {
        self.columns.get(&written.to_lowercase()).map(String::as_str)
    }

    pub(crate) fn relation(&self, written: &str) -> Option<&str> {
        self.relations.get(&written.to_lowercase()).map(String::as_str)
    }

    pub(crate) fn columns(&self) -> impl Iterator<Item = &String> {
        self.columns.values()
    }
}

/// The candidate nearest to `written`, also by its last part (`userName` finds `userIdentity.userName`). `None` when
/// even the nearest is far away.
pub(crate) fn nearest(written: &str, candidates: impl Iterator<Item = String>) -> Option<String> {
    let wanted = written.to_lowercase();
    let bare = wanted.strip_prefix(PREFIX).unwrap_or(&wanted).to_owned();
    let reach = (bare.chars().count() / 3).clamp(1, 4);
    let distance = |name: &str| {
        let whole = strsim::osa_distance(&bare, name);
        // One more: the whole name is the better find.
        let part = name.rsplit_once('.').map_or(usize::MAX, |(_, last)| strsim::osa_distance(&bare, last) + 1);
        whole.min(part)
    };
    let scored = candidates.map(|c| (distance(&c.to_lowercase()), c));
    scored.min_by(|a, b| a.cmp(b)).filter(|(d, _)| *d <= reach).map(|(_, name)| name)
}
