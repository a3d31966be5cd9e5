//! What each rule made of one record: those that match, those that nearly do, and why they do not.
//! It must never change what correlations remember.

use serde::Serialize;

use crate::detect::{ItemTrace, SelectionTrace};
use crate::record::Record;
use crate::rule::Level;
use crate::set::RuleSet;

/// A rule against a record. Text in it comes from rules and records: escape it before it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Name of the rule.
    pub rule: String,
    /// Its title.
    pub title: String,
    /// How grave.
    pub level: Level,
    /// Whether its detection matches.
    pub matched: bool,
    /// The correlations that would count the record. A rule that is only counted does not fire by itself.
    pub counted_by: Vec<String>,
    /// Whether it fires by itself when it matches.
    pub fires: bool,
    /// The condition as written.
    pub condition: String,
    /// The selections; `1 of them` and the like are in the condition.
    pub selections: Vec<SelectionTrace>,
    /// What to do, when it matches.
    pub remedy: String,
}

/// Most things that may be in the way of a rule that came near.
const NEAR: usize = 2;

/// Every rule that matches a record, then every one that came near: its event name is the record's and no more than two
/// things are in the way, or nothing is but what its condition negates.
#[must_use]
pub fn explain(set: &RuleSet, record: &Record<'_>) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    set.concerned(record, &mut |at, detection| {
        let rule = &set.rules()[at];
        let counted_by = set.counted_by(at).iter().map(|c| set.rules()[*c].name.clone()).collect();
        verdicts.push(Verdict {
            rule: rule.name.clone(),
            title: rule.title.clone(),
            level: rule.level,
            matched: detection.matches(record),
            counted_by,
            fires: !rule.is_part,
            condition: rule.condition(),
            selections: detection.trace(record),
            remedy: rule.remedy.clone(),
        });
    });
    verdicts.retain(|verdict| verdict.matched || is_near(verdict));
    verdicts.sort_by_key(|verdict| (!verdict.matched, std::cmp::Reverse(verdict.level), verdict.rule.clone()));
    verdicts
}

/// Whether all that the condition asks for is there and only what it negates is in the way; or the event's name is the one
/// that the rule asks for, and no more than [`NEAR`] things are in the way.
fn is_near(verdict: &Verdict) -> bool {
    let (mut named, mut missing, mut against) = (false, 0, 0);
    for selection in &verdict.selections {
        if selection.negated {
            against += usize::from(selection.matched);
            continue;
        }
        missing += selection.items.iter().filter(|item| !item.matched).count();
        missing += usize::from(selection.items.is_empty() && !selection.matched);
        let is_name = |field: &str| field.eq_ignore_ascii_case("eventName") || field == "kind";
        let name = |item: &ItemTrace| item.field.split('|').next().is_some_and(is_name);
        named |= selection.items.iter().any(|item| item.matched && name(item));
    }
    missing == 0 || named && missing + against <= NEAR
}
