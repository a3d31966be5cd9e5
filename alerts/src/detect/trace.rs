//! Why a detection matched a record or did not: each selection, each item, and what the field held.
//! It must never judge: what matched is asked of the items themselves.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Detection, Item, Search};
use crate::record::Record;

/// Most values of a field that are told, and most characters of one.
const MOST: (usize, usize) = (4, 120);

/// A selection against a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SelectionTrace {
    /// Its name.
    pub name: String,
    /// Whether it matched.
    pub matched: bool,
    /// Whether the condition negates it, so that a match speaks against the rule.
    pub negated: bool,
    /// Its items; of alternatives those of the one that came nearest.
    pub items: Vec<ItemTrace>,
}

/// A field against what was wanted of it. Text is the record's own: escape it before it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ItemTrace {
    /// The key with its modifiers, as the rule has it.
    pub field: String,
    /// The values that the rule has.
    pub wanted: Vec<String>,
    /// The values that the record has, cut; empty: the field is absent.
    pub found: Vec<String>,
    /// Whether it matched.
    pub matched: bool,
}

impl Detection {
    /// Every selection against a record.
    pub(crate) fn trace(&self, record: &Record<'_>) -> Vec<SelectionTrace> {
        let mut negated = BTreeSet::new();
        self.condition.negated(false, &mut negated);
        let one = |(at, selection): (usize, &super::Selection)| SelectionTrace {
            name: selection.name.clone(),
            matched: selection.search.matches(record),
            negated: negated.contains(&at),
            items: items(&selection.search, record),
        };
        self.selections.iter().enumerate().map(one).collect()
    }
}

fn items(search: &Search, record: &Record<'_>) -> Vec<ItemTrace> {
    let Search::Groups(groups) = search else { return Vec::new() };
    let traced = groups.iter().map(|items| items.iter().map(|item| trace(item, record)).collect::<Vec<_>>());
    traced.min_by_key(|items| items.iter().filter(|item| !item.matched).count()).unwrap_or_default()
}

fn trace(item: &Item, record: &Record<'_>) -> ItemTrace {
    let cut = |text: String| {
        if text.chars().nth(MOST.1).is_some() { text.chars().take(MOST.1).chain(['…']).collect() } else { text }
    };
    let found = item.field.texts(record).into_iter().take(MOST.0).map(cut).collect();
    ItemTrace { field: item.key.clone(), wanted: item.wanted.clone(), found, matched: item.matches(record) }
}
