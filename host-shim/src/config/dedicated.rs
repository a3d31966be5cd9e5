//! One trail, one dedicated Logstore, one writer: what a file may not say about it.
//!
//! Must never be weakened by an option: there is none that names a Logstore or lets another component write it.

use super::error::{Position, shown};
use super::yaml::{Node, Value};

/// What comes before the trail in the name of its dedicated Logstore.
pub(super) const PREFIX: &str = "innertrail_";

/// The dedicated Logstore of the trail that the file names.
pub(super) fn name(root: &Node) -> Option<String> {
    root.get("trail").and_then(Node::text).filter(|trail| !trail.is_empty()).map(|trail| format!("{PREFIX}{trail}"))
}

/// Message and help for an option that was left out on purpose; `path` is dotted.
pub(super) fn refused(path: &str) -> Option<(&'static str, &'static str)> {
    const ONE: &str = "a trail has exactly one dedicated Logstore, named `innertrail_<trail>`";
    Some(match path {
        "logstores" | "logstore.name" | "logstore.target" | "logstore.path" => {
            (ONE, "remove it; `logstore:` sets the options of that one")
        }
        "trails" => (ONE, "give one name as `trail:`, and run one innertrail for each trail"),
        _ => return None,
    })
}

/// Message and help for something at `path` that names the dedicated Logstore as its target.
pub(super) fn second_writer(path: &str, name: &str) -> (String, String) {
    (
        format!("{} names the dedicated Logstore {}, which only innertrail itself may write", shown(path), shown(name)),
        "name another target; operation logs reach it through `sources:` alone".to_owned(),
    )
}

/// Every place below `node` that is the name of the dedicated Logstore; an empty name is nowhere.
pub(super) fn mentions(node: &Node, name: &str) -> Vec<Position> {
    if name.is_empty() {
        return Vec::new();
    }
    match &node.value {
        Value::Scalar { text, .. } if text == name => vec![node.position],
        Value::Scalar { .. } | Value::Invalid => Vec::new(),
        Value::List(items) => items.iter().flat_map(|item| mentions(item, name)).collect(),
        Value::Map(entries) => entries
            .iter()
            .flat_map(|(key, value)| {
                let named = (key.name == name).then_some(key.position);
                named.into_iter().chain(mentions(value, name))
            })
            .collect(),
    }
}

/// The same, and every address that has the name as a part of its path, query or host.
pub(super) fn addressed(node: &Node, name: &str) -> Vec<Position> {
    let is_part = |text: &str| text.split(['/', '?', '&', '=', '#', ':', '.']).any(|part| part == name);
    match &node.value {
        Value::Scalar { text, .. } if is_part(text) => vec![node.position],
        Value::Scalar { .. } | Value::Invalid => Vec::new(),
        Value::List(items) => items.iter().flat_map(|item| addressed(item, name)).collect(),
        Value::Map(entries) => entries
            .iter()
            .flat_map(|(key, value)| {
                let named = is_part(&key.name).then_some(key.position);
                named.into_iter().chain(addressed(value, name))
            })
            .collect(),
    }
}
