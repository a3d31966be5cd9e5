//! TOML with places.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Fault, Key, MAX_DEPTH, Node, Places, Value};
use crate::config::printable;

pub(super) fn parse(text: &str) -> Result<Node, Fault> {
    let places = Places::new(text);
    let root = DeTable::parse(text).map_err(|error| {
        let at = places.of(error.span().map_or(0, |span| span.start));
        (at, format!("not valid TOML: {}", printable(&error.message().replace('\n', ", "))))
    })?;
    table(root.get_ref(), places.of(0), &places, 0)
}

fn table(table: &DeTable<'_>, at: crate::config::Position, places: &Places<'_>, depth: usize) -> Result<Node, Fault> {
    if depth > MAX_DEPTH {
        return Err((at, format!("nested deeper than {MAX_DEPTH} levels")));
    }
    let mut entries: Vec<(usize, (Key, Node))> = Vec::new();
    for (key, value) in table {
        let start = key.span().start;
        let key = Key { name: key.get_ref().to_string(), at: places.of(start) };
        entries.push((start, (key, node(value, places, depth + 1)?)));
    }
    // The table is sorted by name; people read the file's order.
    entries.sort_by_key(|(start, _)| *start);
    Ok(Node { at, value: Value::Map(entries.into_iter().map(|(_, entry)| entry).collect()) })
}

fn node(value: &Spanned<DeValue<'_>>, places: &Places<'_>, depth: usize) -> Result<Node, Fault> {
    let at = places.of(value.span().start);
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Integer(number) => Value::Text(number.to_string()),
        DeValue::Float(number) => Value::Text(number.to_string()),
        DeValue::Datetime(time) => Value::Text(time.to_string()),
        DeValue::Array(items) => {
            Value::List(items.iter().map(|item| node(item, places, depth + 1)).collect::<Result<_, _>>()?)
        }
        DeValue::Table(inner) => return table(inner, at, places, depth),
    };
    Ok(Node { at, value })
}
