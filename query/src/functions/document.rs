//! JSON texts by place: checked once, then walked by their bytes, so that a number keeps its digits.
//! It must never turn a number into a float, and never recurse over what a log holds.

use serde::de::IgnoredAny;

use super::scalar::quoted;

/// The longest JSON text that is looked into, in bytes; as long as the longest row of the Logstore.
const DOCUMENT_BYTES: usize = 32 * 1024 * 1024;
/// The most steps of a path.
const STEPS: usize = 64;

/// One step of a path.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// `$.a.b[0]` or `$["a"]`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Path(Vec<Step>);

impl Path {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let bad = |why: &str| {
            format!("the path {} cannot be used: {why}; write for example $.a.b[0] or $[\"a\"]", quoted(text))
        };
        let mut rest = text.trim().strip_prefix('$').ok_or_else(|| bad("it does not begin with $"))?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if steps.len() == STEPS {
                return Err(bad("it has too many steps"));
            }
            let (step, after) = if let Some(after) = rest.strip_prefix('.') {
                let end = after.find(['.', '[']).unwrap_or(after.len());
                (Step::Key(after[..end].to_owned()), &after[end..])
            } else if let Some(after) = rest.strip_prefix('[') {
                subscript(after).ok_or_else(|| bad("a subscript is no number and no quoted name"))?
            } else {
                return Err(bad("a step begins with neither . nor ["));
            };
            if matches!(&step, Step::Key(key) if key.is_empty() || key == "*") {
                return Err(bad("wildcards and .. are not there"));
            }
            steps.push(step);
            rest = after;
        }
        Ok(Self(steps))
    }
}

fn subscript(text: &str) -> Option<(Step, &str)> {
    for quote in ['"', '\''] {
        if let Some(name) = text.strip_prefix(quote) {
            let end = name.find(quote)?;
            return Some((Step::Key(name[..end].to_owned()), name[end + 1..].strip_prefix(']')?));
        }
    }
    let (number, after) = text.split_once(']')?;
    Some((Step::Index(number.trim().parse().ok()?), after))
}

/// A piece of JSON that is known to be well-formed, without blanks around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Json<'a>(&'a str);

impl<'a> Json<'a> {
    /// `None` when the text is not one JSON value.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        if text.len() > DOCUMENT_BYTES || serde_json::from_str::<IgnoredAny>(text).is_err() {
            return None;
        }
        Some(Self(text.trim_matches([' ', '\t', '\n', '\r'])))
    }

    fn first(self) -> u8 {
        self.0.as_bytes().first().copied().unwrap_or(b'n')
    }

    pub(super) fn is_null(self) -> bool {
        self.first() == b'n'
    }

    pub(super) fn is_list(self) -> bool {
        self.first() == b'['
    }

    pub(super) fn is_object(self) -> bool {
        self.first() == b'{'
    }

    /// The value at the path.
    pub(super) fn at(self, path: &Path) -> Option<Self> {
        path.0.iter().try_fold(self, |json, step| match step {
            // The last of several equal keys, as everywhere in the Logstore.
            Step::Key(key) => {
                json.members().filter(|(name, _)| name.text().as_deref() == Some(key)).last().map(|m| m.1)
            }
            Step::Index(at) => json.elements().nth(*at),
        })
    }

    /// A text without its quotes, a number or truth value as written; `None` for null, objects and lists.
    pub(super) fn scalar(self) -> Option<String> {
        match self.first() {
            b'"' => self.text(),
            b'{' | b'[' | b'n' => None,
            _ => Some(self.0.to_owned()),
        }
    }

    fn text(self) -> Option<String> {
        let inner = self.0.strip_prefix('"')?.strip_suffix('"')?;
        if !inner.contains('\\') {
            return Some(inner.to_owned());
        }
        // Half a surrogate pair is good JSON but no text; it stays as it is written.
        Some(serde_json::from_str(self.0).unwrap_or_else(|_| inner.to_owned()))
    }

    /// The value without blanks between its parts; everything else as written.
    pub(super) fn compact(self) -> String {
        let mut out = String::with_capacity(self.0.len());
        let (mut quoted, mut escaped) = (false, false);
        for c in self.0.chars() {
            if quoted {
                quoted = escaped || c != '"';
                escaped = !escaped && c == '\\';
            } else if c.is_ascii_whitespace() {
                continue;
            } else {
                quoted = c == '"';
            }
            out.push(c);
        }
        out
    }

    /// The values of a list; nothing for anything else.
    pub(super) fn elements(self) -> impl Iterator<Item = Self> {
        let mut parts = Parts::new(self, self.is_list());
        std::iter::from_fn(move || parts.value())
    }

    /// The keys and values of an object; nothing for anything else.
    pub(super) fn members(self) -> impl Iterator<Item = (Self, Self)> {
        let mut parts = Parts::new(self, self.is_object());
        std::iter::from_fn(move || Some((parts.value()?, parts.value()?)))
    }
}

/// Walks the values directly inside a list or object.
struct Parts<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parts<'a> {
    fn new(json: Json<'a>, inside: bool) -> Self {
        Self { text: json.0, at: if inside { 1 } else { json.0.len() } }
    }

    fn value(&mut self) -> Option<Json<'a>> {
        let bytes = self.text.as_bytes();
        while matches!(bytes.get(self.at)?, b',' | b':' | b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        if matches!(bytes[self.at], b']' | b'}') {
            return None;
        }
        let from = self.at;
        self.at = end_of_value(bytes, from);
        self.text.get(from..self.at).map(Json)
    }
}

/// Where the value that begins at `from` ends. The text is known to be well-formed.
fn end_of_value(bytes: &[u8], from: usize) -> usize {
    let (mut at, mut depth) = (from, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = end_of_text(bytes, at);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => return at,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' if depth == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

fn end_of_text(bytes: &[u8], from: usize) -> usize {
    let mut at = from + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}
