//! What a row-wise function of the dialect takes and gives: kinds of values, the arguments of a row, the answer.
//! Reading an argument must never panic, whatever a query puts there.

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::common::DataFusionError;
use datafusion::error::Result;

use super::memo::Memo;

/// The zone that calendar fields are read in, and that texts without a zone mean.
pub(super) const ZONE: &str = "UTC";
/// Marks the columns that hold JSON, so that a cast knows how to read them.
pub(super) const JSON_MARK: (&str, &str) = ("innertrail.kind", "json");

/// What a function takes or gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// JSON as text; marked when it is a result.
    Json,
    Int,
    Float,
    /// An integer or a float; a result has the type of the first argument.
    Number,
    Bool,
    /// A timestamp, or seconds since 1970 as a number.
    Time,
    Bytes,
    /// Text, number, truth value or bytes.
    Plain,
    /// A list of texts; only as a result.
    Texts,
}

/// One result.
pub(super) enum Value {
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    /// Microseconds since 1970.
    Time(i64),
    Bytes(Vec<u8>),
    Texts(Vec<String>),
}

/// NULL, a value, or what is wrong with the arguments.
pub(super) type Answer = std::result::Result<Option<Value>, String>;

/// One function of the dialect.
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) params: &'static [Kind],
    /// How many of `params` must be there.
    pub(super) required: usize,
    pub(super) returns: Kind,
    /// Called only when no argument is NULL.
    pub(super) body: fn(&Row<'_>, &mut Memo) -> Answer,
}

/// The zone's timestamps.
pub(super) fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(ZONE.into()))
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_text(values),
        other => other.is_string(),
    }
}

fn is_bytes(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_))
}

fn is_float(data_type: &DataType) -> bool {
    data_type.is_floating() || data_type.is_decimal()
}

/// What `given` is turned into for a parameter of `kind`; `None` when it does not fit.
pub(super) fn coerced(kind: Kind, given: &DataType) -> Option<DataType> {
    let number = || match given {
        t if t.is_integer() => Some(DataType::Int64),
        t if is_float(t) => Some(DataType::Float64),
        _ => None,
    };
    match (kind, given) {
        (Kind::Text | Kind::Json | Kind::Plain, DataType::Null) => Some(DataType::Utf8),
        (Kind::Int | Kind::Number | Kind::Time, DataType::Null) => Some(DataType::Int64),
        (Kind::Text | Kind::Json | Kind::Plain, t) if is_text(t) => Some(DataType::Utf8),
        (Kind::Int, t) if t.is_integer() => Some(DataType::Int64),
        (Kind::Float, t) if t.is_integer() || is_float(t) || *t == DataType::Null => Some(DataType::Float64),
        (Kind::Time, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64) => Some(time_type()),
        (Kind::Number | Kind::Time, _) => number(),
        (Kind::Bool | Kind::Plain, DataType::Boolean) | (Kind::Bool, DataType::Null) => Some(DataType::Boolean),
        (Kind::Bytes, t) if is_bytes(t) || is_text(t) || *t == DataType::Null => Some(DataType::Binary),
        (Kind::Plain, t) if is_bytes(t) => Some(DataType::Binary),
        (Kind::Plain, _) => number(),
        _ => None,
    }
}

pub(super) fn wanted(kind: Kind) -> &'static str {
    match kind {
        Kind::Text | Kind::Texts => "a text",
        Kind::Json => "JSON or a text",
        Kind::Int => "an integer",
        Kind::Float | Kind::Number => "a number",
        Kind::Bool => "a truth value",
        Kind::Time => "a timestamp or seconds since 1970 (a text becomes one with date_parse)",
        Kind::Bytes => "bytes or a text",
        Kind::Plain => "a text, a number, a truth value or bytes",
    }
}

/// One argument of a batch.
pub(super) enum Column {
    Text(StringArray),
    Int(Int64Array),
    Float(Float64Array),
    Bool(BooleanArray),
    Time(TimestampMicrosecondArray),
    Bytes(BinaryArray),
}

impl Column {
    pub(super) fn new(array: &ArrayRef) -> Result<Self> {
        Ok(match array.data_type() {
            DataType::Utf8 => Self::Text(array.as_string().clone()),
            DataType::Int64 => Self::Int(array.as_primitive().clone()),
            DataType::Float64 => Self::Float(array.as_primitive().clone()),
            DataType::Boolean => Self::Bool(array.as_boolean().clone()),
            DataType::Timestamp(TimeUnit::Microsecond, _) => Self::Time(array.as_primitive().clone()),
            DataType::Binary => Self::Bytes(array.as_binary().clone()),
            DataType::Null => Self::Text(StringArray::new_null(array.len())),
            other => return Err(DataFusionError::Internal(format!("a function was called with {other}"))),
        })
    }

