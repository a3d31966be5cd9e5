//! A rule over a single record whose alert another record ends: one id for both, nothing remembered in between.

use std::sync::Arc;

use innertrail_alerts::{Bounds, Engine, RuleSet, Sampler};
use serde_json::json;

const RULE: &str = "title: A sink waits
name: waits
logsource: { product: alibaba, service: innertrail }
detection: { s: { kind: sink_waiting }, condition: s }
level: high
innertrail:
  ends:
    detection: { s: { kind: sink_resumed }, condition: s }
    same: [sink, since]
";

fn engine(text: &str) -> Engine {
    let (set, faults) = RuleSet::load(&[("waits.yml", text)], &Default::default());
    assert!(faults.is_empty(), "{faults:?}");
    Engine::new(Arc::new(set), Bounds::default())
}

fn entry(kind: &str, sink: &str, since: Option<&str>) -> innertrail_alerts::Sample {
    let mut entry = json!({ "time": "2026-06-15T08:00:00Z", "kind": kind, "by": "run", "sink": sink });
    if let Some(since) = since {
        entry["since"] = since.into();
    }
    Sampler::new().journal(entry.to_string().as_bytes()).unwrap()
}

/// The story: an agent that was down for hours was one line in a log. An alert about it has to end, too, or the one after it
/// is the same to a receiver.
#[test]
fn an_alert_and_its_end_have_one_id_and_another_wait_has_another() {
    let (mut engine, fresh) = (engine(RULE), engine(RULE));
    let [first, second] = ["2026-06-15T07:55:00Z", "2026-06-15T09:55:00Z"];
    let (begin, end) = (entry("sink_waiting", "siem", Some(first)), entry("sink_resumed", "siem", Some(first)));
    let fired = engine.take(0, 0, &begin.record());
    assert!(engine.ended(&begin.record()).is_empty());
    assert!(engine.take(1, 0, &end.record()).is_empty());
    // After a restart nothing is remembered, and the end is the same.
    for engine in [&engine, &fresh] {
        let ended = engine.ended(&end.record());
        assert_eq!((ended.len(), ended[0].id(), ended[0].level), (1, fired[0].id(), fired[0].level));
        assert_eq!(ended[0].about, [("sink".to_owned(), "siem".to_owned()), ("since".to_owned(), first.to_owned())]);
        assert_eq!(Some(&ended[0].about), fired[0].about.as_ref());
    }
    let again = entry("sink_waiting", "siem", Some(second));
    let other = entry("sink_waiting", "lake", Some(first));
    for (seq, entry) in (2..).zip([again, other]) {
        assert_ne!(engine.take(seq, 0, &entry.record())[0].id(), fired[0].id());
    }
}

#[test]
fn a_record_that_lacks_a_field_fires_and_ends_nothing() {
    let mut engine = engine(RULE);
    let fired = engine.take(7, 0, &entry("sink_waiting", "siem", None).record());
    assert_eq!((fired.len(), &fired[0].about), (1, &None));
    assert!(engine.ended(&entry("sink_resumed", "siem", None).record()).is_empty());
    let mut disabled = RuleSet::load(&[("waits.yml", RULE)], &Default::default()).0;
    assert!(disabled.disable(&["waits".to_owned()]).is_empty());
    let engine = Engine::new(Arc::new(disabled), Bounds::default());
    assert!(engine.ended(&entry("sink_resumed", "siem", Some("x")).record()).is_empty(), "a rule that is switched off");
}

#[test]
fn what_is_wrong_with_an_end_is_named_with_its_place() {
    let broken = |from: &str, to: &str| {
        let faults = RuleSet::load(&[("waits.yml", &RULE.replace(from, to))], &Default::default()).1;
        faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let table = [
        broken("    same: [sink, since]\n", ""),
        broken("[sink, since]", "[]"),
        broken("[sink, since]", "[eventNmae]"),
        broken("same:", "smae:"),
        broken("{ s: { kind: sink_resumed }, condition: s }", "{ s: { kind: sink_resumed } }"),
        broken(
            "detection: { s: { kind: sink_waiting }, condition: s }",
            "correlation: { type: event_count, rules: [waits], timespan: 5m, condition: { gte: 2 } }",
        ),
    ];
    insta::assert_snapshot!(table.join("\n"));
}
