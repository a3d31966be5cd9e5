//! YAML as a tree in which every key and value knows its line and column. JSON is read as the YAML that it is.
//! It must never follow an alias or let a later key replace an earlier one, and depth and size are bounded.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::Value as Json;

use crate::fault::{Flaw, Position, did_you_mean, escaped, shown};

/// Deepest nesting that is read.
const MAX_DEPTH: usize = 48;

/// Largest text that is read, bytes.
pub(crate) const MAX_BYTES: usize = 1 << 20;

/// A value and where it begins.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) at: Position,
    pub(crate) value: Value,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// Text of any style; only `plain` text may mean null, a boolean or a number.
    Scalar { text: String, style: Style },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in the order of the file, without duplicates.
    Map(Vec<(Key, Node)>),
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Quoted,
    /// Over several lines: places within it are not known.
    Block,
}

/// A key and where it begins.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) at: Position,
}

impl Node {
    /// The value of `key`, when this is a mapping that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|(_, value)| value)
    }

    /// The key and its value.
    pub(crate) fn entry(&self, key: &str) -> Option<&(Key, Node)> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(k, _)| k.name == key),
            _ => None,
        }
    }

    /// The entries of a mapping.
    pub(crate) fn map(&self, what: &str) -> Result<&[(Key, Node)], Flaw> {
        match &self.value {
            Value::Map(entries) => Ok(entries),
            _ => Err(Flaw::new(self.at, format!("{what} has to be a mapping"))),
        }
    }

    /// The text of a scalar that is not null.
    pub(crate) fn text(&self, what: &str) -> Result<&str, Flaw> {
        match &self.value {
            Value::Scalar { text, style } if *style != Style::Plain || !is_null(text) => Ok(text),
            _ => Err(Flaw::new(self.at, format!("{what} has to be a text"))),
        }
    }

    /// The text of a required key.
    pub(crate) fn required(&self, key: &str, what: &str) -> Result<&str, Flaw> {
        match self.get(key) {
            Some(node) => {
                let text = node.text(&format!("`{key}`"))?;
                if text.trim().is_empty() { Err(Flaw::new(node.at, format!("`{key}` is empty"))) } else { Ok(text) }
            }
            None => Err(Flaw::new(self.at, format!("{what} has no `{key}`"))),
        }
    }

    /// One text, or a list of them.
    pub(crate) fn texts(&self, what: &str) -> Result<Vec<(Position, &str)>, Flaw> {
        match &self.value {
            Value::List(items) => items.iter().map(|item| Ok((item.at, item.text(what)?))).collect(),
            _ => Ok(vec![(self.at, self.text(what)?)]),
        }
    }

    /// Refuses keys that are not in the list.
    pub(crate) fn only(&self, what: &str, keys: &[&str]) -> Result<(), Flaw> {
        for (key, _) in self.map(what)? {
            if !keys.contains(&key.name.as_str()) {
                let meant = did_you_mean(&key.name, keys.iter().copied());
                let message = format!("{what} has no key {}{meant}", shown(&key.name));
                return Err(Flaw::new(key.at, message));
            }
        }
        Ok(())
    }

    /// The same as JSON.
    pub(crate) fn json(&self) -> Json {
        match &self.value {
            Value::List(items) => Json::Array(items.iter().map(Self::json).collect()),
            Value::Map(entries) => {
                Json::Object(entries.iter().map(|(key, value)| (key.name.clone(), value.json())).collect())
            }
            Value::Scalar { text, style: Style::Plain } => plain(text),
            Value::Scalar { text, .. } => Json::String(text.clone()),
        }
    }

    /// The place of the character `offset` of a scalar, as well as it is known.
    pub(crate) fn within(&self, offset: usize) -> Position {
        match &self.value {
            Value::Scalar { style: Style::Block, .. } => self.at,
            Value::Scalar { style, .. } => {
                let quote = usize::from(*style == Style::Quoted);
                Position { line: self.at.line, column: self.at.column + quote + offset }
            }
            _ => self.at,
        }
    }
}

/// What plain text means.
pub(crate) fn plain(text: &str) -> Json {
    match text {
        _ if is_null(text) => Json::Null,
        "true" | "True" | "TRUE" => Json::Bool(true),
        "false" | "False" | "FALSE" => Json::Bool(false),
        _ => match text.parse::<serde_json::Number>() {
            Ok(number) => Json::Number(number),
            Err(_) => Json::String(text.to_owned()),
        },
    }
}

