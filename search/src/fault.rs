//! What may be wrong with a search text, in words that say what to write instead.
//! It must never hold a place: [`Error::Fault`](crate::Error::Fault) carries that beside it.

use crate::{MAX_DEPTH, MAX_TERM_CHARS, MAX_TERMS, MAX_WORDS};

/// Why a search text was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SearchFault {
    /// A quote, parenthesis or bracket without its other half.
    #[error("{what} is never closed")]
    Unclosed {
        /// Which sign.
        what: &'static str,
    },
    /// Something else should stand here.
    #[error("expected {wanted}, found {found}")]
    Expected {
        /// What may stand here.
        wanted: &'static str,
        /// What does.
        found: String,
    },
    /// A word that Log Service keeps for itself.
    #[error("`{word}` is a reserved word; write \"{word}\" to search for it")]
    Reserved {
        /// As written.
        word: String,
    },
    /// `*abc`.
    #[error("`{term}` begins with a wildcard; `*` and `?` may only stand inside a term or at its end")]
    LeadingWildcard {
        /// As written.
        term: String,
    },
    /// A wildcard in a place that compares or counts.
    #[error("`{term}` holds a wildcard where none can stand; put it in quotes to mean the sign itself")]
    Wildcard {
        /// As written.
        term: String,
    },
    /// A term longer than [`MAX_TERM_CHARS`].
    #[error("the term has {chars} characters, at most {MAX_TERM_CHARS} are taken; quote a longer text")]
    LongTerm {
        /// Its length.
        chars: usize,
    },
    /// A quoted text of more than [`MAX_WORDS`] words.
    #[error("the quoted text has more than {MAX_WORDS} words; search for its rarest ones")]
    ManyWords,
    /// More than [`MAX_TERMS`] terms.
    #[error("the search has more than {MAX_TERMS} terms; filter further with WHERE after the |")]
    ManyTerms,
    /// More than [`MAX_DEPTH`] levels of parentheses and `not`.
    #[error("the search is nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
    /// `field:(a or b)`.
    #[error("a field cannot be put before parentheses; write ({field}:a or {field}:b)")]
    FieldGroup {
        /// The field.
        field: String,
    },
    /// `field:a:b`.
    #[error("a value that holds a colon must be quoted; write {field}:\"…:…\"")]
    ColonInValue {
        /// The field.
        field: String,
    },
    /// Quotes around nothing.
    #[error("the text to search for is empty; {field} asks for an empty field")]
    EmptyText {
        /// An example.
        field: &'static str,
    },
    /// Nothing but delimiters.
    #[error("{text:?} holds only delimiters, so there is no word to look for")]
    NoWord {
        /// As written.
        text: String,
    },
    /// `IN [`.
    #[error("the operator `in` must be written in small letters")]
    UpperCaseIn,
    /// A bound that is none.
    #[error("`{text}` is neither a number nor a time; write 100, -1.5, or \"2027-01-15T08:00:00Z\" in quotes")]
    Bound {
        /// As written.
        text: String,
    },
    /// A comparison on a text column.
    #[error(
        "the field \"{field}\" is text, and a comparison needs a long/double index; use {field}:value, or cast it in SQL"
    )]
    TextField {
        /// The column.
        field: String,
    },
    /// Words on a number column.
    #[error("the field \"{field}\" holds numbers; write {field}:5, {field} >= 5, or {field} in [5 10)")]
    NumberField {
        /// The column.
        field: String,
    },
    /// Words on a timestamp column.
    #[error(
        "the field \"{field}\" holds times; write {field} >= \"2027-01-15T08:00:00Z\", or seconds since 1970 as a number"
    )]
    TimeField {
        /// The column.
        field: String,
    },
    /// A time against a field that holds none.
    #[error("the field \"{field}\" does not hold times; compare it with a number")]
    NoTimeField {
        /// The field.
        field: String,
    },
}
