//! What a question's text says, without asking it: its search, its SQL, its words.
//! It must never judge the SQL: the engine does, and refuses what would write.

use crate::Error;
use crate::names::Schema;
use crate::parse;
use crate::search::{Node, Pattern, PatternPart, Request, Search, Test};

/// Asks for the places of logs beside them, where SQL would stand.
const WITH_PLACES: &str = "with_pack_meta";

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// What is searched.
    pub search: Search,
    /// The same as written.
    pub written: String,
    /// What is worked out over the rows that match.
    pub sql: Option<Sql>,
    /// Whether the place of each log is wanted with it: `search | with_pack_meta`.
    pub with_places: bool,
}

/// The SQL of a question. It is not looked at before it runs: that takes more stack than a caller may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sql {
    /// As written.
    pub written: String,
    /// The same behind blanks, so that places in errors are places in the whole text.
    pub text: String,
}

/// A word that is searched for, to be marked in what is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The field; empty for the whole entry.
    pub field: String,
    /// The word, or a text of several.
    pub text: String,
}

/// Reads a text.
pub(super) fn read(text: &str, schema: &Schema) -> Result<Reading, Error> {
    parse::check_size(text)?;
    let all = |sql| Reading { search: Search { root: Node::All }, written: String::new(), sql, with_places: false };
    let (search, sql, pipe) = match Request::of(text, schema) {
        Err(Error::Empty) => return Ok(all(None)),
        Err(error) => return Err(error),
        Ok(Request::Sql) => return Ok(all(Some(Sql { written: text.trim().to_owned(), text: text.to_owned() }))),
        Ok(Request::Search { search, sql, pipe }) => (search, sql, pipe),
    };
    let (written, behind) = match pipe.and_then(|pipe| Some((text.get(..pipe)?, text.get(pipe + 1..)?))) {
        Some((written, behind)) => (written, Some(behind.trim())),
        None => (text, None),
    };
    let reading = Reading { search, written: written.trim().to_owned(), sql: None, with_places: false };
    Ok(match behind {
        None => reading,
        Some(word) if word.eq_ignore_ascii_case(WITH_PLACES) => Reading { with_places: true, ..reading },
        Some(written) => Reading { sql: Some(Sql { written: written.to_owned(), text: sql }), ..reading },
    })
}

impl Reading {
    /// The words that rows were found by. Those behind a `not` are none of them.
    #[must_use]
    pub fn words(&self) -> Vec<Word> {
        let mut words = Vec::new();
        collect(&self.search.root, &mut words);
        words
    }
}

fn collect(node: &Node, words: &mut Vec<Word>) {
    match node {
        Node::All | Node::Not(_) => {}
        Node::And(nodes) | Node::Or(nodes) => nodes.iter().for_each(|n| collect(n, words)),
        Node::Term(term) => {
            let text = match &term.test {
                Test::Words(text) | Test::Phrase(text) => text.clone(),
                Test::Pattern(pattern) => spelled(pattern),
                Test::Present | Test::Empty | Test::Compare(_) => return,
            };
            let word = Word { field: term.field.clone().unwrap_or_default(), text };
            if !words.contains(&word) {
                words.push(word);
            }
        }
    }
}

fn spelled(pattern: &Pattern) -> String {
    let part = |part: &PatternPart| match part {
        PatternPart::Text(text) => text.clone(),
        PatternPart::Any => "*".to_owned(),
        PatternPart::One => "?".to_owned(),
    };
    pattern.0.iter().map(part).collect()
}
