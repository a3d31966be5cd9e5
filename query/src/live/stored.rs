//! Rows of batches as the Logstore's own rows. It must never drop a value or change one.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type, TimestampMicrosecondType};
use innertrail_logstore::{RECEIVED, SEQ, StoredRow, Value};

use crate::Error;

fn other() -> Error {
    Error::Internal { message: "a batch is not one of the store's schema".into() }
}

/// The row at a place of a batch that has all columns of a store.
pub(super) fn row(batch: &RecordBatch, at: usize) -> Result<StoredRow, Error> {
    let of = |name: &str| batch.column_by_name(name).ok_or_else(other);
    let seq = of(SEQ)?.as_primitive_opt::<Int64Type>().ok_or_else(other)?.value(at);
    let received = of(RECEIVED)?.as_primitive_opt::<TimestampMicrosecondType>().ok_or_else(other)?.value(at);
    // In front of the layout's columns stand these two, behind them the payload.
    let columns = batch.columns().get(2..batch.num_columns().saturating_sub(1)).ok_or_else(other)?;
    let columns = columns.iter().enumerate().filter_map(|(c, array)| Some((u8::try_from(c).ok()?, value(array, at)?)));
    let columns: Vec<_> = columns.collect();
    let payload = batch.columns().last().ok_or_else(other)?;
    let payload = match payload.data_type() {
        DataType::Utf8 => payload.as_string::<i32>().value(at).as_bytes(),
        DataType::Binary => payload.as_binary::<i32>().value(at),
        _ => return Err(other()),
    };
    // By itself: a page holds few rows of many batches, which must not stay in memory with them.
    Ok(StoredRow::new(seq.cast_unsigned(), received, &columns, payload))
}

fn value(array: &ArrayRef, at: usize) -> Option<Value<'_>> {
    if array.is_null(at) {
        return None;
    }
    match array.data_type() {
        DataType::Utf8 => Some(Value::Text(array.as_string::<i32>().value(at))),
        DataType::Int64 => Some(Value::Integer(array.as_primitive::<Int64Type>().value(at))),
        DataType::Timestamp(..) => Some(Value::Timestamp(array.as_primitive::<TimestampMicrosecondType>().value(at))),
        _ => None,
    }
}
