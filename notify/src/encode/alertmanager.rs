//! The body of `POST /api/v2/alerts`: what fires, with when it ends, and what ended.
//! It must never give the same alert other labels: they are what Alertmanager tells alerts by.
//!
//! Alertmanager's templates put labels and annotations into chats as they are, so texts are as harmless here as in a chat.

use chrono::SecondsFormat::Millis;
use serde_json::{Map, Value, json};

use super::webhook::{entry_time, state};
use super::{Encoded, Request};
use crate::alert::Alert;
use crate::plain::{chat, link, name, time};

/// Most bytes of a body.
const MAX: usize = 1 << 20;
/// Most characters of a label, of an annotation, and most labels for a key.
const LABEL: usize = 200;
const TEXT: usize = 1_000;
const PAIRS: usize = 8;

/// An alert, and when it is over unless it is sent again: the past for one that is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timed<'a> {
    pub(crate) alert: &'a Alert,
    pub(crate) ends_ms: i64,
    pub(crate) late: bool,
}

/// One request. `bare`: without any text of an event.
pub(crate) fn encode(alerts: &[Timed<'_>], bare: bool, authorization: Option<&str>) -> Encoded<Request> {
    let (mut list, mut size) = (Vec::new(), 2);
    for timed in alerts {
        let value = one(timed, bare);
        size += value.to_string().len() + 1;
        if size > MAX && !list.is_empty() {
            break;
        }
        list.push(value);
    }
    let covered = list.len();
    let mut what = Request::json(&Value::Array(list));
    if let Some(value) = authorization {
        what.headers.push(("authorization".to_owned(), value.to_owned()));
    }
    Encoded { what, covered, left_out: 0 }
}

fn one(timed: &Timed<'_>, bare: bool) -> Value {
    let alert = timed.alert;
    let starts = alert.time_ms().min(timed.ends_ms);
    let mut out = json!({
        "labels": labels(alert),
        "annotations": annotations(timed, bare),
        "endsAt": time(timed.ends_ms, Millis),
    });
    if alert.fired {
        out["startsAt"] = time(starts, Millis).into();
    }
    if let (Some(link), Some(out)) = (alert.link.as_deref().and_then(link), out.as_object_mut()) {
        out.insert("generatorURL".to_owned(), link.into());
    }
    out
}

/// The same for "fired" and "resolved", whatever else changed: nothing but what stands in both entries.
pub(crate) fn labels(alert: &Alert) -> Map<String, Value> {
    let mut labels = Map::new();
    let mut add = |name: &str, value: String| {
        if !value.trim().is_empty() {
            labels.entry(name.to_owned()).or_insert_with(|| value.into());
        }
    };
    add("alertname", chat(&alert.title, LABEL));
    add("alertname", chat(&alert.rule, LABEL));
    add("alertname", "innertrail".to_owned());
    add("alert", name(&alert.alert).unwrap_or_default().to_owned());
    add("rule", chat(&alert.rule, LABEL));
    add("severity", alert.level.as_str().to_owned());
    add("store", chat(&alert.store, LABEL));
    add("trail", chat(&alert.trail, LABEL));
    for (key, value) in alert.key.iter().chain(&alert.group).take(PAIRS) {
        add(&format!("key_{}", label_name(key)), chat(value, LABEL));
    }
    labels
}

/// A name of a label: what Alertmanager allows in one.
fn label_name(text: &str) -> String {
    text.trim().chars().take(60).map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}

fn annotations(timed: &Timed<'_>, bare: bool) -> Map<String, Value> {
    let alert = timed.alert;
    let mut out = Map::new();
    let mut add = |name: &str, value: &str| {
        let value = chat(value, TEXT);
        if !value.trim().is_empty() {
            out.insert(name.to_owned(), value.into());
        }
    };
    add("journal", &alert.position.to_string());
    add("state", state(alert));
    add("entry_time", &entry_time(alert));
    if timed.late {
        add("late", "true");
    }
    if bare {
        return out;
    }
    let what = alert.event_name.as_deref().unwrap_or_default();
    let who = alert.actor.as_deref().map(|a| format!(" by {a}")).unwrap_or_default();
    let on = alert.resource.as_deref().map(|r| format!(" on {r}")).unwrap_or_default();
    let value = alert.value.as_deref().map(|v| format!(" value {v}")).unwrap_or_default();
    add("summary", &alert.title);
    add("description", format!("{what}{who}{on}{value}").trim());
    add("rule_version", &alert.version.to_string());
    add("seq", &alert.seq.map(|s| s.to_string()).unwrap_or_default());
    for (name, value) in [
        ("event_id", &alert.event_id),
        ("event_time", &alert.event_time),
        ("actor", &alert.actor),
        ("event_name", &alert.event_name),
        ("resource", &alert.resource),
        ("window", &alert.window),
        ("value", &alert.value),
        ("query", &alert.query),
        ("remedy", &alert.remedy),
    ] {
        add(name, value.as_deref().unwrap_or_default());
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::encode::fixture;

    fn timed(alert: &Alert) -> Timed<'_> {
        Timed { alert, ends_ms: fixture::NOW_MS + 240_000, late: false }
    }

    #[test]
    fn labels_are_the_same_when_it_fires_and_when_it_is_over() {
        let (fired, over) = (fixture::scheduled(true), fixture::scheduled(false));
        let over = Alert { position: 99, value: None, time_us: 1, ..over };
        assert_eq!(labels(&fired), labels(&over));
        let single = fixture::single();
        let made = encode(&[timed(&single), timed(&fired)], false, None);
        insta::assert_json_snapshot!(serde_json::from_slice::<Value>(&made.what.body).unwrap());
    }

    #[test]
    fn nothing_is_markup_in_what_alertmanager_passes_on() {
        let alert = fixture::hostile();
        let made = encode(&[timed(&alert)], false, None);
        let body = String::from_utf8(made.what.body).unwrap();
        for bad in ["<", ">", "@", "](", "\\r", "\\n", "\u{202e}"] {
            assert!(!body.contains(bad), "{bad:?}");
        }
        let bare = String::from_utf8(encode(&[timed(&alert)], true, None).what.body).unwrap();
        assert!(!bare.contains("\"actor\""));
    }

    #[test]
    fn what_does_not_fit_is_left_for_the_next_request() {
        let alert = fixture::filled(&"\u{1f600}".repeat(2_000));
        let all: Vec<_> = (0..200).map(|_| timed(&alert)).collect();
        let made = encode(&all, false, None);
        assert!(made.what.body.len() <= MAX && (1..200).contains(&made.covered), "{}", made.covered);
    }
}
