//! A configuration file of Vector as a tree in which every key and value knows its place, whatever it was written in.
//!
//! Reads what Vector reads: YAML with aliases, TOML, JSON, told apart by the ending. It must never judge what it reads,
//! and an alias may not make a small file large.

mod json;
mod toml;
mod yaml;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::config::{Position, nearest, printable};

/// Largest file that is read. Vector has no bound; the largest configurations seen are a few hundred KB.
pub(super) const MAX_FILE_BYTES: u64 = 16 << 20;

/// Most values of one file, aliases written out.
const MAX_NODES: usize = 1_000_000;

/// Deepest nesting that is read.
const MAX_DEPTH: usize = 64;

/// A value and where it begins.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) at: Position,
    pub(super) value: Value,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Text, or a number or time as it is written.
    Text(String),
    Bool(bool),
    Null,
    List(Vec<Node>),
    /// In the order of the file.
    Map(Vec<(Key, Node)>),
}

/// A key and where it begins.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) at: Position,
}

impl Node {
    /// The value of `key`, when this is a mapping that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(k, _)| k.name == key).map(|(_, value)| value)
    }

    /// The value at a dotted path of keys.
    pub(super) fn at_path(&self, path: &str) -> Option<&Node> {
        path.split('.').try_fold(self, |node, key| node.get(key))
    }

    /// The entries, when this is a mapping.
    pub(super) fn entries(&self) -> &[(Key, Node)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The elements of a list; anything else is a list of one.
    pub(super) fn elements(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            Value::Null => &[],
            _ => std::slice::from_ref(self),
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn bool(&self) -> Option<bool> {
        match self.value {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// Visits every text at or below, values and keys.
    pub(super) fn texts(&self, visit: &mut dyn FnMut(Position, &str)) {
        match &self.value {
            Value::Text(text) => visit(self.at, text),
            Value::List(items) => items.iter().for_each(|item| item.texts(visit)),
            Value::Map(entries) => {
                for (key, value) in entries {
                    visit(key.at, &key.name);
                    value.texts(visit);
                }
            }
            Value::Bool(_) | Value::Null => {}
        }
    }
}

/// Why a file cannot be read: exit code 2.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It cannot be opened or read.
    #[error("{}: cannot read it: {source}; name the files that Vector reads", shown(file))]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// It is a folder, is too large, or has an ending that says nothing.
    #[error("{}: {why}", shown(file))]
    Unfit {
        /// The file.
        file: PathBuf,
        /// What is wrong and what to do.
        why: String,
    },
    /// Its text is not what its ending says, or not what Vector could take.
    #[error("{}:{}:{}: {why}", shown(file), at.line, at.column)]
    Damaged {
        /// The file.
        file: PathBuf,
        /// Where.
        at: Position,
        /// What is wrong and what to do.
        why: String,
    },
    /// An option names a component that is not there.
    #[error("{option} {}: no {kind} of that name in these files{hint}", crate::config::shown(name))]
    NoSuch {
        /// The option.
        option: &'static str,
        /// `sink` or `source`.
        kind: &'static str,
        /// What was given.
        name: String,
        /// The nearest name, as part of a sentence.
        hint: String,
    },
}

impl ReadError {
    pub(super) fn no_such<'a>(
        option: &'static str,
        kind: &'static str,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let hint = nearest(name, known).map(|n| format!("; did you mean {}?", crate::config::shown(n)));
        Self::NoSuch { option, kind, name: name.to_owned(), hint: hint.unwrap_or_default() }
    }
}

/// The path, printable.
pub(super) fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

/// A fault of the text, before the file is known.
pub(super) type Fault = (Position, String);

/// Reads one file.
pub(super) fn read(file: &Path) -> Result<Node, ReadError> {
    let unfit = |why: String| ReadError::Unfit { file: file.to_owned(), why };
    let unreadable = |source| ReadError::Unreadable { file: file.to_owned(), source };
    let parse: fn(&str) -> Result<Node, Fault> = match file.extension().and_then(|e| e.to_str()) {
        Some("yaml" | "yml") => yaml::parse,
        Some("toml") => toml::parse,
        Some("json") => json::parse,
        _ => return Err(unfit("its name does not end in .yaml, .yml, .toml or .json, so it is not read".to_owned())),
    };
    if fs::metadata(file).map_err(unreadable)?.is_dir() {
        return Err(unfit("a folder; name its files".to_owned()));
    }
    let mut bytes = Vec::new();
    fs::File::open(file).and_then(|f| f.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(unfit(format!("larger than {MAX_FILE_BYTES} bytes, so it is not read")));
    }
    let damaged = |(at, why): Fault| ReadError::Damaged { file: file.to_owned(), at, why };
    let text = std::str::from_utf8(&bytes)
        .map_err(|e| damaged((place(&bytes, e.valid_up_to()), "not UTF-8 from here on".to_owned())))?;
    let root = parse(text.strip_prefix('\u{feff}').unwrap_or(text)).map_err(damaged)?;
    match root.value {
        Value::Map(_) => Ok(root),
        Value::Null => Ok(Node { at: root.at, value: Value::Map(Vec::new()) }),
        _ => Err(damaged((root.at, "not a configuration of Vector: the file has to be a mapping".to_owned()))),
    }
}

/// A file's content, for tests.
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) fn of_yaml(text: &str) -> Node {
    yaml::parse(text).unwrap()
}

