//! What the fuzz targets of this crate do with their bytes; on every build it is done with made bytes.
//! Whatever a text is, loading it ends, tells places within it, and what is loaded can be held against records.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use innertrail_alerts::{Bounds, Bundle, Engine, Groups, RuleSet, Sampler, Table, explain, fixture};

/// Events that a rule may be about.
const EVENTS: [&str; 3] = [
    r#"{"eventId":"A","eventTime":"2026-06-15T08:00:00Z","serviceName":"Oss","eventName":"PutBucketAcl","requestParameters":{"acl":"x","list":[1,{"a":"b"}],"json":"{\"k\":[1]}"},"userIdentity":{"type":"ram-user"}}"#,
    r#"{"eventId":"B","eventTime":"2026-06-15T08:00:00Z","serviceName":"Ram","eventName":"","errorCode":null}"#,
    r#"{"EventID":"C","EventTime":"2026-06-15T08:00:00Z","EventProduct":"OSS","EventName":"X","EmployeeID":""}"#,
];

/// A rule file, and the same bytes as fixtures.
pub fn rules(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (set, faults) = RuleSet::load(&[("a.yml", &text)], &BTreeMap::new());
    // YAML ends lines with more than a line feed.
    let ends = |c: &char| matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}');
    let lines = 1 + text.chars().filter(ends).count();
    for fault in &faults {
        assert!(fault.at.line >= 1 && fault.at.column >= 1 && fault.at.line <= lines + 1, "{fault}");
        assert!(!fault.to_string().chars().any(|c| c.is_control() && c != '\n'), "{fault:?}");
    }
    for rule in set.scheduled() {
        let cells = ["1", "-3", "x", ""].map(|text| Some(text.to_owned())).to_vec();
        let table =
            Table { columns: ["n", "user", "q2.n", ""].map(str::to_owned).to_vec(), rows: vec![cells, Vec::new()] };
        let mut groups = Groups::new(rule);
        for due in [0, rule.schedule.due(1_781_510_400), rule.schedule.next(1_781_510_400)] {
            if let Ok(judged) = rule.judge(&vec![table.clone(); rule.queries.len()]) {
                groups.take(rule, due, judged);
            }
        }
    }
    let set = Arc::new(set);
    let sampler = Sampler::new();
    let mut engine = Engine::new(Arc::clone(&set), Bounds { keys: 4, entries: 16, ..Bounds::default() });
    for (seq, event) in (0..).zip(EVENTS) {
        let sample = sampler.log(event.as_bytes()).unwrap();
        let record = sample.record();
        assert_eq!(set.matching(&record), set.matching_unfiled(&record), "{text}");
        let _verdicts = explain(&set, &record);
        engine.take(seq, 1_781_510_400_000_000, &record);
    }
    let sound = "title: t\nlogsource: { product: alibaba }\ndetection: { s: { eventName: X }, condition: s }\n";
    let (set, _) = RuleSet::load(&[("a.yml", sound)], &BTreeMap::new());
    let built_in = Bundle::built_in();
    let (cases, _) = fixture::cases(&set, &[("fixtures/a.yml", &text)], &built_in.fixtures());
    let _tested = fixture::run(&Arc::new(set), cases.into_iter().filter(|case| case.events.len() < 100).collect());
}
