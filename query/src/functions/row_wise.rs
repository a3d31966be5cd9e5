//! The frame that every row-wise function of the dialect stands in: it checks types, passes NULL by, and bounds what
//! one batch makes. It must never let a value of a log end in a panic, and never let one batch grow without bound.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::builder::{
    BinaryBuilder, BooleanBuilder, Float64Builder, Int64Builder, ListBuilder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::array::{Array, ArrayRef};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::memo::Memo;
use super::scalar::{Column, Function, Kind, Row, Value, ZONE, coerced, marked, time_type, wanted};
use super::time;

/// What one call over one batch may make, in bytes; a batch is 8,192 rows.
const BATCH_BYTES: usize = 64 * 1024 * 1024;

/// A result column in the making.
enum Builder {
    Text(StringBuilder),
    Int(Int64Builder),
    Float(Float64Builder),
    Bool(BooleanBuilder),
    Time(TimestampMicrosecondBuilder),
    Bytes(BinaryBuilder),
    Texts(ListBuilder<StringBuilder>),
}

impl Builder {
    fn new(data_type: &DataType) -> Self {
        match data_type {
            DataType::Int64 => Self::Int(Int64Builder::new()),
            DataType::Float64 => Self::Float(Float64Builder::new()),
            DataType::Boolean => Self::Bool(BooleanBuilder::new()),
            DataType::Timestamp(..) => Self::Time(TimestampMicrosecondBuilder::new().with_timezone(ZONE)),
            DataType::Binary => Self::Bytes(BinaryBuilder::new()),
            DataType::List(_) => Self::Texts(ListBuilder::new(StringBuilder::new())),
            _ => Self::Text(StringBuilder::new()),
        }
    }

    /// Returns what was added, in bytes.
    fn push(&mut self, value: Option<Value>) -> Result<usize> {
        let mut added = 8;
        match (self, value) {
            (Self::Text(b), None) => b.append_null(),
            (Self::Int(b), None) => b.append_null(),
            (Self::Float(b), None) => b.append_null(),
            (Self::Bool(b), None) => b.append_null(),
            (Self::Time(b), None) => b.append_null(),
            (Self::Bytes(b), None) => b.append_null(),
            (Self::Texts(b), None) => b.append_null(),
            (Self::Text(b), Some(Value::Text(text))) => {
                added += text.len();
                b.append_value(text);
            }
            (Self::Int(b), Some(Value::Int(value))) => b.append_value(value),
            (Self::Float(b), Some(Value::Float(value))) => b.append_value(value),
            (Self::Bool(b), Some(Value::Bool(value))) => b.append_value(value),
            (Self::Time(b), Some(Value::Time(value))) => b.append_value(value),
            (Self::Bytes(b), Some(Value::Bytes(bytes))) => {
                added += bytes.len();
                b.append_value(bytes);
            }
            (Self::Texts(b), Some(Value::Texts(texts))) => {
                for text in texts {
                    added += text.len() + 8;
                    b.values().append_value(text);
                }
                b.append(true);
            }
            _ => return Err(DataFusionError::Internal("a function gave another type than it promised".into())),
        }
        Ok(added)
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Text(mut b) => Arc::new(b.finish()),
            Self::Int(mut b) => Arc::new(b.finish()),
            Self::Float(mut b) => Arc::new(b.finish()),
            Self::Bool(mut b) => Arc::new(b.finish()),
            Self::Time(mut b) => Arc::new(b.finish()),
            Self::Bytes(mut b) => Arc::new(b.finish()),
            Self::Texts(mut b) => Arc::new(b.finish()),
        }
    }
}

/// A [`Function`] for the engine.
pub(super) struct RowWise {
    function: &'static Function,
    name: String,
    /// Bad arguments give NULL: the function inside `try`.
    lenient: bool,
    signature: Signature,
}

