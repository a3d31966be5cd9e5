//! Strings of JSON: unescaping them, and finding watched keys in JSON that hides inside a string.
//!
//! Unescaping never fails, because the scanner has checked the grammar: a lone surrogate, which JSON allows and
//! UTF-8 does not, becomes U+FFFD.

use memchr::memchr;

/// The text of a string's content (without its quotes).
pub fn unescape(content: &[u8]) -> String {
    let mut out = Vec::with_capacity(content.len());
    let mut rest = content;
    while let Some(at) = memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = escape(&rest[at..], &mut out);
    }
    out.extend_from_slice(rest);
    String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

/// Writes what the escape at the start of `text` stands for; gives what is behind it.
fn escape<'a>(text: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let plain = match text.get(1) {
        Some(b'u') => return unicode(text, out),
        Some(b'b') => 0x08,
        Some(b'f') => 0x0c,
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(other) => *other,
        None => return &[],
    };
    out.push(plain);
    &text[2..]
}

fn unicode<'a>(text: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let Some(first) = hex(text) else { return &[] };
    let (code, used) = match (first, hex(&text[6..])) {
        (0xd800..=0xdbff, Some(second @ 0xdc00..=0xdfff)) => (0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00), 12),
        _ => (first, 6),
    };
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    &text[used..]
}

fn hex(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |sum, d| Some(sum << 4 | char::from(*d).to_digit(16)?))
}

/// The key names whose values are masked, compared without regard to ASCII case.
#[derive(Debug, Clone, Default)]
pub struct WatchList {
    names: Vec<Vec<u8>>,
    lengths: u64,
}

impl WatchList {
    /// A list of these names. Names longer than 63 bytes cannot be watched and are refused by the configuration.
    pub fn new<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let names: Vec<Vec<u8>> = names.into_iter().map(|n| n.to_ascii_lowercase().into_bytes()).collect();
        let lengths = names.iter().filter(|n| n.len() < 64).fold(0, |bits, n| bits | 1 << n.len());
        Self { names, lengths }
    }

    /// Whether this key (as it stands, escapes and all) is on the list.
    #[inline(always)]
    pub fn contains(&self, key: &[u8], escaped: bool) -> bool {
        if escaped {
            return self.has(unescape(key).as_bytes());
        }
        key.len() < 64 && self.lengths >> key.len() & 1 == 1 && self.has(key)
    }

    fn has(&self, key: &[u8]) -> bool {
        self.names.iter().any(|n| n.eq_ignore_ascii_case(key))
    }

    /// Whether a string with escapes may hold a watched key of a JSON object: the part between two escaped quotes
    /// is on the list. The content is looked at as it stands, without unescaping it.
    pub fn hides_in(&self, content: &[u8]) -> bool {
        let mut begin = None;
        let mut rest = 0;
        while let Some(at) = memchr(b'\\', &content[rest..]).map(|i| i + rest) {
            if content.get(at + 1) == Some(&b'u') && content.len() > at + 5 && self.maybe_hidden(content) {
                return true;
            }
            if content.get(at + 1) == Some(&b'"') {
                if begin.is_some_and(|b| self.contains(&content[b..at], false)) {
                    return true;
                }
                begin = Some(at + 2);
            }
            rest = (at + 2).min(content.len());
        }
        false
    }

    /// Escapes such as `\u0022` can hide quotes and letters: then only the unescaped text tells.
    fn maybe_hidden(&self, content: &[u8]) -> bool {
        let text = unescape(content);
        text.split('"').any(|part| self.has(part.trim_end_matches('\\').as_bytes()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn unescapes_like_serde_json(text in any::<String>()) {
            let encoded = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(unescape(&encoded.as_bytes()[1..encoded.len() - 1]), text);
        }
    }

    #[test]
    fn lone_surrogates_become_a_replacement() {
        assert_eq!(unescape(br"a\ud800b\ud83d\ude00\udc00"), "a\u{fffd}b\u{1f600}\u{fffd}");
    }

    /// The request's parameters come twice, the second time as JSON in a string. A secret that is masked in the one
    /// and left in the other is not masked.
    #[test]
    fn finds_watched_keys_in_json_inside_a_string() {
        let list = WatchList::new(["accessKeySecret"]);
        assert!(list.hides_in(br#"{\"a\":1,\"AccessKeySecret\":\"s\"}"#));
        assert!(list.hides_in(br#"{\u0022accessKeySecret\u0022:\u0022s\u0022}"#));
        assert!(!list.hides_in(br#"{\"a\":\"accessKey Secret\"}"#));
        assert!(list.contains(b"accesskeysecret", false));
        assert!(list.contains(br"\u0061ccessKeySecret", true));
    }
}
