//! One value of a result, out of Arrow, with its type and nothing lost.
//! It must never put an integer through a float.

use std::borrow::Cow;

use arrow::array::{Array, ArrayRef, AsArray, StructArray};
use arrow::datatypes::{DataType, TimeUnit};
use arrow::datatypes::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono::{DateTime, SecondsFormat, Utc};

/// One value.
#[derive(Debug, Clone)]
pub enum Cell<'a> {
    /// No value. An empty text is [`Cell::Text`].
    Null,
    /// Truth value.
    Bool(bool),
    /// Signed integer.
    Int(i64),
    /// Unsigned integer.
    UInt(u64),
    /// Floating point.
    Float(f64),
    /// Decimal number in digits, exact.
    Decimal(String),
    /// Text; also timestamps as RFC 3339 UTC with six digits of a second, dates, and types without a form of their own.
    Text(Cow<'a, str>),
    /// Bytes that are not UTF-8. Bytes that are come as [`Cell::Text`].
    Bytes(&'a [u8]),
    /// A list's values.
    List(ArrayRef),
    /// A structure and the row in it.
    Struct(&'a StructArray, usize),
}

impl<'a> Cell<'a> {
    /// The value of `array` at `row`; [`Cell::Null`] past its end.
    #[must_use]
    pub fn read(array: &'a dyn Array, row: usize) -> Self {
        if row >= array.len() || array.is_null(row) {
            return Self::Null;
        }
        match array.data_type() {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Bool(array.as_boolean().value(row)),
            DataType::Int8 => Self::Int(array.as_primitive::<Int8Type>().value(row).into()),
            DataType::Int16 => Self::Int(array.as_primitive::<Int16Type>().value(row).into()),
            DataType::Int32 => Self::Int(array.as_primitive::<Int32Type>().value(row).into()),
            DataType::Int64 => Self::Int(array.as_primitive::<Int64Type>().value(row)),
            DataType::UInt8 => Self::UInt(array.as_primitive::<UInt8Type>().value(row).into()),
            DataType::UInt16 => Self::UInt(array.as_primitive::<UInt16Type>().value(row).into()),
            DataType::UInt32 => Self::UInt(array.as_primitive::<UInt32Type>().value(row).into()),
            DataType::UInt64 => Self::UInt(array.as_primitive::<UInt64Type>().value(row)),
            DataType::Float32 => Self::Float(widen(array.as_primitive::<Float32Type>().value(row))),
            DataType::Float64 => Self::Float(array.as_primitive::<Float64Type>().value(row)),
            DataType::Decimal128(..) => Self::Decimal(array.as_primitive::<Decimal128Type>().value_as_string(row)),
            DataType::Utf8 => Self::Text(array.as_string::<i32>().value(row).into()),
            DataType::LargeUtf8 => Self::Text(array.as_string::<i64>().value(row).into()),
            DataType::Utf8View => Self::Text(array.as_string_view().value(row).into()),
            DataType::Binary => Self::bytes(array.as_binary::<i32>().value(row)),
            DataType::LargeBinary => Self::bytes(array.as_binary::<i64>().value(row)),
            DataType::BinaryView => Self::bytes(array.as_binary_view().value(row)),
            DataType::FixedSizeBinary(_) => Self::bytes(array.as_fixed_size_binary().value(row)),
            _ => Self::read_other(array, row),
        }
    }

    fn read_other(array: &'a dyn Array, row: usize) -> Self {
        match array.data_type() {
            DataType::Timestamp(unit, _) => timestamp(array, row, *unit),
            DataType::Date32 => match array.as_primitive::<Date32Type>().value_as_date(row) {
                Some(day) => Self::Text(day.format("%Y-%m-%d").to_string().into()),
                None => Self::Int(array.as_primitive::<Date32Type>().value(row).into()),
            },
            DataType::List(_) => Self::List(array.as_list::<i32>().value(row)),
            DataType::LargeList(_) => Self::List(array.as_list::<i64>().value(row)),
            DataType::FixedSizeList(..) => Self::List(array.as_fixed_size_list().value(row)),
            DataType::Struct(_) => Self::Struct(array.as_struct(), row),
            DataType::Dictionary(..) => {
                let dictionary = array.as_any_dictionary();
                let keys = dictionary.normalized_keys();
                Self::read(dictionary.values().as_ref(), keys.get(row).copied().unwrap_or(usize::MAX))
            }
            _ => match ArrayFormatter::try_new(array, &FormatOptions::default()) {
                Ok(formatter) => Self::Text(formatter.value(row).to_string().into()),
                Err(_) => Self::Null,
            },
        }
    }

    fn bytes(bytes: &'a [u8]) -> Self {
        std::str::from_utf8(bytes).map_or(Self::Bytes(bytes), |text| Self::Text(text.into()))
    }
}

/// The shortest decimal of an `f32` names the same value for people; a plain cast would print its noise.
fn widen(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

fn timestamp<'a>(array: &'a dyn Array, row: usize, unit: TimeUnit) -> Cell<'a> {
    let (raw, at): (i64, Option<DateTime<Utc>>) = match unit {
        TimeUnit::Second => {
            let raw = array.as_primitive::<TimestampSecondType>().value(row);
            (raw, DateTime::from_timestamp(raw, 0))
        }
        TimeUnit::Millisecond => {
            let raw = array.as_primitive::<TimestampMillisecondType>().value(row);
            (raw, DateTime::from_timestamp_millis(raw))
        }
        TimeUnit::Microsecond => {
            let raw = array.as_primitive::<TimestampMicrosecondType>().value(row);
            (raw, DateTime::from_timestamp_micros(raw))
        }
        TimeUnit::Nanosecond => {
            let raw = array.as_primitive::<TimestampNanosecondType>().value(row);
            (raw, Some(DateTime::from_timestamp_nanos(raw)))
        }
    };
    // Past the calendar's end only the number is left.
    at.map_or(Cell::Int(raw), |at| Cell::Text(at.to_rfc3339_opts(SecondsFormat::Micros, true).into()))
}
