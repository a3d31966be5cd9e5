//! The search language of Log Service: text to a tree, and the tree's normal form back to text.
//! It must never know a table, a type or an engine: what a field is shows only when the search meets a store.
//!
//! # Grammar
//! Terms are joined by `and` (or nothing), `or`, `not` (also between two terms: `a not b`) in any case, and grouped by
//! parentheses. From the tightest on: `:`, quotes, parentheses, `and`, `not`, `or`; so `not a and b` is
//! `not (a and b)`. A term is
//!
//! | | matches when |
//! |---|---|
//! | `word`, `"some text"` | every word of it occurs in the entry, in any order |
//! | `pre*`, `a?c` | a word occurs that fits; `*` any characters, `?` one, never at the start |
//! | `#"some text"` | its words occur one right after the other |
//! | `field:…` | the same, in that field |
//! | `field:*` | the field is there (null is not) |
//! | `field:""` | the field is there and is an empty text |
//! | `field > 5`, `>=`, `<`, `<=`, `=` | the number is there and compares so; exact for 64-bit integers |
//! | `field in [100 200)` | the same with two bounds; `[` and `]` include, `(` and `)` exclude |
//! | `*` | always |
//!
//! A backslash takes the meaning from the next character of a bare word; in quotes only `\"` and `\\` are escapes, and
//! wildcards are plain characters. `sort asc desc avg sum min max limit` and `group by` must be quoted, and so must a
//! value with a colon. Limits: [`MAX_TERMS`], [`MAX_TERM_CHARS`], [`MAX_WORDS`], [`MAX_DEPTH`].
//!
//! # Words
//! [`innertrail_logstore::index::tokens`] cuts entries and questions alike, without regard to case. Its delimiters are
//! Log Service's `, '";=()[]{}?@&<>/:` and line feed, tab, carriage return, with the backslash, control characters and
//! punctuation beyond ASCII added. Each ideograph and kana is a word of its own, so the switch for Chinese is always
//! on; `#"存储"` asks for adjacent ones. A star inside a word stays in that word.

mod ast;
mod fault;
mod lexer;
mod parser;
pub mod words;

use std::fmt;

pub use ast::{Bound, Comparison, Node, Pattern, PatternPart, Search, Term, Test};
pub use fault::SearchFault;
pub use lexer::{STATEMENTS, error, is_blank};

/// The longest text in bytes.
pub const MAX_BYTES: usize = 64 * 1024;
/// The most terms of one search.
pub const MAX_TERMS: usize = 30;
/// The longest bare word in characters.
pub const MAX_TERM_CHARS: usize = 64;
/// The most words of one quoted text.
pub const MAX_WORDS: usize = 64;
/// The most levels of parentheses and repeated `not`.
pub const MAX_DEPTH: usize = 50;

const SOURCE: &str = "__source__";
const SOURCE_SHORT: &str = "source";
const TAG: &str = "__tag__";
const TAG_PREFIX: &str = "__tag__:";

/// A place in a text, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line.
    pub line: u64,
    /// Column in characters.
    pub column: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a text is no search.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a search.
    #[error("search error at {at}: {fault}")]
    Fault {
        /// What is wrong, and what to write instead.
        fault: SearchFault,
        /// Where.
        at: Position,
    },
    /// Longer than [`MAX_BYTES`].
    #[error("the search has {bytes} bytes, at most {MAX_BYTES} are taken; split it")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
}

/// Parses a search without SQL. An empty text is `*`.
///
/// # Errors
/// [`Error::Fault`] with the place of the fault, [`Error::TooLarge`] for a text above [`MAX_BYTES`].
///
/// ```
/// use innertrail_search::parse;
/// let search = parse("eventName:Put* not userIdentity.type:root or \"access denied\"")?;
/// assert_eq!(search.to_string(), "(eventName:Put* and (not userIdentity.type:root)) or \"access denied\"");
/// # Ok::<(), innertrail_search::Error>(())
/// ```
pub fn parse(text: &str) -> Result<Search, Error> {
    let (search, pipe) = parse_head(text)?;
    match pipe {
        None => Ok(search),
        Some(at) => {
            let fault = SearchFault::Expected { wanted: "a search without SQL", found: "`|`".into() };
            Err(error(text, at, fault))
        }
    }
}

/// The search in front of the first `|` outside of quotes, and the byte where that stands.
///
/// # Errors
/// As [`parse`].
pub fn parse_head(text: &str) -> Result<(Search, Option<usize>), Error> {
    if text.len() > MAX_BYTES {
        return Err(Error::TooLarge { bytes: text.len() });
    }
    parser::parse(text)
}
