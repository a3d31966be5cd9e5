//! Strings of JSON: unescaping them.
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
        (0xd800..=0xdbff, Some(second @ 0xdc00..=0xdfff)) => {
            (0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00), 12)
        }
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
}
