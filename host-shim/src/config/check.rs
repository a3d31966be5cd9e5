//! Holds a YAML tree against the JSON Schema and gives the values that pass, as JSON.
//!
//! Reports all findings, not the first. Must never guess: a value of the wrong type is refused, not converted,
//! except text that was wholly one environment variable, which has no type of its own.

use serde_json::{Map, Value as Json};

use super::dedicated;
use super::error::{Finding, Position, nearest, shown};
use super::pattern;
use super::secrets;
use super::yaml::{Key, Node, Value, Variable};

/// The checked values of `root` and everything that is wrong with it. Values with a finding are left out.
pub(super) fn check(schema: &Json, root: &Node, findings: &mut Vec<Finding>) -> Json {
    let dedicated = dedicated::name(root);
    let mut checker = Checker { schema, dedicated, path: Vec::new(), findings };
    let values = checker.value(schema, root).unwrap_or(Json::Null);
    checker.no_second_writer(root);
    values
}

struct Checker<'a> {
    schema: &'a Json,
    /// Name of the dedicated Logstore, when the file gives a trail.
    dedicated: Option<String>,
    path: Vec<String>,
    findings: &'a mut Vec<Finding>,
}

impl<'a> Checker<'a> {
    fn report(&mut self, position: Position, message: String, help: Option<String>) {
        self.findings.push(Finding { position, path: self.path.join("."), message, help });
    }

    /// A sink that is addressed to the dedicated Logstore would be a second writer of it.
    fn no_second_writer(&mut self, root: &Node) {
        let (Some(sinks), Some(name)) = (root.get("sinks"), self.dedicated.clone()) else { return };
        self.path = vec!["sinks".to_owned()];
        for position in dedicated::addressed(sinks, &name) {
            let (message, help) = dedicated::second_writer("sinks", &name);
            self.report(position, message, Some(help));
        }
        self.path.clear();
    }

    /// The option being looked at, as messages name it.
    fn here(&self) -> String {
        if self.path.is_empty() { "the configuration".to_owned() } else { shown(&self.path.join(".")) }
    }

    fn value(&mut self, schema: &'a Json, node: &Node) -> Option<Json> {
        if matches!(node.value, Value::Invalid) {
            return None;
        }
        let schema = self.resolve(schema);
        if let Some(variants) = schema["oneOf"].as_array() {
            return match tag(variants) {
                Some(tag) => self.tagged(variants, tag, node),
                None => self.choice(variants, node),
            };
        }
        if allows_null(schema) && is_written_null(node) {
            return Some(Json::Null);
        }
        match type_of(schema) {
            "object" => self.mapping(schema, node),
            "array" => self.list(schema, node),
            "integer" => self.integer(schema, node),
            "boolean" => self.boolean(node),
            _ => self.text(schema, node),
        }
    }

