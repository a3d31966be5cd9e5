//! Casts of JSON: `CAST(json_extract(x, '$.k') AS varchar)` gives the text without its quotes, and a JSON list becomes
//! a list. It must never cast what is not marked as JSON.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, StringArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, DataFusionError, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::document::Json;
use super::scalar::{is_json, quoted};

/// Gives every cast of JSON in a plan its meaning.
pub(crate) fn resolve_json_casts(plan: LogicalPlan) -> Result<LogicalPlan> {
    let changed = plan.transform_up_with_subqueries(|plan| {
        let schema = merge_schema(&plan.inputs());
        let names = NamePreserver::new(&plan);
        let plan = plan.map_expressions(|expr| {
            let name = names.save(&expr);
            let changed = expr.transform_up(|expr| cast_json(expr, &schema))?;
            Ok(changed.update_data(|expr| name.restore(expr)))
        })?;
        if plan.transformed { plan.map_data(LogicalPlan::recompute_schema) } else { Ok(plan) }
    })?;
    Ok(changed.data)
}

fn cast_json(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let (inner, field, lenient) = match &expr {
        Expr::Cast(cast) => (&cast.expr, &cast.field, false),
        Expr::TryCast(cast) => (&cast.expr, &cast.field, true),
        _ => return Ok(Transformed::no(expr)),
    };
    // What has no type here (a column of an outer query) is no JSON for this purpose.
    let marked = inner.to_field(schema).is_ok_and(|(_, field)| is_json(&field));
    if !marked {
        return Ok(Transformed::no(expr));
    }
    let function = ScalarUDF::from(JsonCast::new(field.data_type().clone(), lenient));
    let call = ScalarFunction::new_udf(Arc::new(function), vec![inner.as_ref().clone()]);
    Ok(Transformed::yes(Expr::ScalarFunction(call)))
}

/// A cast of JSON to one type.
#[derive(Debug)]
struct JsonCast {
    target: DataType,
    lenient: bool,
    signature: Signature,
}

impl JsonCast {
    fn new(target: DataType, lenient: bool) -> Self {
        Self { target, lenient, signature: Signature::any(1, Volatility::Immutable) }
    }

    fn options(&self) -> CastOptions<'static> {
        CastOptions { safe: self.lenient, ..CastOptions::default() }
    }
}

impl PartialEq for JsonCast {
    fn eq(&self, other: &Self) -> bool {
        self.target == other.target && self.lenient == other.lenient
    }
}

impl Eq for JsonCast {}

impl Hash for JsonCast {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.target.hash(state);
        self.lenient.hash(state);
    }
}

impl ScalarUDFImpl for JsonCast {
    fn name(&self) -> &str {
        if self.lenient { "it_try_json_cast" } else { "it_json_cast" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.target.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(first) = args.args.first() else { return Ok(ColumnarValue::Scalar(ScalarValue::Null)) };
        let constant = matches!(first, ColumnarValue::Scalar(_));
        let texts = cast(&first.to_array(if constant { 1 } else { args.number_rows })?, &DataType::Utf8)?;
        let texts = texts.as_string::<i32>();
        let array = match &self.target {
            DataType::List(element) => lists(texts, element, &self.options())?,
            target => scalars(texts.iter().map(|text| text.map(|text| scalar(text, target))), target, &self.options())?,
        };
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?));
        }
        Ok(ColumnarValue::Array(array))
    }
}

/// The text that the engine then casts; an object or a list stays JSON.
fn scalar(text: &str, target: &DataType) -> Option<String> {
    let Some(json) = Json::parse(text) else { return Some(text.to_owned()) };
    if json.is_null() {
        return None;
    }
    let value = json.scalar().unwrap_or_else(|| json.compact());
    Some(match value.as_str() {
        "true" if target.is_numeric() => "1".into(),
        "false" if target.is_numeric() => "0".into(),
        _ => value,
    })
}

fn scalars(
    values: impl Iterator<Item = Option<Option<String>>>,
    target: &DataType,
    options: &CastOptions<'_>,
) -> Result<ArrayRef> {
    let texts: StringArray = values.map(Option::flatten).collect();
    Ok(cast_with_options(&texts, target, options)?)
}

fn lists(texts: &StringArray, element: &FieldRef, options: &CastOptions<'_>) -> Result<ArrayRef> {
    let mut lengths = Vec::with_capacity(texts.len());
    let mut valid = Vec::with_capacity(texts.len());
    let mut values = Vec::new();
    for text in texts.iter() {
        let json = text.and_then(Json::parse).filter(|json| !json.is_null());
        let list = json.filter(|json| json.is_list());
        if let (Some(json), None, false) = (json, list, options.safe) {
            let message = format!("the JSON {} is no list", quoted(&json.compact()));
            return Err(DataFusionError::Execution(message));
        }
        let before = values.len();
        values
            .extend(list.into_iter().flat_map(Json::elements).map(|json| scalar(&json.compact(), element.data_type())));
        lengths.push(values.len() - before);
        valid.push(list.is_some());
    }
    let values = scalars(values.into_iter().map(Some), element.data_type(), options)?;
    let field = Arc::new(Field::clone(element));
    let list = ListArray::try_new(field, OffsetBuffer::from_lengths(lengths), values, Some(NullBuffer::from(valid)))?;
    Ok(Arc::new(list))
}
