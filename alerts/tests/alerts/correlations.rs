//! Correlations: the same firings in any order of arrival, over any restart, and for whatever is delivered again.
//!
//! The oracle is the definition itself, worked out over all records at once: a rule fires for a key in the interval of a
//! second whose window holds enough.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use innertrail_alerts::{Bounds, Engine, Firing, RuleSet, Sample, Sampler, State, StateError};
use proptest::prelude::*;

const BASE: i64 = 1_781_510_400;
const SPAN: i64 = 60;

fn rules(condition: &str) -> Arc<RuleSet> {
    let kind = if condition.contains("field") { "value_count" } else { "event_count" };
    let text = format!(
        "title: part
name: part
logsource: {{ product: alibaba, service: oss }}
detection:
  selection: {{ eventName: DeleteObject }}
  condition: selection
---
title: several
name: several
correlation:
  type: {kind}
  rules: [part]
  group-by: [userIdentity.userName]
  timespan: {SPAN}s
  condition: {condition}
level: high
"
    );
    let (set, faults) = RuleSet::load(&[("several.yml", &text)], &BTreeMap::new());
    assert!(faults.is_empty(), "{faults:?}");
    Arc::new(set)
}

/// An event: its second, its user, its object.
type Event = (i64, u8, u8);

fn sample(number: usize, (second, user, object): Event) -> Sample {
    let time = innertrail_time(BASE + second);
    let json = format!(
        r#"{{"eventId":"E{number}","eventTime":"{time}","serviceName":"Oss","eventName":"DeleteObject","resourceName":"o{object}","userIdentity":{{"userName":"u{user}"}}}}"#
    );
    Sampler::new().log(json.as_bytes()).unwrap()
}

fn innertrail_time(second: i64) -> String {
    let (day, rest) = (second.div_euclid(86_400), second.rem_euclid(86_400));
    // All times of these tests lie within two days of 15 June 2026.
    let first = BASE.div_euclid(86_400);
    format!("2026-06-{:02}T{:02}:{:02}:{:02}Z", 15 + day - first, rest / 3600, rest / 60 % 60, rest % 60)
}

/// What fired: key and interval.
type Fired = BTreeSet<(String, i64)>;

fn told(firings: &[Firing]) -> Vec<(String, i64)> {
    let of = |f: &Firing| f.correlation.as_ref().map(|c| (c.key[0].1.clone(), c.interval));
    firings.iter().filter_map(of).collect()
}

/// The definition.
fn expected(events: &[Event], threshold: usize, of_values: bool) -> Fired {
    let mut fired = Fired::new();
    for &(end, user, _) in events {
        let window = events.iter().enumerate().filter(|(_, e)| e.1 == user && e.0 > end - SPAN && e.0 <= end);
        let counted: BTreeSet<usize> =
            window.map(|(number, e)| if of_values { usize::from(e.2) } else { 1000 + number }).collect();
        if counted.len() >= threshold {
            fired.insert((format!("u{user}"), (BASE + end).div_euclid(SPAN) * SPAN));
        }
    }
    fired
}

/// Takes events in the order of `arrival`. `restart`: before which of them the state is written and read again.
fn fired(set: &Arc<RuleSet>, events: &[Event], arrival: &[usize], restart: Option<usize>, again: bool) -> Fired {
    let bounds = Bounds { lateness: 600, ..Bounds::default() };
    let mut engine = Engine::new(Arc::clone(set), bounds);
    let mut all = Vec::new();
    for (seq, number) in (0..).zip(arrival) {
        if restart == Some(seq as usize) {
            let json = serde_json::to_string(engine.state()).unwrap();
            let state: State = serde_json::from_str(&json).unwrap();
            let (after, dropped) = Engine::with_state(Arc::clone(set), bounds, state).unwrap();
            assert!(dropped.is_empty());
            assert_eq!(after.state(), engine.state());
            engine = after;
        }
        let sample = sample(*number, events[*number]);
        let received = (BASE + 2 * 86_400) * 1_000_000;
        all.extend(told(&engine.take(seq, received, &sample.record())));
        if again {
            assert!(engine.take(seq, received, &sample.record()).is_empty(), "the same record again");
            assert!(engine.take(0, received, &sample.record()).is_empty(), "an earlier one again");
        }
    }
    let set: Fired = all.iter().cloned().collect();
    assert_eq!(set.len(), all.len(), "something fired twice: {all:?}");
    assert_eq!(engine.state().rules["several"].late, 0);
    set
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    // All within the lateness of each other, so every order of arrival is an allowed one.
    prop::collection::vec((0..400_i64, 0..3_u8, 0..6_u8), 1..60)
}