    /// Follows `$ref` into `$defs`. The generator never nests references, so one step is enough.
    fn resolve(&self, schema: &'a Json) -> &'a Json {
        let pointer = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
        pointer.and_then(|pointer| self.schema.pointer(pointer)).unwrap_or(schema)
    }

    fn expected(&mut self, expected: &str, node: &Node, help: Option<String>) -> Option<Json> {
        let message = format!("{}: expected {expected}, found {}", self.here(), found(node));
        let help = match &node.value {
            Value::Scalar { text, plain: true, .. } if is_null(text) => {
                Some("give a value, or remove the key".to_owned())
            }
            Value::Scalar { variable: Some(variable), .. } if !variable.whole => {
                help.or_else(|| Some("only a variable that stands alone can be more than text".to_owned()))
            }
            _ => help,
        };
        self.report(node.position, message, help);
        None
    }

    fn mapping(&mut self, schema: &'a Json, node: &Node) -> Option<Json> {
        let Value::Map(entries) = &node.value else {
            return self.expected("a mapping (`key: value` lines)", node, None);
        };
        let (mut out, mut meant) = (Map::new(), Vec::new());
        for (key, value) in entries {
            let option = match self.option(schema, key, value) {
                Ok(option) => option,
                Err(nearest) => {
                    meant.extend(nearest);
                    continue;
                }
            };
            self.path.push(key.name.clone());
            if let Some(value) = self.value(option, value) {
                out.insert(key.name.clone(), value);
            }
            self.path.pop();
        }
        for name in strings(&schema["required"]).filter(|name| node.get(name).is_none() && !meant.contains(name)) {
            let message = format!("{} lacks `{name}`", self.here());
            self.report(node.position, message, Some(format!("add `{name}:`")));
        }
        // The root is kept even so: the rest of the file is judged by it.
        let complete = self.path.is_empty() || strings(&schema["required"]).all(|name| out.contains_key(name));
        complete.then_some(Json::Object(out))
    }

    /// The schema of the option `key`. A key that is none is reported; the error is the option that was meant.
    fn option(&mut self, schema: &'a Json, key: &Key, value: &Node) -> Result<&'a Json, Option<&'a str>> {
        if let Some(option) = schema["properties"].get(&key.name) {
            return Ok(option);
        }
        self.path.push(key.name.clone());
        let option = match &schema["additionalProperties"] {
            names @ Json::Object(_) => {
                let what = format!("a name in `{}`", self.path.first().map_or("the configuration", String::as_str));
                let fits = self.fits(&what, &schema["propertyNames"], &key.name, key.position, false);
                fits.then_some(names).ok_or(None)
            }
            _ => Err(self.unknown(schema, key, value)),
        };
        self.path.pop();
        option
    }

    fn unknown(&mut self, schema: &'a Json, key: &Key, value: &Node) -> Option<&'a str> {
        let at = self.path.join(".");
        let mut meant = None;
        if let Some((message, help)) = dedicated::refused(&at) {
            self.report(key.position, message.to_owned(), Some(help.to_owned()));
        } else if let Some((message, help)) = secrets::refused(&at, &key.name) {
            self.report(key.position, message, Some(help.to_owned()));
        } else {
            let options: Vec<&str> =
                schema["properties"].as_object().into_iter().flatten().map(|(k, _)| k.as_str()).collect();
            meant = nearest(&key.name, options.iter().copied());
            let help = match meant {
                Some(option) => format!("did you mean `{option}`?"),
                None => format!("there are: {}", options.join(", ")),
            };
            self.report(key.position, format!("unknown option {}", shown(&at)), Some(help));
        }
        let name = self.dedicated.clone().filter(|_| !at.starts_with("sinks")).unwrap_or_default();
        for position in dedicated::mentions(value, &name) {
            let (message, help) = dedicated::second_writer(&at, &name);
            self.report(position, message, Some(help));
        }
        meant
    }

    fn tagged(&mut self, variants: &'a [Json], tag: &str, node: &Node) -> Option<Json> {
        let names: Vec<&str> =
            variants.iter().filter_map(|variant| variant["properties"][tag]["const"].as_str()).collect();
        if names.contains(&"environment") && matches!(node.value, Value::Scalar { .. }) {
            // Whoever writes a text where a secret's place is wanted has written the secret.
            let message = format!("{}: expected where the secret is, found a text", self.here());
            let help = "take it out, and replace the secret if this file was shared; then write \
                        `{type: environment, variable: NAME}` or `{type: file, path: …}`";
            self.report(node.position, message, Some(help.to_owned()));
            return None;
        }
        let Value::Map(_) = &node.value else {
            return self.expected("a mapping (`key: value` lines)", node, None);
        };
        let Some(given) = node.get(tag) else {
            let message = format!("{} lacks `{tag}`", self.here());
            self.report(node.position, message, Some(format!("add `{tag}:`, one of: {}", names.join(", "))));
            return None;
        };
        let chosen = names.iter().position(|name| given.text() == Some(name));
        match chosen {
            Some(index) => self.mapping(&variants[index], node),
            None if matches!(given.value, Value::Invalid) => None,
            None => {
                self.path.push(tag.to_owned());
                self.no_such_choice(&names, given);
                self.path.pop();
                None
            }
        }
    }

    fn choice(&mut self, variants: &[Json], node: &Node) -> Option<Json> {
        let names: Vec<&str> = variants.iter().filter_map(|variant| variant["const"].as_str()).collect();
        match node.text().filter(|text| names.contains(text)) {
            Some(text) => Some(Json::from(text)),
            None => self.no_such_choice(&names, node),
        }
    }

    fn no_such_choice(&mut self, names: &[&str], node: &Node) -> Option<Json> {
        let meant = node.text().and_then(|text| nearest(text, names.iter().copied()));
        let help = meant.map(|name| format!("did you mean `{name}`?"));
        self.expected(&format!("one of: {}", names.join(", ")), node, help)
    }

    fn list(&mut self, schema: &'a Json, node: &Node) -> Option<Json> {
        let Value::List(items) = &node.value else {
            let help = node.text().map(|_| "put it in brackets: `[…]`".to_owned());
            return self.expected("a list", node, help);
        };
        let least = schema["minItems"].as_u64().unwrap_or(0);
        let most = schema["maxItems"].as_u64().unwrap_or(u64::MAX);
        let count = u64::try_from(items.len()).unwrap_or(u64::MAX);
        if count < least || count > most {
            let bound = if count < least { format!("{least} or more") } else { format!("{most} or fewer") };
            let message = format!("{}: expected {bound} entries, found {count}", self.here());
            self.report(node.position, message, None);
            return None;
        }
        let values: Vec<Option<Json>> = items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                self.path.push(index.to_string());
                let value = self.value(&schema["items"], item);
                self.path.pop();
                value
            })
            .collect();
        values.into_iter().collect::<Option<Vec<Json>>>().map(Json::Array)
    }

