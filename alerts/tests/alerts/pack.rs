//! The built-in pack: that it loads, that it is complete, and that every fixture goes as it says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use innertrail_alerts::{Bundle, Level, RuleSet, fixture};

pub(crate) fn built_in() -> (Bundle, Arc<RuleSet>) {
    let bundle = Bundle::built_in();
    let (set, faults) = RuleSet::load(&bundle.rules(), &BTreeMap::new());
    assert!(faults.is_empty(), "{}", faults.iter().map(|f| format!("{f}\n")).collect::<String>());
    assert!(bundle.faults().is_empty(), "{:?}", bundle.faults());
    (bundle, Arc::new(set))
}

pub(crate) fn cases() -> (Arc<RuleSet>, Vec<fixture::Case>) {
    let (bundle, set) = built_in();
    let (cases, faults) = fixture::cases(&set, &bundle.fixtures(), &[]);
    assert!(faults.is_empty(), "{}", faults.iter().map(|f| format!("{f}\n")).collect::<String>());
    (set, cases)
}

#[test]
fn every_fixture_goes_as_it_says() {
    let (set, cases) = cases();
    let tested = fixture::run(&set, cases);
    let failed: Vec<String> = tested
        .iter()
        .filter(|t| !t.passed)
        .map(|t| format!("{} ({}:{}) {}: {}", t.case.rule, t.case.file, t.case.at.line, t.case.about, t.detail))
        .collect();
    assert!(failed.is_empty(), "{} of {} failed:\n{}", failed.len(), tested.len(), failed.join("\n"));
    assert!(tested.len() >= 160, "{}", tested.len());
}

#[test]
fn the_pack_is_complete() {
    let (bundle, set) = built_in();
    let manifest = bundle.manifest.unwrap();
    assert_eq!(manifest.name, "alibaba-cloud");
    let rules: Vec<_> = set.firing().collect();
    assert!(rules.len() >= 40, "{}", rules.len());
    let names: BTreeSet<_> = rules.iter().map(|r| r.name.as_str()).collect();
    let ids: BTreeSet<_> = set.rules().iter().map(|r| r.id.as_str()).collect();
    assert_eq!((names.len(), ids.len()), (rules.len(), set.rules().len()));
    for rule in &rules {
        assert!(rule.version >= 1 && rule.remedy.len() > 20, "{}", rule.name);
        assert!(!rule.false_positives.is_empty() && !rule.description.is_empty(), "{}", rule.name);
        assert!(rule.category != "custom" && rule.id.len() == 36, "{}", rule.name);
        assert!(rule.file.ends_with(&format!("/rules/{}/{}.yml", rule.category, rule.name)), "{}", rule.file);
        assert!(rule.title.len() <= 100, "{}", rule.name);
    }
    assert!((3..=5).contains(&set.scheduled().len()));
    for rule in set.scheduled() {
        assert!(rule.version >= 1 && rule.remedy.len() > 20 && rule.id.len() == 36, "{}", rule.name);
        assert!(!rule.false_positives.is_empty() && !rule.description.is_empty(), "{}", rule.name);
        assert!(rule.category != "custom" && !names.contains(rule.name.as_str()), "{}", rule.name);
        assert!(rule.file.ends_with(&format!("/scheduled/{}.yml", rule.name)), "{}", rule.file);
    }
    let numbers: BTreeSet<u8> = Level::ALL.iter().map(|level| level.severity()).collect();
    assert_eq!(numbers, BTreeSet::from([2, 4, 6, 8, 10]));
}

#[test]
fn every_rule_has_two_events_for_it_and_two_against() {
    let (set, cases) = cases();
    for rule in set.firing() {
        let count = |fires| cases.iter().filter(|c| c.rule == rule.name && c.fires == fires).count();
        assert!(count(true) >= 2 && count(false) >= 2, "{}: {} and {}", rule.name, count(true), count(false));
    }
    let abouts: BTreeSet<_> = cases.iter().map(|c| (&c.rule, c.fires, &c.about)).collect();
    assert_eq!(abouts.len(), cases.len(), "two cases of a rule say the same");
}

/// A fixture must not fire because it is the same event as another one, or pass because it is none.
#[test]
fn fixtures_are_complete_events_with_ids_of_their_own() {
    let (_, cases) = cases();
    let mut ids = BTreeSet::new();
    for event in cases.iter().flat_map(|case| &case.events) {
        if fixture::store_of(event) == innertrail_alerts::Store::Journal {
            assert!(event["time"].is_string() && event["kind"].is_string(), "{event}");
            continue;
        }
        let id = event["eventId"].as_str().or(event["EventID"].as_str()).unwrap_or_else(|| panic!("no id: {event}"));
        assert!(ids.insert(id.to_owned()), "{id} stands twice");
        assert!(event["eventTime"].is_string() || event["EventTime"].is_string(), "{event}");
        let account = event.to_string();
        assert!(account.contains("10000000000000"), "an account that is no example: {account}");
    }
}
