//! The JSON Schema of the configuration: what editors complete from, `innertrail schema` prints, and files are
//! checked against.
//!
//! Must never depend on the order in which a JSON library happens to keep keys: the text is the same everywhere.

use serde_json::{Map, Value};

use super::Config;

/// The schema, keys sorted, descriptions on one line.
pub(super) fn value() -> Value {
    tidy(schemars::schema_for!(Config).to_value())
}

/// The schema as text, with a newline at the end.
pub(super) fn text() -> String {
    format!("{:#}\n", value())
}

pub(super) fn tidy(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map.into_iter().collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().map(|(key, value)| tidy_entry(key, value)).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(tidy).collect()),
        other => other,
    }
}

/// Line breaks of a doc comment are the source's, not the reader's.
fn tidy_entry(key: String, value: Value) -> (String, Value) {
    match value {
        Value::String(text) if key == "description" => (key, Value::String(text.replace('\n', " "))),
        other => (key, tidy(other)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::pattern;

    /// `BLESS=1 cargo test` writes the file anew.
    #[test]
    fn the_published_schema_is_current() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../schema/config.json");
        if std::env::var_os("BLESS").is_some_and(|value| value == "1") {
            std::fs::write(file, text()).unwrap();
        }
        let published = std::fs::read_to_string(file).unwrap();
        assert!(published == text(), "schema/config.json is stale: run the test with BLESS=1 and read the difference");
    }

    /// Every keyword the generator used must be one that `check` looks at or may ignore, or a bound would only
    /// be shown, not kept.
    #[test]
    fn every_keyword_is_known_to_the_check() {
        fn walk(schema: &Value) {
            for (keyword, value) in schema.as_object().unwrap() {
                match keyword.as_str() {
                    "properties" | "$defs" => value.as_object().unwrap().values().for_each(walk),
                    "oneOf" => value.as_array().unwrap().iter().for_each(walk),
                    "items" | "propertyNames" => walk(value),
                    "additionalProperties" => assert!(
                        *value == Value::Bool(false) || {
                            walk(value);
                            true
                        }
                    ),
                    "pattern" => assert!(pattern::rule(value.as_str().unwrap()).is_some(), "{value}"),
                    "type" | "required" | "$ref" | "const" | "minimum" | "maximum" | "minLength" | "maxLength"
                    | "minItems" | "maxItems" => {}
                    "$schema" | "title" | "description" | "default" | "format" => {}
                    other => panic!("the check does not know `{other}`"),
                }
            }
        }
        walk(&value());
    }

    #[test]
    fn every_option_is_described_and_has_a_default_or_is_required() {
        fn walk(schema: &Value, missing: &mut Vec<String>) {
            for (name, option) in schema["properties"].as_object().into_iter().flatten() {
                let required =
                    schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name.as_str()));
                if option.get("description").is_none() && name != "type" {
                    missing.push(format!("{name}: description"));
                }
                if option.get("default").is_none() && !required {
                    missing.push(format!("{name}: default"));
                }
            }
        }
        let (schema, mut missing) = (value(), Vec::new());
        walk(&schema, &mut missing);
        for definition in schema["$defs"].as_object().unwrap().values() {
            walk(definition, &mut missing);
            definition["oneOf"].as_array().into_iter().flatten().for_each(|variant| walk(variant, &mut missing));
        }
        // These have no default: without them there is no such restriction, question or folder.
        assert_eq!(
            missing,
            [
                "account: default",
                "actiontrail: default",
                "alerts: default",
                "api: default",
                "console: default",
                "metrics: default",
                "mirror: default",
                "region: default",
                "console_url: default",
                "endpoint: default",
                "tls: default",
                "tls: default",
                "otlp: default",
                "vector: default",
                "cache_dir: default"
            ]
        );
    }
}
