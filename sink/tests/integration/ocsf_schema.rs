//! The OCSF schema as it is published, resolved and applied: what is required, typed, enumerated, constrained, and nothing
//! else.
//!
//! A class inherits from the class it extends and includes profiles, whose attributes count only where the event says
//! that it has the profile. What an attribute is made of stands in the dictionary.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;

use serde_json::{Map, Value};

type Object = Map<String, Value>;

pub(crate) struct Schema {
    root: PathBuf,
    dictionary: Object,
    types: Object,
    class: Resolved,
    objects: std::cell::RefCell<BTreeMap<String, Resolved>>,
}

/// A class or an object with everything that it inherits.
#[derive(Clone, Default)]
struct Resolved {
    attributes: BTreeMap<String, Object>,
    constraints: Object,
}

impl Schema {
    /// Class 6003 of the files in the repository.
    pub(crate) fn api_activity() -> Self {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures/schemas/ocsf-1.8.0");
        let mut schema = Self {
            root,
            dictionary: Object::new(),
            types: Object::new(),
            class: Resolved::default(),
            objects: std::cell::RefCell::default(),
        };
        let dictionary = schema.file("dictionary.json");
        schema.dictionary = dictionary["attributes"].as_object().unwrap().clone();
        schema.types = dictionary["types"]["attributes"].as_object().unwrap().clone();
        for (name, path) in [
            ("base_event", "events/base_event.json"),
            ("application", "events/application/application.json"),
            ("api_activity", "events/application/api_activity.json"),
        ] {
            let file = schema.file(path);
            assert_eq!(file["name"], name);
            let mut class = std::mem::take(&mut schema.class);
            schema.extend(&mut class, &file);
            schema.class = class;
        }
        schema
    }

    fn file(&self, path: &str) -> Value {
        let text = std::fs::read(self.root.join(path)).unwrap_or_else(|e| panic!("{path} is not vendored: {e}"));
        serde_json::from_slice(&text).unwrap()
    }

    /// Lays a file over what is there.
    fn extend(&self, over: &mut Resolved, file: &Value) {
        let attributes = file["attributes"].as_object().unwrap();
        if let Some(included) = attributes.get("$include") {
            for path in included.as_array().unwrap() {
                let profile = self.file(path.as_str().unwrap());
                let name = profile["name"].clone();
                for (key, value) in profile["attributes"].as_object().unwrap() {
                    let attribute = over
                        .attributes
                        .entry(key.clone())
                        .or_insert_with(|| Map::from_iter([("profile".to_owned(), name.clone())]));
                    lay(attribute, value.as_object().unwrap());
                }
            }
        }
        for (key, value) in attributes.iter().filter(|(key, _)| !key.starts_with('$')) {
            lay(over.attributes.entry(key.clone()).or_default(), value.as_object().unwrap());
        }
        if let Some(constraints) = file.get("constraints") {
            over.constraints = constraints.as_object().unwrap().clone();
        }
    }

    fn object(&self, name: &str) -> Resolved {
        if let Some(known) = self.objects.borrow().get(name) {
            return known.clone();
        }
        let file = self.file(&format!("objects/{name}.json"));
        let mut resolved = match file.get("extends") {
            Some(parent) => self.object(parent.as_str().unwrap()),
            None => Resolved::default(),
        };
        self.extend(&mut resolved, &file);
        self.objects.borrow_mut().insert(name.to_owned(), resolved.clone());
        resolved
    }

