//! `docs/alert-rules.md`: every rule that it names exists, every rule of the pack stands in it, and its numbers are true.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use innertrail_alerts::{Bundle, RuleSet, fixture};

use crate::pack;

#[test]
fn the_table_names_every_rule_and_no_other() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/alert-rules.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, set) = pack::built_in();
    let rules: BTreeSet<&str> = set.firing().map(|rule| rule.name.as_str()).collect();
    for rule in set.scheduled() {
        let row = format!("| `{}` | {} | {} |", rule.name, rule.level.name(), rule.schedule.told());
        assert!(text.contains(&row), "{row} stands nowhere in docs/alert-rules.md");
    }
    assert!(text.contains(&format!("and {} scheduled ones", set.scheduled().len())));
    let mut named = BTreeSet::new();
    let (mut theirs, mut verdicts) = (0, BTreeMap::new());
    let mut section = "";
    for line in text.lines() {
        section = line.strip_prefix("## ").unwrap_or(section);
        let cells: Vec<&str> = line.split(" | ").collect();
        let (ours, why) = match (cells.as_slice(), section.starts_with("What neither")) {
            ([_, "covered" | "better" | "not", ours, why], false) => (*ours, *why),
            ([ours, _, _], true) if ours.contains('`') => (*ours, ""),
            _ => continue,
        };
        if section.starts_with("The 53") {
            theirs += 1;
            *verdicts.entry(cells[1]).or_insert(0) += 1;
        }
        // The column of ours is nothing but rules; in the reasons every rule-like name is one.
        for name in ours.split('`').skip(1).step_by(2) {
            assert!(rules.contains(name), "{name} is no rule: {line}");
            named.insert(name);
        }
        named.extend(why.split('`').skip(1).step_by(2).filter(|name| rules.contains(name)));
        assert_eq!(ours.contains('`'), cells.get(1) != Some(&"not"), "{line}");
    }
    let missing: Vec<_> = rules.difference(&named).collect();
    assert!(missing.is_empty(), "{missing:?} stand nowhere in docs/alert-rules.md");
    assert_eq!(theirs, 53);
    let sum = format!(
        "Of 53 rules {} are covered, {} are covered better, {} are not.",
        verdicts["covered"], verdicts["better"], verdicts["not"]
    );
    assert!(text.contains(&sum), "{sum}");
    assert!(text.contains(&format!("has {} rules", rules.len())), "{}", rules.len());
}

/// The rule that the page shows, and its fixtures.
#[test]
fn the_example_of_the_page_works() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/alert-rules.md");
    let text = std::fs::read_to_string(path).unwrap();
    let blocks: Vec<&str> = text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let [rule, fixtures, scheduled, ends] = blocks.as_slice() else { panic!("{} blocks", blocks.len()) };
    let (asking, faults) = RuleSet::load(&[("downloads.yml", scheduled)], &BTreeMap::new());
    assert!(faults.is_empty() && asking.scheduled().len() == 1, "{faults:?}");
    let (ended, faults) = RuleSet::load(&[("ended.yml", &format!("{rule}{ends}"))], &BTreeMap::new());
    assert!(faults.is_empty() && ended.rules().len() == 1, "{faults:?}");
    let (set, faults) = RuleSet::load(&[("invoices.yml", rule)], &BTreeMap::new());
    assert!(faults.is_empty(), "{faults:?}");
    let built_in = Bundle::built_in();
    let (cases, faults) = fixture::cases(&set, &[("fixtures/invoices.yml", fixtures)], &built_in.fixtures());
    assert!(faults.is_empty() && cases.len() == 2, "{faults:?}");
    let tested = fixture::run(&Arc::new(set), cases);
    assert!(tested.iter().all(|t| t.passed), "{tested:?}");
}
