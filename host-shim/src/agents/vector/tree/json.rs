//! JSON with places. Whether it is JSON is `serde_json`'s to say; what passed is walked once more for the places.

use std::collections::HashMap;

use crate::config::{Position, shown};

use super::{Fault, Key, Node, Places, Value};

pub(super) fn parse(text: &str) -> Result<Node, Fault> {
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
        let at = Position { line: error.line().max(1), column: error.column().max(1) };
        let whole = error.to_string();
        let why = whole.split(" at line ").next().unwrap_or_default();
        return Err((at, format!("not valid JSON: {why}")));
    }
    let mut walk = Walk { text, next: 0, places: Places::new(text) };
    let root = walk.value().ok_or_else(|| (walk.places.of(walk.next), "cannot be read".to_owned()))?;
    match doubled(&root) {
        Some((key, first)) => {
            let why = format!("the key {} is given twice, first on line {first}", shown(&key.name));
            Err((key.at, why))
        }
        None => Ok(root),
    }
}

/// A key that stands twice in one object, and the line of the first. JSON has no rule for it: Vector takes the last, and
/// who reads the first judges something else.
fn doubled(node: &Node) -> Option<(&Key, usize)> {
    let mut lines = HashMap::new();
    let within = |node| doubled(node);
    let own = node.entries().iter().find_map(|(key, value)| match lines.insert(key.name.as_str(), key.at.line) {
        Some(first) => Some((key, first)),
        None => within(value),
    });
    own.or_else(|| if let Value::List(items) = &node.value { items.iter().find_map(within) } else { None })
}

/// A walk over text that is known to be JSON, so every `None` is a fault of this file.
struct Walk<'a> {
    text: &'a str,
    next: usize,
    places: Places<'a>,
}

impl Walk<'_> {
    fn value(&mut self) -> Option<Node> {
        self.blank();
        let at = self.places.of(self.next);
        let value = match *self.text.as_bytes().get(self.next)? {
            b'{' => Value::Map(self.map()?),
            b'[' => Value::List(self.list()?),
            b'"' => Value::Text(self.string()?),
            _ => match self.word() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                "null" => Value::Null,
                number => Value::Text(number.to_owned()),
            },
        };
        Some(Node { at, value })
    }

    fn map(&mut self) -> Option<Vec<(Key, Node)>> {
        let mut entries = Vec::new();
        self.next += 1;
        while !self.ends(b'}')? {
            let at = self.places.of(self.next);
            let key = Key { name: self.string()?, at };
            self.blank();
            self.next += 1;
            entries.push((key, self.value()?));
        }
        Some(entries)
    }

    fn list(&mut self) -> Option<Vec<Node>> {
        let mut items = Vec::new();
        self.next += 1;
        while !self.ends(b']')? {
            items.push(self.value()?);
        }
        Some(items)
    }

    /// Steps over what stands between two elements; true behind the last one.
    fn ends(&mut self, end: u8) -> Option<bool> {
        self.blank();
        if self.text.as_bytes().get(self.next) == Some(&b',') {
            self.next += 1;
            self.blank();
        }
        let ended = *self.text.as_bytes().get(self.next)? == end;
        self.next += usize::from(ended);
        Some(ended)
    }

    fn string(&mut self) -> Option<String> {
        let start = self.next;
        let bytes = self.text.as_bytes();
        let mut at = start + 1;
        while *bytes.get(at)? != b'"' {
            at += 1 + usize::from(bytes[at] == b'\\');
        }
        self.next = at + 1;
        serde_json::from_str(self.text.get(start..self.next)?).ok()
    }

    fn word(&mut self) -> &str {
        let rest = &self.text[self.next..];
        let len = rest.find([',', '}', ']', ' ', '\t', '\r', '\n']).unwrap_or(rest.len());
        self.next += len;
        &rest[..len]
    }

    fn blank(&mut self) {
        let rest = &self.text[self.next..];
        self.next += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    }
}
