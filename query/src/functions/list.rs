//! Functions over lists and over any type: the engine's own, with the types and the NULLs of the dialect.
//! They must never panic on a list of an unexpected type; the engine's functions refuse it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array};
use arrow::compute::{cast, is_not_null, kernels::zip::zip};
use arrow::datatypes::{DataType, Field};
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::error::Result;
use datafusion::functions::string;
use datafusion::functions_nested::array_has::array_has_udf;
use datafusion::functions_nested::position::array_position_udf;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::document::Json;
use super::scalar::is_json;

/// Which function it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Which {
    /// Place of a value in a list from 1, or 0. Signed, so that it can be a subscript.
    Position,
    /// Whether a list holds a value, or a text another one.
    Contains,
    /// Length of a list, or of an object in JSON.
    Cardinality,
    /// The dialect's name of a type.
    TypeOf,
}

/// One of them for the engine.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ListFunction {
    which: Which,
    signature: Signature,
}

impl ListFunction {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let signature = Signature::user_defined(Volatility::Immutable);
        let all = [Which::Position, Which::Contains, Which::Cardinality, Which::TypeOf];
        all.into_iter().map(move |which| Self { which, signature: signature.clone() })
    }

    fn arguments(&self) -> usize {
        if matches!(self.which, Which::Position | Which::Contains) { 2 } else { 1 }
    }
}

fn element(list: &DataType) -> Option<&DataType> {
    match list {
        DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
            Some(field.data_type())
        }
        _ => None,
    }
}

impl ScalarUDFImpl for ListFunction {
    fn name(&self) -> &str {
        match self.which {
            Which::Position => "array_position",
            Which::Contains => "contains",
            Which::Cardinality => "cardinality",
            Which::TypeOf => "typeof",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let (name, want) = (self.name(), self.arguments());
        if given.len() != want {
            return Err(DataFusionError::Plan(format!("{name} takes {want} arguments, not {}", given.len())));
        }
        let text = given[0].is_string();
        match (self.which, element(&given[0])) {
            (Which::TypeOf, _) | (Which::Cardinality, Some(_)) => Ok(given.to_vec()),
            (Which::Cardinality, None) if text => Ok(vec![DataType::Utf8]),
            (Which::Contains, None) if text && given[1].is_string() => Ok(vec![DataType::Utf8, DataType::Utf8]),
            (Which::Position | Which::Contains, Some(element)) => Ok(vec![given[0].clone(), element.clone()]),
            _ => Err(DataFusionError::Plan(format!("argument 1 of {name} is to be a list, but it is {}", given[0]))),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.which {
            Which::Position | Which::Cardinality => DataType::Int64,
            Which::Contains => DataType::Boolean,
            Which::TypeOf => DataType::Utf8,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match self.which {
            Which::Position => position(args),
            Which::Contains if args.arg_fields.first().is_some_and(|f| f.data_type().is_string()) => {
                string::contains().invoke_with_args(args)
            }
            Which::Contains => array_has_udf().invoke_with_args(args),
            Which::Cardinality => cardinality(&args),
            Which::TypeOf => {
                let name = args.arg_fields.first().map(|field| type_name(field)).unwrap_or_default();
                Ok(ColumnarValue::Scalar(ScalarValue::Utf8(Some(name))))
            }
        }
    }
}

/// What the engine gives, with 0 where the list is there and the value is not in it.
fn position(args: ScalarFunctionArgs) -> Result<ColumnarValue> {
    let rows = args.number_rows;
    let known: Vec<BooleanArray> = args
        .args
        .iter()
        .map(|arg| is_not_null(&arg.to_array(rows)?).map_err(DataFusionError::from))
        .collect::<Result<_>>()?;
    let found = array_position_udf().invoke_with_args(args)?.into_array(rows)?;
    let found = cast(&found, &DataType::Int64)?;
    let zero = Int64Array::new_scalar(0);
    let found = zip(&is_not_null(&found)?, &found, &zero)?;
    let nothing = arrow::array::Scalar::new(arrow::array::new_null_array(&DataType::Int64, 1));
    let found = known.iter().try_fold(found, |found, known| zip(known, &found, &nothing))?;
    Ok(ColumnarValue::Array(found))
}

fn cardinality(args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
    let Some(first) = args.args.first() else { return Ok(ColumnarValue::Scalar(ScalarValue::Int64(None))) };
    let array = first.to_array(args.number_rows)?;
    let length = |row: usize| -> Option<i64> {
        if array.is_null(row) {
            return None;
        }
        let length = match array.data_type() {
            DataType::List(_) => array.as_list::<i32>().value_length(row).try_into().ok()?,
            DataType::LargeList(_) => array.as_list::<i64>().value_length(row).try_into().ok()?,
            DataType::FixedSizeList(_, length) => (*length).try_into().ok()?,
            DataType::Utf8 => {
                let json = Json::parse(array.as_string::<i32>().value(row))?;
                if json.is_object() { json.members().count() } else { json.elements().count() }
            }
            _ => return None,
        };
        i64::try_from(length).ok()
    };
    let lengths: Int64Array = (0..array.len()).map(length).collect();
    Ok(ColumnarValue::Array(Arc::new(lengths) as ArrayRef))
}

fn type_name(field: &Field) -> String {
    if is_json(field) {
        return "json".into();
    }
    let name = match field.data_type() {
        DataType::Null => "unknown",
        DataType::Boolean => "boolean",
        DataType::Int8 => "tinyint",
        DataType::Int16 | DataType::UInt8 => "smallint",
        DataType::Int32 | DataType::UInt16 => "integer",
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => "bigint",
        DataType::Float16 | DataType::Float32 => "real",
        DataType::Float64 => "double",
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "varchar",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => "varbinary",
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Timestamp(_, None) => "timestamp",
        DataType::Timestamp(_, Some(_)) => "timestamp with time zone",
        DataType::Interval(_) | DataType::Duration(_) => "interval day to second",
        DataType::Dictionary(_, values) => return type_name(&Field::new("", values.as_ref().clone(), true)),
        DataType::List(element) | DataType::LargeList(element) | DataType::FixedSizeList(element, _) => {
            return format!("array({})", type_name(element));
        }
        other => return other.to_string().to_lowercase(),
    };
    name.into()
}