    fn integer(&mut self, schema: &Json, node: &Node) -> Option<Json> {
        let least = schema["minimum"].as_u64().unwrap_or(0);
        let most = schema["maximum"].as_u64().unwrap_or(u64::MAX);
        let digits = untyped(node).filter(|text| text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty());
        match digits.map(str::parse::<u64>) {
            Some(Ok(number)) if (least..=most).contains(&number) => Some(Json::from(number)),
            _ => {
                let help = integer_help(node);
                self.expected(&format!("a whole number from {least} to {most}"), node, help)
            }
        }
    }

    fn boolean(&mut self, node: &Node) -> Option<Json> {
        match untyped(node) {
            Some("true" | "True" | "TRUE") => Some(Json::Bool(true)),
            Some("false" | "False" | "FALSE") => Some(Json::Bool(false)),
            _ => self.expected("`true` or `false`", node, None),
        }
    }

    fn text(&mut self, schema: &Json, node: &Node) -> Option<Json> {
        let Value::Scalar { text, plain, variable } = &node.value else {
            return self.expected("text", node, None);
        };
        if *plain && looks_typed(text) {
            return self.expected("text", node, Some(format!("put it in quotes: `\"{text}\"`")));
        }
        let what = self.here();
        self.fits(&what, schema, text, node.position, variable.is_some()).then(|| Json::from(text.as_str()))
    }

    /// Whether `text` keeps the bounds of length and form; reports what it does not keep. `secret` text is not shown.
    fn fits(&mut self, what: &str, schema: &Json, text: &str, position: Position, secret: bool) -> bool {
        let given = match schema["pattern"].as_str() {
            _ if secret => "the value of the variable".to_owned(),
            // Where the name of a variable is wanted, what was given instead may be the key itself.
            Some(pattern::VARIABLE | pattern::URL) => "what is given there".to_owned(),
            _ => shown(text),
        };
        let least = schema["minLength"].as_u64().unwrap_or(0);
        let most = schema["maxLength"].as_u64().unwrap_or(u64::MAX);
        let length = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
        let mut problems = Vec::new();
        if length < least {
            problems.push(format!("{least} or more characters"));
        } else if length > most {
            problems.push(format!("{most} or fewer characters"));
        }
        problems.extend(schema["pattern"].as_str().and_then(|known| pattern::mismatch(known, text)).map(str::to_owned));
        if problems.is_empty() {
            return true;
        }
        let message = format!("{what}: {given} cannot be used, expected {}", problems.join("; also "));
        self.report(position, message, None);
        false
    }
}