fn shuffled() -> impl Strategy<Value = (Vec<Event>, Vec<usize>)> {
    events().prop_flat_map(|events| {
        let order: Vec<usize> = (0..events.len()).collect();
        (Just(events), Just(order).prop_shuffle())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_arrival_gives_the_firings_of_the_definition((events, order) in shuffled(), threshold in 1..6_usize) {
        let set = rules(&format!("{{ gte: {threshold} }}"));
        prop_assert_eq!(fired(&set, &events, &order, None, false), expected(&events, threshold, false));
        let set = rules(&format!("{{ field: it_resource, gte: {threshold} }}"));
        prop_assert_eq!(fired(&set, &events, &order, None, false), expected(&events, threshold, true));
    }

    #[test]
    fn a_restart_at_any_point_changes_nothing((events, order) in shuffled(), at in 0..60_usize) {
        let set = rules("{ gte: 3 }");
        let undisturbed = fired(&set, &events, &order, None, false);
        prop_assert_eq!(fired(&set, &events, &order, Some(at % events.len()), false), undisturbed);
    }

    #[test]
    fn what_comes_again_fires_nothing((events, order) in shuffled()) {
        let set = rules("{ gt: 2 }");
        let once = fired(&set, &events, &order, None, false);
        prop_assert_eq!(fired(&set, &events, &order, None, true), once);
    }

    /// The same event under another sequence number is one event.
    #[test]
    fn an_event_id_counts_once(count in 1..40_u64) {
        let set = rules("{ gte: 2 }");
        let mut engine = Engine::new(set, Bounds::default());
        for seq in 0..count {
            let sample = sample(1, (10, 0, 0));
            prop_assert!(engine.take(seq, (BASE + 60) * 1_000_000, &sample.record()).is_empty());
        }
    }

    /// Whatever comes, memory stays within its bounds, and what was forgotten is counted.
    #[test]
    fn memory_is_bounded(events in prop::collection::vec((0..40_000_i64, 0..40_u8, 0..6_u8), 1..150)) {
        let bounds = Bounds { lateness: 3600, keys: 8, entries: 5, ..Bounds::default() };
        let mut engine = Engine::new(rules("{ gte: 3 }"), bounds);
        for (seq, event) in (0..).zip(&events) {
            let sample = sample(seq as usize, *event);
            engine.take(seq, (BASE + 86_400) * 1_000_000, &sample.record());
            prop_assert!(engine.state().rules["several"].keys() <= 8);
        }
        let users: BTreeSet<u8> = events.iter().map(|e| e.1).collect();
        let state = &engine.state().rules["several"];
        prop_assert!(users.len() <= 8 || state.forgotten > 0 || state.late > 0 || state.keys() < 8);
    }
}

/// A rule of one record has no memory but the position, which goes through a restart with the rest.
#[test]
fn a_single_rule_fires_once_for_what_comes_again() {
    let text = "title: t\nname: t\nlogsource: { product: alibaba, service: oss }\ndetection: { s: { eventName: DeleteObject }, condition: s }\n";
    let (set, _) = RuleSet::load(&[("t.yml", text)], &BTreeMap::new());
    let set = Arc::new(set);
    let mut engine = Engine::new(Arc::clone(&set), Bounds::default());
    let sample = sample(1, (10, 0, 0));
    assert_eq!(engine.take(7, BASE * 1_000_000, &sample.record()).len(), 1);
    assert!(engine.take(7, BASE * 1_000_000, &sample.record()).is_empty());
    let state = engine.state().clone();
    let (mut engine, _) = Engine::with_state(set, Bounds::default(), state).unwrap();
    assert!(engine.take(7, BASE * 1_000_000, &sample.record()).is_empty());
    assert_eq!(engine.take(8, BASE * 1_000_000, &sample.record()).len(), 1, "another record");
}

/// A burst over the edge of two intervals is missed by windows that are cut at the edge.
#[test]
fn a_burst_over_an_edge_is_seen() {
    let set = rules("{ gte: 4 }");
    let events = [(58, 0, 0), (59, 0, 1), (60, 0, 2), (61, 0, 3)];
    assert_eq!(fired(&set, &events, &[0, 1, 2, 3], None, false), Fired::from([("u0".to_owned(), BASE + 60)]));
}

/// A long attack is told once an interval, not once a record and not once for ever.
#[test]
fn a_long_burst_fires_once_an_interval() {
    let set = rules("{ gte: 3 }");
    let events: Vec<Event> = (0..300).map(|second| (second, 0, 0)).collect();
    let order: Vec<usize> = (0..300).collect();
    assert_eq!(fired(&set, &events, &order, None, false).len(), 5);
}

/// The story: a shipped rule looks back one minute while delivery takes ten, so it never sees what comes late. Here what
/// is late within the bound fires, and what is later than that is counted, not lost without a word.
#[test]
fn what_is_too_late_is_counted() {
    let bounds = Bounds { lateness: 600, ..Bounds::default() };
    let mut engine = Engine::new(rules("{ gte: 2 }"), bounds);
    let received = (BASE + 3600) * 1_000_000;
    let mut take = |seq, number, second| {
        let sample = sample(number, (second, 0, 0));
        let fired = engine.take(seq, received, &sample.record()).len();
        (fired, engine.state().rules["several"].late)
    };
    assert_eq!(take(0, 0, 1000), (0, 0));
    assert_eq!(take(1, 1, 401), (0, 0));
    assert_eq!(take(2, 2, 400), (1, 0), "late by exactly the bound");
    assert_eq!(take(3, 3, 399), (0, 1), "later than that");
}

/// An event from the future must not make everything else late.
#[test]
fn a_time_far_ahead_is_not_believed() {
    let mut engine = Engine::new(rules("{ gte: 2 }"), Bounds { lateness: 600, ..Bounds::default() });
    let received = (BASE + 100) * 1_000_000;
    engine.take(0, received, &sample(0, (86_400, 0, 0)).record());
    engine.take(1, received, &sample(1, (600, 0, 0)).record());
    assert_eq!(engine.take(2, received, &sample(2, (620, 0, 0)).record()).len(), 1);
    assert_eq!(engine.state().rules["several"].late, 0);
}

/// A state of another rule is not taken for this one's, and one of another version is refused.
#[test]
fn a_state_that_does_not_fit_is_dropped_or_refused() {
    let mut engine = Engine::new(rules("{ gte: 2 }"), Bounds::default());
    engine.take(0, BASE * 1_000_000, &sample(0, (0, 0, 0)).record());
    let state = engine.state().clone();
    let (other, dropped) = Engine::with_state(rules("{ gte: 5 }"), Bounds::default(), state.clone()).unwrap();
    assert_eq!(dropped, ["several"]);
    assert_eq!(other.state().rules["several"].keys(), 0);
    assert_eq!(other.state().next, state.next, "the position stays");
    let newer = State { version: 99, ..state };
    let error = Engine::with_state(rules("{ gte: 2 }"), Bounds::default(), newer).unwrap_err();
    assert_eq!(error, StateError { found: 99, known: 1 });
}

/// The story: a flood from ever new addresses made the table of keys grow without end.
#[test]
fn a_flood_of_keys_is_bounded_and_told() {
    let text = rules_by_address();
    let mut engine = Engine::new(text, Bounds { keys: 100, ..Bounds::default() });
    for number in 0..5_000_u64 {
        let json = format!(
            r#"{{"eventId":"F{number}","eventTime":"2026-06-15T08:00:00Z","serviceName":"Oss","eventName":"GetObject","sourceIpAddress":"2001:db8::{number:x}"}}"#
        );
        let sample = Sampler::new().log(json.as_bytes()).unwrap();
        engine.take(number, BASE * 1_000_000, &sample.record());
    }
    let state = &engine.state().rules["flood"];
    assert!(state.keys() <= 100);
    assert_eq!(state.forgotten, 5_000 - u64::try_from(state.keys()).unwrap());
}

fn rules_by_address() -> Arc<RuleSet> {
    let text = "title: p
name: p
logsource: { product: alibaba, service: oss }
detection: { s: { eventName: GetObject }, condition: s }
---
title: flood
name: flood
correlation: { type: event_count, rules: [p], group-by: [sourceIpAddress], timespan: 1h, condition: { gte: 2 } }
";
    let (set, faults) = RuleSet::load(&[("flood.yml", text)], &BTreeMap::new());
    assert!(faults.is_empty(), "{faults:?}");
    Arc::new(set)
}
