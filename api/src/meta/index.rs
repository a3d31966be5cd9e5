//! GetIndex: what can be searched, derived from the columns. Nobody sets it.

use innertrail_logstore::{Kind, RECEIVED, SEQ, Store};
use serde_json::{Map, Value, json};

use super::logstore::ttl;
use super::seconds;
use crate::route::Router;
use crate::{Answer, ApiError};

/// What separates tokens, as the token index has it for every field.
const DELIMITERS: [&str; 28] = [
    ",", " ", "'", "\"", ";", "=", "(", ")", "[", "]", "{", "}", "?", "@", "&", "<", ">", "/", ":", "\n", "\t", "\r",
    "\\", "|", "!", "#", "%", "^",
];

fn text() -> Value {
    json!({"type": "text", "token": DELIMITERS, "caseSensitive": false, "alias": "", "doc_value": true, "chn": false})
}

fn long() -> Value {
    json!({"type": "long", "alias": "", "doc_value": true})
}

/// The event as it came: JSON whose members are found by their path.
fn json_text() -> Value {
    json!({
        "type": "json", "token": DELIMITERS, "caseSensitive": false, "alias": "", "doc_value": true, "chn": false,
        "index_all": true, "max_depth": -1, "json_keys": {},
    })
}

/// GetIndex.
pub(crate) fn index(router: &Router, store: Store) -> Result<Answer, ApiError> {
    let facts = router.host().facts()?;
    let mut keys = Map::new();
    for name in [SEQ, RECEIVED] {
        keys.insert(name.to_owned(), long());
    }
    for column in &facts.layout.columns {
        let key = if column.kind == Kind::Text { text() } else { long() };
        keys.insert(column.name.clone(), key);
    }
    let payload = store.payload_column();
    keys.insert(payload.to_owned(), if payload == "event" { json_text() } else { text() });
    Answer::json(&json!({
        "index_mode": "v2",
        "ttl": ttl(&facts, store),
        "max_text_len": 16_384,
        "line": {"token": DELIMITERS, "caseSensitive": false, "chn": false},
        "keys": keys,
        "log_reduce": false,
        "storage": "pg",
        "lastModifyTime": seconds(facts.changed_us),
    }))
}