/// The property by whose constant the variants are told apart.
fn tag(variants: &[Json]) -> Option<&str> {
    let properties = variants.first()?["properties"].as_object()?;
    properties.iter().find(|(_, schema)| schema.get("const").is_some()).map(|(name, _)| name.as_str())
}

fn strings(list: &Json) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Json::as_str)
}

/// The type a value must have, null aside.
fn type_of(schema: &Json) -> &str {
    let several = strings(&schema["type"]).find(|name| *name != "null");
    schema["type"].as_str().or(several).unwrap_or("string")
}

fn allows_null(schema: &Json) -> bool {
    strings(&schema["type"]).any(|name| name == "null")
}

/// A null someone wrote. A key without a value is more often a slip than a wish.
fn is_written_null(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar { text, plain: true, .. } if is_null(text) && !text.is_empty())
}

/// Text that may be a number or a boolean: plain, or wholly one variable.
fn untyped(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Scalar { text, plain, variable } => {
            (*plain || variable.as_ref().is_some_and(|variable| variable.whole)).then_some(text)
        }
        _ => None,
    }
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn is_boolean(text: &str) -> bool {
    matches!(text, "true" | "True" | "TRUE" | "false" | "False" | "FALSE")
}

/// Whether a YAML reader takes this plain text for a number: digits, signs, points, exponents, 0x and 0o. Only the
/// form is asked for; no value is made of it.
fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = |text: &str, radix| !text.is_empty() && text.chars().all(|c| c.is_digit(radix));
    matches!(unsigned, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN")
        || unsigned.strip_prefix("0x").is_some_and(|rest| digits(rest, 16))
        || unsigned.strip_prefix("0o").is_some_and(|rest| digits(rest, 8))
        || (unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') && unsigned.parse::<f64>().is_ok())
}

fn looks_typed(text: &str) -> bool {
    is_null(text) || is_boolean(text) || is_number(text)
}

fn integer_help(node: &Node) -> Option<String> {
    let Value::Scalar { text, plain, variable: None } = &node.value else { return None };
    if !plain && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some("remove the quotes".to_owned());
    }
    let plain: String = text.chars().filter(|c| !matches!(c, '_' | ',')).collect();
    if !plain.is_empty() && plain.bytes().all(|b| b.is_ascii_digit()) {
        return (plain != *text).then(|| format!("write it without separators: `{plain}`"));
    }
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    (unit.len() < text.len() && unit.starts_with(|c: char| c.is_ascii_alphabetic()))
        .then(|| "the unit is in the option's name; give the number alone".to_owned())
}

/// What stands there, for a message.
fn found(node: &Node) -> String {
    match &node.value {
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a mapping".to_owned(),
        Value::Invalid => "what was refused above".to_owned(),
        Value::Scalar { variable: Some(Variable { name, whole: true }), .. } => format!("the value of `${{{name}}}`"),
        Value::Scalar { variable: Some(Variable { name, .. }), .. } => format!("text with `${{{name}}}` in it"),
        Value::Scalar { text, plain: true, .. } if text.is_empty() => "no value".to_owned(),
        Value::Scalar { text, plain: true, .. } if is_null(text) => "null".to_owned(),
        Value::Scalar { text, plain: true, .. } if is_boolean(text) => format!("the boolean {}", shown(text)),
        Value::Scalar { text, plain: true, .. } if is_number(text) => format!("the number {}", shown(text)),
        Value::Scalar { text, .. } => format!("the text {}", shown(text)),
    }
}
