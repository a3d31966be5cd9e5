//! Fields that are no column: looked up in the event's own JSON by their dotted path.
//! It must never fail on an event: what is no JSON has no fields.

use serde_json::Value;

use crate::search::condition::Condition;
use crate::search::text::{Matcher, Needle, Seen, hides_letters};

/// What Log Service puts before the fields of an event.
const PREFIX: &str = "event.";

/// A condition on a field of the JSON.
#[derive(Debug)]
pub(super) struct FieldTest {
    path: String,
    /// The path's last key, where its bytes stand in every event that has it.
    key: Option<Needle>,
    test: ValueTest,
}

/// What is asked of the value. A null is no value.
#[derive(Debug)]
pub(super) enum ValueTest {
    /// Words or phrase in the value; of an object or list in all of its keys and values together.
    Text(Matcher),
    Present,
    Empty,
    /// A number, or a text of digits.
    Compare(Condition),
}

impl FieldTest {
    pub(super) fn new(path: &str, test: ValueTest) -> Self {
        let last = path.rsplit('.').next().unwrap_or(path);
        let simple = last.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        Self { path: path.to_owned(), key: simple.then(|| Needle::new(last)).flatten(), test }
    }

    pub(super) fn matches(&self, event: &str) -> bool {
        if !self.may_match(event) {
            return false;
        }
        let Ok(document) = serde_json::from_str::<Value>(event) else { return false };
        let found = find(&document, &self.path).or_else(|| {
            self.path
                .get(..PREFIX.len())
                .filter(|p| p.eq_ignore_ascii_case(PREFIX))
                .and_then(|p| find(&document, &self.path[p.len()..]))
        });
        found.is_some_and(|value| self.holds(value))
    }

    fn may_match(&self, event: &str) -> bool {
        if let ValueTest::Text(matcher) = &self.test
            && !matcher.may_match(event)
        {
            return false;
        }
        self.key.as_ref().is_none_or(|k| k.is_in(event.as_bytes()) || hides_letters(event))
    }

    fn holds(&self, value: &Value) -> bool {
        match &self.test {
            ValueTest::Present => true,
            ValueTest::Empty => value.as_str().is_some_and(str::is_empty),
            ValueTest::Text(matcher) => look(matcher, value, &mut Seen::default()),
            ValueTest::Compare(condition) => compare(condition, value),
        }
    }
}

/// The value at the path; a key may itself hold dots. Keys are found exactly, else without regard to case.
fn find<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    if let Some(found) = child(value, path).filter(|v| !v.is_null()) {
        return Some(found);
    }
    path.match_indices('.').find_map(|(dot, _)| find(child(value, &path[..dot])?, &path[dot + 1..]))
}

fn child<'v>(value: &'v Value, key: &str) -> Option<&'v Value> {
    let object = value.as_object()?;
    object.get(key).or_else(|| object.iter().find(|(k, _)| k.eq_ignore_ascii_case(key)).map(|(_, v)| v))
}

/// Looks at a value and everything in it. A fraction is written in many ways, so it is left to comparisons.
fn look(matcher: &Matcher, value: &Value, seen: &mut Seen) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => matcher.look(if *truth { "true" } else { "false" }, seen),
        Value::Number(number) if number.is_f64() => false,
        Value::Number(number) => matcher.look(&number.to_string(), seen),
        Value::String(text) => matcher.look(text, seen),
        Value::Array(values) => values.iter().any(|v| look(matcher, v, seen)),
        Value::Object(fields) => fields.iter().any(|(k, v)| matcher.look(k, seen) || look(matcher, v, seen)),
    }
}

fn compare(condition: &Condition, value: &Value) -> bool {
    match value {
        Value::Number(number) => match number.as_i128() {
            Some(integer) => condition.holds_integer(integer),
            None => number.as_f64().is_some_and(|double| condition.holds_double(double)),
        },
        Value::String(text) => match text.parse::<i128>() {
            Ok(integer) => condition.holds_integer(integer),
            Err(_) => text.parse().is_ok_and(|double: f64| double.is_finite() && condition.holds_double(double)),
        },
        _ => false,
    }
}