pub(crate) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// The documents of a text.
pub(crate) fn parse(text: &str) -> Result<Vec<Node>, Flaw> {
    if text.len() > MAX_BYTES {
        return Err(Flaw::new(Position::START, format!("larger than {MAX_BYTES} bytes; is this a rule?")));
    }
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text.strip_prefix('\u{feff}').unwrap_or(text)) {
        match event {
            Ok((event, span)) => builder.take(event, span)?,
            Err(error) => {
                let marker = error.marker();
                let at = Position { line: marker.line().max(1), column: marker.col() + 1 };
                let message = format!("not valid YAML: {}; check indentation and quotes", escaped(error.info()));
                return Err(Flaw::new(at, message));
            }
        }
    }
    Ok(builder.documents)
}

/// A collection that is not closed yet.
struct Open {
    at: Position,
    /// A list has its elements under empty keys.
    is_map: bool,
    entries: Vec<(Key, Node)>,
    key: Option<Key>,
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    documents: Vec<Node>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Flaw> {
        let at = Position { line: span.start.line().max(1), column: span.start.col() + 1 };
        match event {
            Event::Alias(_) => Err(Flaw::new(at, "aliases are not followed; write the value out")),
            Event::Scalar(text, style, _, _) => {
                let style = match style {
                    _ if span.end.line() > span.start.line() => Style::Block,
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
                    _ => Style::Block,
                };
                self.put(Node { at, value: Value::Scalar { text: text.into_owned(), style } })
            }
            Event::SequenceStart(..) => self.begin(at, false),
            Event::MappingStart(..) => self.begin(at, true),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(open) => {
                    let value = match open.is_map {
                        true => Value::Map(open.entries),
                        false => Value::List(open.entries.into_iter().map(|(_, item)| item).collect()),
                    };
                    self.put(Node { at: open.at, value })
                }
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn begin(&mut self, at: Position, is_map: bool) -> Result<(), Flaw> {
        if self.open.len() >= MAX_DEPTH {
            return Err(Flaw::new(at, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.open.push(Open { at, is_map, entries: Vec::new(), key: None });
        Ok(())
    }

    fn put(&mut self, node: Node) -> Result<(), Flaw> {
        let Some(open) = self.open.last_mut() else {
            self.documents.push(node);
            return Ok(());
        };
        if !open.is_map {
            open.entries.push((Key { name: String::new(), at: node.at }, node));
            return Ok(());
        }
        if let Some(key) = open.key.take() {
            open.entries.push((key, node));
            return Ok(());
        }
        let Value::Scalar { text, .. } = node.value else {
            return Err(Flaw::new(node.at, "a key has to be a text"));
        };
        if let Some((first, _)) = open.entries.iter().find(|(key, _)| key.name == text) {
            let message = format!("the key {} is given twice, first on line {}", shown(&text), first.at.line);
            return Err(Flaw::new(node.at, message));
        }
        open.key = Some(Key { name: text, at: node.at });
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_value_knows_its_place() {
        let documents = parse("a: 1\nb:\n  - x\n  - 'y z'\n---\n{\"c\": null}\n").unwrap();
        assert_eq!(documents.len(), 2);
        let Value::List(items) = &documents[0].get("b").unwrap().value else { panic!("no list") };
        assert_eq!(items[1].at, Position { line: 4, column: 5 });
        assert_eq!(items[1].within(2), Position { line: 4, column: 8 });
        assert_eq!(documents[1].json(), serde_json::json!({ "c": null }));
    }

    #[test]
    fn what_is_ambiguous_is_refused_with_its_place() {
        let table = [
            ("a: 1\na: 2\n", 2, 1, "twice"),
            ("a: &x 1\nb: *x\n", 2, 4, "aliases"),
            ("a: [1\n", 2, 1, "not valid YAML"),
            ("{[1]: 2}", 1, 2, "a key has to be a text"),
        ];
        for (text, line, column, word) in table {
            let flaw = parse(text).unwrap_err();
            assert_eq!(flaw.at, Position { line, column }, "{text}");
            assert!(flaw.message.contains(word), "{}", flaw.message);
        }
        assert!(parse(&"[".repeat(100)).unwrap_err().message.contains("deeper"));
    }

    #[test]
    fn plain_text_has_a_type_and_quoted_text_has_none() {
        let node = &parse("[1, '1', true, 'true', ~, '', 1e3, x]").unwrap()[0];
        assert_eq!(node.json(), serde_json::json!([1, "1", true, "true", null, "", 1000.0, "x"]));
    }
}
