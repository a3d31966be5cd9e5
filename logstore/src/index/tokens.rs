//! Cutting text into lower-cased tokens. Index, search and matching use this one function.
//! It must never cut a text differently from a part of it that begins and ends at a delimiter.
//!
//! Delimiters are those that Log Service uses when nothing else is configured: `, '";=()[]{}?@&<>/:` with line feed, tab
//! and carriage return. Added to them are the backslash (it is in the text for an escape, or as a path's separator),
//! the other control characters, blanks and punctuation beyond ASCII, and the replacement character (it stands
//! for bytes that were no text). Each Chinese ideograph and each kana is a token of its own, whatever stands beside it.
//! Both only cut finer than Log Service does: what meets there as a whole token, meets here as all of its pieces.
//!
//! ASCII is lower-cased as such, everything else by Unicode's simple or full mapping, character by character.

use std::borrow::Cow;

/// What a character is for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Part of a token.
    Part,
    /// Between tokens.
    End,
    /// A token by itself.
    Alone,
    /// (Bytes only.) Not ASCII, the character has to be looked at.
    Wide,
}

/// Whether an ASCII byte stands between tokens. Written without branches, so that loops over it use wide registers.
pub(super) const fn is_delimiter(byte: u8) -> bool {
    (byte <= b' ')
        | (byte == b'"')
        | (byte.wrapping_sub(b'&') <= b')' - b'&')
        | (byte == b',')
        | (byte == b'/')
        | (byte.wrapping_sub(b':') <= b'@' - b':')
        | (byte.wrapping_sub(b'[') <= b']' - b'[')
        | (byte == b'{')
        | (byte == b'}')
        | (byte == 0x7f)
}

const KINDS: [Kind; 256] = {
    let mut kinds = [Kind::Wide; 256];
    let mut byte = 0u8;
    while byte < 0x80 {
        kinds[byte as usize] = if is_delimiter(byte) { Kind::End } else { Kind::Part };
        byte += 1;
    }
    kinds
};

fn kind(c: char) -> Kind {
    match c {
        '\0'..='\x7f' => KINDS[c as usize],
        // Iteration mark, closing mark and the numeral zero of Chinese stand among punctuation.
        '\u{3005}'..='\u{3007}'
        | '\u{3040}'..='\u{30ff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}' => Kind::Alone,
        '\u{80}'..='\u{a0}'
        | '\u{2000}'..='\u{206f}'
        | '\u{3000}'..='\u{303f}'
        | '\u{ff01}'..='\u{ff0f}'
        | '\u{ff1a}'..='\u{ff20}'
        | '\u{ff3b}'..='\u{ff40}'
        | '\u{ff5b}'..='\u{ff65}'
        | '\u{feff}'
        | '\u{fffd}' => Kind::End,
        _ => Kind::Part,
    }
}

/// The tokens of a text, lower-cased, in the order in which they stand; see [`tokens`].
#[derive(Debug, Clone)]
pub struct Tokens<'a> {
    rest: &'a str,
}

/// The lower-cased tokens of `text`, in order, with repetitions. Tokens of any length stay whole.
///
/// `,` blank `'";=()[]{}?@&<>/:` line feed, tab, carriage return, backslash, other control characters, and blanks and
/// punctuation beyond ASCII separate tokens; an ideograph or kana is a token of its own. A token's tokens are itself.
///
/// ```
/// use innertrail_logstore::index::tokens;
/// let found: Vec<_> = tokens(r#"{"eventName":"PutObject","by":"é 订单.gz"}"#).collect();
/// assert_eq!(found, ["eventname", "putobject", "by", "é", "订", "单", ".gz"]);
/// ```
#[must_use]
pub fn tokens(text: &str) -> Tokens<'_> {
    Tokens { rest: text }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Cow<'a, str>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = find(self.rest, |k| k != Kind::End)?;
        let text = &self.rest[start..];
        let first = text.chars().next()?;
        let end = if kind(first) == Kind::Alone {
            first.len_utf8()
        } else {
            find(text, |k| k != Kind::Part).unwrap_or(text.len())
        };
        let (token, rest) = text.split_at(end);
        self.rest = rest;
        Some(lower(token))
    }
}

