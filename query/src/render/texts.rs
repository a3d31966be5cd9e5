//! Values as Log Service's API shows them: texts, and names of types as its SQL calls them.
//! It must never show two different values as one text, except that times are shown to the millisecond.

use arrow::array::Array;
use arrow::datatypes::DataType;
use chrono::DateTime;

use super::plain;
use crate::Cell;

/// A type's name.
pub(crate) fn type_name(of: &DataType) -> &'static str {
    match of {
        DataType::Boolean => "boolean",
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64 => "bigint",
        DataType::Float16 | DataType::Float32 | DataType::Float64 => "double",
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
            "decimal"
        }
        DataType::Timestamp(..) => "timestamp",
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => "varbinary",
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => "array",
        DataType::Struct(_) => "row",
        DataType::Map(..) => "map",
        _ => "varchar",
    }
}

/// A value; `None` for NULL.
pub(crate) fn text(array: &dyn Array, row: usize) -> Option<String> {
    let text = plain(&Cell::read(array, row))?;
    Some(if matches!(array.data_type(), DataType::Timestamp(..)) { moment(&text) } else { text })
}

/// `2027-01-15 08:00:00.000` of RFC 3339.
fn moment(text: &str) -> String {
    DateTime::parse_from_rfc3339(text)
        .map_or_else(|_| text.to_owned(), |at| at.to_utc().format("%Y-%m-%d %H:%M:%S%.3f").to_string())
}
