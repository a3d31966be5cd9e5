//! The quirks of ActionTrail's records that a rule must not stumble over, one by one.

use std::collections::BTreeMap;

use innertrail_alerts::{RuleSet, Sampler, explain};

/// Whether a selection matches an event with these members beside its envelope.
fn matches(selection: &str, members: &str) -> bool {
    let text = format!(
        "title: t\nlogsource: {{ product: alibaba }}\ndetection:\n  selection: {selection}\n  condition: selection\n"
    );
    let (set, faults) = RuleSet::load(&[("t.yml", &text)], &BTreeMap::new());
    assert!(faults.is_empty(), "{faults:?}");
    let comma = if members.is_empty() { "" } else { "," };
    let event = format!(
        r#"{{"eventId":"A","eventTime":"2026-06-15T08:00:00Z","serviceName":"Oss","eventName":"X"{comma}{members}}}"#
    );
    let sample = Sampler::new().log(event.as_bytes()).unwrap_or_else(|e| panic!("{event}: {e}"));
    let found = set.matching(&sample.record());
    assert_eq!(found, set.matching_unfiled(&sample.record()));
    !found.is_empty()
}

#[test]
fn absent_null_and_empty_stay_apart() {
    let states = [
        ("", "absent"),
        (r#""errorCode":null"#, "null"),
        (r#""errorCode":"""#, "empty"),
        (r#""errorCode":"E""#, "set"),
    ];
    let expected = [
        ("{ errorCode: null }", [true, true, false, false]),
        ("{ errorCode: '' }", [false, false, true, false]),
        ("{ errorCode|exists: true }", [false, true, true, true]),
        ("{ errorCode|exists: false }", [true, false, false, false]),
        ("{ errorCode: '*' }", [false, false, true, true]),
        ("{ errorCode: [null, ''] }", [true, true, true, false]),
        // One definition of success for all of them, the plugin's.
        ("{ it_outcome: success }", [true, true, true, false]),
    ];
    for (selection, wanted) in expected {
        let found = states.map(|(members, _)| matches(selection, members));
        assert_eq!(found, wanted, "{selection}");
    }
}

/// The same for a field that is no column.
#[test]
fn absent_null_and_empty_stay_apart_in_the_raw_event() {
    let states =
        [r#""requestParameters":{}"#, r#""requestParameters":{"acl":null}"#, r#""requestParameters":{"acl":""}"#];
    for (selection, wanted) in [
        ("{ requestParameters.acl: null }", [true, true, false]),
        ("{ requestParameters.acl: '' }", [false, false, true]),
        ("{ requestParameters.acl|exists: true }", [false, true, true]),
    ] {
        assert_eq!(states.map(|members| matches(selection, members)), wanted, "{selection}");
    }
}

#[test]
fn both_spellings_of_a_member_are_one() {
    for member in ["additionalEventData", "addionalEventData", "AddionalEventData"] {
        for selection in ["{ additionalEventData.mfaChecked: false }", "{ addionalEventData.mfachecked: 'false' }"] {
            assert!(matches(selection, &format!(r#""{member}":{{"mfaChecked":"false"}}"#)), "{member} {selection}");
        }
    }
    let referenced = r#""referenceResources":{"ACS::OSS::Bucket":["b-1"]}"#;
    assert!(matches("{ 'referencedResources.ACS::OSS::Bucket': b-1 }", referenced));
    let sts = r#""responseElements":{"AssumedRoleUser":{"AssumedRoleId":"3:x"}}"#;
    assert!(matches("{ responseElements.assumedRoleUser.assumedRoleId|startswith: '3:' }", sts));
}

/// A record whose bytes do not hold a key is not opened for it; a key that is written with escapes does not stand in the bytes.
#[test]
fn a_key_with_escapes_is_found() {
    assert!(matches("{ requestParameters.acl: private }", r#""requestParameters":{"\u0061cl":"private"}"#));
    assert!(matches("{ requestParameters.acl: private }", r#""requestParameterJson":"{\"\\u0061cl\":\"private\"}""#));
    assert!(matches("{ requestParameters.ACL|exists: false }", r#""requestParameters":{"other":"private"}"#));
}

#[test]
fn numbers_booleans_and_their_texts_are_one() {
    for value in ["1", "\"1\""] {
        assert!(matches("{ eventVersion: 1 }", &format!("\"eventVersion\":{value}")));
        assert!(matches("{ eventVersion: '1' }", &format!("\"eventVersion\":{value}")));
    }
    for value in ["false", "\"false\"", "\"FALSE\""] {
        assert!(matches("{ requestParameters.on: false }", &format!(r#""requestParameters":{{"on":{value}}}"#)));
    }
    let long = r#""requestParameters":{"uid":9007199254740993}"#;
    assert!(matches("{ requestParameters.uid: 9007199254740993 }", long));
    assert!(!matches("{ requestParameters.uid: 9007199254740992 }", long));
}

#[test]
fn json_in_texts_is_opened_and_parameters_are_found_in_their_text_alone() {
    let text = r#""requestParameterJson":"{\"acl\":\"public-read\",\"Tag.1.Key\":\"a\"}""#;
    assert!(matches("{ requestParameterJson.acl: public-read }", text));
    assert!(matches("{ requestParameters.acl: public-read }", text));
    assert!(matches("{ requestParameters.Tag.1.Key: a }", text));
    let both = format!(r#""requestParameters":{{"acl":"private"}},{text}"#);
    assert!(!matches("{ requestParameters.acl: public-read }", &both), "the object wins where it has the key");
}

#[test]
fn lists_are_gone_through() {
    let list = r#""requestParameters":{"rules":[{"Expiration":{"Days":30}},{"Expiration":{"Days":"1"}}],"empty":[]}"#;
    assert!(matches("{ requestParameters.rules.Expiration.Days|lte: 7 }", list));
    assert!(!matches("{ requestParameters.rules.Expiration.Days|gt: 30 }", list));
    assert!(matches("{ requestParameters.rules.Expiration.Days|all: [1, 30] }", list));
    assert!(matches("{ requestParameters.empty|exists: true }", list));
    assert!(!matches("{ requestParameters.empty: null }", list));
}

#[test]
fn words_without_a_field_are_looked_for_everywhere() {
    assert!(matches("[PUBLIC-read, other]", r#""requestParameters":{"a":[{"b":"is public-read now"}]}"#));
    assert!(!matches("[public-read]", r#""requestParameters":{"public-read":"x"}"#), "keys are no values");
}

#[test]
fn fields_are_compared_with_each_other() {
    let members = r#""recipientAccountId":"1000000000000001","requestParameters":{"AccountId":1000000000000001,"old":30,"new":"7"}"#;
    assert!(matches("{ requestParameters.AccountId|fieldref: recipientAccountId }", members));
    assert!(matches("{ requestParameters.new|lt|fieldref: requestParameters.old }", members));
    assert!(!matches("{ requestParameters.old|lt|fieldref: requestParameters.new }", members));
    assert!(!matches("{ requestParameters.none|fieldref: requestParameters.nothing }", members));
}

#[test]
fn the_service_is_met_in_any_casing_and_family() {
    let text = "title: t\nlogsource: { product: alibaba, service: oss }\ndetection: { s: { it_family|exists: true }, condition: s }\n";
    let (set, _) = RuleSet::load(&[("t.yml", text)], &BTreeMap::new());
    let of = |event: &str| {
        let sample = Sampler::new().log(event.as_bytes()).unwrap();
        !set.matching(&sample.record()).is_empty()
    };
    for service in ["Oss", "OSS", "oss"] {
        assert!(of(&format!(
            r#"{{"eventId":"A","eventTime":"2026-06-15T08:00:00Z","eventName":"X","serviceName":"{service}"}}"#
        )));
        assert!(of(&format!(
            r#"{{"EventID":"A","EventTime":"2026-06-15T08:00:00Z","EventName":"X","EventProduct":"{service}"}}"#
        )));
    }
    assert!(!of(r#"{"eventId":"A","eventTime":"2026-06-15T08:00:00Z","eventName":"X","serviceName":"Ram"}"#));
}

#[test]
fn explaining_names_what_is_in_the_way() {
    let (_, set) = crate::pack::built_in();
    let event = br#"{"eventId":"A","eventTime":"2026-06-15T08:00:00Z","serviceName":"Oss","eventName":"PutBucketAcl","requestParameters":{"acl":"private\u001b[31m"}}"#;
    let sample = Sampler::new().log(event).unwrap();
    let verdicts = explain(&set, &sample.record());
    assert!(verdicts.iter().all(|v| !v.matched), "{verdicts:?}");
    let near = verdicts.iter().find(|v| v.rule == "oss-bucket-acl-public").unwrap();
    let value = near.selections.iter().find(|s| s.name == "value").unwrap();
    assert!(!value.matched && near.selections.iter().any(|s| s.name == "selection" && s.matched));
    assert_eq!(value.items[0].wanted, ["public-read"]);
    assert!(verdicts.len() < 6, "only what is near: {:?}", verdicts.iter().map(|v| &v.rule).collect::<Vec<_>>());
    let fires = br#"{"eventId":"A","eventTime":"2026-06-15T08:00:00Z","serviceName":"Oss","eventName":"DeleteBucket"}"#;
    let sample = Sampler::new().log(fires).unwrap();
    let verdicts = explain(&set, &sample.record());
    assert!(verdicts[0].matched && verdicts[0].rule == "oss-bucket-deleted" && !verdicts[0].remedy.is_empty());
    let counted = verdicts.iter().find(|v| v.counted_by == ["oss-several-buckets-deleted"]).unwrap();
    assert!(counted.matched && !counted.fires);
}
