//! The fields of ECS as they are published, applied: names, types, lists, allowed values.
//! What is under `aliyun.` or `innertrail.` is not ECS's and is only held to be there.

use std::net::IpAddr;
use std::path::Path;

use serde_json::{Map, Value};

/// Namespaces that are not ECS's.
const OWN: [&str; 2] = ["aliyun", "innertrail"];

pub(crate) struct Schema(Map<String, Value>);

impl Schema {
    pub(crate) fn published() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/schemas/ecs-8.17.0/fields.json");
        Self(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
    }

    /// Everything that is wrong with a document.
    pub(crate) fn faults(&self, document: &Value) -> Vec<String> {
        let mut faults = vec![];
        for required in self.0.iter().filter(|(_, f)| f.get("required") == Some(&Value::Bool(true))).map(|(n, _)| n) {
            let pointer = format!("/{}", required.replace('.', "/"));
            if document.pointer(&pointer).is_none() {
                faults.push(format!("{required} is required"));
            }
        }
        self.walk(document.as_object().unwrap(), "", &mut faults);
        self.types(document, &mut faults);
        faults
    }

    fn walk(&self, object: &Map<String, Value>, at: &str, faults: &mut Vec<String>) {
        for (name, value) in object {
            if at.is_empty() && OWN.contains(&name.as_str()) {
                continue;
            }
            let name = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
            match (self.0.get(&name), value) {
                (Some(field), value) => field_faults(&name, field, value, faults),
                (None, Value::Object(inner)) if !inner.is_empty() => self.walk(inner, &name, faults),
                (None, _) => faults.push(format!("{name} is no field")),
            }
        }
    }

    /// Each type must be one that ECS expects with each of the categories.
    fn types(&self, document: &Value, faults: &mut Vec<String>) {
        let list = |name: &str| document["event"][name].as_array().cloned().unwrap_or_default();
        for category in list("category") {
            let expected = &self.0["event.category"]["allowed_values"][category.as_str().unwrap_or_default()];
            for kind in list("type") {
                if !expected.as_array().is_some_and(|all| all.contains(&kind)) {
                    faults.push(format!("event.type {kind} is not expected with event.category {category}"));
                }
            }
        }
    }
}

fn field_faults(name: &str, field: &Value, value: &Value, faults: &mut Vec<String>) {
    let many = field["normalize"].as_array().unwrap().iter().any(|n| n == "array");
    let values = match value {
        Value::Array(values) if many => values.iter().collect(),
        _ if many => return faults.push(format!("{name} is no list")),
        one => vec![one],
    };
    for value in values {
        let text = value.as_str();
        let right = match field["type"].as_str().unwrap() {
            "keyword" | "match_only_text" | "wildcard" | "constant_keyword" => text.is_some(),
            "long" => value.is_i64() || value.is_u64(),
            "ip" => text.is_some_and(|t| t.parse::<IpAddr>().is_ok()),
            "date" => text.is_some_and(|t| chrono::DateTime::parse_from_rfc3339(t).is_ok()),
            "boolean" => value.is_boolean(),
            other => panic!("{name}: the type {other} is not known here"),
        };
        if !right {
            faults.push(format!("{name} is no {}: {value}", field["type"]));
        }
        if field.get("allowed_values").is_some_and(|allowed| allowed.get(text.unwrap_or_default()).is_none()) {
            faults.push(format!("{name} is {value}, which is none of its values"));
        }
    }
}
