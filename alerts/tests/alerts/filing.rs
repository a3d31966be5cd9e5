//! Filing: that a record reaches every rule which matches it, for all fixtures, for made events, and for made rules.

use std::collections::BTreeMap;

use innertrail_alerts::{RuleSet, Sampler, Store, fixture};
use proptest::prelude::*;

use crate::pack;

#[test]
fn every_fixture_reaches_every_rule_that_matches_it() {
    let (set, cases) = pack::cases();
    let sampler = Sampler::new();
    let mut matched = 0;
    for event in cases.iter().flat_map(|case| case.events.iter().take(3)) {
        let text = event.to_string();
        let sample = match fixture::store_of(event) {
            Store::Journal => sampler.journal(text.as_bytes()).unwrap(),
            Store::Log => sampler.log(text.as_bytes()).unwrap(),
        };
        let found = set.matching(&sample.record());
        assert_eq!(found, set.matching_unfiled(&sample.record()), "{text}");
        matched += found.len();
    }
    assert!(matched > 200, "{matched}");
    let (filed, unfiled) = set.filing();
    assert!(unfiled <= 16, "{unfiled} of {} rules are held against every record", filed + unfiled);
}

fn condition() -> impl Strategy<Value = String> {
    let leaf =
        prop_oneof![Just("a"), Just("b"), Just("c"), Just("1 of them"), Just("all of them")].prop_map(str::to_owned);
    leaf.prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} and {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} or {b})")),
            inner.prop_map(|a| format!("not {a}")),
        ]
    })
}

fn selection() -> impl Strategy<Value = String> {
    let item = prop_oneof![
        Just("eventName: PutBucketAcl"),
        Just("eventName: [GetObject, 'Put*']"),
        Just("eventName: [DeleteBucket, GETOBJECT]"),
        Just("eventName|startswith: Put"),
        Just("eventName|contains|all: [Bucket, Put]"),
        Just("eventName|exists: true"),
        Just("eventType: [ApiCall, ConsoleSignin]"),
        Just("it_outcome: failure"),
        Just("userIdentity.type: root-account"),
        Just("userIdentity.type: null"),
        Just("requestParameters.acl: private"),
    ];
    let group = prop::collection::vec(item, 1..4).prop_map(|items| {
        let mut items: Vec<&str> = items;
        items.sort_unstable_by_key(|i| i.split(':').next().unwrap().to_owned());
        items.dedup_by_key(|i| i.split(':').next().unwrap().to_owned());
        format!("{{ {} }}", items.join(", "))
    });
    prop::collection::vec(group, 1..3).prop_map(|groups| format!("[{}]", groups.join(", ")))
}

fn event() -> impl Strategy<Value = String> {
    let names = prop_oneof![Just("PutBucketAcl"), Just("getobject"), Just("DeleteBucket"), Just("PutObject"), Just("")];
    let types = prop_oneof![Just(r#""ApiCall""#), Just(r#""ConsoleSignin""#), Just("null"), Just(r#""""#)];
    let actors = prop_oneof![
        Just(r#"{"type":"root-account"}"#),
        Just(r#"{"type":"ram-user"}"#),
        Just("{}"),
        Just(r#"{"type":null}"#)
    ];
    let codes = prop_oneof![Just("null"), Just(r#""""#), Just(r#""AccessDenied""#)];
    (names, types, actors, codes).prop_map(|(name, kind, actor, code)| {
        format!(
            r#"{{"eventId":"A","eventTime":"2026-06-15T08:00:00Z","serviceName":"OSS","eventName":"{name}","eventType":{kind},"userIdentity":{actor},"errorCode":{code},"requestParameters":{{"acl":"private"}}}}"#
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn a_made_rule_is_filed_where_its_records_find_it(
        (a, b, c) in (selection(), selection(), selection()),
        condition in condition(),
        event in event(),
    ) {
        let text = format!("title: t\nlogsource: {{ product: alibaba }}\ndetection:\n  a: {a}\n  b: {b}\n  c: {c}\n  condition: {condition}\n");
        let (set, faults) = RuleSet::load(&[("t.yml", &text)], &BTreeMap::new());
        prop_assert!(faults.is_empty(), "{}\n{:?}", text, faults);
        let sample = Sampler::new().log(event.as_bytes()).unwrap();
        prop_assert_eq!(set.matching(&sample.record()), set.matching_unfiled(&sample.record()), "{}\n{}", text, event);
    }
}