    /// Everything that is wrong with an event.
    pub(crate) fn faults(&self, event: &Value) -> Vec<String> {
        let mut faults = vec![];
        let Some(object) = event.as_object() else { return vec!["it is no object".to_owned()] };
        let profiles: BTreeSet<&str> =
            event["metadata"]["profiles"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        self.check(&self.class, object, "", &profiles, &mut faults);
        for (name, wanted) in [("category_uid", 6), ("class_uid", 6003)] {
            if event[name] != wanted {
                faults.push(format!("{name} is {}", event[name]));
            }
        }
        if event["type_uid"].as_i64() != event["activity_id"].as_i64().map(|id| 600_300 + id) {
            faults.push("type_uid is not of the class and the activity".to_owned());
        }
        faults
    }

    fn check(&self, of: &Resolved, object: &Object, at: &str, profiles: &BTreeSet<&str>, faults: &mut Vec<String>) {
        let counts = |attribute: &Object| match attribute.get("profile").and_then(Value::as_str) {
            Some(profile) => profiles.contains(profile),
            None => true,
        };
        for (name, attribute) in of.attributes.iter().filter(|(_, a)| counts(a)) {
            if attribute.get("requirement").and_then(Value::as_str) == Some("required") && !object.contains_key(name) {
                faults.push(format!("{at}/{name} is required"));
            }
        }
        for (name, value) in object {
            let at = format!("{at}/{name}");
            match of.attributes.get(name).filter(|a| counts(a)) {
                None => faults.push(format!("{at} is no attribute")),
                Some(attribute) => {
                    let mut whole = self.dictionary.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
                    lay(&mut whole, attribute);
                    self.attribute(&whole, value, object, &at, profiles, faults);
                }
            }
        }
        let present =
            |list: &Value| list.as_array().unwrap().iter().filter(|n| object.contains_key(n.as_str().unwrap())).count();
        for (kind, list) in &of.constraints {
            let holds = match kind.as_str() {
                "at_least_one" => present(list) > 0,
                "just_one" => present(list) == 1,
                other => panic!("the constraint {other} is not known here"),
            };
            if !holds {
                faults.push(format!("{at} does not have {kind} of {list}"));
            }
        }
    }

    fn attribute(
        &self,
        attribute: &Object,
        value: &Value,
        beside: &Object,
        at: &str,
        profiles: &BTreeSet<&str>,
        faults: &mut Vec<String>,
    ) {
        if attribute.contains_key("@deprecated") {
            faults.push(format!("{at} is deprecated"));
        }
        let kind = attribute["type"].as_str().unwrap();
        let many = attribute.get("is_array") == Some(&Value::Bool(true));
        let values = match value {
            Value::Array(values) if many => values.iter().collect(),
            _ if many => return faults.push(format!("{at} is no list")),
            one => vec![one],
        };
        for value in values {
            if self.types.contains_key(kind) {
                self.scalar(kind, value, at, faults);
            } else if kind == "object" {
                if !value.is_object() {
                    faults.push(format!("{at} is no object"));
                }
            } else {
                match value.as_object() {
                    Some(object) => self.check(&self.object(kind), object, at, profiles, faults),
                    None => faults.push(format!("{at} is no {kind}")),
                }
            }
            let Some(allowed) = attribute.get("enum").and_then(Value::as_object) else { continue };
            let id = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            // The enumerations of class and category are made of numbers that only the server of the schema puts in.
            if at != "/class_uid" && at != "/category_uid" {
                let Some(entry) = allowed.get(&id) else {
                    faults.push(format!("{at} is {id}, which is none of its values"));
                    continue;
                };
                let beside = attribute.get("sibling").and_then(Value::as_str).and_then(|name| beside.get(name));
                if id != "99" && beside.is_some_and(|text| *text != entry["caption"]) {
                    faults.push(format!("{at} is {id}, but beside it stands {}", beside.unwrap()));
                }
            }
        }
    }

    fn scalar(&self, kind: &str, value: &Value, at: &str, faults: &mut Vec<String>) {
        let definition = &self.types[kind];
        let base = definition.get("type").and_then(Value::as_str).unwrap_or(kind);
        let right = match base {
            "string_t" => value.is_string(),
            "integer_t" | "long_t" => value.is_i64() || value.is_u64(),
            "boolean_t" => value.is_boolean(),
            "float_t" => value.is_number(),
            "json_t" => true,
            other => panic!("the type {other} is not known here"),
        };
        if !right {
            return faults.push(format!("{at} is no {kind}: {value}"));
        }
        let Some(text) = value.as_str() else { return };
        if definition.get("max_len").and_then(Value::as_u64).is_some_and(|max| text.chars().count() as u64 > max) {
            faults.push(format!("{at} is longer than {kind} can be"));
        }
        match kind {
            "ip_t" if text.parse::<IpAddr>().is_err() => faults.push(format!("{at} is no address: {text}")),
            "email_t" | "url_t" | "mac_t" | "datetime_t" | "subnet_t" | "uuid_t" => {
                faults.push(format!("{at}: the form of {kind} is not checked here"));
            }
            _ => {}
        }
    }
}

/// Lays one description of an attribute over another; enumerations grow.
fn lay(under: &mut Object, over: &Object) {
    for (key, value) in over {
        match (under.get_mut(key), value) {
            (Some(Value::Object(old)), Value::Object(new)) if key == "enum" => old.extend(new.clone()),
            _ => {
                under.insert(key.clone(), value.clone());
            }
        }
    }
}
