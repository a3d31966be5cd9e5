//! One YAML document as a tree in which every key and value knows its line and column.
//!
//! Must never follow an alias, apply a tag, or let a later key replace an earlier one: what is written once is
//! what counts. Depth is bounded here, the size of the file by the caller.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::error::{Finding, Position, printable, shown};

/// Deepest nesting that is read. The options need four levels.
const MAX_DEPTH: usize = 32;

/// A value and where it begins.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) position: Position,
    pub(super) value: Value,
}

/// The environment variable that text came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Variable {
    pub(super) name: String,
    /// Whether the value was this variable and nothing else.
    pub(super) whole: bool,
}

/// What a value is, before anyone says what it should be.
#[derive(Debug)]
pub(super) enum Value {
    /// Text of any style. Only `plain` text may turn out to be null, a boolean or a number; so may text that was
    /// wholly one variable. Text with a `variable` in it is never shown.
    Scalar { text: String, plain: bool, variable: Option<Variable> },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in the order of the file, without duplicates.
    Map(Vec<(Key, Node)>),
    /// Reported already; nothing more is said about it.
    Invalid,
}

/// A key and where it begins.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) position: Position,
}

impl Node {
    /// The value of `key`, when this is a mapping that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(k, _)| k.name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The text, when this is a scalar.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }
}

/// Reads the document in `text`. What is wrong is added to `findings`; `None` when there is no tree to go on with.
pub(super) fn parse(text: &str, findings: &mut Vec<Finding>) -> Option<Node> {
    let mut builder = Builder { open: Vec::new(), root: None, documents: 0, findings };
    for event in Parser::new_from_str(text.strip_prefix('\u{feff}').unwrap_or(text)) {
        match event {
            Ok((event, span)) => {
                if !builder.take(event, position(span)) {
                    return None;
                }
            }
            Err(error) => {
                let at = error.marker();
                let position = Position { line: at.line().max(1), column: at.col() + 1 };
                builder.report(
                    position,
                    &format!("not valid YAML: {}", printable(error.info())),
                    "check indentation and quotes",
                );
                return None;
            }
        }
    }
    builder.finish()
}

fn position(span: Span) -> Position {
    Position { line: span.start.line().max(1), column: span.start.col() + 1 }
}

/// A collection that is not closed yet.
enum Open {
    List(Position, Vec<Node>),
    Map {
        position: Position,
        entries: Vec<(Key, Node)>,
        lines: HashMap<String, usize>,
        key: Option<Key>,
        duplicate: bool,
    },
}

struct Builder<'f> {
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    findings: &'f mut Vec<Finding>,
}

