//! Tells from a few words, and without decoding anything, that a text holds no operation log.
//!
//! It must never say no of a text in which the decode room finds one, however deep it stands in strings of JSON in strings
//! of JSON. Saying yes of an ordinary log costs time and nothing else.
//!
//! Why words are enough: each family asks for keys (see [`super::raw_event::RawEvent::family`]), and what a key is spelt
//! with is letters. A letter in a string is itself or an escape `\u00..` of a character from `0` on; other escapes give none.
//! So when a text has neither the word nor such an escape, taking one level of escapes off gives a text that has neither
//! as well, because the backslash of an escape that appears only then was written `\\`, and the rest of it as it stands.

use memchr::memmem;

/// Bytes that are looked at together; one more has to be there.
const BLOCK: usize = 64;

/// Whether a text, in JSON or in a binary encoding that leaves texts as they are, may hold an operation log. At any depth.
pub(crate) fn may_hold_log(text: &[u8]) -> bool {
    let mut at = 0;
    while let Some(block) = text.get(at..).and_then(<[u8]>::first_chunk::<{ BLOCK + 1 }>) {
        if has_pair(block) && holds_word(text, at) {
            return true;
        }
        at += BLOCK;
    }
    // The last block is looked at whole, over what was looked at before; of a short text there is one, filled up.
    if let Some(block) = text.last_chunk::<{ BLOCK + 1 }>() {
        return has_pair(block) && holds_word(text, text.len() - block.len());
    }
    let mut block = [0; BLOCK + 1];
    block[..text.len()].copy_from_slice(text);
    has_pair(&block) && holds_word(text, 0)
}

/// Two neighbours that each word has and ordinary text seldom.
#[inline(always)]
fn is_pair(first: u8, second: u8) -> bool {
    // No short circuits: this becomes a handful of vector instructions.
    ((first == b't') & ((second == b'N') | (second == b'P') | (second == b'D'))) | ((first == b'\\') & (second == b'u'))
}

#[inline(always)]
fn has_pair(block: &[u8; BLOCK + 1]) -> bool {
    let mut found = false;
    for at in 0..BLOCK {
        found |= is_pair(block[at], block[at + 1]);
    }
    found
}

/// Whether one of the pairs of the block at `start` is that of a word.
#[inline(never)]
fn holds_word(text: &[u8], start: usize) -> bool {
    let end = (start + BLOCK).min(text.len().saturating_sub(1));
    (start..end).any(|at| match text[at..] {
        [b't', b'N', ..] => {
            (stands(text, at, b"eventName") || stands(text, at, b"EventName"))
                && (memmem::find(text, b"serviceName").is_some()
                    || memmem::find(text, b"userIdentity").is_some()
                    || memmem::find(text, SPELT).is_some())
        }
        [b't', b'P', ..] => stands(text, at, b"EventProduct"),
        [b't', b'D', ..] => stands(text, at, b"insightDetails"),
        [b'\\', b'u', b'0', b'0', digit, ..] => matches!(digit, b'3'..=b'7'),
        _ => false,
    })
}

/// What an escape of a character begins with that a word may be spelt with.
const SPELT: &[u8] = b"\\u00";

