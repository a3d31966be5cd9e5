//! What can be wrong with a rule, a pack or a fixture: always with the file, the line and the column.
//! It must never steer a terminal: text that comes from a file is shown escaped and cut.

use std::fmt;

use serde::Serialize;

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Position {
    /// The begin of a file.
    pub const START: Self = Self { line: 1, column: 1 };
}

/// One thing that is wrong. It stops the rule it is in, and no other one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, thiserror::Error)]
pub struct Fault {
    /// The file, as it was given; not escaped.
    pub file: String,
    /// Where in it.
    #[serde(flatten)]
    pub at: Position,
    /// What is wrong and what to do; harmless on a terminal.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", escaped(&self.file), self.at.line, self.at.column, self.message)
    }
}

/// A fault before its file is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flaw {
    pub(crate) at: Position,
    pub(crate) message: String,
}

impl Flaw {
    pub(crate) fn new(at: Position, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }

    /// The same in another place.
    pub(crate) fn with(self, at: Position) -> Self {
        Self { at, ..self }
    }

    pub(crate) fn of(self, file: &str) -> Fault {
        Fault { file: file.to_owned(), at: self.at, message: self.message }
    }
}

/// The text in backticks, harmless on a terminal, cut after 60 characters.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    let cut = if text.chars().nth(LONGEST).is_some() { "…" } else { "" };
    format!("`{}{cut}`", escaped(&text.chars().take(LONGEST).collect::<String>()))
}

/// The text with everything escaped that would steer a terminal or hide.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\'' | '\\' => out.push(c),
            other => out.extend(other.escape_debug()),
        }
    }
    out
}

/// The candidate that was probably meant.
pub(crate) fn nearest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 80;
    if given.len() > LONGEST {
        return None;
    }
    let given = given.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&given, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 4).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `; did you mean …?`, where one of the candidates is near.
pub(crate) fn did_you_mean<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(given, candidates).map_or_else(String::new, |found| format!("; did you mean `{found}`?"))
}
