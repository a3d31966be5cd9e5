//! The members of a JSON object as they are written, so that no number is read and written again.
//! It must never put a number through a float, and never take time beyond the text's length.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserializer as _, IgnoredAny, Visitor};

/// A member's value as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Raw<'a>(&'a str);

impl<'a> Raw<'a> {
    pub(super) fn is_null(self) -> bool {
        self.0 == "null"
    }

    /// A text's content; of anything else the JSON.
    pub(super) fn plain(self) -> Cow<'a, str> {
        if self.0.starts_with('"')
            && let Some(text) = text(self.0)
        {
            return text;
        }
        Cow::Borrowed(self.0)
    }
}

/// A member.
pub(super) type Member<'a> = (Cow<'a, str>, Raw<'a>);
/// Members of one object.
pub(super) type Members<'a> = Vec<Member<'a>>;

/// The members of an object in order; of several with one name the last, in the first one's place. `None` for what is
/// not one object and nothing else.
pub(super) fn of(text: &str) -> Option<Members<'_>> {
    let mut rest = text.trim_start().strip_prefix('{')?.trim_start();
    let mut members = Members::new();
    let mut places: HashMap<Cow<'_, str>, usize> = HashMap::new();
    if let Some(after) = rest.strip_prefix('}') {
        return after.trim_start().is_empty().then_some(members);
    }
    loop {
        let (name, after) = value(rest)?;
        let name = self::text(name)?;
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
            None => return after.strip_prefix('}').filter(|after| after.trim_start().is_empty()).map(|_| members),
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

/// What a JSON text says, borrowed when nothing in it is escaped. `None` for what is no text.
fn text(json: &str) -> Option<Cow<'_, str>> {
    struct Found;
    impl<'de> Visitor<'de> for Found {
        type Value = Cow<'de, str>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text")
        }
        fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
            Ok(Cow::Borrowed(text))
        }
        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            Ok(Cow::Owned(text.to_owned()))
        }
    }
    serde_json::Deserializer::from_str(json).deserialize_str(Found).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Vec<(String, String)>> {
        Some(of(text)?.into_iter().map(|(name, value)| (name.into_owned(), value.plain().into_owned())).collect())
    }

    #[test]
    fn members_come_as_they_are_written() {
        let text = r#" { "a" : "x\n\"y\"" , "b":18446744073709551616,"c":{"d":[1, 2.50]},"e":null,"f":"" } "#;
        let expected =
            [("a", "x\n\"y\""), ("b", "18446744073709551616"), ("c", "{\"d\":[1, 2.50]}"), ("e", "null"), ("f", "")];
        assert_eq!(read(text).unwrap(), expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert!(of(text).unwrap()[3].1.is_null());
    }

    #[test]
    fn what_has_no_escapes_is_borrowed() {
        let found = of(r#"{"a":"b","c":"\u0064"}"#).unwrap();
        assert!(matches!((&found[0].0, found[0].1.plain()), (Cow::Borrowed("a"), Cow::Borrowed("b"))));
        assert!(matches!(found[1].1.plain(), Cow::Owned(text) if text == "d"));
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
            assert_eq!(of(text), None, "{text}");
        }
        for text in ["{}x", "{\"a\":1}x", "{}{}"] {
            assert_eq!(of(text), None, "{text}");
        }
        assert_eq!(of(" {} "), Some(Vec::new()));
    }
}
