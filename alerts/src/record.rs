//! One record as rules see it: the Logstore's columns, and the raw bytes, opened only when a rule asks for more.
//! It must never work out an outcome, an actor or a reason of its own: those are the plugin's columns.

use std::borrow::Cow;
use std::cell::OnceCell;

use innertrail_plugin::classify::parse_time;
use innertrail_plugin::event::columns::Column;
use serde::Serialize;
use serde_json::Value as Json;

/// The value of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell<'a> {
    /// Text.
    Text(&'a str),
    /// An integer, or microseconds since the Unix epoch.
    Number(i64),
}

/// Where the columns of a record come from.
pub trait Columns {
    /// The value of a column; `None` where the record has none. It is asked for the same one again and again.
    fn cell(&self, column: Column) -> Option<Cell<'_>>;
}

/// Which store a record is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Store {
    /// The dedicated Logstore: operation logs.
    Log,
    /// The journal: what was done to the Logstore.
    Journal,
}

impl Store {
    /// Its word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Journal => "journal",
        }
    }
}

/// One record.
pub struct Record<'a> {
    store: Store,
    columns: &'a dyn Columns,
    payload: &'a [u8],
    json: OnceCell<Json>,
    /// Whether a key may be written with escapes.
    escaped: OnceCell<bool>,
}

impl<'a> Record<'a> {
    /// A record of its columns and its raw bytes, which are a JSON object. Bytes that are none have no fields.
    #[must_use]
    pub fn new(store: Store, columns: &'a dyn Columns, payload: &'a [u8]) -> Self {
        Self { store, columns, payload, json: OnceCell::new(), escaped: OnceCell::new() }
    }

    /// The store it is from.
    #[must_use]
    pub fn store(&self) -> Store {
        self.store
    }

    /// A column.
    #[must_use]
    pub fn cell(&self, column: Column) -> Option<Cell<'_>> {
        self.columns.cell(column)
    }

    /// A column that holds text.
    #[must_use]
    pub fn text(&self, column: Column) -> Option<&str> {
        match self.cell(column) {
            Some(Cell::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// When it happened, microseconds since the Unix epoch; an entry of the journal has its own time.
    #[must_use]
    pub fn time_us(&self) -> Option<i64> {
        match self.cell(Column::Time) {
            Some(Cell::Number(time)) => Some(time),
            _ => parse_time(self.text(Column::EventTime)?.as_bytes()),
        }
    }

    /// What the record is told apart by: the event's id; an entry of the journal is its own.
    #[must_use]
    pub fn identity(&self) -> Cow<'_, str> {
        match self.text(Column::EventId) {
            Some(id) if !id.is_empty() => Cow::Borrowed(id),
            _ => String::from_utf8_lossy(self.payload),
        }
    }

    /// Whether this word, in any case, may be a part of a key: it stands somewhere in the bytes, or they have escapes that can
    /// spell a letter. A word that is not ASCII may always be.
    pub(crate) fn may_hold(&self, word: &str) -> bool {
        if self.json.get().is_some() || !word.is_ascii() || word.is_empty() {
            return true;
        }
        let escaped = || memchr::memmem::find(self.payload, b"\\u").is_some();
        *self.escaped.get_or_init(escaped) || stands_in(self.payload, word.as_bytes())
    }

    /// The raw event, opened at the first call.
    pub(crate) fn json(&self) -> &Json {
        self.json.get_or_init(|| serde_json::from_slice(self.payload).unwrap_or(Json::Null))
    }

    /// The raw bytes.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.payload
    }
}

/// Letters from the most frequent one on; what is not among them is rare.
const FREQUENT: &[u8] = b"etaoinsrcldumpghfbywvkxjqz";

/// Whether a word stands in a text, in any case: where its rarest letter does, the rest is compared.
fn stands_in(text: &[u8], word: &[u8]) -> bool {
    let rank = |byte: &u8| FREQUENT.iter().position(|f| *f == byte.to_ascii_lowercase()).unwrap_or(FREQUENT.len());
    let Some((at, rarest)) = word.iter().enumerate().max_by_key(|(_, byte)| rank(byte)) else { return true };
    memchr::memchr2_iter(rarest.to_ascii_lowercase(), rarest.to_ascii_uppercase(), text).any(|found| {
        let begin = found.checked_sub(at);
        let piece = begin.and_then(|begin| text.get(begin..begin + word.len()));
        piece.is_some_and(|piece| piece.eq_ignore_ascii_case(word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_in_any_case_and_place() {
        for (text, word, expected) in [
            ("acl", "ACL", true),
            ("xacl", "acl", true),
            ("ac", "acl", false),
            ("cl", "acl", false),
            ("aclacx-OSS-object-acl", "x-oss-object-acl", true),
            ("x-oss-object-ac", "x-oss-object-acl", false),
            ("", "a", false),
        ] {
            assert_eq!(stands_in(text.as_bytes(), word.as_bytes()), expected, "{text} {word}");
        }
    }
}
