//! What a sink is given: records of the dedicated Logstore, each with the mark that lets any receiver check and know it again.
//! It must never be built from anything that is not durable.

use bytes::Bytes;
use innertrail_logstore::{Layout, StoredRow, Value};

/// One durable record of the dedicated Logstore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The record as it is stored: its number, when it was appended, its columns, the event's raw bytes.
    pub row: StoredRow,
    /// The seal mark under the trail's key, as text: `it_seal` in every encoding.
    pub mark: String,
    /// The record as its receiver wants it, where the sender had it written down before: see [`crate::Sender::prepare`].
    pub written: Option<Bytes>,
}

/// Records in Logstore order, and what their columns are called.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// The trail.
    pub trail: &'a str,
    /// Names and kinds of the columns.
    pub layout: &'a Layout,
    /// The records; never empty.
    pub records: &'a [Record],
}

impl Record {
    /// A record and its mark; written down for nobody yet.
    #[must_use]
    pub fn new(row: StoredRow, mark: String) -> Self {
        Self { row, mark, written: None }
    }

    /// The text of a column; `None` when it is null or no text.
    #[must_use]
    pub fn text(&self, layout: &Layout, name: &str) -> Option<&str> {
        match self.value(layout, name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A column.
    #[must_use]
    pub fn value(&self, layout: &Layout, name: &str) -> Option<Value<'_>> {
        self.row.column(u8::try_from(layout.position(name)?).ok()?)
    }
}
