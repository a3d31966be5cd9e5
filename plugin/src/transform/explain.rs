//! Tells the way of one record through the rooms, for `innertrail explain`.
//!
//! It asks the rooms themselves; it must never decide anything on its own.

use serde_json::{Value, json};

use super::{Place, Transform};
use crate::classify::classify;
use crate::decode::{Decoded, Record};
use crate::event::columns::{ALL, COLUMNS, LIFTED};
use crate::route::Route;

/// The way of one record.
pub(super) fn record(rooms: &Transform, place: Place<'_>, record: Record<'_>, sealed: bool) -> Value {
    let source = json!({ "source": place.batch.source, "origin": place.batch.origin, "offset": place.offset });
    let event = match record.decoded {
        Decoded::Bad { bytes, detail } => {
            return json!({
                "source": source,
                "decode": { "bytes": bytes.len(), "error": detail },
                "route": { "to": "quarantine", "reason": "undecodable", "why": detail },
            });
        }
        Decoded::Event(event) => event,
    };
    let lifted: serde_json::Map<String, Value> = ALL[..LIFTED]
        .iter()
        .filter_map(|c| Some((COLUMNS[*c as usize].name.to_owned(), Value::from(event.text(*c)?.into_owned()))))
        .collect();
    let decode = json!({ "bytes": event.bytes.len(), "lifted": lifted.len(), "duplicate_keys": event.duplicate_keys });
    let event = classify(event);
    let masked = rooms.masked(&event).map_or(0, |(_, count)| count);
    let (route, why) = rooms.router.route(&event, place.batch.provenance, sealed);
    let (to, reason) = match route {
        Route::Dedicated => (rooms.router.logstore.as_str(), None),
        Route::Passthrough => ("passthrough", None),
        Route::Quarantine(reason) => ("quarantine", Some(reason.as_str())),
    };
    json!({
        "source": source,
        "decode": decode,
        "classify": {
            "family": event.family.map(|f| f.as_str()),
            "actor": [shown(&event.actor.0), shown(&event.actor.1)],
            "action": event.action.as_str(),
            "resource": event.resource.as_deref().map(shown),
            "outcome": event.outcome.as_str(),
            "reason": event.reason.as_deref().map(shown),
            "country": event.country.as_deref().map(shown),
            "account": event.account.as_deref().map(shown),
            "product": event.product.as_deref().map(shown),
            "time_us": event.time_us,
        },
        "redact": { "masked": masked },
        "route": { "to": to, "reason": reason, "why": why },
    })
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
