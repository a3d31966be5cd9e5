//! The JSON functions. A text that is no JSON gives NULL, except in `json_parse`, which says so.
//! They must never change the digits of a number.

use super::document::Json;
use super::memo::Memo;
use super::scalar::Kind::{Bool, Int, Json as JsonKind, Plain, Text};
use super::scalar::{Answer, Function, Input, Row, Value, quoted};

pub(super) const FUNCTIONS: &[Function] = &[
    Function { name: "json_parse", params: &[JsonKind], required: 1, returns: JsonKind, body: parse },
    Function { name: "json_format", params: &[JsonKind], required: 1, returns: Text, body: format },
    Function { name: "json_extract", params: &[JsonKind, Text], required: 2, returns: JsonKind, body: extract },
    Function {
        name: "json_extract_scalar",
        params: &[JsonKind, Text],
        required: 2,
        returns: Text,
        body: extract_scalar,
    },
    Function { name: "json_array_length", params: &[JsonKind], required: 1, returns: Int, body: array_length },
    Function { name: "json_array_get", params: &[JsonKind, Int], required: 2, returns: JsonKind, body: array_get },
    Function { name: "json_array_contains", params: &[JsonKind, Plain], required: 2, returns: Bool, body: contains },
    Function { name: "json_size", params: &[JsonKind, Text], required: 2, returns: Int, body: size },
    Function { name: "it_to_json", params: &[Plain], required: 1, returns: JsonKind, body: to_json },
];

fn document(row: &Row<'_>) -> Result<Option<String>, String> {
    Ok(Json::parse(row.text(0)?).map(Json::compact))
}

fn parse(row: &Row<'_>, _: &mut Memo) -> Answer {
    let compact = document(row)?;
    let Some(compact) = compact else { return Err(format!("{} is no JSON", quoted(row.text(0)?))) };
    Ok(Some(Value::Text(compact)))
}

fn format(row: &Row<'_>, _: &mut Memo) -> Answer {
    Ok(document(row)?.map(Value::Text))
}

fn extract(row: &Row<'_>, memo: &mut Memo) -> Answer {
    let path = memo.path(row.text(1)?)?;
    let found = Json::parse(row.text(0)?).and_then(|json| json.at(path));
    Ok(found.map(|json| Value::Text(json.compact())))
}

fn extract_scalar(row: &Row<'_>, memo: &mut Memo) -> Answer {
    let path = memo.path(row.text(1)?)?;
    let found = Json::parse(row.text(0)?).and_then(|json| json.at(path));
    Ok(found.and_then(Json::scalar).map(Value::Text))
}

fn count(of: impl Iterator) -> Value {
    Value::Int(i64::try_from(of.count()).unwrap_or(i64::MAX))
}

fn array_length(row: &Row<'_>, _: &mut Memo) -> Answer {
    Ok(Json::parse(row.text(0)?).filter(|json| json.is_list()).map(|json| count(json.elements())))
}

fn array_get(row: &Row<'_>, _: &mut Memo) -> Answer {
    let Some(json) = Json::parse(row.text(0)?) else { return Ok(None) };
    let at = row.int(1)?;
    let distance = usize::try_from(at.unsigned_abs()).unwrap_or(usize::MAX);
    let found = if at >= 0 {
        json.elements().nth(distance)
    } else {
        json.elements().count().checked_sub(distance).and_then(|at| json.elements().nth(at))
    };
    Ok(found.map(|json| Value::Text(json.compact())))
}

fn contains(row: &Row<'_>, _: &mut Memo) -> Answer {
    let Some(json) = Json::parse(row.text(0)?).filter(|json| json.is_list()) else { return Ok(None) };
    let wanted = row.input(1)?;
    let is_text = |json: &Json<'_>| json.compact().starts_with('"');
    let same = |json: Json<'_>| {
        let Some(found) = json.scalar() else { return false };
        match &wanted {
            Input::Text(text) => is_text(&json) && found == *text,
            Input::Int(value) => !is_text(&json) && found.parse() == Ok(*value),
            Input::Float(value) => !is_text(&json) && found.parse() == Ok(*value),
            Input::Bool(value) => !is_text(&json) && found.parse() == Ok(*value),
            Input::Time(_) | Input::Bytes(_) => false,
        }
    };
    Ok(Some(Value::Bool(json.elements().any(same))))
}

fn size(row: &Row<'_>, memo: &mut Memo) -> Answer {
    let path = memo.path(row.text(1)?)?;
    let Some(json) = Json::parse(row.text(0)?).and_then(|json| json.at(path)) else { return Ok(None) };
    // Of the two walks one finds nothing; a scalar has the size 0.
    Ok(Some(if json.is_object() { count(json.members()) } else { count(json.elements()) }))
}

fn to_json(row: &Row<'_>, _: &mut Memo) -> Answer {
    let text = match row.input(0)? {
        Input::Text(text) => serde_json::Value::from(text).to_string(),
        Input::Int(value) => value.to_string(),
        Input::Float(value) => serde_json::Value::from(value).to_string(),
        Input::Bool(value) => value.to_string(),
        Input::Time(_) | Input::Bytes(_) => return Err("bytes have no form in JSON".into()),
    };
    Ok(Some(Value::Text(text)))
}
