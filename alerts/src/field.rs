//! Which part of a record a rule's field name means, and the values that are there.
//!
//! A name that is a column (in any case) is that column; any other is a path into the raw event. Keys are found as
//! written, then in any case, then under the vendor's other spelling; a key may hold dots; lists are gone through, and
//! text that holds JSON is opened. It must never take an absent field, a null and an empty text for one another.

use std::borrow::Cow;

use innertrail_plugin::event::columns::{ALL, COLUMNS, Column};
use serde_json::Value as Json;

use crate::record::{Cell, Record, Store};

/// Spellings of one key, both of which occur.
const SPELLINGS: [(&str, &str); 2] =
    [("additionalEventData", "addionalEventData"), ("referencedResources", "referenceResources")];

/// Keys of the envelopes that are no columns, to tell a slip of the pen from a field that nobody documented.
const ENVELOPE: [&str; 11] = [
    "requestParameters",
    "requestParameterJson",
    "responseElements",
    "referencedResources",
    "additionalEventData",
    "addionalEventData",
    "eventAttributes",
    "userIdentity",
    "insightDetails",
    "referenceResources",
    "recipientAccountId",
];

/// A field, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Field {
    Column(Column),
    Path(Vec<String>),
}

/// One value that a field has.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Leaf<'a> {
    Null,
    Text(&'a str),
    Whole(i64),
    /// A number that is no 64-bit integer, or a boolean.
    Json(&'a Json),
    /// An object, or an empty list.
    Container(&'a Json),
}

impl Leaf<'_> {
    /// The value as text. A null has none.
    pub(crate) fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Null => None,
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Whole(number) => Some(Cow::Owned(number.to_string())),
            Self::Json(value) | Self::Container(value) => Some(Cow::Owned(value.to_string())),
        }
    }
}

impl Field {
    /// Resolves a name. `Err`: what was probably meant, when the name is nearly one that there is.
    pub(crate) fn new(name: &str) -> Result<Self, String> {
        if let Some(column) = ALL.iter().find(|c| COLUMNS[**c as usize].name.eq_ignore_ascii_case(name)) {
            return Ok(Self::Column(*column));
        }
        let path: Vec<String> = name.split('.').map(str::to_owned).collect();
        let first = path.first().map_or("", String::as_str);
        let known = || COLUMNS.iter().map(|c| c.name).chain(ENVELOPE);
        if path.len() > 1 && ENVELOPE.iter().any(|key| key.eq_ignore_ascii_case(first)) {
            return Ok(Self::Path(path));
        }
        let near =
            if path.len() > 1 { crate::fault::nearest(first, ENVELOPE) } else { crate::fault::nearest(name, known()) };
        match near {
            Some(near) if !near.eq_ignore_ascii_case(first) => Err(near.to_owned()),
            _ => Ok(Self::Path(path)),
        }
    }

    /// Whether it is answered without opening the raw event.
    pub(crate) fn is_column(&self) -> bool {
        matches!(self, Self::Column(_))
    }

    /// Calls `each` with every value until it says `true`; gives whether it did. No call: the field is absent.
    pub(crate) fn any(&self, record: &Record<'_>, each: &mut dyn FnMut(Leaf<'_>) -> bool) -> bool {
        match self {
            Self::Column(column) => match record.cell(*column) {
                Some(Cell::Text(text)) => each(Leaf::Text(text)),
                Some(Cell::Number(number)) => each(Leaf::Whole(number)),
                None => is_null(record, *column) && each(Leaf::Null),
            },
            // Most records do not have the word anywhere, and then need not be opened.
            Self::Path(path) => {
                let last = path.last().map_or("", String::as_str);
                let named = path.len() == 1 || record.may_hold(last);
                named && walk_top(record.json(), path, each)
            }
        }
    }

    /// Every value as text, a null as `null`, for people and for keys. Empty: absent.
    pub(crate) fn texts(&self, record: &Record<'_>) -> Vec<String> {
        let mut found = Vec::new();
        self.any(record, &mut |leaf| {
            found.push(leaf.text().map_or_else(|| "null".to_owned(), Cow::into_owned));
            false
        });
        found
    }
}