/// Whether this word stands around its pair at `at`.
fn stands(text: &[u8], at: usize, word: &[u8]) -> bool {
    let before = word.windows(2).position(|pair| is_pair(pair[0], pair[1])).unwrap_or(0);
    at.checked_sub(before).and_then(|start| text.get(start..)).is_some_and(|rest| rest.starts_with(word))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::secrets::WatchList;
    use super::super::text::unescape;
    use super::super::{Decoded, Decoder};
    use super::*;
    use proptest::prelude::*;

    /// One record of each family, with as few words as each needs.
    const LOGS: [&str; 6] = [
        r#"{"eventId":"A","serviceName":"Oss","eventName":"P"}"#,
        r#"{"EventTime":"T","userIdentity":{"type":"root"},"EventName":"P"}"#,
        r#"{"EventName":"P","EventProduct":"OSS"}"#,
        r#"{"EventID":"A","EventProduct":"OSS"}"#,
        r#"{"eventId":"A","insightDetails":{}}"#,
        r#"{"eventType":"A","insightDetails":{}}"#,
    ];

    /// Wherever in its blocks a word stands, and however short the text is.
    #[test]
    fn words_are_found_at_every_place() {
        for log in LOGS {
            for before in 0..140 {
                for after in [0, 1, 63, 64, 65, 140] {
                    let text = [&vec![b'x'; before], log.as_bytes(), &vec![b'x'; after]].concat();
                    assert!(may_hold_log(&text), "{before} {log} {after}");
                    let other = String::from_utf8(text).unwrap().replace("Name", "name").replace("Product", "product");
                    assert!(!may_hold_log(other.replace("Details", "details").as_bytes()), "{before} {other}");
                }
            }
        }
        for text in ["", "t", "tN", "\\u", "\\u00", "eventName", "EventName of a serviceNam", "C:\\users\\u0020"] {
            assert!(!may_hold_log(text.as_bytes()), "{text}");
        }
    }

    /// What a string's content may be written of, so that much of it nearly is a word at some depth.
    fn content() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "\\\\",
            "\\\"",
            "\\/",
            "\\n",
            "\\u0065",
            "\\u0045",
            "\\u005c",
            "\\u0030",
            "\\u0075",
            "\\u00e9",
            "\\u0022",
            "\\ud83d\\ude00",
            "u",
            "0",
            "00",
            "65",
            "5c",
            "e",
            "event",
            "Event",
            "Name",
            "Product",
            "insight",
            "Details",
            "N",
            "service",
            "userIdentity",
            "ventName",
            "é",
        ]);
        proptest::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
    }

    fn spelt(text: &str, spell: &mut impl FnMut() -> bool) -> String {
        let mut out = String::new();
        for character in text.chars() {
            match character {
                _ if spell() => character.encode_utf16(&mut [0; 2]).iter().for_each(|u| out += &format!("\\u{u:04x}")),
                '"' | '\\' => out.extend(['\\', character]),
                _ => out.push(character),
            }
        }
        out
    }

    fn is_log(text: &str) -> bool {
        let mut found = false;
        Decoder { max_depth: 64, watch: WatchList::default() }.frame(text.as_bytes(), &mut |record| {
            found |= matches!(record.decoded, Decoded::Event(event) if event.family().is_some() || event.hides_log);
        });
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        /// Taking escapes off never brings out what could not be seen before. By this one level is enough to look at.
        #[test]
        fn what_escapes_hide_is_seen(content in content()) {
            prop_assume!(serde_json::from_str::<String>(&format!("\"{content}\"")).is_ok());
            prop_assert!(may_hold_log(content.as_bytes()) || !may_hold_log(unescape(content.as_bytes()).as_bytes()));
        }

        /// However an operation log is spelt and wrapped, the decode room finds it as deep as it looks, and the words are seen
        /// at any depth.
        #[test]
        fn logs_are_found_however_they_are_wrapped(
            log in prop::sample::select(LOGS.to_vec()),
            wraps in proptest::collection::vec((0u8..5, prop::sample::select(vec!["event", "data", "message"]), 0u8..4), 0..6),
            seed in any::<u64>(),
        ) {
            let (mut text, mut state) = (log.to_owned(), seed | 1);
            for (level, (how, key, often)) in wraps.iter().enumerate() {
                let mut spell = || {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    state % 8 < u64::from(*often)
                };
                text = match how {
                    0 => format!("{{\"{key}\":{text}}}"),
                    1 => format!("{{\"a\":1,\"{}\":\"{}\"}}", spelt(key, &mut spell), spelt(&text, &mut spell)),
                    2 => format!("{{\"{key}\":\"{{}} {}\"}}", spelt(&text, &mut spell)),
                    3 => format!("{{\"{key}\":\"[{}]\"}}", spelt(&text, &mut spell)),
                    _ => format!("{{\"{key}\":\"{}\"}}", spelt(&text, &mut spell)),
                };
                prop_assert!(may_hold_log(text.as_bytes()), "{}", text);
                prop_assert!(level >= 3 || is_log(&text), "{}", text);
            }
        }
    }
}
