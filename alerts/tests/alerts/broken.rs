//! Broken rules, packs and fixtures: each is named with file, line and column, and stops nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use innertrail_alerts::{Bundle, RuleSet, fixture};

const SOUND: &str = "title: sound
logsource: { product: alibaba, service: oss }
detection: { selection: { eventName: DeleteBucket }, condition: selection }
";

/// A rule whose fourth line is this.
fn with(detection: &str) -> String {
    format!(
        "title: x\nlogsource: {{ product: alibaba, service: oss }}\ndetection:\n  {detection}\n  condition: selection\n"
    )
}

fn faults(text: &str) -> Vec<String> {
    let (set, faults) = RuleSet::load(&[("a/broken.yml", text), ("b/sound.yml", SOUND)], &BTreeMap::new());
    assert!(set.find("sound").is_some(), "{text}");
    faults.iter().map(ToString::to_string).collect()
}

#[test]
fn each_fault_has_its_place() {
    let correlation = |c: &str| format!("title: x\nname: x\ncorrelation:\n  {c}\n");
    let whole = |extra: &str| {
        correlation(&format!("type: event_count\n  rules: [sound]\n  timespan: 5m\n  condition: {{ gte: 2 }}\n{extra}"))
    };
    let table: Vec<(String, &str, &str)> = vec![
        ("title: [".to_owned(), ":2:1: ", "not valid YAML"),
        (String::new(), ":1:1: ", "no rule"),
        ("- a\n".to_owned(), ":1:1: ", "mapping"),
        ("title: x\n".to_owned(), ":1:1: ", "either a `detection` or a `correlation`"),
        (with("selection: { eventNmae: x }"), ":4:16: ", "did you mean `eventName`"),
        (with("selection: { requestParamters.acl: x }"), ":4:16: ", "did you mean `requestParameters`"),
        (with("selection: { eventName|contian: x }"), ":4:26: ", "did you mean `contains`"),
        (with("selection: { eventName|contains|startswith: x }"), ":4:16: ", "contradict"),
        (with("selection: { eventName|re: '(' }"), ":4:30: ", "not a regular expression"),
        (with("selection: { sourceIpAddress|cidr: 10.0.0.0/99 }"), ":4:38: ", "no network"),
        (with("selection: { eventName|gt: x }"), ":4:30: ", "no number"),
        (with("selection: { eventName|exists: maybe }"), ":4:34: ", "true or false"),
        (with("selection: { eventName: [] }"), ":4:27: ", "never match"),
        (with("selection: { eventName: { a: b } }"), ":4:27: ", "text, a number or a list"),
        (with("selection: {}"), ":4:14: ", "selects everything"),
        (with("selection: x"), ":4:14: ", "mapping or a list"),
        (with("selection: { eventName|expand: '%names%' }"), ":4:34: ", "no parameter `names`"),
        (with("slection: { eventName: x }"), ":5:14: ", "did you mean `slection`"),
        (with("selection: { eventName: x }\n  timeframe: 5m"), ":5:3: ", "correlation"),
        (
            with("selection: { eventName: x }").replace("condition: selection", "condition: selection and"),
            ":5:27: ",
            "missing",
        ),
        (
            with("selection: { eventName: x }").replace("condition: selection", "condition: 'selection xor y'"),
            ":5:25: ",
            "unexpected `xor`",
        ),
        (with("selection: { eventName: x }").replace("alibaba", "aws"), ":2:23: ", "the product is `aws`"),
        (with("selection: { eventName: x }").replace("oss", "osss"), ":2:41: ", "did you mean `oss`"),
        (with("selection: { eventName: x }") + "level: severe\n", ":6:8: ", "no level"),
        (with("selection: { eventName: x }") + "leve: high\n", ":6:1: ", "did you mean `level`"),
        (with("selection: { eventName: x }") + "innertrail: { versoin: 1 }\n", ":6:15: ", "did you mean `version`"),
        (with("selection: { eventName: x }") + "innertrail: { version: one }\n", ":6:24: ", "whole number"),
        (with("selection: { eventName: x }") + "title: y\n", ":6:1: ", "twice"),
        (correlation("type: temporal"), ":4:9: ", "event_count or value_count"),
        (whole("").replace("sound", "sounds"), ":5:11: ", "did you mean `sound`"),
        (whole("").replace("5m", "5 minutes"), ":6:13: ", "no span of time"),
        (whole("").replace("5m", "90d"), ":6:13: ", "out of bounds"),
        (whole("").replace("gte", "lt"), ":7:16: ", "when a record arrives"),
        (whole("").replace("gte: 2", "gte: 0"), ":7:21: ", "no threshold"),
        (whole("").replace("event_count", "value_count"), ":7:14: ", "needs a `field`"),
        (whole("  group-by: [evntName]\n"), ":8:14: ", "did you mean `eventName`"),
        (whole("").replace("[sound]", "[x]"), ":5:11: ", "counts itself"),
    ];
    let mut wrong = Vec::new();
    for (text, place, words) in table {
        let faults = faults(&text);
        let start = format!("a/broken.yml{place}");
        if faults.len() != 1 || !faults[0].starts_with(&start) || !faults[0].contains(words) {
            wrong.push(format!("{text}\n  {faults:?}\n  expected {place}{words}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_name_is_given_once() {
    let (set, faults) = RuleSet::load(&[("a/sound.yml", SOUND), ("b/sound.yml", SOUND)], &BTreeMap::new());
    assert_eq!(set.rules().len(), 1);
    assert_eq!(faults[0].to_string(), "b/sound.yml:1:1: there is a rule `sound` already, in a/sound.yml:1");
}

#[test]
fn of_several_rules_in_a_file_one_may_be_broken() {
    let text = format!("{SOUND}---\ntitle: y\n---\n{}", SOUND.replace("title: sound", "title: z\nname: third"));
    let (set, faults) = RuleSet::load(&[("many.yml", &text)], &BTreeMap::new());
    assert_eq!(set.rules().iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), ["many", "third"]);
    assert_eq!((faults.len(), faults[0].at.line), (1, 5));
}

/// The story: a correlation whose base rule was broken stayed in the list, as a rule that could never fire.
#[test]
fn a_correlation_without_its_base_is_no_rule() {
    let text = "title: x
correlation: { type: event_count, rules: [gone], timespan: 5m, condition: { gte: 2 } }
";
    let (set, faults) = RuleSet::load(&[("x.yml", text), ("sound.yml", SOUND)], &BTreeMap::new());
    assert_eq!(set.rules().iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), ["sound"]);
    assert_eq!(faults.len(), 1, "{faults:?}");
}

/// Names come from files of others, and so do their texts.
#[test]
fn what_a_fault_says_is_harmless_on_a_terminal() {
    let text = with("selection: { \"\\e[31meventName\\u202e|x\": y }");
    let (_, faults) = RuleSet::load(&[("evil\u{1b}.yml", &text)], &BTreeMap::new());
    let told = faults[0].to_string();
    assert!(!told.chars().any(|c| c.is_control() || c == '\u{202e}'), "{told:?}");
}

#[test]
fn a_parameter_that_no_rule_has_is_told() {
    let given = BTreeMap::from([("expected_contries".to_owned(), vec!["CN".to_owned()])]);
    let bundle = Bundle::built_in();
    let (_, faults) = RuleSet::load(&bundle.rules(), &given);
    assert_eq!(faults.len(), 1);
    assert!(faults[0].message.contains("did you mean `expected_countries`"), "{}", faults[0]);
}

#[test]
fn a_parameter_changes_what_a_rule_fires_on() {
    let bundle = Bundle::built_in();
    let given =
        BTreeMap::from([("expected_countries".to_owned(), vec!["CN".to_owned(), "SG".to_owned(), "US".to_owned()])]);
    let (set, faults) = RuleSet::load(&bundle.rules(), &given);
    assert!(faults.is_empty());
    let (cases, _) = fixture::cases(&set, &bundle.fixtures(), &[]);
    let tested = fixture::run(&Arc::new(set), cases);
    let failed: Vec<&str> = tested.iter().filter(|t| !t.passed).map(|t| t.case.rule.as_str()).collect();
    assert_eq!(failed, ["provider-unexpected-country", "provider-unexpected-country"]);
}

#[test]
fn broken_manifests_and_fixtures_have_their_place() {
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let bundle = Bundle::new(
        "",
        [
            file("pack.yml", "name: x\nversion: 1\ntitle: y\n"),
            file("x.yml", SOUND),
            file(
                "fixtures/x.yml",
                "fires:\n  - about: a\n    base: os\n  - about: b\n    event: [1]\n  - base: oss\nslient: []\n",
            ),
            file("fixtures/other.yml", "fires: []\n"),
        ],
    );
    assert!(bundle.faults()[0].to_string().starts_with("pack.yml:2:10: "), "{:?}", bundle.faults());
    let built_in = Bundle::built_in();
    let (set, _) = RuleSet::load(&bundle.rules(), &BTreeMap::new());
    let (_, faults) = fixture::cases(&set, &bundle.fixtures(), &built_in.fixtures());
    let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert!(told[0].starts_with("fixtures/x.yml:7:1: ") && told[0].contains("did you mean `silent`"), "{told:?}");
    assert!(told[1].starts_with("fixtures/other.yml:1:1: "), "{told:?}");
    let sound = "fires:\n  - about: a\n    base: os\n  - about: b\n    event: [1]\n  - base: oss\n";
    let (_, faults) = fixture::cases(&set, &[("fixtures/x.yml", sound)], &built_in.fixtures());
    let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].starts_with("fixtures/x.yml:3:11: ") && told[0].contains("did you mean `oss`"), "{told:?}");
    assert!(told[1].starts_with("fixtures/x.yml:5:12: ") && told[2].starts_with("fixtures/x.yml:6:5: "), "{told:?}");
}

/// A fixture that expects the wrong thing has to fail, or the tests of the pack prove nothing.
#[test]
fn a_wrong_fixture_fails() {
    let (set, _) = RuleSet::load(&[("x.yml", SOUND)], &BTreeMap::new());
    let built_in = Bundle::built_in();
    let text = "fires:\n  - about: not deleted\n    base: oss\nsilent:\n  - about: deleted\n    base: oss\n    set: { eventName: DeleteBucket }\n";
    let (cases, faults) = fixture::cases(&set, &[("fixtures/x.yml", text)], &built_in.fixtures());
    assert!(faults.is_empty(), "{faults:?}");
    let tested = fixture::run(&Arc::new(set), cases);
    let details: Vec<&str> = tested.iter().map(|t| t.detail.as_str()).collect();
    assert_eq!(details, ["the rule has to fire and does not", "the rule has to stay silent and fires"]);
}
