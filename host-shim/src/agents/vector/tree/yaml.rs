//! YAML with places, and with aliases followed, as Vector follows them.
//!
//! An alias is a copy, so the copies are counted and bounded.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::{Fault, Key, MAX_DEPTH, MAX_NODES, Node, Value};
use crate::config::{Position, printable, shown};

pub(super) fn parse(text: &str) -> Result<Node, Fault> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => {
                builder.take(event, Position { line: span.start.line().max(1), column: span.start.col() + 1 })?;
            }
            Err(error) => {
                let at = error.marker();
                let at = Position { line: at.line().max(1), column: at.col() + 1 };
                return Err((at, format!("not valid YAML: {}", printable(error.info()))));
            }
        }
    }
    Ok(builder.root.unwrap_or(Node { at: Position { line: 1, column: 1 }, value: Value::Null }))
}

/// A collection that is not closed yet.
struct Open {
    at: Position,
    anchor: usize,
    /// A list has its elements under empty keys.
    map: bool,
    entries: Vec<(Key, Node)>,
    key: Option<Key>,
    /// The line of each key.
    lines: HashMap<String, usize>,
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, at: Position) -> Result<(), Fault> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err((at, "a second document begins here; Vector reads one".to_owned()));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(&text, style == ScalarStyle::Plain && tag.is_none());
                return self.place(Node { at, value }, anchor);
            }
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor) else {
                    return Err((at, "an alias to something that does not end before it".to_owned()));
                };
                let (mut node, size) = (node.clone(), *size);
                self.count(size, at)?;
                node.at = at;
                return self.put(node);
            }
            Event::SequenceStart(anchor, _) => return self.begin(at, anchor, false),
            Event::MappingStart(anchor, _) => return self.begin(at, anchor, true),
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.open.pop() {
                    let value = match open.map {
                        true => Value::Map(open.entries),
                        false => Value::List(open.entries.into_iter().map(|(_, item)| item).collect()),
                    };
                    return self.place(Node { at: open.at, value }, open.anchor);
                }
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn begin(&mut self, at: Position, anchor: usize, map: bool) -> Result<(), Fault> {
        if self.open.len() >= MAX_DEPTH {
            return Err((at, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.open.push(Open { at, anchor, map, entries: Vec::new(), key: None, lines: HashMap::new() });
        Ok(())
    }

    fn count(&mut self, more: usize, at: Position) -> Result<(), Fault> {
        self.nodes += more;
        if self.nodes > MAX_NODES {
            return Err((at, format!("more than {MAX_NODES} values with all aliases written out")));
        }
        Ok(())
    }

    /// A finished node that stands here itself.
    fn place(&mut self, node: Node, anchor: usize) -> Result<(), Fault> {
        self.count(1, node.at)?;
        if anchor != 0 {
            let size = size(&node);
            self.count(size, node.at)?;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        self.put(node)
    }

    /// Puts a node where it belongs: the root, a list, or a mapping as its next key or value.
    fn put(&mut self, node: Node) -> Result<(), Fault> {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        if !open.map {
            open.entries.push((Key { name: String::new(), at: node.at }, node));
            return Ok(());
        }
        if let Some(key) = open.key.take() {
            open.entries.push((key, node));
            return Ok(());
        }
        let name = match node.value {
            Value::Text(name) => name,
            Value::Bool(value) => value.to_string(),
            Value::Null => "null".to_owned(),
            Value::List(_) | Value::Map(_) => return Err((node.at, "a key has to be text".to_owned())),
        };
        if let Some(line) = open.lines.insert(name.clone(), node.at.line) {
            return Err((node.at, format!("the key {} is given twice, first on line {line}", shown(&name))));
        }
        open.key = Some(Key { name, at: node.at });
        Ok(())
    }
}

fn size(node: &Node) -> usize {
    1 + match &node.value {
        Value::List(items) => items.iter().map(size).sum(),
        Value::Map(entries) => entries.iter().map(|(_, value)| size(value)).sum(),
        _ => 0,
    }
}

fn scalar(text: &str, plain: bool) -> Value {
    match text {
        _ if !plain => Value::Text(text.to_owned()),
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        other => Value::Text(other.to_owned()),
    }
}