impl RowWise {
    pub(super) fn new(function: &'static Function, name: String, lenient: bool) -> Self {
        Self { function, name, lenient, signature: Signature::user_defined(Volatility::Immutable) }
    }

    /// What can be said of a whole column at once, without looking at each row by itself.
    fn whole(&self, columns: &[(Column, bool)]) -> Option<ArrayRef> {
        match (self.function.name, columns) {
            ("date_trunc", [(Column::Text(unit), true), (Column::Time(times), false)]) if unit.is_valid(0) => {
                Some(Arc::new(time::truncated(unit.value(0), times)?))
            }
            _ => None,
        }
    }

    fn fill(&self, columns: &[(Column, bool)], rows: usize, data_type: &DataType) -> Result<ArrayRef> {
        if let Some(whole) = self.whole(columns) {
            return Ok(whole);
        }
        let mut out = Builder::new(data_type);
        let mut memo = Memo::default();
        let mut bytes = 0;
        for row in 0..rows {
            let null = columns.iter().any(|(column, scalar)| column.is_null(if *scalar { 0 } else { row }));
            let answer = if null { Ok(None) } else { (self.function.body)(&Row { columns, row }, &mut memo) };
            let value = match answer {
                Ok(value) => value,
                Err(_) if self.lenient => None,
                Err(why) => return Err(DataFusionError::Execution(format!("{}: {why}", self.function.name))),
            };
            bytes += out.push(value)?;
            if bytes > BATCH_BYTES {
                let what = format!("{} made more than {BATCH_BYTES} bytes in one batch", self.function.name);
                return Err(DataFusionError::ResourcesExhausted(what));
            }
        }
        Ok(out.finish())
    }
}

impl std::fmt::Debug for RowWise {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowWise").field("name", &self.name).finish_non_exhaustive()
    }
}

impl PartialEq for RowWise {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for RowWise {}

impl Hash for RowWise {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for RowWise {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let function = self.function;
        if given.len() < function.required || given.len() > function.params.len() {
            let (from, to) = (function.required, function.params.len());
            let want = if from == to { from.to_string() } else { format!("{from} to {to}") };
            let message = format!("{} takes {want} arguments, not {}", function.name, given.len());
            return Err(DataFusionError::Plan(message));
        }
        let pairs = given.iter().zip(function.params).enumerate();
        let each = pairs.map(|(at, (given, kind))| {
            coerced(*kind, given).ok_or_else(|| {
                let (at, want) = (at + 1, wanted(*kind));
                let message = format!("argument {at} of {} is to be {want}, but it is {given}", function.name);
                DataFusionError::Plan(message)
            })
        });
        each.collect()
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        Ok(match self.function.returns {
            Kind::Text | Kind::Json | Kind::Plain => DataType::Utf8,
            Kind::Int => DataType::Int64,
            Kind::Float => DataType::Float64,
            Kind::Number => given.first().cloned().unwrap_or(DataType::Float64),
            Kind::Bool => DataType::Boolean,
            Kind::Time => time_type(),
            Kind::Bytes => DataType::Binary,
            Kind::Texts => DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))),
        })
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|f| f.data_type().clone()).collect();
        let field = Field::new(&self.name, self.return_type(&types)?, true);
        Ok(Arc::new(if self.function.returns == Kind::Json { marked(field) } else { field }))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let mut columns = Vec::with_capacity(args.args.len());
        for (arg, field) in args.args.iter().zip(&args.arg_fields) {
            let (array, scalar) = match arg {
                ColumnarValue::Array(array) => (Arc::clone(array), false),
                ColumnarValue::Scalar(value) => (value.to_array()?, true),
            };
            let array = if array.data_type() == field.data_type() { array } else { cast(&array, field.data_type())? };
            columns.push((Column::new(&array)?, scalar));
        }
        let rows = if constant { 1 } else { args.number_rows };
        let array = self.fill(&columns, rows, args.return_field.data_type())?;
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(array))
    }
}
