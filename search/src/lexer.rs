//! Search text to lexemes with their places, and back to text that gives the same lexemes.
//! It must never look behind the first `|` outside of quotes: what follows is SQL.

use crate::ast::{Comparison, PatternPart};
use crate::fault::SearchFault;
use crate::{Error, Position};

pub(crate) const WILDCARD_ANY: char = '*';
pub(crate) const WILDCARD_ONE: char = '?';

/// Words that Log Service keeps for the analysis part. `group` counts only in front of `by`.
const RESERVED: [&str; 8] = ["sort", "asc", "desc", "avg", "sum", "min", "max", "limit"];
/// Bare words with a meaning of their own at the start of a text, or between terms.
const OPERATORS: [&str; 4] = ["and", "or", "not", "in"];
/// Words that would make a text SQL, or look as if.
pub const STATEMENTS: [&str; 14] = [
    "select", "with", "insert", "update", "delete", "merge", "truncate", "create", "drop", "alter", "copy", "set",
    "show", "explain",
];

/// One sign or word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sign {
    /// A bare word; `plain` when it has neither escape nor wildcard.
    Word {
        parts: Vec<PatternPart>,
        plain: bool,
    },
    Quoted(String),
    /// `#"…"`.
    Phrase(String),
    Colon,
    Open,
    Close,
    OpenBracket,
    CloseBracket,
    Compare(Comparison),
}

/// A sign with the bytes of the text that it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lexeme {
    pub(crate) sign: Sign,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// All lexemes in front of the first `|`, and where that stands.
pub(crate) fn lex(text: &str) -> Result<(Vec<Lexeme>, Option<usize>), Error> {
    let mut lexemes = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        if c == '|' {
            return Ok((lexemes, Some(at)));
        }
        if is_blank(c) {
            at += c.len_utf8();
            continue;
        }
        let (sign, len) = sign(&text[at..]).map_err(|fault| error(text, at, fault))?;
        lexemes.push(Lexeme { sign, start: at, end: at + len });
        at += len;
    }
    Ok((lexemes, None))
}

/// Blanks, and the mark that some editors put at the start of a file.
pub fn is_blank(c: char) -> bool {
    c.is_whitespace() || c == '\u{feff}'
}

fn ends_word(c: char) -> bool {
    is_blank(c) || matches!(c, '(' | ')' | '[' | ']' | '"' | ':' | '|' | '<' | '>' | '=')
}

/// The sign at the start of `rest`, which is not empty, and its length in bytes.
fn sign(rest: &str) -> Result<(Sign, usize), SearchFault> {
    let one = |sign| Ok((sign, 1));
    match rest.as_bytes() {
        [b'(', ..] => one(Sign::Open),
        [b')', ..] => one(Sign::Close),
        [b'[', ..] => one(Sign::OpenBracket),
        [b']', ..] => one(Sign::CloseBracket),
        [b':', ..] => one(Sign::Colon),
        [b'=', ..] => one(Sign::Compare(Comparison::Equal)),
        [b'>', b'=', ..] => Ok((Sign::Compare(Comparison::AtLeast), 2)),
        [b'<', b'=', ..] => Ok((Sign::Compare(Comparison::AtMost), 2)),
        [b'>', ..] => one(Sign::Compare(Comparison::Greater)),
        [b'<', ..] => one(Sign::Compare(Comparison::Less)),
        [b'"', ..] => unquote(&rest[1..]).map(|(text, len)| (Sign::Quoted(text), len + 1)),
        [b'#', b'"', ..] => unquote(&rest[2..]).map(|(text, len)| (Sign::Phrase(text), len + 2)),
        _ => Ok(word(rest)),
    }
}

/// What stands up to the closing quote, and the length with it. A backslash before a quote or a backslash is an
/// escape; before anything else it is itself.
fn unquote(rest: &str) -> Result<(String, usize), SearchFault> {
    let mut text = String::new();
    let mut chars = rest.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((text, at + 1)),
            '\\' => match chars.next_if(|(_, next)| matches!(next, '"' | '\\')) {
                Some((_, escaped)) => text.push(escaped),
                None => text.push('\\'),
            },
            _ => text.push(c),
        }
    }
    Err(SearchFault::Unclosed { what: "the quote" })
}

