//! Words of a question, cut by the same function as the text they are looked for in.
//! It must never cut on its own: whatever the Logstore's tokens are, a word is one of them or a pattern over one.

use innertrail_logstore::index::tokens;

use crate::ast::{Pattern, PatternPart};

/// One word of a question, in small letters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Word {
    /// This token.
    Exact(String),
    /// A token that fits.
    Glob(Vec<Piece>),
}

/// A piece of a word with wildcards.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Piece {
    /// These characters.
    Text(String),
    /// Any number of characters.
    Any,
    /// One character.
    One,
}

/// The words of a text without wildcards, each once.
pub fn of_text(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    for word in in_order(text) {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words
}

/// The words of a text without wildcards as they stand, for a phrase.
pub fn in_order(text: &str) -> Vec<Word> {
    tokens(text).map(|token| Word::Exact(token.into_owned())).collect()
}

/// The words of a text with wildcards. A wildcard stays inside its word; a star that is left alone between two
/// delimiters says nothing and is left out.
pub fn of_pattern(pattern: &Pattern) -> Vec<Word> {
    let [any, one] = stand_ins(pattern);
    let mut text = String::new();
    for part in &pattern.0 {
        match part {
            PatternPart::Text(part) => text.push_str(part),
            PatternPart::Any => text.push(any),
            PatternPart::One => text.push(one),
        }
    }
    let mut words = Vec::new();
    for token in tokens(&text) {
        let pieces = pieces(&token, any, one);
        let word = match pieces.as_slice() {
            [Piece::Any] => continue,
            [Piece::Text(text)] => Word::Exact(text.clone()),
            _ => Word::Glob(pieces),
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words
}

/// Two characters of the private use area that the pattern does not hold; they are no delimiters and have no case.
fn stand_ins(pattern: &Pattern) -> [char; 2] {
    let held = |c: char| pattern.0.iter().any(|p| matches!(p, PatternPart::Text(t) if t.contains(c)));
    let mut free = ('\u{e000}'..='\u{f8ff}').filter(|c| !held(*c));
    // A pattern has at most 64 characters, the area 6,400.
    [free.next().unwrap_or('\u{e000}'), free.next().unwrap_or('\u{e001}')]
}

fn pieces(token: &str, any: char, one: char) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    for c in token.chars() {
        if c != any && c != one {
            text.push(c);
            continue;
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut text)));
        }
        pieces.push(if c == any { Piece::Any } else { Piece::One });
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    pieces
}

impl Word {
    /// Whether the token, in small letters, is this word.
    #[inline]
    #[must_use]
    pub fn is(&self, token: &str) -> bool {
        match self {
            Self::Exact(text) => text == token,
            Self::Glob(pieces) => fits(pieces, token),
        }
    }
}

/// The usual walk with one place to go back to, so that its time is at most pieces times characters.
fn fits(pieces: &[Piece], token: &str) -> bool {
    let (mut at, mut rest) = (0, token);
    let mut retry: Option<(usize, &str)> = None;
    loop {
        let step = match pieces.get(at) {
            Some(Piece::Any) => {
                retry = Some((at, rest));
                Some(rest)
            }
            Some(Piece::Text(text)) => rest.strip_prefix(text.as_str()),
            Some(Piece::One) => after_one(rest),
            None if rest.is_empty() => return true,
            None => None,
        };
        match step {
            Some(left) => {
                at += 1;
                rest = left;
            }
            None => {
                // The last star takes one character more.
                let Some((star, from)) = retry else { return false };
                let Some(left) = after_one(from) else { return false };
                retry = Some((star, left));
                at = star + 1;
                rest = left;
            }
        }
    }
}

fn after_one(text: &str) -> Option<&str> {
    let mut chars = text.chars();
    chars.next()?;
    Some(chars.as_str())
}