    pub(super) fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Text(a) => a.is_null(row),
            Self::Int(a) => a.is_null(row),
            Self::Float(a) => a.is_null(row),
            Self::Bool(a) => a.is_null(row),
            Self::Time(a) => a.is_null(row),
            Self::Bytes(a) => a.is_null(row),
        }
    }
}

/// The arguments of one row. No argument that is there is NULL.
pub(super) struct Row<'a> {
    /// Each with whether it is one value for all rows.
    pub(super) columns: &'a [(Column, bool)],
    pub(super) row: usize,
}

/// One argument of one row, by its type.
pub(super) enum Input<'a> {
    Text(&'a str),
    Int(i64),
    Float(f64),
    Bool(bool),
    Time(i64),
    Bytes(&'a [u8]),
}

impl Row<'_> {
    /// Whether the optional argument is there.
    pub(super) fn has(&self, at: usize) -> bool {
        at < self.columns.len()
    }

    pub(super) fn input(&self, at: usize) -> std::result::Result<Input<'_>, String> {
        let (column, scalar) = self.columns.get(at).ok_or("an argument is missing")?;
        let row = if *scalar { 0 } else { self.row };
        Ok(match column {
            Column::Text(a) => Input::Text(a.value(row)),
            Column::Int(a) => Input::Int(a.value(row)),
            Column::Float(a) => Input::Float(a.value(row)),
            Column::Bool(a) => Input::Bool(a.value(row)),
            Column::Time(a) => Input::Time(a.value(row)),
            Column::Bytes(a) => Input::Bytes(a.value(row)),
        })
    }

    pub(super) fn text(&self, at: usize) -> std::result::Result<&str, String> {
        match self.input(at)? {
            Input::Text(text) => Ok(text),
            _ => Err(format!("argument {} is no text", at + 1)),
        }
    }

    pub(super) fn bytes(&self, at: usize) -> std::result::Result<&[u8], String> {
        match self.input(at)? {
            Input::Text(text) => Ok(text.as_bytes()),
            Input::Bytes(bytes) => Ok(bytes),
            _ => Err(format!("argument {} is no bytes", at + 1)),
        }
    }

    pub(super) fn int(&self, at: usize) -> std::result::Result<i64, String> {
        match self.input(at)? {
            Input::Int(value) => Ok(value),
            _ => Err(format!("argument {} is no integer", at + 1)),
        }
    }

    pub(super) fn float(&self, at: usize) -> std::result::Result<f64, String> {
        match self.input(at)? {
            // The nearest float is what the function is about.
            #[allow(clippy::cast_precision_loss)]
            Input::Int(value) => Ok(value as f64),
            Input::Float(value) => Ok(value),
            _ => Err(format!("argument {} is no number", at + 1)),
        }
    }

    /// Microseconds since 1970, from a timestamp or from seconds.
    pub(super) fn time(&self, at: usize) -> std::result::Result<i64, String> {
        let outside = |seconds: String| format!("{seconds} seconds since 1970 are outside the calendar");
        match self.input(at)? {
            Input::Time(us) => Ok(us),
            Input::Int(seconds) => seconds.checked_mul(1_000_000).ok_or_else(|| outside(seconds.to_string())),
            // The bound keeps the cast exact to the microsecond it stands for.
            #[allow(clippy::cast_possible_truncation)]
            Input::Float(seconds) if seconds.abs() < 9e12 => Ok((seconds * 1e6).round() as i64),
            Input::Float(seconds) => Err(outside(seconds.to_string())),
            _ => Err(format!("argument {} is no time", at + 1)),
        }
    }
}

/// The field with the mark of JSON.
pub(super) fn marked(field: Field) -> Field {
    let (key, value) = JSON_MARK;
    field.with_metadata([(key.to_owned(), value.to_owned())].into())
}

/// Whether a field holds JSON.
pub(super) fn is_json(field: &Field) -> bool {
    field.metadata().get(JSON_MARK.0).is_some_and(|kind| kind == JSON_MARK.1)
}

/// A value for an error message: short, and without anything a terminal would obey.
pub(super) fn quoted(text: &str) -> String {
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("'{}'", crate::terminal_safe(&short))
}
