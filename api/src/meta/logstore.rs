//! Logstores and their shards.

use innertrail_logstore::Store;
use serde_json::{Value, json};

use super::{page, seconds};
use crate::host::Facts;
use crate::route::Router;
use crate::{Answer, ApiError, Call};

/// Days that mean for ever.
pub(super) const FOR_EVER: u32 = 3650;

/// Says which product a Logstore belongs to: who finds it set knows that it is not one of users.
const PRODUCT: &str = "innertrail";

/// ListLogStore.
pub(crate) fn logstores(router: &Router, call: &Call) -> Result<Answer, ApiError> {
    let wanted = call.parameters.given("logstoreName").unwrap_or_default();
    let telemetry = call.parameters.given("telemetryType").is_some_and(|kind| !matches!(kind, "None" | "Logs"));
    let mode = call.parameters.given("mode").is_some_and(|mode| mode != "standard");
    let mut all: Vec<String> = match telemetry || mode {
        true => Vec::new(),
        false => Store::ALL.iter().map(|store| router.names().logstore(*store)).collect(),
    };
    all.retain(|name| name.contains(wanted));
    all.sort_unstable();
    let total = all.len();
    let logstores = page(call, all)?;
    Answer::json(&json!({"count": logstores.len(), "total": total, "logstores": logstores}))
}

/// Days that a store keeps its records: the journal is never dropped.
pub(super) fn ttl(facts: &Facts, store: Store) -> u32 {
    if store == Store::Journal { FOR_EVER } else { facts.retention_days }
}

/// A Logstore's settings, as GetLogStore shows them and as UpdateLogStore takes them back.
pub(super) fn settings(router: &Router, facts: &Facts, store: Store) -> Value {
    // Clients fail without ttl, shardCount, enable_tracking, appendMeta, autoSplit and maxSplitShard.
    json!({
        "logstoreName": router.names().logstore(store),
        "ttl": ttl(facts, store),
        "hot_ttl": ttl(facts, store),
        "infrequentAccessTTL": Value::Null,
        "shardCount": router.rooms().shards(store).len(),
        "enable_tracking": false,
        "enableModify": false,
        "appendMeta": false,
        "autoSplit": false,
        "maxSplitShard": 1,
        "mode": "standard",
        "telemetryType": "",
        "createTime": seconds(facts.created_us),
        "lastModifyTime": seconds(facts.changed_us),
        "productType": PRODUCT,
    })
}

/// GetLogStore.
pub(crate) fn logstore(router: &Router, store: Store) -> Result<Answer, ApiError> {
    let facts = router.host().facts()?;
    let mut settings = settings(router, &facts, store);
    if let Some(map) = settings.as_object_mut() {
        map.retain(|_, value| !value.is_null());
    }
    Answer::json(&settings)
}

/// ListShards.
pub(crate) fn shards(router: &Router, store: Store) -> Result<Answer, ApiError> {
    Answer::json(&router.rooms().shards(store))
}
