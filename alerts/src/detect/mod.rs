//! The detection of a rule: selections, and a condition over them.
//! It must never decide differently when it explains: there is one evaluation, and explaining only watches it.

mod condition;
mod item;
mod parse;
mod trace;

use std::collections::BTreeSet;

use innertrail_plugin::event::columns::Column;

use crate::field::{self, Leaf};
use crate::pattern::Pattern;
use crate::record::Record;

pub(crate) use condition::Condition;
pub(crate) use item::Item;
pub(crate) use parse::Parameters;
pub use trace::{ItemTrace, SelectionTrace};

/// A detection.
#[derive(Debug, Clone)]
pub(crate) struct Detection {
    pub(crate) selections: Vec<Selection>,
    pub(crate) condition: Condition,
    /// The condition as written.
    pub(crate) text: String,
}

/// A named part of a detection.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    pub(crate) name: String,
    pub(crate) search: Search,
}

/// What a selection asks for.
#[derive(Debug, Clone)]
pub(crate) enum Search {
    /// One of these groups, of each all items.
    Groups(Vec<Vec<Item>>),
    /// One of these texts in any field.
    Words(Vec<Pattern>),
}

impl Detection {
    /// Whether a record is meant.
    pub(crate) fn matches(&self, record: &Record<'_>) -> bool {
        self.condition.holds(&|at| self.selections[at].search.matches(record))
    }

    /// The folded values of which `column` has to have one for the detection to match; `None` when it needs none.
    pub(crate) fn needs(&self, column: Column) -> Option<BTreeSet<String>> {
        self.condition.needs(&|at| self.selections[at].search.needs(column))
    }
}

impl Search {
    fn matches(&self, record: &Record<'_>) -> bool {
        match self {
            Self::Groups(groups) => groups.iter().any(|items| items.iter().all(|item| item.matches(record))),
            Self::Words(words) => {
                let mut each = |leaf: Leaf<'_>| words.iter().any(|word| word.matches(&leaf));
                field::any_value(record, &mut each)
            }
        }
    }

    fn needs(&self, column: Column) -> Option<BTreeSet<String>> {
        let Self::Groups(groups) = self else { return None };
        let of_group = |items: &Vec<Item>| items.iter().filter_map(|i| i.needs(column)).min_by_key(BTreeSet::len);
        groups.iter().try_fold(BTreeSet::new(), |mut all, items| {
            all.extend(of_group(items)?);
            Some(all)
        })
    }
}
