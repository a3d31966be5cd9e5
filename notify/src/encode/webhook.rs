//! A webhook's body: JSON of our own, one list of alerts, signed.
//! It must never leave an alert out: what does not fit comes with the next request.

use chrono::SecondsFormat::{Millis, Secs};
use serde_json::{Map, Value, json};

use super::{Batch, Encoded, Request, hmac};
use crate::alert::Alert;
use crate::plain::{hex, line, link, name, time};

/// Most bytes of a body. One alert is always shorter: its texts are cut.
const MAX: usize = 1 << 20;
/// Most characters of a text, of one in a pair, and most pairs.
const TEXT: usize = 2_000;
const PAIR: usize = 300;
const PAIRS: usize = 32;

/// One request.
pub(crate) fn encode(batch: &Batch<'_>, key: Option<&str>, authorization: Option<&str>) -> Encoded<Request> {
    let (mut alerts, mut size) = (Vec::new(), 1_000);
    for alert in batch.alerts {
        let value = if batch.bare { bare(alert) } else { whole(alert) };
        size += value.to_string().len() + 1;
        if size > MAX && !alerts.is_empty() {
            break;
        }
        alerts.push(value);
    }
    let covered = alerts.len();
    let body = json!({
        "version": 1,
        "id": batch.id,
        "sent_at": time(batch.now_ms, Millis),
        "late": batch.late_hours.is_some(),
        "bare": batch.bare,
        "alerts": alerts,
    });
    let mut what = Request::json(&body);
    let mut header = |name: &str, value: String| what.headers.push((name.to_owned(), value));
    let timestamp = batch.now_ms.div_euclid(1000).to_string();
    header("x-innertrail-delivery", batch.id.to_owned());
    if let Some(key) = key {
        let mac = hmac(key.as_bytes(), &[timestamp.as_bytes(), b".", &what.body]);
        header("x-innertrail-signature", format!("v1={}", hex(&mac)));
    }
    header("x-innertrail-timestamp", timestamp);
    if let Some(value) = authorization {
        header("authorization", value.to_owned());
    }
    Encoded { what, covered, left_out: 0 }
}

fn bare(alert: &Alert) -> Value {
    json!({
        "id": name(&alert.alert),
        "position": alert.position,
        "state": state(alert),
        "level": alert.level.as_str(),
        "rule": {"id": name(&alert.rule), "version": alert.version},
        "time": time(alert.time_ms(), Millis),
    })
}

fn whole(alert: &Alert) -> Value {
    let mut out = bare(alert);
    let mut add = |name: &str, value: Value| {
        if let (Some(out), false) = (out.as_object_mut(), value.is_null()) {
            out.insert(name.to_owned(), value);
        }
    };
    add("rule", json!({"id": line(&alert.rule, TEXT), "version": alert.version, "title": line(&alert.title, TEXT)}));
    add("severity", alert.severity.into());
    add("store", line(&alert.store, TEXT).into());
    add("seq", json!(alert.seq));
    add("event", event(alert));
    add("key", pairs(&alert.key));
    add("window", text(alert.window.as_deref()));
    add("value", text(alert.value.as_deref()));
    add("group", pairs(&alert.group));
    add("query", text(alert.query.as_deref()));
    add("trail", line(&alert.trail, TEXT).into());
    add("remedy", text(alert.remedy.as_deref()));
    add("link", json!(alert.link.as_deref().and_then(link)));
    out
}

fn event(alert: &Alert) -> Value {
    let parts = [
        ("id", &alert.event_id),
        ("time", &alert.event_time),
        ("name", &alert.event_name),
        ("actor", &alert.actor),
        ("resource", &alert.resource),
    ];
    let event: Map<String, Value> = parts
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), line(value.as_deref()?, TEXT).into())))
        .collect();
    if event.is_empty() { Value::Null } else { Value::Object(event) }
}

fn text(text: Option<&str>) -> Value {
    text.map_or(Value::Null, |text| line(text, TEXT).into())
}

fn pairs(pairs: &[(String, String)]) -> Value {
    if pairs.is_empty() {
        return Value::Null;
    }
    let mut list: Vec<Value> =
        pairs.iter().take(PAIRS).map(|(k, v)| json!({"name": line(k, PAIR), "value": line(v, PAIR)})).collect();
    if pairs.len() > PAIRS {
        list.push(json!({"left_out": pairs.len() - PAIRS}));
    }
    list.into()
}

pub(super) fn state(alert: &Alert) -> &'static str {
    if alert.fired { "fired" } else { "resolved" }
}

/// The time of an entry, for messages that have room for seconds only.
pub(super) fn entry_time(alert: &Alert) -> String {
    time(alert.time_ms(), Secs)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::encode::fixture;

    #[test]
    fn a_request_is_json_with_a_signature_over_time_and_body() {
        let alerts = [fixture::single(), fixture::scheduled(false), fixture::hostile()];
        let made = encode(&fixture::batch(&alerts), Some("key"), Some("Bearer x"));
        let body: Value = serde_json::from_slice(&made.what.body).unwrap();
        insta::assert_json_snapshot!(body);
        let signed = made.what.headers.iter().find(|(n, _)| n == "x-innertrail-signature").unwrap();
        let expected = hex(&hmac(b"key", &[b"1767323045.", &made.what.body]));
        assert_eq!(signed.1, format!("v1={expected}"));
        assert!(!body.to_string().contains("\\r") && !body.to_string().contains('\u{202e}'));
    }

    #[test]
    fn what_does_not_fit_is_left_for_the_next_request() {
        for filler in ["x", "\"", "\u{1f600}"] {
            let alerts: Vec<_> = (0..100).map(|_| fixture::filled(&filler.repeat(9_000))).collect();
            let made = encode(&fixture::batch(&alerts), None, None);
            assert!(made.what.body.len() <= MAX && (1..100).contains(&made.covered), "{}", made.covered);
        }
        let alerts = fixture::many(100);
        assert_eq!(encode(&fixture::batch(&alerts), None, None).covered, 100);
    }
}
