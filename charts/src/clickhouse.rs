//! A chart's question to ClickHouse: what it must hold, and its text for one table.
//! It must never run one: what ClickHouse makes of it is shown by a test that has ClickHouse.

use crate::pack::{Chart, Store, Time};

/// Grafana's macro for the range, up to its column.
const FILTER: &str = "$__timeFilter(";

/// Words that would read from something else, or say how.
const ELSEWHERE: [&str; 7] = ["UNION", "JOIN", "INTERSECT", "EXCEPT", "INTO", "SETTINGS", "WITH"];

/// The words outside of quotes, in capitals.
fn bare_words(sql: &str) -> impl Iterator<Item = String> {
    let mut quote = None;
    let mut bare = String::with_capacity(sql.len());
    for c in sql.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if matches!(c, '\'' | '"' | '`') => {
                quote = Some(c);
                bare.push(' ');
            }
            None => bare.push(c.to_ascii_uppercase()),
        }
    }
    let words: Vec<String> = bare
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    words.into_iter()
}

impl Store {
    /// The word for its table.
    pub(crate) fn table(self) -> &'static str {
        match self {
            Self::Log => "$log",
            Self::Journal => "$journal",
            Self::Quarantine => "$quarantine",
        }
    }

    /// Its folder in a data directory.
    #[must_use]
    pub fn folder(self) -> &'static str {
        &self.table()[1..]
    }
}

impl Time {
    /// What its column is, as text.
    fn in_text(&self) -> String {
        let Self { column, seconds } = self;
        match seconds {
            86_400 => format!("formatDateTime(toStartOfDay(it_time, 'UTC'), '%Y-%m-%d', 'UTC') AS {column}"),
            _ => format!("formatDateTime(toStartOfHour(it_time, 'UTC'), '%Y-%m-%d %H:00', 'UTC') AS {column}"),
        }
    }

    /// The same as a time, which Grafana draws.
    fn in_time(&self) -> String {
        let Self { column, seconds } = self;
        let start = if *seconds == 86_400 { "toStartOfDay" } else { "toStartOfHour" };
        format!("{start}(it_time, 'UTC') AS {column}")
    }
}

/// Whether it reads its one table, within the range, and nothing else.
pub(crate) fn check(chart: &Chart) -> Result<(), String> {
    let sql = &chart.clickhouse;
    let table = chart.search.logstore.table();
    let reads = format!("FROM {table} WHERE {FILTER}");
    if !sql.starts_with("SELECT ") || sql.matches('$').count() != 2 || !sql.contains(&reads) || sql.contains(';') {
        return Err(format!("clickhouse: write one `SELECT … {reads}column) …` without another `$` or a `;`"));
    }
    if let Some(word) = bare_words(sql).find(|word| ELSEWHERE.contains(&word.as_str())) {
        return Err(format!("clickhouse: `{word}` would read from elsewhere; ask one table"));
    }
    if bare_words(sql).filter(|word| word == "FROM").count() != 1 {
        return Err("clickhouse: there is more than one FROM; ask one table".to_owned());
    }
    match &chart.time {
        Some(time) if !sql.contains(&time.in_text()) => Err(format!("clickhouse: there is no `{}`", time.in_text())),
        _ => Ok(()),
    }
}

impl Chart {
    /// The question over this table, with Grafana's macro in it; a column that is a time is one.
    pub(crate) fn to_clickhouse(&self, table: &str) -> String {
        let sql = self.clickhouse.replace(self.search.logstore.table(), table);
        match &self.time {
            Some(time) => sql.replace(&time.in_text(), &time.in_time()),
            None => sql,
        }
    }

    /// The question over this table without a range, as ClickHouse itself takes it.
    #[must_use]
    pub fn clickhouse_over(&self, table: &str) -> String {
        let sql = self.clickhouse.replace(self.search.logstore.table(), table);
        let Some((before, behind)) = sql.split_once(FILTER) else { return sql };
        let behind = behind.split_once(')').map_or(behind, |(_, behind)| behind);
        format!("{before}1{behind}")
    }
}
