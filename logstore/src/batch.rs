//! Rows to Arrow, a slice at a time, so that memory stays bounded however long a segment is.
//! It must never trust a row, even one from our own log: a bad one is an error, never a panic.

use std::sync::Arc;

use arrow::array::{
    ArrayBuilder, ArrayRef, BinaryArray, BinaryBuilder, Int64Builder, RecordBatch, StringArray,
    TimestampMicrosecondBuilder,
};
use arrow::datatypes::SchemaRef;

use crate::layout::{Kind, Layout};
use crate::row::{RowRef, Slot};
use crate::{Error, RowFault, Store};

/// Rows of one batch at most: with events of ordinary length it stays in the second cache until it is encoded.
const BATCH_ROWS: usize = 1_024;
/// Row bytes of one batch at most, give or take one row.
const BATCH_BYTES: usize = 16 * 1024 * 1024;

enum ColumnBuilder {
    Text(BinaryBuilder),
    Integer(Int64Builder),
    Timestamp(TimestampMicrosecondBuilder),
}

/// Collects rows of one store into record batches of its schema.
pub(crate) struct BatchBuilder {
    schema: SchemaRef,
    text_payload: bool,
    seq: Int64Builder,
    received: TimestampMicrosecondBuilder,
    /// One for each lifted column; `None` for one that nobody wants.
    columns: Vec<Option<ColumnBuilder>>,
    payload: BinaryBuilder,
    slots: Vec<Option<Slot>>,
    rows: usize,
    bytes: usize,
}

impl BatchBuilder {
    /// Of all columns.
    pub(crate) fn new(layout: &Layout, store: Store) -> Self {
        Self::of(layout, store, &|_| true)
    }

    /// Of the lifted columns that are wanted, by name. Number, arrival and payload are always there.
    pub(crate) fn of(layout: &Layout, store: Store, wanted: &dyn Fn(&str) -> bool) -> Self {
        let builder = |kind| match kind {
            Kind::Text => ColumnBuilder::Text(BinaryBuilder::new()),
            Kind::Integer => ColumnBuilder::Integer(Int64Builder::new()),
            Kind::Timestamp => ColumnBuilder::Timestamp(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
        };
        let columns = layout.columns.iter().map(|c| wanted(&c.name).then(|| builder(c.kind))).collect();
        Self {
            schema: layout.schema_of(store, wanted),
            text_payload: store.text_payload(),
            seq: Int64Builder::new(),
            received: TimestampMicrosecondBuilder::new().with_timezone("UTC"),
            columns,
            payload: BinaryBuilder::new(),
            slots: vec![None; layout.columns.len()],
            rows: 0,
            bytes: 0,
        }
    }

    /// Whether the batch should be taken before the next row.
    pub(crate) fn is_full(&self) -> bool {
        self.rows >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Adds a row; its payload. Columns the layout does not know are a fault; text is checked by [`Self::finish`].
    pub(crate) fn push<'a>(&mut self, seq: u64, received_us: i64, row: &'a [u8]) -> Result<&'a [u8], RowFault> {
        let view = RowRef::parse(row)?;
        self.slots.fill(None);
        let columns = self.slots.len();
        for slot in view.slots() {
            let place = self
                .slots
                .get_mut(usize::from(slot.column))
                .ok_or(RowFault::UnknownColumn { column: slot.column, columns })?;
            *place = Some(slot);
        }
        for (builder, slot) in self.columns.iter_mut().zip(&self.slots) {
            let Some(builder) = builder else { continue };
            let bytes = slot.and_then(|s| view.bytes(s));
            match builder {
                ColumnBuilder::Text(b) => b.append_option(bytes),
                ColumnBuilder::Integer(b) => b.append_option(bytes.and_then(number)),
                ColumnBuilder::Timestamp(b) => b.append_option(bytes.and_then(number)),
            }
        }
        self.seq.append_value(seq.cast_signed());
        self.received.append_value(received_us);
        self.payload.append_value(view.payload());
        self.rows += 1;
        self.bytes += row.len();
        Ok(view.payload())
    }

    /// The rows so far as a batch; the builder is empty afterwards.
    pub(crate) fn finish(&mut self) -> Result<RecordBatch, Error> {
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.columns.len() + 3);
        arrays.push(Arc::new(self.seq.finish()));
        arrays.push(Arc::new(self.received.finish()));
        for builder in self.columns.iter_mut().flatten() {
            arrays.push(match builder {
                ColumnBuilder::Text(b) => Arc::new(StringArray::try_from_binary(take(b))?),
                ColumnBuilder::Integer(b) => Arc::new(b.finish()),
                ColumnBuilder::Timestamp(b) => Arc::new(b.finish()),
            });
        }
        let payload = take(&mut self.payload);
        arrays.push(if self.text_payload {
            Arc::new(StringArray::try_from_binary(payload)?)
        } else {
            Arc::new(payload)
        });
        self.rows = 0;
        self.bytes = 0;
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), arrays)?)
    }
}

/// What a builder holds. It keeps room for as much again: one that grows step by step copies all it holds at each step.
fn take(builder: &mut BinaryBuilder) -> BinaryArray {
    let room = BinaryBuilder::with_capacity(builder.len(), builder.values_slice().len());
    std::mem::replace(builder, room).finish()
}

fn number(bytes: &[u8]) -> Option<i64> {
    bytes.try_into().ok().map(i64::from_le_bytes)
}