/// Whether a column without a value was null in the event rather than absent.
fn is_null(record: &Record<'_>, column: Column) -> bool {
    record.store() == Store::Log
        && record.text(Column::Nulls).is_some_and(|nulls| nulls.split(',').any(|n| n == COLUMNS[column as usize].name))
}

/// Request parameters stand in an object, in a text beside it, or only in that.
fn walk_top(event: &Json, path: &[String], each: &mut dyn FnMut(Leaf<'_>) -> bool) -> bool {
    let mut met = false;
    if walk(event, path, &mut |leaf| {
        met = true;
        each(leaf)
    }) {
        return true;
    }
    match path.split_first() {
        Some((first, rest)) if !met && !rest.is_empty() && first.eq_ignore_ascii_case("requestParameters") => {
            member(event, "requestParameterJson").is_some_and(|text| walk(text, rest, each))
        }
        _ => false,
    }
}

fn walk(value: &Json, path: &[String], each: &mut dyn FnMut(Leaf<'_>) -> bool) -> bool {
    match value {
        Json::Array(items) if !items.is_empty() => items.iter().any(|item| walk(item, path, each)),
        _ if path.is_empty() => each(leaf(value)),
        // A key may hold dots, so the longest one that is there wins.
        Json::Object(_) => (1..=path.len()).rev().any(|taken| {
            let key = if taken == 1 { Cow::Borrowed(path[0].as_str()) } else { Cow::Owned(path[..taken].join(".")) };
            member(value, &key).is_some_and(|inner| walk(inner, &path[taken..], each))
        }),
        Json::String(text) => opened(text).is_some_and(|inner| walk(&inner, path, each)),
        _ => false,
    }
}

fn leaf(value: &Json) -> Leaf<'_> {
    match value {
        Json::Null => Leaf::Null,
        Json::String(text) => Leaf::Text(text),
        Json::Number(number) => number.as_i64().map_or(Leaf::Json(value), Leaf::Whole),
        Json::Bool(_) => Leaf::Json(value),
        Json::Array(_) | Json::Object(_) => Leaf::Container(value),
    }
}

/// JSON in a text.
fn opened(text: &str) -> Option<Json> {
    let text = text.trim();
    (text.starts_with('{') || text.starts_with('[')).then(|| serde_json::from_str(text).ok()).flatten()
}

/// A member of an object: as written, in another case, or under its other spelling.
fn member<'a>(object: &'a Json, key: &str) -> Option<&'a Json> {
    let Json::Object(members) = object else { return None };
    if let Some(value) = members.get(key) {
        return Some(value);
    }
    let other = |(one, two): &(&'static str, &'static str)| {
        (one.eq_ignore_ascii_case(key)).then_some(*two).or_else(|| two.eq_ignore_ascii_case(key).then_some(*one))
    };
    let spelled = SPELLINGS.iter().find_map(other);
    members
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(key) || spelled.is_some_and(|s| name.eq_ignore_ascii_case(s)))
        .map(|(_, value)| value)
}

/// Calls `each` with every text, number and boolean of the record, for rules that name no field.
pub(crate) fn any_value(record: &Record<'_>, each: &mut dyn FnMut(Leaf<'_>) -> bool) -> bool {
    fn inner(value: &Json, each: &mut dyn FnMut(Leaf<'_>) -> bool) -> bool {
        match value {
            Json::Array(items) => items.iter().any(|item| inner(item, each)),
            Json::Object(members) => members.values().any(|item| inner(item, each)),
            Json::Null => false,
            _ => each(leaf(value)),
        }
    }
    inner(record.json(), each)
}
