//! The columns that the host lifts out of each event, and the Arrow schema they give.
//! It must never know what a column means: the names come from the component's description.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use serde::{Deserialize, Serialize};

use crate::{Error, Store};

/// Name of the dense sequence number column, Int64, from 0, one series per store.
pub const SEQ: &str = "it_seq";
/// Name of the append time column, microseconds UTC.
pub const RECEIVED: &str = "it_received";
/// A layout holds at most this many columns: a slot has one byte for the column.
pub const MAX_COLUMNS: usize = 255;
const MAX_NAME: usize = 128;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// UTF-8 text; the slot points at the text.
    Text,
    /// Signed 64-bit integer; the slot points at 8 bytes, little endian.
    Integer,
    /// Microseconds since 1970 UTC; the slot points at 8 bytes, little endian.
    Timestamp,
}

/// How a column is best stored. A hint: it changes size and speed, never the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Few distinct values: event names, regions, users.
    Dictionary,
    /// Nearly every value distinct: ids.
    Plain,
    /// Neighbours are close: times, counters, or texts that share a beginning.
    Delta,
}

/// One lifted column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// The column's name in Parquet; 1 to 128 bytes, unique in the layout.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// How it is stored.
    pub encoding: Encoding,
    /// Whether segments carry a bloom filter for it. For ids that are looked up.
    pub bloom: bool,
}

impl Column {
    /// A column without bloom filter.
    #[must_use]
    pub fn new(name: &str, kind: Kind, encoding: Encoding) -> Self {
        Self { name: name.to_owned(), kind, encoding, bloom: false }
    }

    /// The same column with a bloom filter.
    #[must_use]
    pub fn with_bloom(mut self) -> Self {
        self.bloom = true;
        self
    }
}

/// The lifted columns in slot order, and which of them is the event id.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// The columns; a slot names one by its position here.
    pub columns: Vec<Column>,
    /// Position of the event id, a text column. `None`: nothing is deduplicated.
    pub key: Option<u8>,
}

impl Layout {
    /// Checks names, count and key.
    ///
    /// # Errors
    /// [`Error::Layout`] says which column is wrong.
    pub fn check(&self) -> Result<(), Error> {
        if self.columns.len() > MAX_COLUMNS {
            return Err(Error::Layout(format!("{} columns, at most {MAX_COLUMNS} are possible", self.columns.len())));
        }
        for (i, column) in self.columns.iter().enumerate() {
            let name = column.name.as_str();
            if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
                return Err(Error::Layout(format!("column {i} needs a name of 1 to {MAX_NAME} printable bytes")));
            }
            if [SEQ, RECEIVED, "event", "raw"].contains(&name) {
                return Err(Error::Layout(format!(
                    "column {i} is named `{name}`, which the Logstore keeps for itself"
                )));
            }
            if self.columns[..i].iter().any(|c| c.name == name) {
                return Err(Error::Layout(format!("two columns are named `{name}`")));
            }
        }
        match self.key.map(|k| self.columns.get(usize::from(k))) {
            Some(None) => Err(Error::Layout("the key names a column that does not exist".into())),
            Some(Some(c)) if c.kind != Kind::Text => {
                Err(Error::Layout(format!("the key column `{}` is not text", c.name)))
            }
            _ => Ok(()),
        }
    }

    /// Whether `self` may follow `stored`: columns may be appended, hints may change, nothing else.
    ///
    /// # Errors
    /// [`Error::Layout`] names the first column that was removed, moved or changed.
    pub fn check_continues(&self, stored: &Self) -> Result<(), Error> {
        for (i, old) in stored.columns.iter().enumerate() {
            match self.columns.get(i) {
                None => {
                    return Err(Error::Layout(format!(
                        "column {i} `{}` is stored but the component no longer has it; columns are never removed: use the newer component",
                        old.name
                    )));
                }
                Some(new) if new.name != old.name || new.kind != old.kind => {
                    return Err(Error::Layout(format!(
                        "column {i} is stored as `{}` ({:?}) but the component says `{}` ({:?}); new columns go at the end",
                        old.name, old.kind, new.name, new.kind
                    )));
                }
                Some(_) => {}
            }
        }
        if stored.key.is_some() && stored.key != self.key {
            return Err(Error::Layout(format!("the event id moved from column {:?} to {:?}", stored.key, self.key)));
        }
        Ok(())
    }

    /// Position of the column `name`, in slot order.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == name)
    }

    /// The Arrow schema of a store: `it_seq`, `it_received`, the columns, the payload.
    #[must_use]
    pub fn schema(&self, store: Store) -> SchemaRef {
        self.schema_of(store, &|_| true)
    }

    /// The same without the lifted columns that are not wanted.
    #[must_use]
    pub fn schema_of(&self, store: Store, wanted: &dyn Fn(&str) -> bool) -> SchemaRef {
        let mut fields = vec![Field::new(SEQ, DataType::Int64, false), Field::new(RECEIVED, timestamp(), false)];
        for column in self.columns.iter().filter(|column| wanted(&column.name)) {
            let kind = match column.kind {
                Kind::Text => DataType::Utf8,
                Kind::Integer => DataType::Int64,
                Kind::Timestamp => timestamp(),
            };
            fields.push(Field::new(&column.name, kind, true));
        }
        let payload = if store.text_payload() { DataType::Utf8 } else { DataType::Binary };
        fields.push(Field::new(store.payload_column(), payload, false));
        Arc::new(Schema::new(fields))
    }
}

fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}
