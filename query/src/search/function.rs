//! One condition as a function of the engine, over one text column.
//! It must never return null: a row without the text does not match.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray};
use arrow::datatypes::DataType;
use datafusion::common::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::search::document::FieldTest;
use crate::search::text::Matcher;

/// What is asked of the text.
#[derive(Debug)]
pub(super) enum Question {
    /// Of the text itself.
    Text(Matcher),
    /// Of a field of the JSON that the text is.
    Field(FieldTest),
}

impl Question {
    fn holds(&self, text: &str) -> bool {
        match self {
            Self::Text(matcher) => matcher.matches(text),
            Self::Field(field) => field.matches(text),
        }
    }

    fn holds_bytes(&self, bytes: &[u8]) -> bool {
        // Bytes that are no text stand between words.
        self.holds(&String::from_utf8_lossy(bytes))
    }
}

/// A question under a name that tells it from every other.
#[derive(Debug)]
struct SearchFunction {
    name: String,
    question: Question,
    signature: Signature,
}

impl PartialEq for SearchFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for SearchFunction {}

impl Hash for SearchFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

/// `question` asked of `column`. `normal` is the normal form of what it stands for.
pub(super) fn call(normal: &str, question: Question, column: Expr) -> Expr {
    let name = format!("search {normal}");
    let signature = Signature::any(1, Volatility::Immutable);
    let function = SearchFunction { name, question, signature };
    Arc::new(ScalarUDF::new_from_impl(function)).call(vec![column])
}

impl ScalarUDFImpl for SearchFunction {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> datafusion::error::Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> datafusion::error::Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let Some(array) = arrays.first() else {
            return Err(DataFusionError::Internal("a search function has one argument".into()));
        };
        let text = |value: Option<&str>| Some(value.is_some_and(|v| self.question.holds(v)));
        let bytes = |value: Option<&[u8]>| Some(value.is_some_and(|v| self.question.holds_bytes(v)));
        let found: BooleanArray = match array.data_type() {
            DataType::Utf8 => array.as_string::<i32>().iter().map(text).collect(),
            DataType::LargeUtf8 => array.as_string::<i64>().iter().map(text).collect(),
            DataType::Utf8View => array.as_string_view().iter().map(text).collect(),
            DataType::Binary => array.as_binary::<i32>().iter().map(bytes).collect(),
            DataType::LargeBinary => array.as_binary::<i64>().iter().map(bytes).collect(),
            DataType::BinaryView => array.as_binary_view().iter().map(bytes).collect(),
            other => return Err(DataFusionError::Internal(format!("a search function takes text, not {other}"))),
        };
        Ok(ColumnarValue::Array(Arc::new(found)))
    }
}
