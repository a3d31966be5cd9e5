//! Whether words or a phrase occur in a text: a look for single bytes first, then the tokens themselves.
//! The quick look must never exclude a text in which the tokens would be found.
//!
//! Event text is JSON, and JSON may stand in a JSON string, so words are looked for in the text as stored and with its
//! escapes replaced. The token index does the same, and no less often.

use std::borrow::Cow;

use innertrail_logstore::index::tokens;
use memchr::{memchr_iter, memchr2_iter};

use innertrail_search::words::{Piece, Word};

/// Words that must all occur, or a phrase.
#[derive(Debug)]
pub(super) struct Matcher {
    words: Vec<Word>,
    phrase: bool,
    needles: Vec<Needle>,
    /// Whether a text of ASCII alone may match.
    ascii: bool,
    /// How often escapes are replaced.
    decodings: usize,
}

/// Which words of a [`Matcher`] were seen so far, a bit a word.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen(u64);

/// The most words of one matcher: a bit each.
pub(super) const MATCHER_WORDS: usize = innertrail_search::MAX_WORDS;
const _: () = assert!(MATCHER_WORDS <= u64::BITS as usize);

impl Matcher {
    /// All of `words`, at most [`MATCHER_WORDS`], in any order; with `phrase` one right after the other.
    pub(super) fn new(words: Vec<Word>, phrase: bool, decodings: usize) -> Self {
        let literal = |word: &Word| match word {
            Word::Exact(text) => vec![text.clone()],
            Word::Glob(pieces) => {
                pieces.iter().filter_map(|p| if let Piece::Text(t) = p { Some(t.clone()) } else { None }).collect()
            }
        };
        let literals: Vec<String> = words.iter().flat_map(literal).collect();
        let ascii = literals.iter().all(|l| l.is_ascii());
        let needles = literals.iter().filter_map(|l| Needle::new(l)).collect();
        Self { words, phrase, needles, ascii, decodings }
    }

    /// Whether the text matches.
    pub(super) fn matches(&self, text: &str) -> bool {
        let mut seen = Seen::default();
        self.may_match(text) && self.look(text, &mut seen)
    }

    /// `false` only for a text that cannot match, nor can any part of it.
    pub(super) fn may_match(&self, text: &str) -> bool {
        if hides_letters(text) {
            return true;
        }
        self.ascii && self.needles.iter().all(|n| n.is_in(text.as_bytes()))
    }

    /// Adds one text of an entry. Returns whether all words were seen by now, or the phrase is in this text.
    pub(super) fn look(&self, text: &str, seen: &mut Seen) -> bool {
        let mut text = Cow::Borrowed(text);
        for left in (0..=self.decodings).rev() {
            if self.look_once(&text, seen) {
                return true;
            }
            if left == 0 || !has_escapes(&text) {
                break;
            }
            text = Cow::Owned(unescape(&text));
        }
        false
    }

    fn look_once(&self, text: &str, seen: &mut Seen) -> bool {
        if self.phrase {
            let tokens: Vec<_> = tokens(text).collect();
            return tokens.windows(self.words.len()).any(|w| w.iter().zip(&self.words).all(|(t, word)| word.is(t)));
        }
        let all = u64::MAX >> (MATCHER_WORDS - self.words.len().clamp(1, MATCHER_WORDS));
        for token in tokens(text) {
            for (at, word) in self.words.iter().enumerate() {
                if seen.0 & 1 << at == 0 && word.is(&token) {
                    seen.0 |= 1 << at;
                }
            }
            if seen.0 == all {
                return true;
            }
        }
        false
    }
}

/// Whether letters may be in the text that its bytes do not show: escaped ones, or those beyond ASCII whose small
/// letter is in it.
pub(super) fn hides_letters(text: &str) -> bool {
    !text.is_ascii() || followed(text, |next| next == b'u')
}

/// Whether replacing escapes could change the tokens.
fn has_escapes(text: &str) -> bool {
    followed(text, |next| matches!(next, b'b' | b'f' | b'n' | b'r' | b't' | b'u'))
}

fn followed(text: &str, wanted: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    memchr_iter(b'\\', bytes).any(|at| bytes.get(at + 1).is_some_and(|&b| wanted(b)))
}

/// The text with its JSON escapes replaced; what is no escape stays.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let (decoded, len) = escape(&rest.as_bytes()[at..]);
        out.push(decoded);
        rest = &rest[at + len..];
    }
    out.push_str(rest);
    out
}

/// What the escape at the start stands for, and its length, all of it ASCII.
fn escape(text: &[u8]) -> (char, usize) {
    match text.get(1) {
        Some(b'b' | b'f' | b'n' | b'r' | b't') => ('\n', 2),
        Some(&sign @ (b'"' | b'/' | b'\\')) => (char::from(sign), 2),
        Some(b'u') => match (unit(text), unit(text.get(6..).unwrap_or_default())) {
            (Some(high), Some(low)) if (0xd800..0xdc00).contains(&high) && (0xdc00..0xe000).contains(&low) => {
                let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12)
            }
            (Some(unit), _) => (char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER), 6),
            (None, _) => ('\\', 1),
        },
        _ => ('\\', 1),
    }
}

fn unit(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"\\u")?.first_chunk::<4>()?;
    digits.iter().try_fold(0, |n, &d| Some(n << 4 | char::from(d).to_digit(16)?))
}

/// ASCII letters to be found in either case, by their rarest byte.
#[derive(Debug)]
pub(super) struct Needle {
    small: Box<[u8]>,
    rare: usize,
}

impl Needle {
    /// `None` for a text that is empty or not ASCII.
    pub(super) fn new(text: &str) -> Option<Self> {
        let small = text.to_ascii_lowercase().into_bytes().into_boxed_slice();
        let rare = (0..small.len()).min_by_key(|&at| commonness(small[at])).filter(|_| text.is_ascii())?;
        Some(Self { small, rare })
    }

    pub(super) fn is_in(&self, text: &[u8]) -> bool {
        let byte = self.small[self.rare];
        memchr2_iter(byte, byte.to_ascii_uppercase(), text).any(|at| {
            let found = at.checked_sub(self.rare).and_then(|start| text.get(start..start + self.small.len()));
            found.is_some_and(|f| f.eq_ignore_ascii_case(&self.small))
        })
    }
}

/// How often a byte stands in events, roughly; only speed depends on it.
fn commonness(byte: u8) -> usize {
    const BY_FREQUENCY: &[u8] = b"zqxjkw%~_ybhfvgmpul-cdr.9876543ons1ait20e";
    BY_FREQUENCY.iter().position(|&b| b == byte).unwrap_or(0)
}
