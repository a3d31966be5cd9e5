//! Rows of the tail as they were written, for who looks at a few columns of each and keeps none.
//! It must never hand out a row that is not known to be durable.
//!
//! [`Reader::pull`] decodes whole batches, which is right for who hands records on: sixty columns, of which a rule asks for
//! five. Here a column is found in the row when it is asked for, and nothing is copied.

use crate::consumer::{ConsumerError, Cursor};
use crate::layout::{Kind, Layout};
use crate::row::RowRef;
use crate::stored::Value;
use crate::{Error, Snapshot};

/// A durable row of the tail, in place.
#[derive(Debug, Clone, Copy)]
pub struct TailRow<'a> {
    /// Its sequence number in the store.
    pub seq: u64,
    /// When it was appended, microseconds UTC.
    pub received_us: i64,
    row: RowRef<'a>,
    layout: &'a Layout,
}

/// What one look at the tail gave.
#[derive(Debug, Clone)]
pub struct TailPage<'a> {
    /// Durable rows in append order, without a gap from the cursor on.
    pub rows: Vec<TailRow<'a>>,
    /// Where to go on; the cursor that was given when there is nothing new.
    pub next: Cursor,
    /// Whether the page reaches what was known to be durable when it was read.
    pub at_end: bool,
}

impl<'a> TailRow<'a> {
    /// The event's raw bytes.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.row.payload()
    }

    /// The value of a column, by position in the layout; `None` when it is null.
    #[must_use]
    pub fn column(&self, position: u8) -> Option<Value<'a>> {
        let bytes = self.row.column(position)?;
        let number = || bytes.try_into().ok().map(i64::from_le_bytes);
        match self.layout.columns.get(usize::from(position))?.kind {
            // It was checked before it was committed.
            Kind::Text => std::str::from_utf8(bytes).ok().map(Value::Text),
            Kind::Integer => number().map(Value::Integer),
            Kind::Timestamp => number().map(Value::Timestamp),
        }
    }
}

/// Up to `max_rows` rows of the tail from the cursor on, none at or behind `end`.
pub(super) fn page(
    snapshot: &Snapshot,
    cursor: Cursor,
    end: u64,
    max_rows: usize,
) -> Result<TailPage<'_>, ConsumerError> {
    let (store, layout) = (cursor.store(), snapshot.layout());
    let (mut rows, mut next) = (Vec::new(), cursor.seq());
    let corrupt = |what: String| Error::corrupt(&snapshot.dir().join("wal"), 0, what);
    for (received_us, row) in snapshot.tail_rows(store, next).take(max_rows) {
        let (seq, row) = row.ok_or_else(|| corrupt("a frame has rows that do not fit it".to_owned()))?;
        if seq >= end {
            break;
        }
        if seq != next {
            return Err(corrupt(format!("record {next} was expected, record {seq} found")).into());
        }
        let row = RowRef::parse(row).map_err(|fault| corrupt(format!("record {seq}: {fault}")))?;
        rows.push(TailRow { seq, received_us, row, layout });
        next += 1;
    }
    Ok(TailPage { rows, next: cursor.at(next), at_end: next >= end })
}