impl Builder<'_> {
    fn report(&mut self, position: Position, message: &str, help: &str) {
        let (message, help) = (message.to_owned(), Some(help.to_owned()));
        self.findings.push(Finding { position, path: String::new(), message, help });
    }

    /// Takes one event; false when it makes no sense to read on.
    fn take(&mut self, event: Event<'_>, position: Position) -> bool {
        match event {
            Event::DocumentStart(_) => return self.document(position),
            Event::Scalar(text, style, anchor, tag) => {
                self.plainness(anchor, tag.is_some(), position);
                let plain = style == ScalarStyle::Plain;
                self.place(Node { position, value: Value::Scalar { text: text.into_owned(), plain, variable: None } });
            }
            Event::Alias(_) => {
                self.report(position, "an alias (`*name`) is not read here", "write the value out");
                self.place(Node { position, value: Value::Invalid });
            }
            Event::SequenceStart(anchor, tag) => {
                self.plainness(anchor, tag.is_some(), position);
                return self.nest(Open::List(position, Vec::new()), position);
            }
            Event::MappingStart(anchor, tag) => {
                self.plainness(anchor, tag.is_some(), position);
                let (entries, lines) = (Vec::new(), HashMap::new());
                return self.nest(Open::Map { position, entries, lines, key: None, duplicate: false }, position);
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        true
    }

    fn document(&mut self, position: Position) -> bool {
        self.documents += 1;
        if self.documents > 1 {
            self.report(position, "a second document begins here", "keep one document, without another `---`");
        }
        self.documents == 1
    }

    /// Refuses anchors and tags: with them a value is no longer what it looks like.
    fn plainness(&mut self, anchor: usize, tagged: bool, position: Position) {
        if anchor != 0 {
            self.report(
                position,
                "an anchor (`&name`) is not read here",
                "remove it and write the value out where it is needed",
            );
        }
        if tagged {
            self.report(position, "a tag (`!name`) is not read here", "remove it; quotes make text of a number");
        }
    }

    fn nest(&mut self, open: Open, position: Position) -> bool {
        if self.open.len() >= MAX_DEPTH {
            self.report(position, &format!("nested deeper than {MAX_DEPTH} levels"), "no option is nested that deep");
            return false;
        }
        self.open.push(open);
        true
    }

    fn close(&mut self) {
        match self.open.pop() {
            Some(Open::List(position, items)) => self.place(Node { position, value: Value::List(items) }),
            Some(Open::Map { position, entries, .. }) => self.place(Node { position, value: Value::Map(entries) }),
            None => {}
        }
    }

    /// Puts a finished value where it belongs: the root, a list, or a mapping as its next key or value.
    fn place(&mut self, node: Node) {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List(_, items)) => items.push(node),
            Some(Open::Map { key: key @ None, lines, duplicate, .. }) => {
                let position = node.position;
                let Value::Scalar { text: name, .. } = node.value else {
                    *key = Some(Key { name: String::new(), position });
                    *duplicate = true;
                    return self.report(position, "a key must be text", "write `key: value`");
                };
                let first = lines.get(&name).copied();
                *duplicate = first.is_some();
                lines.entry(name.clone()).or_insert(position.line);
                *key = Some(Key { name: name.clone(), position });
                if let Some(line) = first {
                    let message = format!("the key {} is given twice, first on line {line}", shown(&name));
                    self.report(position, &message, "keep one of them");
                }
            }
            Some(Open::Map { key, entries, duplicate, .. }) => {
                if let (Some(key), false) = (key.take(), *duplicate) {
                    entries.push((key, node));
                }
            }
        }
    }

    fn finish(self) -> Option<Node> {
        let empty = |node: &Node| matches!(&node.value, Value::Scalar { text, plain: true, .. } if text.is_empty());
        if self.root.as_ref().is_none_or(empty) {
            let position = Position { line: 1, column: 1 };
            let (message, help) =
                ("the file holds no options".to_owned(), Some("at least `trail:` is needed".to_owned()));
            self.findings.push(Finding { position, path: String::new(), message, help });
            return None;
        }
        self.root
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(text: &str) -> String {
        let mut findings = Vec::new();
        parse(text, &mut findings);
        findings.iter().map(|finding| format!("{finding}\n")).collect()
    }

    #[test]
    fn every_value_knows_its_place() {
        let mut findings = Vec::new();
        let root = parse("\u{feff}a: 1\nb:\n  - x\n  - {c: \"é\", d: y}\n", &mut findings).unwrap();
        assert!(findings.is_empty());
        let Value::List(items) = &root.get("b").unwrap().value else { panic!("not a list") };
        let at = |node: &Node| (node.position.line, node.position.column);
        assert_eq!(at(root.get("a").unwrap()), (1, 4));
        assert_eq!(at(&items[0]), (3, 5));
        assert_eq!(at(items[1].get("d").unwrap()), (4, 17));
        assert_eq!(items[1].get("c").unwrap().text(), Some("é"));
    }

    #[test]
    fn what_is_refused() {
        let told: String = [
            "",
            "# nothing\n",
            "---\n",
            "a: 1\na: 2\na: 3\n",
            "a: &x 1\nb: *x\n",
            "a: !!str 1\n",
            "a: 1\n---\nb: 2\n",
            "a: [1\nb: 2\n",
            "a: 'x\n",
            "a:\n\t- b\n",
            "? [a]\n: b\n",
            "a: b: c\n",
            "a: *nowhere\n",
            "{---",
            "[---",
        ]
        .iter()
        .map(|text| format!("{text:?}\n{}", told(text)))
        .collect();
        crate::config::tests::snapshot("what_is_refused", &told);
    }

    #[test]
    fn depth_is_bounded() {
        assert!(told(&"[".repeat(100_000)).contains("recursion limit exceeded"));
        assert!(told(&"[".repeat(100)).contains("nested deeper than 32 levels"));
        assert!(told(&"- ".repeat(100_000)).contains("nested deeper than 32 levels"));
        assert!(told(&"a: {".repeat(1000)).contains("nested deeper than 32 levels"));
        assert_eq!(told(&format!("{}x{}", "[".repeat(32), "]".repeat(32))), "");
    }

    #[test]
    fn an_alias_bomb_is_not_expanded() {
        let mut bomb = "a: &a [x, x]\n".to_owned();
        for level in b'b'..=b'z' {
            let (this, before) = (level as char, (level - 1) as char);
            bomb.push_str(&format!("{this}: &{this} [*{before}, *{before}]\n"));
        }
        assert_eq!(told(&bomb).lines().count(), 26 + 25 * 2);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn no_text_panics(text in "[a-c:\\-?{}\\[\\]&*!|>%@`'\"# \\t\\n\\r,~é.\u{feff}]{0,60}") {
            told(&text);
        }
    }
}