/// A bare word: a backslash takes the meaning from the character behind it.
fn word(rest: &str) -> (Sign, usize) {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut plain = true;
    let mut end = rest.len();
    let mut chars = rest.char_indices();
    while let Some((at, c)) = chars.next() {
        let wildcard = match c {
            '\\' => {
                plain = false;
                text.push(chars.next().map_or('\\', |(_, escaped)| escaped));
                continue;
            }
            _ if ends_word(c) => {
                end = at;
                break;
            }
            WILDCARD_ANY => PatternPart::Any,
            WILDCARD_ONE => PatternPart::One,
            _ => {
                text.push(c);
                continue;
            }
        };
        plain = false;
        if !text.is_empty() {
            parts.push(PatternPart::Text(std::mem::take(&mut text)));
        }
        // Two stars say what one says.
        if wildcard != PatternPart::Any || parts.last() != Some(&PatternPart::Any) {
            parts.push(wildcard);
        }
    }
    if !text.is_empty() {
        parts.push(PatternPart::Text(text));
    }
    (Sign::Word { parts, plain }, end)
}

impl Lexeme {
    /// Characters of a bare word as it is meant: the backslashes in front of them do not count, so that a word and its normal form,
    /// which has more of them, are equally long. None for other signs: quoted texts have bounds of their own.
    pub(crate) fn chars(&self) -> usize {
        let Sign::Word { parts, .. } = &self.sign else { return 0 };
        let length = |part: &PatternPart| if let PatternPart::Text(text) = part { text.chars().count() } else { 1 };
        parts.iter().map(length).sum()
    }

    /// The word, if it is bare and has neither escape nor wildcard.
    pub(crate) fn plain_word(&self) -> Option<&str> {
        match &self.sign {
            Sign::Word { parts, plain: true } => match parts.as_slice() {
                [PatternPart::Text(text)] => Some(text),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether it is this bare word, in any case.
    pub(crate) fn is(&self, word: &str) -> bool {
        self.plain_word().is_some_and(|w| w.eq_ignore_ascii_case(word))
    }

    /// Whether it is a bare word that joins terms.
    pub(crate) fn is_operator(&self) -> bool {
        self.plain_word().is_some_and(|w| w == "in" || OPERATORS[..3].iter().any(|o| w.eq_ignore_ascii_case(o)))
    }

    /// Whether it is a bare word that must be quoted.
    pub(crate) fn is_reserved(&self) -> bool {
        self.plain_word().is_some_and(|w| RESERVED.iter().any(|r| w.eq_ignore_ascii_case(r)))
    }
}

/// The error for a fault at a byte of the text.
pub fn error(text: &str, byte: usize, fault: SearchFault) -> Error {
    Error::Fault { fault, at: place(text, byte) }
}

/// Line and column of a byte.
pub(crate) fn place(text: &str, byte: usize) -> Position {
    let before = &text[..byte];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.bytes().filter(|&b| b == b'\n').count() as u64 + 1;
    Position { line, column: before[line_start..].chars().count() as u64 + 1 }
}

/// `text` in quotes.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// `text` as a part of a bare word.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if ends_word(c) || matches!(c, '\\' | '#' | WILDCARD_ANY | WILDCARD_ONE) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A word as it is best written: bare where that is safe.
pub(crate) fn spelled_word(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().is_some_and(|c| c.is_alphanumeric() || c == '_');
    let safe = first && chars.all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '@'));
    let words = RESERVED.iter().chain(&OPERATORS).chain(&STATEMENTS).chain(&["group"]);
    let taken = words.copied().any(|w| text.eq_ignore_ascii_case(w));
    let short = text.chars().count() <= crate::MAX_TERM_CHARS;
    if safe && short && !taken { text.to_owned() } else { quoted(text) }
}

/// A field name as it is best written.
pub(crate) fn spelled_field(name: &str) -> String {
    match name.strip_prefix(crate::TAG_PREFIX) {
        Some(tag) if !tag.is_empty() => format!("{}{}", crate::TAG_PREFIX, spelled_word(tag)),
        // In quotes it is neither the short form of `__source__` nor the beginning of a tag.
        _ if name == crate::SOURCE_SHORT || name == crate::TAG => quoted(name),
        _ => spelled_word(name),
    }
}
