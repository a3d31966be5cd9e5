//! From the tables of the queries to the groups that trigger.
//! It must never guess at a column that is not there, or take a part of a result for the whole without a word.

use std::collections::BTreeMap;

use super::{NoData, Scheduled};
use crate::fault::{did_you_mean, shown};
use crate::rule::Level;

/// Most groups of one run; more are counted and left out.
const MOST_GROUPS: usize = 1_000;
/// Longest value that is kept, characters.
const LONGEST_VALUE: usize = 1_024;

/// What a query gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Names of its columns.
    pub columns: Vec<String>,
    /// Values as text, in the order of the columns.
    pub rows: Vec<Vec<Option<String>>>,
}

/// Names with values.
pub(crate) type Pairs = Vec<(String, String)>;

/// A group that triggers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Triggered {
    /// The columns of `group` with their values.
    pub group: Pairs,
    /// The gravest level of its rows.
    pub level: Level,
    /// The first row of that level, or nothing when there was no data.
    pub value: Pairs,
}

/// What a run came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judged {
    /// Whether the first query gave nothing, and that is to be ignored.
    pub ignored: bool,
    /// The groups that trigger.
    pub triggered: Vec<Triggered>,
    /// Groups that trigger and are too many.
    pub left_out: usize,
}

/// Why a result cannot be judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JudgeError {
    /// A column that the rule names is not in the result.
    #[error("the result has no column {name}{meant}; name it in the query, as in `count(*) AS n`")]
    NoColumn {
        /// The name, in backticks.
        name: String,
        /// What was meant, if that can be told.
        meant: String,
    },
    /// Not as many tables as queries.
    #[error("{tables} results for {queries} queries")]
    Tables {
        /// Results.
        tables: usize,
        /// Queries.
        queries: usize,
    },
}

/// One row of the first table with those that were joined to it.
struct Joined<'t> {
    rows: Vec<Option<&'t [Option<String>]>>,
}

/// Rows of a further table by the values of the group's columns.
type Join<'t> = BTreeMap<Vec<&'t str>, &'t [Option<String>]>;

/// Where a name stands: table and column.
type Place = (usize, usize);

impl Scheduled {
    /// Judges what the queries gave, in their order.
    ///
    /// # Errors
    /// [`JudgeError`]: the rule names what the results do not have.
    pub fn judge(&self, tables: &[Table]) -> Result<Judged, JudgeError> {
        let Some(first) = tables.first().filter(|_| tables.len() == self.queries.len()) else {
            return Err(JudgeError::Tables { tables: tables.len(), queries: self.queries.len() });
        };
        let names = self.when.iter().chain(self.grades.iter().map(|(grade, _)| grade)).flat_map(|c| c.columns());
        let mut places: BTreeMap<&str, Place> = BTreeMap::new();
        for name in names.chain(self.group.iter().map(String::as_str)) {
            places.insert(name, place(tables, name)?);
        }
        if first.rows.is_empty() {
            return Ok(self.without_data());
        }
        let joins = self.joins(tables)?;
        let mut groups: BTreeMap<Pairs, (u32, Option<(Level, Pairs)>)> = BTreeMap::new();
        for row in &first.rows {
            let joined = join(row, &joins, &self.group, first);
            let cell = |name: &str| {
                let (table, column) = places.get(name)?;
                joined.rows.get(*table).copied().flatten()?.get(*column)?.as_deref()
            };
            if self.when.as_ref().is_some_and(|when| !when.holds(&cell)) {
                continue;
            }
            let grade =
                self.grades.iter().find(|(grade, _)| grade.holds(&cell)).map_or(self.level, |(_, level)| *level);
            let group = self.group.iter().map(|name| (name.clone(), cut(cell(name).unwrap_or_default()))).collect();
            let (count, gravest) = groups.entry(group).or_default();
            *count += 1;
            if gravest.as_ref().is_none_or(|(level, _)| *level < grade) {
                *gravest = Some((grade, values(first, row)));
            }
        }
        let enough = groups.into_iter().filter(|(_, (count, _))| *count >= self.rows);
        let mut triggered: Vec<Triggered> = enough
            .filter_map(|(group, (_, gravest))| gravest.map(|(level, value)| Triggered { group, level, value }))
            .collect();
        let left_out = triggered.len().saturating_sub(MOST_GROUPS);
        // The gravest stay when there are too many.
        triggered.sort_by(|a, b| b.level.cmp(&a.level).then_with(|| a.group.cmp(&b.group)));
        triggered.truncate(MOST_GROUPS);
        Ok(Judged { ignored: false, triggered, left_out })
    }

    fn without_data(&self) -> Judged {
        let fires = Triggered { group: Vec::new(), level: self.level, value: Vec::new() };
        Judged {
            ignored: self.no_data == NoData::Ignore,
            triggered: if self.no_data == NoData::Fire { vec![fires] } else { Vec::new() },
            left_out: 0,
        }
    }

    /// For each further table its rows by the values of the group's columns; the first of equal ones counts.
    fn joins<'t>(&self, tables: &'t [Table]) -> Result<Vec<Join<'t>>, JudgeError> {
        let mut joins = Vec::new();
        for table in tables.iter().skip(1) {
            let mut at = Vec::new();
            for name in &self.group {
                at.push(column(table, name).ok_or_else(|| no_column(table, name))?);
            }
            let mut rows = Join::new();
            for row in &table.rows {
                let key = at.iter().map(|at| row.get(*at).and_then(Option::as_deref).unwrap_or_default()).collect();
                rows.entry(key).or_insert(row);
            }
            joins.push(rows);
        }
        Ok(joins)
    }
}

fn join<'t>(row: &'t [Option<String>], joins: &[Join<'t>], group: &[String], first: &Table) -> Joined<'t> {
    let value = |name: &String| {
        let at = column(first, name);
        at.and_then(|at| row.get(at)).and_then(Option::as_deref).unwrap_or_default()
    };
    let key: Vec<&str> = group.iter().map(value).collect();
    let mut rows = vec![Some(row)];
    rows.extend(joins.iter().map(|join| join.get(&key).copied()));
    Joined { rows }
}

/// `n` is a column of the first table, `q2.n` one of the second.
fn place(tables: &[Table], name: &str) -> Result<Place, JudgeError> {
    let first = tables.first().and_then(|table| column(table, name));
    if let Some(at) = first {
        return Ok((0, at));
    }
    let numbered = name.strip_prefix('q').and_then(|rest| rest.split_once('.'));
    let of = numbered.and_then(|(number, column)| Some((number.parse::<usize>().ok()?.checked_sub(1)?, column)));
    if let Some((table, of)) = of
        && let Some(found) = tables.get(table)
    {
        return column(found, of).map(|at| (table, at)).ok_or_else(|| no_column(found, name));
    }
    Err(tables.first().map_or(JudgeError::Tables { tables: 0, queries: 1 }, |table| no_column(table, name)))
}

fn column(table: &Table, name: &str) -> Option<usize> {
    let columns = &table.columns;
    columns.iter().position(|c| c == name).or_else(|| columns.iter().position(|c| c.eq_ignore_ascii_case(name)))
}

fn no_column(table: &Table, name: &str) -> JudgeError {
    let meant = did_you_mean(name, table.columns.iter().map(String::as_str));
    JudgeError::NoColumn { name: shown(name), meant }
}

fn values(table: &Table, row: &[Option<String>]) -> Pairs {
    let cells = table.columns.iter().zip(row);
    cells.filter_map(|(name, value)| Some((name.clone(), cut(value.as_deref()?)))).collect()
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST_VALUE).collect()
}
