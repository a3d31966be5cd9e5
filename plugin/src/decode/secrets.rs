//! Finds the values whose keys are watched, wherever they stand: in the event, and in JSON that hides in its strings.
//!
//! Finding is part of the one pass over the text; masking is the redact room's. It must find a watched key however it
//! is written: in any case, with escapes, and in JSON inside a string inside JSON.

use memchr::{memchr, memmem};

use super::scan::{MAX_DEPTH, Scanner, Token, TokenKind, Watch};
use super::text::unescape;

/// Strings in strings are followed this deep; a string that goes deeper is masked whole.
pub const MAX_STRINGS: usize = 8;

/// The key names whose values are masked, compared without regard to ASCII case.
#[derive(Debug, Clone)]
pub struct WatchList {
    names: Vec<Vec<u8>>,
    /// For each length, which first letters names of that length have: nearly every other key is told apart by it.
    firsts: [u32; 64],
}

impl Default for WatchList {
    fn default() -> Self {
        Self { names: Vec::new(), firsts: [0; 64] }
    }
}

/// One bit a letter, in either case; one for all that is no letter.
#[inline(always)]
fn first_bit(byte: u8) -> u32 {
    let letter = (byte | 0x20).wrapping_sub(b'a');
    1 << if letter < 26 { letter } else { 31 }
}

impl WatchList {
    /// A list of these names. Names longer than 63 bytes cannot be watched and are refused by the configuration.
    pub fn new<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let names: Vec<Vec<u8>> = names.into_iter().map(|n| n.to_ascii_lowercase().into_bytes()).collect();
        let mut firsts = [0; 64];
        for name in names.iter().filter(|n| n.len() < 64) {
            firsts[name.len()] |= name.first().map_or(0, |first| first_bit(*first));
        }
        Self { names, firsts }
    }

    /// Whether this key (as it stands, escapes and all) is on the list.
    #[inline(always)]
    pub fn contains(&self, key: &[u8], escaped: bool) -> bool {
        if escaped {
            return self.has(unescape(key).as_bytes());
        }
        self.has(key)
    }

    #[inline(always)]
    fn has(&self, key: &[u8]) -> bool {
        let Some(first) = key.first() else { return false };
        self.firsts.get(key.len()).is_some_and(|letters| letters & first_bit(*first) != 0)
            && self.names.iter().any(|n| n.eq_ignore_ascii_case(key))
    }

    /// Whether a string with escapes may hold a watched key. What stands between two quotes is looked at as it is,
    /// without unescaping; only escapes that can spell letters and quotes otherwise need the long way.
    pub fn hides_in(&self, content: &[u8]) -> bool {
        if memmem::find(content, b"\\u").is_some() && self.hides_spelt(content) {
            return true;
        }
        let mut rest = content;
        let mut begun = false;
        while let Some(at) = memchr(b'"', rest) {
            let end = rest[..at].iter().rposition(|b| *b != b'\\').map_or(0, |last| last + 1);
            if begun && self.has(&rest[..end]) {
                return true;
            }
            begun = true;
            rest = &rest[at + 1..];
        }
        false
    }

    fn hides_spelt(&self, content: &[u8]) -> bool {
        let mut text = unescape(content);
        for _ in 0..MAX_STRINGS {
            if text.split('"').any(|part| self.has(part.trim_end_matches('\\').as_bytes())) {
                return true;
            }
            if !text.contains("\\u") {
                return false;
            }
            text = unescape(text.as_bytes());
        }
        true
    }
}

/// What was found.
#[derive(Debug)]
pub struct Secrets<'w> {
    list: &'w WatchList,
    /// Values under watched keys.
    pub values: Vec<Token>,
    /// Strings that hold a watched key.
    pub texts: Vec<Token>,
}

impl<'w> Secrets<'w> {
    /// Nothing found yet.
    pub fn new(list: &'w WatchList) -> Self {
        Self { list, values: Vec::new(), texts: Vec::new() }
    }

    /// Looks through one JSON text. `None`: it is no JSON.
    pub fn in_text(list: &'w WatchList, text: &[u8]) -> Option<Self> {
        let mut secrets = Self::new(list);
        let mut scanner = Scanner::new(text, 0, MAX_DEPTH);
        scanner.value(0, &mut secrets).ok()?;
        scanner.peek();
        (scanner.pos == text.len()).then_some(secrets)
    }
}

impl Watch for Secrets<'_> {
    #[inline(always)]
    fn key(&mut self, text: &[u8], key: Token) -> bool {
        self.list.contains(key.of(text), key.kind == TokenKind::Escaped)
    }

    fn value(&mut self, _: &[u8], value: Token) {
        self.values.push(value);
    }

    fn escaped(&mut self, text: &[u8], value: Token) {
        if self.list.hides_in(value.of(text)) {
            self.texts.push(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The request's parameters come twice, the second time as JSON in a string. A secret that is masked in the one
    /// and left in the other is not masked.
    #[test]
    fn finds_watched_keys_in_json_inside_a_string() {
        let list = WatchList::new(["accessKeySecret"]);
        assert!(list.hides_in(br#"{\"a\":1,\"AccessKeySecret\":\"s\"}"#));
        assert!(list.hides_in(br#"{\\\"a\\\":1,\\\"AccessKeySecret\\\":\\\"s\\\"}"#));
        assert!(list.hides_in(br#"{\u0022accessKeySecret\u0022:\u0022s\u0022}"#));
        assert!(list.hides_in(br#"{\"\\u0061ccessKeySecret\":\"s\"}"#));
        assert!(!list.hides_in(br#"{\"a\":\"accessKey Secret\"}"#));
        assert!(list.contains(b"accesskeysecret", false));
        assert!(list.contains(br"\u0061ccessKeySecret", true));
    }
}
