//! One line of a selection: a field, and what it is held against.

use std::collections::BTreeSet;

use innertrail_plugin::event::columns::Column;

use crate::field::{Field, Leaf};
use crate::pattern::{Number, Pattern, Relation, fold};
use crate::record::Record;

/// A field and its test.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) field: Field,
    /// The key as written, with its modifiers.
    pub(crate) key: String,
    /// The values as written.
    pub(crate) wanted: Vec<String>,
    pub(crate) test: Test,
}

/// How a field is tested.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    /// One of the patterns matches one of the values.
    Any(Vec<Pattern>),
    /// Each of the patterns matches one of the values.
    All(Vec<Pattern>),
    /// The field is there, or is not. A null is there.
    Exists(bool),
    /// A value equals one of this other field.
    Same { other: Field, cased: bool },
    /// A number of it is in this relation to one of this other field. Sigma has `fieldref` and `lt`, not both at once.
    Related { other: Field, relation: Relation },
}

impl Item {
    pub(crate) fn matches(&self, record: &Record<'_>) -> bool {
        match &self.test {
            Test::Any(patterns) => self.any_of(record, patterns),
            Test::All(patterns) => patterns.iter().all(|pattern| self.any_of(record, std::slice::from_ref(pattern))),
            Test::Exists(wanted) => self.field.any(record, &mut |_| true) == *wanted,
            Test::Related { other, relation } => texts(other, record).iter().any(|other| {
                let wanted = Number::parse(other).map(|number| Pattern::Number(*relation, number));
                wanted.is_some_and(|wanted| self.field.any(record, &mut |leaf| wanted.matches(&leaf)))
            }),
            Test::Same { other, cased } => {
                let others = texts(other, record);
                self.field.any(record, &mut |leaf| {
                    leaf.text().is_some_and(|text| {
                        others.iter().any(|o| if *cased { *o == text } else { fold(o) == fold(&text) })
                    })
                })
            }
        }
    }

    fn any_of(&self, record: &Record<'_>, patterns: &[Pattern]) -> bool {
        let mut met = false;
        let mut each = |leaf: Leaf<'_>| {
            met = true;
            patterns.iter().any(|pattern| pattern.matches(&leaf))
        };
        self.field.any(record, &mut each) || (!met && patterns.iter().any(|p| matches!(p, Pattern::Null)))
    }

    /// The folded values of which `column` has to have one, where this item asks for nothing else.
    pub(crate) fn needs(&self, column: Column) -> Option<BTreeSet<String>> {
        if self.field != Field::Column(column) {
            return None;
        }
        let plain = |pattern: &Pattern| match pattern {
            Pattern::Equal { text, .. } => Some(fold(text).into_owned()),
            _ => None,
        };
        match &self.test {
            Test::Any(patterns) => patterns.iter().map(plain).collect(),
            Test::All(patterns) => patterns.iter().find_map(plain).map(|one| std::iter::once(one).collect()),
            Test::Exists(_) | Test::Same { .. } | Test::Related { .. } => None,
        }
    }
}

/// The values of a field that are text; a null equals nothing.
fn texts(field: &Field, record: &Record<'_>) -> Vec<String> {
    let mut found = Vec::new();
    field.any(record, &mut |leaf| {
        found.extend(leaf.text().map(std::borrow::Cow::into_owned));
        false
    });
    found
}
