//! What a text is: SQL, a search, or a search with SQL behind it.
//! It must never move the SQL: places in its errors are places in the whole text.

use crate::Error;
use crate::names::{Schema, TABLE};
use crate::search::DEFAULT_LIMIT;
use innertrail_search::{STATEMENTS, Search, SearchFault, is_blank, parse_head};

/// Columns by which a search alone is ordered, the first that the table has.
const TIMES: [&str; 2] = ["it_time", innertrail_logstore::RECEIVED];

/// A text, told apart.
#[derive(Debug)]
pub(crate) enum Request {
    /// SQL as it stands, or something that the SQL parser refuses by its name.
    Sql,
    /// A search, and the SQL over what it matches.
    Search {
        /// The search.
        search: Search,
        /// The SQL at its place in the text, behind blanks; our own where there was none.
        sql: String,
        /// Byte of the `|` in front of it.
        pipe: Option<usize>,
    },
}

impl Request {
    /// Tells what `text` is.
    pub(crate) fn of(text: &str, schema: &Schema) -> Result<Self, Error> {
        let start = skip_comments(text);
        if text[start..].trim_matches(|c| is_blank(c) || c == ';').is_empty() {
            return Err(Error::Empty);
        }
        if is_statement(&text[start..], schema) {
            return Ok(Self::Sql);
        }
        let blanked = blank(text, start);
        let (search, pipe) = parse_head(&blanked)?;
        let Some(pipe) = pipe else { return Ok(Self::Search { search, sql: listing(schema), pipe }) };
        let behind = pipe + 1;
        if blanked[behind..].trim().is_empty() {
            let fault = SearchFault::Expected { wanted: "a SELECT behind the |", found: "the end".into() };
            return Err(innertrail_search::error(&blanked, behind, fault).into());
        }
        // Each character of the comments in front has become one byte.
        let in_text = (pipe + start).checked_sub(text[..start].chars().count());
        Ok(Self::Search { search, sql: blank(&blanked, behind), pipe: in_text })
    }
}

/// Bytes of blanks and SQL comments at the start. A comment that never ends is none.
fn skip_comments(text: &str) -> usize {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(is_blank);
        let after = if rest.starts_with("--") {
            rest.split_once('\n').map_or(Some(""), |(_, after)| Some(after))
        } else {
            rest.strip_prefix("/*").and_then(|r| r.split_once("*/")).map(|(_, after)| after)
        };
        match after {
            Some(after) => rest = after,
            None => return text.len() - rest.len(),
        }
    }
}

/// The text with everything before `upto` made blank, so that lines and columns stay.
fn blank(text: &str, upto: usize) -> String {
    let (before, after) = text.split_at(upto);
    before.chars().map(|c| if c == '\n' { '\n' } else { ' ' }).chain(after.chars()).collect()
}

/// `SELECT` or `WITH`, perhaps in parentheses; or the beginning of another SQL statement, which is better refused by
/// its name than taken for words to search.
fn is_statement(text: &str, schema: &Schema) -> bool {
    let text = text.trim_start_matches(|c| c == '(' || is_blank(c));
    let mut words = text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|w| !w.is_empty());
    let Some(first) = words.next().filter(|w| text.starts_with(w)) else { return false };
    let first = first.to_lowercase();
    if !STATEMENTS.contains(&first.as_str()) {
        return false;
    }
    // `update:x`, `delete or x`: only blanks stand between the words of a statement.
    let joined = text[first.len()..].starts_with(is_blank);
    let (second, third) =
        (words.next().unwrap_or_default().to_lowercase(), words.next().unwrap_or_default().to_lowercase());
    match first.as_str() {
        "select" | "with" => !text[first.len()..].trim_start_matches(is_blank).starts_with(':'),
        _ if !joined => false,
        "insert" | "merge" => matches!(second.as_str(), "into" | "overwrite"),
        "delete" => second == "from",
        "update" => third == "set",
        "copy" => matches!(third.as_str(), "to" | "from"),
        "truncate" => second == "table" || schema.is_table(&second),
        "set" => second == "session" || text.contains('='),
        "show" => matches!(second.as_str(), "tables" | "columns" | "databases" | "schemas" | "functions" | "all"),
        "explain" => matches!(second.as_str(), "select" | "with" | "analyze" | "verbose"),
        _ => {
            let kinds = ["table", "view", "external", "temporary", "temp", "database", "schema", "index", "function"];
            kinds.contains(&second.as_str()) || (second == "or" && third == "replace")
        }
    }
}

/// The SQL of a search alone.
fn listing(schema: &Schema) -> String {
    let time = TIMES.iter().find_map(|name| schema.column(name));
    let newest = time.map(|name| format!("\"{name}\" DESC NULLS LAST, ")).unwrap_or_default();
    format!("SELECT * FROM {TABLE} ORDER BY {newest}\"{}\" DESC LIMIT {DEFAULT_LIMIT}", innertrail_logstore::SEQ)
}
