//! Another implementation of Sigma as a witness (sigma-rust, in tests alone): the pack is Sigma that others can run, and
//! where both know a construct, both decide alike.

use std::collections::{BTreeMap, BTreeSet};

use innertrail_alerts::{Bundle, RuleSet, Sampler, Store, fixture};
use innertrail_plugin::event::columns::{ALL, COLUMNS};
use proptest::prelude::*;
use serde_json::Value;

use crate::pack;

/// Rules that use what the witness does not do, with the reason.
const APART: &[(&str, &str)] = &[
    ("provider-unexpected-country", "expand"),
    ("oss-cross-account-change", "expand"),
    ("innertrail-retention-shortened", "lt with fieldref"),
    ("oss-bucket-policy-public", "re on an object"),
    ("oss-cors-any-origin", "re on an object"),
    ("oss-logging-off", "re on an object"),
    ("oss-encryption-weakened", "re on an object"),
    ("trail-logstore-changed", "re on an object"),
    ("oss-lifecycle-deletes-soon", "a path through a list, a number in a text"),
];

/// The event as the witness gets it: with the columns beside it, as a shipper would put them.
fn for_witness(event: &Value) -> Value {
    let text = event.to_string();
    let sampler = Sampler::new();
    let sample = match fixture::store_of(event) {
        Store::Journal => sampler.journal(text.as_bytes()).unwrap(),
        Store::Log => sampler.log(text.as_bytes()).unwrap(),
    };
    let mut event = event.clone();
    let record = sample.record();
    for column in ALL {
        let name = COLUMNS[*column as usize].name;
        if let (Some(text), false) = (record.text(*column), name.contains('.')) {
            event.as_object_mut().unwrap().entry(name).or_insert_with(|| text.into());
        }
    }
    event
}

/// The first document of a rule file: the detection.
fn witness(text: &str) -> sigma_rust::Rule {
    let text = text.split("\n---\n").next().unwrap();
    sigma_rust::rule_from_yaml(text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// What the vendor writes in two ways is one to us and two to the witness; fixtures of these quirks are left out.
fn is_quirk(event: &Value) -> bool {
    let text = event.to_string();
    let other_case = event["requestParameters"].get("BlockPublicAccess").is_some();
    text.contains("addionalEventData") || event.get("requestParameterJson").is_some() || other_case
}

#[test]
fn the_pack_is_sigma_and_the_witness_agrees() {
    let (set, cases) = pack::cases();
    let bundle = Bundle::built_in();
    let mut compared = BTreeSet::new();
    let mut differ = Vec::new();
    for (file, text) in bundle.rules() {
        let name = file.rsplit('/').next().unwrap().trim_end_matches(".yml");
        // What asks from time to time is no Sigma.
        if file.contains("/scheduled/") {
            continue;
        }
        if APART.iter().any(|(rule, _)| *rule == name) {
            continue;
        }
        let rule = witness(text);
        let own = set.rules().iter().position(|r| r.file == file && !r.is_correlation()).unwrap();
        for event in cases.iter().filter(|c| c.rule == name).flat_map(|c| c.events.iter().take(3)) {
            if is_quirk(event) {
                continue;
            }
            let given = for_witness(event);
            let theirs = rule.is_match(&sigma_rust::event_from_json(&given.to_string()).unwrap());
            let ours = matches(&set, own, event);
            if theirs != ours {
                differ.push(format!("{name}: we say {ours}, the witness {theirs}: {event}"));
            }
            compared.insert(name);
        }
    }
    let told: Vec<String> = differ.iter().map(|d| d.chars().take(400).collect()).collect();
    assert!(differ.is_empty(), "{}\n{}", differ.len(), told.join("\n"));
    assert!(compared.len() >= 60, "{}", compared.len());
}

fn matches(set: &RuleSet, own: usize, event: &Value) -> bool {
    let text = event.to_string();
    let sampler = Sampler::new();
    let sample = match fixture::store_of(event) {
        Store::Journal => sampler.journal(text.as_bytes()).unwrap(),
        Store::Log => sampler.log(text.as_bytes()).unwrap(),
    };
    set.matching(&sample.record()).contains(&own)
}

fn word() -> impl Strategy<Value = String> {
    // A short alphabet, so that patterns meet texts often.
    "[abAB.]{0,4}"
}

fn value() -> impl Strategy<Value = String> {
    // `*?` is any text of one character or more; the witness does not match `aA` with it.
    prop_oneof![4 => word(), 2 => "[abA?]{0,2}[*]?[abA]{0,2}", 1 => Just(r"\*".to_owned()), 1 => Just(r"a\?".to_owned())]
}

fn item() -> impl Strategy<Value = (String, String)> {
    let field = prop_oneof![Just("x"), Just("y"), Just("deep.z")];
    let modifier = prop_oneof![
        Just(""),
        Just("|contains"),
        Just("|startswith"),
        Just("|endswith"),
        Just("|contains|all"),
        Just("|cased"),
        Just("|re"),
        Just("|exists"),
    ];
    (field, modifier, prop::collection::vec(value(), 1..3)).prop_map(|(field, modifier, values)| {
        // In a part of a text the witness takes wildcards literally; Sigma's own converter does not, and neither do we.
        let plain = modifier.contains("with") || modifier.contains("contains");
        let values: Vec<String> =
            values.into_iter().map(|v| if plain { v.replace(['*', '?', '\\'], "") } else { v }).collect();
        let quoted = |v: &String| format!("'{}'", v.replace('\'', "''"));
        let value = match modifier {
            "|exists" => values[0].len().is_multiple_of(2).to_string(),
            "|re" => quoted(&values[0].replace(['*', '?', '\\'], "")),
            "" | "|cased" if values.len() == 1 && values[0].len() == 3 => quoted(&values[0]),
            _ => format!("[{}]", values.iter().map(quoted).collect::<Vec<_>>().join(", ")),
        };
        (format!("{field}{modifier}"), value)
    })
}

fn selection() -> impl Strategy<Value = String> {
    prop::collection::vec(item(), 1..3).prop_map(|items| {
        let items: BTreeMap<String, String> = items.into_iter().collect();
        format!("{{ {} }}", items.iter().map(|(k, v)| format!("{k}: {v}")).collect::<Vec<_>>().join(", "))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn both_decide_alike(
        (a, b) in (selection(), selection()),
        condition in prop_oneof![Just("a and b"), Just("a or b"), Just("a and not b"), Just("1 of them"), Just("all of them"), Just("not (a or b)")],
        x in prop::option::of(word()), y in prop::option::of(word()), z in prop::option::of(word()),
    ) {
        let text = format!(
            "title: t\nlogsource: {{ product: alibaba }}\ndetection:\n  a: {a}\n  b: {b}\n  condition: {condition}\n"
        );
        let mut event = serde_json::json!({ "eventId": "A", "eventTime": "2026-06-15T08:00:00Z", "serviceName": "Oss", "eventName": "N" });
        for (key, value) in [("x", &x), ("y", &y)] {
            if let Some(value) = value {
                event[key] = Value::from(value.as_str());
            }
        }
        event["deep"] = z.map_or(serde_json::json!({}), |z| serde_json::json!({ "z": z }));
        let (set, faults) = RuleSet::load(&[("t.yml", &text)], &BTreeMap::new());
        prop_assert!(faults.is_empty(), "{}\n{:?}", text, faults);
        let theirs = witness(&text).is_match(&sigma_rust::event_from_json(&event.to_string()).unwrap());
        prop_assert_eq!(matches(&set, 0, &event), theirs, "{}\n{}", text, event);
    }
}
