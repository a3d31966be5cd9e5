//! The search language of Log Service: `search`, or `search | SQL`.
//! It must never find by guessing: what a term means is written here, and what has no meaning is an error.
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
//!
//! # Fields
//! Columns are found without regard to case, with or without `event.`. What is no column is looked up in the event's
//! JSON by its dotted path, keys exactly first, then without regard to case; lists are not walked into, but an object
//! or list at the path is searched as a whole. There a number is found as the word it is written as when it is an
//! integer, and by comparison in any case. `source:` is `__source__:`; tags are `__tag__:name:value`. In a number column
//! `field:5` is `field = 5`. A timestamp column compares with seconds since 1970, or with a quoted time. A comparison on
//! a text column is an error; Log Service would quietly look for the words instead.
//!
//! The entry is the event's own text, as stored and with JSON escapes replaced. Columns that were worked out (`it_…`) or
//! came with the record (`__topic__`) are searched by name only. An audit event that came without a topic is found under
//! `actiontrail_audit_event`, as if ActionTrail had delivered it to Log Service; the column itself holds what came.
//!
//! # `search` alone
//! All columns, newest first by event time, then by sequence number, at most [`DEFAULT_LIMIT`] rows: the console's habit.

mod ast;
mod condition;
mod document;
mod fault;
mod function;
mod lexer;
mod needs;
mod parser;
mod predicate;
mod request;
mod text;
mod topic;
mod words;

pub use ast::{Bound, Comparison, Node, Pattern, PatternPart, Search, Term, Test};
pub use fault::SearchFault;

pub(crate) use needs::Needs;
pub(crate) use predicate::{is_lifted, predicate};
pub(crate) use request::Request;
pub(crate) use topic::topic;

use crate::Error;

/// The most terms of one search.
pub const MAX_TERMS: usize = 30;
/// The longest bare word in characters.
pub const MAX_TERM_CHARS: usize = 64;
/// The most words of one quoted text.
pub const MAX_WORDS: usize = text::MATCHER_WORDS;
/// The most levels of parentheses and repeated `not`.
pub const MAX_DEPTH: usize = 50;
/// Rows of a search without SQL.
pub const DEFAULT_LIMIT: usize = 100;

const SOURCE: &str = "__source__";
const SOURCE_SHORT: &str = "source";
const TAG: &str = "__tag__";
const TAG_PREFIX: &str = "__tag__:";

/// Parses a search without SQL. An empty text is `*`.
///
/// # Errors
/// [`Error::Search`] with the place of the fault, [`Error::TooLarge`] for a text above [`crate::MAX_SQL_BYTES`].
///
/// ```
/// use innertrail_query::search::parse;
/// let search = parse("eventName:Put* not userIdentity.type:root or \"access denied\"")?;
/// assert_eq!(search.to_string(), "(eventName:Put* and (not userIdentity.type:root)) or \"access denied\"");
/// # Ok::<(), innertrail_query::Error>(())
/// ```
pub fn parse(text: &str) -> Result<Search, Error> {
    crate::parse::check_size(text)?;
    let (search, pipe) = parser::parse(text)?;
    match pipe {
        None => Ok(search),
        Some(at) => {
            let fault = SearchFault::Expected { wanted: "a search without SQL", found: "`|`".into() };
            Err(lexer::error(text, at, fault))
        }
    }
}
