//! Strings of JSON: unescaping them.
//!
//! Unescaping never fails, because the scanner has checked the grammar: a lone surrogate, which JSON allows and
//! UTF-8 does not, becomes U+FFFD.

use crate::event::special::byte_masks;

/// The text of a string's content (without its quotes).
pub fn unescape(content: &[u8]) -> String {
    // What an escape stands for is never longer than itself. Whole chunks are copied whatever is in them, and escapes are
    // written over: JSON in a string has one every few bytes, and a call to copy so few costs more than the bytes.
    let mut out = vec![0; content.len()];
    let (mut at, mut end) = (0, 0);
    while let Some(chunk) = content.get(at..).and_then(<[u8]>::first_chunk::<16>) {
        let Some(room) = out.get_mut(end..).and_then(<[u8]>::first_chunk_mut::<16>) else { break };
        *room = *chunk;
        let clean = (byte_masks(chunk, 0, [b'\\'])[0].trailing_zeros() as usize).min(16);
        (at, end) = (at + clean, end + clean);
        if clean < 16 {
            (at, end) = escape(content, at, &mut out, end);
        }
    }
    while let Some(byte) = content.get(at) {
        if *byte == b'\\' {
            (at, end) = escape(content, at, &mut out, end);
        } else {
            (at, end) = (at + 1, put(&mut out, end, &[*byte]));
        }
    }
    out.truncate(end);
    String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

/// Writes what the escape at `at` stands for; gives the places behind both.
#[inline(always)]
fn escape(content: &[u8], at: usize, out: &mut [u8], end: usize) -> (usize, usize) {
    let plain = match content.get(at + 1) {
        Some(b'u') => return unicode(content, at, out, end),
        Some(b'b') => 0x08,
        Some(b'f') => 0x0c,
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(other) => *other,
        None => return (content.len(), end),
    };
    (at + 2, put(out, end, &[plain]))
}

/// Writes bytes and gives the place behind them.
#[inline(always)]
fn put(out: &mut [u8], end: usize, bytes: &[u8]) -> usize {
    if let Some(room) = out.get_mut(end..end + bytes.len()) {
        room.copy_from_slice(bytes);
    }
    end + bytes.len()
}

#[inline(never)]
fn unicode(content: &[u8], at: usize, out: &mut [u8], end: usize) -> (usize, usize) {
    let text = content.get(at..).unwrap_or_default();
    let Some(first) = hex(text) else { return (content.len(), end) };
    let (code, used) = match (first, hex(&text[6..])) {
        (0xd800..=0xdbff, Some(second @ 0xdc00..=0xdfff)) => {
            (0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00), 12)
        }
        _ => (first, 6),
    };
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    (at + used, put(out, end, character.encode_utf8(&mut [0; 4]).as_bytes()))
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
