//! A row that was read back: a place in a decoded batch.
//! It must never copy what the batch holds: a row of sixty columns would be thirty allocations, most of the work of reading.

use std::fmt;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Int64Type, TimestampMicrosecondType};

use crate::Layout;

/// The value of one lifted column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Text.
    Text(&'a str),
    /// Integer.
    Integer(i64),
    /// Microseconds since 1970 UTC.
    Timestamp(i64),
}

/// One row, read back in full. Cloning is cheap; what it was decoded with, up to some thousand rows, stays in memory as long as
/// one of them is held.
#[derive(Clone)]
pub struct StoredRow {
    /// Its sequence number in the store.
    pub seq: u64,
    /// When it was appended, microseconds UTC.
    pub received_us: i64,
    rows: Arc<Rows>,
    at: usize,
}

/// Rows decoded together.
struct Rows {
    columns: Vec<Values>,
    payload: Payloads,
}

enum Values {
    Text(StringArray),
    Integer(Int64Array),
    Timestamp(TimestampMicrosecondArray),
    /// Null in all rows.
    None,
}

enum Payloads {
    Text(StringArray),
    Binary(BinaryArray),
}

impl StoredRow {
    /// A row by itself. Columns are given by position in the layout; one that is named twice has its last value.
    #[must_use]
    pub fn new(seq: u64, received_us: i64, columns: &[(u8, Value<'_>)], payload: &[u8]) -> Self {
        let width = columns.iter().map(|(position, _)| usize::from(*position) + 1).max().unwrap_or(0);
        let mut all: Vec<Values> = (0..width).map(|_| Values::None).collect();
        for (position, value) in columns {
            all[usize::from(*position)] = match *value {
                Value::Text(text) => Values::Text(StringArray::from(vec![text])),
                Value::Integer(number) => Values::Integer(Int64Array::from(vec![number])),
                Value::Timestamp(us) => Values::Timestamp(TimestampMicrosecondArray::from(vec![us])),
            };
        }
        let payload = Payloads::Binary(BinaryArray::from(vec![payload]));
        Self { seq, received_us, rows: Arc::new(Rows { columns: all, payload }), at: 0 }
    }

    /// The event's raw bytes.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        match &self.rows.payload {
            Payloads::Text(texts) => texts.value(self.at).as_bytes(),
            Payloads::Binary(bytes) => bytes.value(self.at),
        }
    }

    /// The value of a column, by position in the layout; `None` when it is null.
    #[must_use]
    pub fn column(&self, position: u8) -> Option<Value<'_>> {
        self.rows.columns.get(usize::from(position))?.get(self.at)
    }

    /// The columns that are not null: position in the layout, value.
    pub fn columns(&self) -> impl Iterator<Item = (u8, Value<'_>)> {
        (0..=u8::MAX).zip(&self.rows.columns).filter_map(|(position, column)| Some((position, column.get(self.at)?)))
    }
}

impl PartialEq for StoredRow {
    fn eq(&self, other: &Self) -> bool {
        (self.seq, self.received_us, self.payload()) == (other.seq, other.received_us, other.payload())
            && self.columns().eq(other.columns())
    }
}

impl Eq for StoredRow {}

impl fmt::Debug for StoredRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredRow")
            .field("seq", &self.seq)
            .field("received_us", &self.received_us)
            .field("columns", &self.columns().collect::<Vec<_>>())
            .field("payload", &String::from_utf8_lossy(self.payload()))
            .finish()
    }
}

impl Values {
    fn of(array: &ArrayRef) -> Self {
        if array.null_count() == array.len() {
            return Self::None;
        }
        match array.data_type() {
            DataType::Utf8 => Self::Text(array.as_string::<i32>().clone()),
            DataType::Int64 => Self::Integer(array.as_primitive::<Int64Type>().clone()),
            DataType::Timestamp(..) => Self::Timestamp(array.as_primitive::<TimestampMicrosecondType>().clone()),
            // A layout has no other kinds.
            _ => Self::None,
        }
    }

    fn get(&self, at: usize) -> Option<Value<'_>> {
        match self {
            Self::Text(texts) => texts.is_valid(at).then(|| Value::Text(texts.value(at))),
            Self::Integer(numbers) => numbers.is_valid(at).then(|| Value::Integer(numbers.value(at))),
            Self::Timestamp(times) => times.is_valid(at).then(|| Value::Timestamp(times.value(at))),
            Self::None => None,
        }
    }
}

/// Rows of a batch of a store's schema.
pub(crate) fn rows(batch: &RecordBatch, layout: &Layout) -> impl Iterator<Item = StoredRow> + use<> {
    let seq = batch.column(0).as_primitive::<Int64Type>().clone();
    let received = batch.column(1).as_primitive::<TimestampMicrosecondType>().clone();
    let payload = batch.column(2 + layout.columns.len());
    let payload = match payload.data_type() {
        DataType::Utf8 => Payloads::Text(payload.as_string::<i32>().clone()),
        _ => Payloads::Binary(payload.as_binary::<i32>().clone()),
    };
    let columns = batch.columns()[2..2 + layout.columns.len()].iter().map(Values::of).collect();
    let rows = Arc::new(Rows { columns, payload });
    (0..batch.num_rows()).map(move |at| StoredRow {
        seq: seq.value(at).cast_unsigned(),
        received_us: received.value(at),
        rows: Arc::clone(&rows),
        at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_by_itself_has_what_it_was_made_of() {
        let row = StoredRow::new(7, -1, &[(3, Value::Integer(-5)), (1, Value::Text(""))], b"\0raw");
        assert_eq!((row.seq, row.received_us, row.payload()), (7, -1, &b"\0raw"[..]));
        assert_eq!(row.columns().collect::<Vec<_>>(), [(1, Value::Text("")), (3, Value::Integer(-5))]);
        assert_eq!((row.column(0), row.column(3), row.column(255)), (None, Some(Value::Integer(-5)), None));
        assert_ne!(row, StoredRow::new(7, -1, &[(3, Value::Integer(-5))], b"\0raw"));
        assert_eq!(row.clone(), row);
    }
}