/// Where the first character stands whose kind is wanted.
fn find(text: &str, wanted: impl Fn(Kind) -> bool) -> Option<usize> {
    let bytes = text.as_bytes();
    let stop = |&b: &u8| KINDS[usize::from(b)] == Kind::Wide || wanted(KINDS[usize::from(b)]);
    let ascii = bytes.iter().position(stop)?;
    if bytes[ascii] < 0x80 {
        return Some(ascii);
    }
    // From the first character beyond ASCII on, character by character.
    text[ascii..].char_indices().find(|(_, c)| wanted(kind(*c))).map(|(at, _)| ascii + at)
}

fn lower(token: &str) -> Cow<'_, str> {
    if token.is_ascii() {
        if token.bytes().any(|b| b.is_ascii_uppercase()) {
            return Cow::Owned(token.to_ascii_lowercase());
        }
        return Cow::Borrowed(token);
    }
    // By character: `str::to_lowercase` looks at the neighbours of a final sigma, so it would not be the same for a part.
    let lowered: String = token.chars().flat_map(char::to_lowercase).collect();
    if lowered == token { Cow::Borrowed(token) } else { Cow::Owned(lowered) }
}

/// Whether replacing JSON escapes could change the tokens of `text`: the escapes of quote, backslash and slash cannot,
/// because they and what they stand for are delimiters.
pub(super) fn has_escapes(text: &[u8]) -> bool {
    // Looking for one byte is faster than looking for two, and many events have none. The other loop has no way out
    // in the middle, so that it looks at many bytes at once.
    text.contains(&b'\\') && text.iter().zip(&text[1..]).fold(0, |found, (&a, &b)| found | begins_escape(a, b)) != 0
}

fn begins_escape(a: u8, b: u8) -> u8 {
    let letter = (b == b'b') | (b == b'f') | (b == b'n') | (b == b'r') | (b == b't') | (b == b'u');
    u8::from(a == b'\\') & u8::from(letter)
}

/// Appends `text` to `out` with its JSON escapes replaced, wherever they stand. What is no escape stays.
pub(super) fn unescape(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|&b| b == b'\\') {
        out.extend_from_slice(&rest[..at]);
        let (decoded, len) = escape(&rest[at..]);
        let mut utf8 = [0; 4];
        out.extend_from_slice(decoded.encode_utf8(&mut utf8).as_bytes());
        rest = &rest[at + len..];
    }
    out.extend_from_slice(rest);
}

/// What the escape at the start of `text` stands for, and its length; a backslash that begins none is itself.
fn escape(text: &[u8]) -> (char, usize) {
    match text.get(1) {
        Some(b'b' | b'f' | b'n' | b'r' | b't') => ('\n', 2),
        Some(b'"') => ('"', 2),
        Some(b'/') => ('/', 2),
        Some(b'\\') => ('\\', 2),
        Some(b'u') => match (unit(text), unit(text.get(6..).unwrap_or_default())) {
            (Some(high @ 0xd800..0xdc00), Some(low @ 0xdc00..0xe000)) => {
                let c = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                (char::from_u32(c).unwrap_or(char::REPLACEMENT_CHARACTER), 12)
            }
            (Some(unit), _) => (char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER), 6),
            (None, _) => ('\\', 1),
        },
        _ => ('\\', 1),
    }
}

/// The code unit of `\uXXXX` at the start of `text`.
fn unit(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"\\u")?.first_chunk::<4>()?;
    digits.iter().try_fold(0, |n, &d| Some(n << 4 | char::from(d).to_digit(16)?))
}
