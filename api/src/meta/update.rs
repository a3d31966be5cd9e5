//! UpdateLogStore: clients read all settings, change one, and send all back. A longer retention is carried out; what is as it was
//! is no change; everything else is refused.
//! It must never shorten, and never call a shortening off that the operator asked for.

use innertrail_logstore::Store;
use serde_json::{Map, Value};

use super::logstore::{FOR_EVER, settings};
use crate::refuse::Surface;
use crate::route::Router;
use crate::{Answer, ApiError, Call};

/// Settings that change by themselves, or that a client makes up: whatever they say, nothing follows.
const IGNORED: [&str; 4] = ["logstoreName", "createTime", "lastModifyTime", "maxSplitShard"];

/// UpdateLogStore, for an administrator: everybody else is refused before.
pub(crate) fn update(router: &Router, call: &Call, store: Store) -> Result<Answer, ApiError> {
    let asked: Map<String, Value> = serde_json::from_slice(&call.body)
        .map_err(|_| ApiError::new(400, "PostBodyInvalid", "the body is no JSON object of a Logstore's settings"))?;
    let named = asked.get("logstoreName").and_then(Value::as_str);
    if named.is_some_and(|name| name != router.names().logstore(store)) {
        return Err(ApiError::parameter("logstoreName is another one than that of the path"));
    }
    let facts = router.host().facts()?;
    let now = settings(router, &facts, store);
    let refusal = || router.refusal(Surface::UpdateLogStore, &call.path);
    if asked.iter().any(|(name, value)| name != "ttl" && !is_harmless(name, value, now.get(name), &asked)) {
        return Err(refusal());
    }
    let Some(ttl) = asked.get("ttl") else { return Ok(Answer::empty()) };
    let days = ttl.as_u64().and_then(|days| u32::try_from(days).ok()).filter(|days| (1..=FOR_EVER).contains(days));
    let days = days.ok_or_else(|| ApiError::parameter(format!("ttl is a number of days, 1 to {FOR_EVER}")))?;
    let before = now.get("ttl").and_then(Value::as_u64).unwrap_or_default();
    if u64::from(days) == before {
        return Ok(Answer::empty());
    }
    // One retention holds for all stores; it is the dedicated one's.
    if u64::from(days) < before || store != Store::Log {
        return Err(refusal());
    }
    router.host().lengthen(days, call)?;
    Ok(Answer::empty())
}

fn is_harmless(name: &str, asked: &Value, now: Option<&Value>, all: &Map<String, Value>) -> bool {
    if IGNORED.contains(&name) || now == Some(asked) || is_nothing(asked) {
        return true;
    }
    match name {
        // A client that lengthens the retention may send the same number here.
        "hot_ttl" => asked.as_i64() == Some(-1) || Some(asked) == all.get("ttl"),
        "infrequentAccessTTL" => asked.as_i64() == Some(-1),
        "shardCount" => true,
        "encrypt_conf" => asked.get("enable").is_none_or(is_nothing),
        "telemetryType" => asked.as_str() == Some("None"),
        _ => false,
    }
}

/// Not there, off, none, empty.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(true) => false,
    }
}