/// Line and column of a byte offset.
fn place(bytes: &[u8], offset: usize) -> Position {
    let before = &bytes[..offset.min(bytes.len())];
    let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let column = String::from_utf8_lossy(&before[line_start..]).chars().count() + 1;
    Position { line: before.iter().filter(|b| **b == b'\n').count() + 1, column }
}

/// Places of many offsets of one text, each found in logarithmic time.
struct Places<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Places<'a> {
    fn new(text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, starts }
    }

    fn of(&self, offset: usize) -> Position {
        let offset = offset.min(self.text.len());
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts[line - 1];
        let column = self.text.get(start..offset).map_or(1, |before| before.chars().count() + 1);
        Position { line, column }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A value without places, to compare the three languages.
    fn plain(node: &Node) -> String {
        match &node.value {
            Value::Text(text) => format!("{text:?}"),
            Value::Bool(value) => value.to_string(),
            Value::Null => "null".to_owned(),
            Value::List(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(",")),
            Value::Map(entries) => {
                let told: Vec<String> = entries.iter().map(|(k, v)| format!("{}:{}", k.name, plain(v))).collect();
                format!("{{{}}}", told.join(","))
            }
        }
    }

    #[test]
    fn the_same_in_three_languages() {
        let yaml = "a: {b: [x, \"y\\u00e9\", 1], c: true}\nd:\n  e: null\n";
        let json = "{\"a\":{\"b\":[\"x\",\"y\\u00e9\",1],\"c\":true},\n \"d\":{\"e\":null}}";
        let toml = "[a]\nb = [\"x\", \"yé\", 1]\nc = true\n[d]\n";
        let expected = "{a:{b:[\"x\",\"yé\",\"1\"],c:true},d:{e:null}}";
        assert_eq!(plain(&yaml::parse(yaml).unwrap()), expected);
        assert_eq!(plain(&json::parse(json).unwrap()), expected);
        assert_eq!(plain(&toml::parse(toml).unwrap()), expected.replace("e:null", ""));
    }

    #[test]
    fn values_know_their_places() {
        let at = |node: &Node| (node.at.line, node.at.column);
        for (name, node) in [
            ("yaml", yaml::parse("a:\n  é: [x, y]\n").unwrap()),
            ("json", json::parse("{\"a\":\n {\"é\": [\"x\", \"y\"]}}").unwrap()),
        ] {
            let list = node.at_path("a.é").unwrap();
            assert_eq!(list.elements()[1].at.line, 2, "{name}");
        }
        let toml = toml::parse("[a]\nx = 1\ny = [\n 2,\n 3]\n").unwrap();
        assert_eq!(at(&toml.at_path("a.y").unwrap().elements()[1]), (5, 2));
        let json = json::parse("{\"é\":  \"x\"}").unwrap();
        assert_eq!((at(json.get("é").unwrap()), json.entries()[0].0.at.column), ((1, 8), 2));
    }

    #[test]
    fn aliases_are_followed_and_bombs_are_not() {
        let node = yaml::parse("a: &x [p, q]\nb: *x\n").unwrap();
        assert_eq!(plain(&node), "{a:[\"p\",\"q\"],b:[\"p\",\"q\"]}");
        let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in b'b'..=b'j' {
            let (this, before) = (level as char, (level - 1) as char);
            let ten = vec![format!("*{before}"); 10].join(", ");
            bomb.push_str(&format!("{this}: &{this} [{ten}]\n"));
        }
        assert!(yaml::parse(&bomb).unwrap_err().1.contains("aliases"));
        assert!(yaml::parse("a: *nowhere\n").is_err());
        assert!(yaml::parse(&"[".repeat(5000)).is_err());
        assert!(json::parse(&"[".repeat(5000)).is_err());
        assert!(toml::parse(&format!("a = {}", "[".repeat(5000))).is_err());
    }
}
