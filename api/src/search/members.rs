//! The members of a JSON object as they are written, so that no number is read and written again.
//! It must never put a number through a float, and never take time beyond the text's length.

use std::collections::HashMap;

use serde::de::IgnoredAny;

/// A member's value as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Raw<'a>(&'a str);

impl Raw<'_> {
    pub(super) fn is_null(self) -> bool {
        self.0 == "null"
    }

    /// A text's content; of anything else the JSON.
    pub(super) fn plain(self) -> String {
        if self.0.starts_with('"')
            && let Ok(text) = serde_json::from_str(self.0)
        {
            return text;
        }
        self.0.to_owned()
    }
}

/// The members of an object in order; of several with one name the last, in the first one's place. `None` for what is
/// no object.
pub(super) fn members(text: &str) -> Option<Vec<(String, Raw<'_>)>> {
    let mut rest = text.trim_start().strip_prefix('{')?.trim_start();
    let mut members: Vec<(String, Raw<'_>)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    if rest.starts_with('}') {
        return Some(members);
    }
    loop {
        let (name, after) = value(rest)?;
        let name: String = serde_json::from_str(name).ok()?;
        let (of, after) = value(after.trim_start().strip_prefix(':')?)?;
        match places.get(&name) {
            Some(&at) => members[at].1 = Raw(of),
            None => {
                places.insert(name.clone(), members.len());
                members.push((name, Raw(of)));
            }
        }
        let after = after.trim_start();
        match after.strip_prefix(',') {
            Some(after) => rest = after,
            None => return after.starts_with('}').then_some(members),
        }
    }
}

/// The JSON value at the start, and what follows.
fn value(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    // What follows a number must not be part of it, and is not: a comma, a colon or a bracket ends it.
    values.next()?.ok()?;
    text.split_at_checked(values.byte_offset())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Vec<(String, String)>> {
        Some(members(text)?.into_iter().map(|(name, value)| (name, value.plain())).collect())
    }

    #[test]
    fn members_come_as_they_are_written() {
        let text = r#" { "a" : "x\n\"y\"" , "b":18446744073709551616,"c":{"d":[1, 2.50]},"e":null,"f":"" } "#;
        let expected =
            [("a", "x\n\"y\""), ("b", "18446744073709551616"), ("c", "{\"d\":[1, 2.50]}"), ("e", "null"), ("f", "")];
        assert_eq!(read(text).unwrap(), expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert!(members(text).unwrap()[3].1.is_null());
    }

    #[test]
    fn of_two_with_one_name_the_last_counts() {
        let found = read(r#"{"a":1,"b":2,"\u0061":3}"#).unwrap();
        assert_eq!(found, [("a".to_owned(), "3".to_owned()), ("b".to_owned(), "2".to_owned())]);
    }

    #[test]
    fn what_is_no_object_has_none() {
        for text in ["", "[]", "1", "{", "{\"a\"}", "{\"a\":}", "{\"a\":1", "{\"a\":1,}", "{a:1}", "nul", "{\"a\":1 2}"]
        {
            assert_eq!(members(text), None, "{text}");
        }
        assert_eq!(members("{}"), Some(Vec::new()));
    }
}
