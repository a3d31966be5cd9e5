//! Whether a text that begins an object ends with that object: the brackets outside its strings are counted, sixty-four
//! bytes at a time, and nothing else is looked at.
//!
//! It must never call a text closed that a JSON parser would leave before its last byte, or not leave at all. Which kind
//! a bracket is does not matter for that: where a parser leaves the object, all brackets before have met their own kind,
//! so their number is what is counted here. A text that is closed need not be JSON; decoding says so of the whole record.

use crate::event::special::byte_masks;

/// Bytes that are looked at together: one bit each in a word.
const BLOCK: usize = 64;
/// Tells `[` from `{`, and `]` from `}`.
const SHAPE: u8 = 0x20;

/// Whether the object with which a text begins ends where the text does, with at most `most_depth` brackets open at once.
pub(super) fn is_closed(text: &[u8], most_depth: u32) -> bool {
    if text.first() != Some(&b'{') || text.last() != Some(&b'}') {
        return false;
    }
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    let mut walk = Walk { escaped: 0, inside: 0, depth: 0, most_depth };
    let mut at = 0;
    for block in blocks {
        if let Some(end) = walk.block(block) {
            return end.is_some_and(|end| at + end + 1 == text.len());
        }
        at += BLOCK;
    }
    let mut last = [b' '; BLOCK];
    last[..rest.len()].copy_from_slice(rest);
    walk.block(&last).flatten().is_some_and(|end| at + end + 1 == text.len())
}

/// What one block hands to the next.
struct Walk {
    /// One, when the first byte is behind a backslash that counts.
    escaped: u64,
    /// All bits, when the block begins inside a string.
    inside: u64,
    depth: u32,
    most_depth: u32,
}

impl Walk {
    /// Walks a block. `None`: it goes on; otherwise where the object ends, or that it goes too deep.
    #[inline(always)]
    fn block(&mut self, block: &[u8; BLOCK]) -> Option<Option<usize>> {
        let (mut quotes, mut backslashes, mut opening, mut closing) = (0u64, 0u64, 0u64, 0u64);
        for (n, chunk) in block.as_chunks::<16>().0.iter().enumerate() {
            let masks = byte_masks(chunk, 0, [b'"', b'\\']).map(|mask| u64::from(mask) << (16 * n));
            let shapes = byte_masks(chunk, SHAPE, [b'{', b'}']).map(|mask| u64::from(mask) << (16 * n));
            (quotes, backslashes) = (quotes | masks[0], backslashes | masks[1]);
            (opening, closing) = (opening | shapes[0], closing | shapes[1]);
        }
        let quotes = quotes & !self.behind_backslash(backslashes);
        let inside = prefix_xor(quotes) ^ self.inside;
        self.inside = 0u64.wrapping_sub(inside >> 63);
        self.brackets(opening & !inside, closing & !inside)
    }

    /// The bytes of which a backslash takes the meaning: those behind an odd number of them.
    #[inline(always)]
    fn behind_backslash(&mut self, backslashes: u64) -> u64 {
        const EVEN: u64 = 0x5555_5555_5555_5555;
        if backslashes == 0 {
            return std::mem::take(&mut self.escaped);
        }
        let first = backslashes & !self.escaped;
        let behind = first << 1 | self.escaped;
        let (ends, over) = (first & !EVEN & !behind).overflowing_add(first);
        self.escaped = u64::from(over);
        (EVEN ^ ends << 1) & behind
    }

    #[inline(always)]
    fn brackets(&mut self, opening: u64, closing: u64) -> Option<Option<usize>> {
        let mut brackets = opening | closing;
        while brackets != 0 {
            let bracket = brackets & brackets.wrapping_neg();
            if opening & bracket != 0 {
                self.depth += 1;
                if self.depth > self.most_depth {
                    return Some(None);
                }
            } else {
                // The text begins with an opening one, and all ends with the last of them.
                self.depth -= 1;
                if self.depth == 0 {
                    return Some(Some(bracket.trailing_zeros() as usize));
                }
            }
            brackets ^= bracket;
        }
        None
    }
}

/// Of each bit whether an odd number of bits is set up to it.
#[inline(always)]
fn prefix_xor(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::decode::scan::{Scanner, Unwatched};
    use proptest::prelude::*;

    const DEPTH: u32 = 16;

    /// What a parser says: where the object ends at the latest that the text may be read to, if it is read at all.
    fn parser_leaves_at(text: &[u8]) -> Option<usize> {
        let mut scanner = Scanner::new(text, 0, 127);
        scanner.value(0, &mut Unwatched).ok().map(|_| scanner.pos)
    }

    /// The same one byte after another.
    fn slowly(text: &[u8]) -> bool {
        let (mut inside, mut escaped, mut depth) = (false, false, 0u32);
        for (at, byte) in text.iter().enumerate() {
            let counts = !std::mem::take(&mut escaped);
            match byte {
                b'\\' => escaped = counts,
                b'"' => inside ^= counts,
                b'{' | b'[' if !inside => depth += 1,
                b'}' | b']' if !inside && depth < 2 => return depth == 1 && *byte == b'}' && at + 1 == text.len(),
                b'}' | b']' if !inside => depth -= 1,
                _ => {}
            }
            if depth > DEPTH || at == 0 && *byte != b'{' {
                return false;
            }
        }
        false
    }

    #[test]
    fn an_object_is_closed_and_a_bracket_more_or_less_is_not() {
        let long = format!(r#"{{"a":"{}","b":[1,{{"c":"\\\""}}]}}"#, "x{\\\\".repeat(40));
        assert!(is_closed(long.as_bytes(), DEPTH));
        for cut in 0..long.len() {
            assert!(!is_closed(&long.as_bytes()[..cut], DEPTH), "{cut}");
        }
        for text in ["", "{", "[]", "1", "{}}", "{}{}", "{} ", " {}", "{\"}", "{]", r#"{},"x":{}"#, r#"{"\"}"#] {
            assert!(!is_closed(text.as_bytes(), DEPTH), "{text}");
        }
        let nested = |depth| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
        assert!(is_closed(nested(16).as_bytes(), DEPTH) && !is_closed(nested(17).as_bytes(), DEPTH));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn is_what_counting_by_bytes_says_and_no_parser_leaves_earlier(inner in r#"[\[\]{}",:\\a1 ]{0,200}"#) {
            let text = format!("{{{inner}}}");
            let closed = is_closed(text.as_bytes(), DEPTH);
            prop_assert_eq!(closed, slowly(text.as_bytes()));
            if closed {
                // Whatever follows, a parser that gets through the object gets to its last byte.
                let more = format!(r#"{text},"x":{{}}"#);
                prop_assert!(parser_leaves_at(more.as_bytes()).is_none_or(|end| end == text.len()));
            } else {
                prop_assert!(parser_leaves_at(text.as_bytes()) != Some(text.len()));
            }
        }

        /// Texts that are JSON, with every kind of string.
        #[test]
        fn every_flat_object_is_closed(values in proptest::collection::vec(any::<String>(), 0..12)) {
            let members: serde_json::Map<_, _> = values.iter().enumerate().map(|(n, v)| (format!("{v}{n}"), v.as_str().into())).collect();
            let text = serde_json::to_vec(&members).unwrap();
            prop_assert!(is_closed(&text, DEPTH), "closed");
            let longer = [&text[..], b"}"].concat();
            prop_assert!(!is_closed(&longer, DEPTH), "one bracket more");
        }
    }
}
