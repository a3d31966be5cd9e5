//! What a rule says about one value: equal, like, within, greater. Sigma's matching, where the number 5, the text "5"
//! and a boolean and its word are one, since the vendor writes them both ways.
//! It must never go through a 64-bit integer as a floating-point number, and never take longer than text times pattern.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::net::IpAddr;

use regex::Regex;

use crate::field::Leaf;

/// Largest compiled regular expression, bytes.
const REGEX_BYTES: usize = 1 << 18;

/// One thing that a value is held against.
#[derive(Debug, Clone)]
pub(crate) enum Pattern {
    /// Absent or null.
    Null,
    /// Equal text; folded unless cased.
    Equal { text: String, cased: bool },
    /// Text with wildcards.
    Like { tokens: Vec<Token>, cased: bool },
    /// A regular expression that matches somewhere.
    Regex(Box<Regex>),
    /// An address within a network.
    Network(IpAddr, u8),
    /// A number in this relation to another.
    Number(Relation, Number),
}

/// A piece of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    Char(char),
    One,
    Many,
}

/// How a number relates to the rule's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// A number as precisely as it is written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    Whole(i128),
    Real(f64),
}

impl Number {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let whole = text.parse::<i128>().ok().map(Self::Whole);
        whole.or_else(|| text.parse::<f64>().ok().filter(|f| f.is_finite()).map(Self::Real))
    }

    fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => Some(a.cmp(&b)),
            (Self::Real(a), Self::Real(b)) => a.partial_cmp(&b),
            (Self::Whole(a), Self::Real(b)) => (a as f64).partial_cmp(&b),
            (Self::Real(a), Self::Whole(b)) => a.partial_cmp(&(b as f64)),
        }
    }
}

/// Where text may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Where {
    Whole,
    Start,
    End,
    Anywhere,
}

impl Pattern {
    /// Text in Sigma's notation: `*` any text, `?` one character, a backslash takes either literally.
    pub(crate) fn text(text: &str, place: Where, cased: bool) -> Self {
        let text = if cased { Cow::Borrowed(text) } else { fold(text) };
        let mut tokens = Vec::new();
        if matches!(place, Where::End | Where::Anywhere) {
            tokens.push(Token::Many);
        }
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            tokens.push(match (c, chars.peek().copied()) {
                ('*', _) => Token::Many,
                ('?', _) => Token::One,
                ('\\', Some(next @ ('*' | '?' | '\\'))) => {
                    chars.next();
                    Token::Char(next)
                }
                _ => Token::Char(c),
            });
        }
        if matches!(place, Where::Start | Where::Anywhere) {
            tokens.push(Token::Many);
        }
        tokens.dedup_by(|a, b| *a == Token::Many && *b == Token::Many);
        if tokens.iter().all(|token| matches!(token, Token::Char(_))) {
            let plain = tokens.iter().filter_map(|t| if let Token::Char(c) = t { Some(*c) } else { None }).collect();
            return Self::Equal { text: plain, cased };
        }
        Self::Like { tokens, cased }
    }

    /// A regular expression. `flags` of `i`, `m` and `s`.
    pub(crate) fn regex(text: &str, flags: &str) -> Result<Self, String> {
        let with = |flag: char| flags.contains(flag);
        let built = regex::RegexBuilder::new(text)
            .case_insensitive(with('i'))
            .multi_line(with('m'))
            .dot_matches_new_line(with('s'))
            .size_limit(REGEX_BYTES)
            .dfa_size_limit(REGEX_BYTES)
            .build();
        built.map(|regex| Self::Regex(Box::new(regex))).map_err(|error| {
            let text = error.to_string();
            text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
        })
    }

    /// A network such as `10.0.0.0/8`; an address alone is itself.
    pub(crate) fn network(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(most), |b| b.parse().ok().filter(|b| *b <= most))?;
        Some(Self::Network(address, bits))
    }

    /// Whether this value is meant.
    pub(crate) fn matches(&self, leaf: &Leaf<'_>) -> bool {
        if let (Self::Null, Leaf::Null) = (self, leaf) {
            return true;
        }
        // A container is met by what looks into text alone.
        if let (Leaf::Container(_), Self::Null | Self::Equal { .. } | Self::Network(..) | Self::Number(..)) =
            (leaf, self)
        {
            return false;
        }
        let Some(text) = leaf.text() else { return false };
        match self {
            Self::Null => false,
            Self::Equal { text: wanted, cased: true } => *wanted == *text,
            Self::Equal { text: wanted, cased: false } => equal_folded(&text, wanted),
            Self::Like { tokens, cased: true } => like(&text, tokens),
            Self::Like { tokens, cased: false } => like(&fold(&text), tokens),
            Self::Regex(regex) => regex.is_match(&text),
            Self::Network(network, bits) => text.parse().is_ok_and(|address| is_within(address, *network, *bits)),
            Self::Number(relation, wanted) => {
                let order = Number::parse(&text).and_then(|number| number.compare(*wanted));
                order.is_some_and(|order| match relation {
                    Relation::Less => order.is_lt(),
                    Relation::AtMost => order.is_le(),
                    Relation::Greater => order.is_gt(),
                    Relation::AtLeast => order.is_ge(),
                })
            }
        }
    }
}

/// The text without regard to case; no copy where there is nothing to fold.
pub(crate) fn fold(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.to_lowercase())
    }
}

fn equal_folded(text: &str, folded: &str) -> bool {
    if text.is_ascii() && folded.is_ascii() { text.eq_ignore_ascii_case(folded) } else { fold(text) == folded }
}

/// Whether the text is like the tokens: greedy, going back to the last `*` alone, so never worse than length times length.
fn like(text: &str, tokens: &[Token]) -> bool {
    let (mut rest, mut at) = (text, 0);
    let mut retry: Option<(&str, usize)> = None;
    loop {
        let next = rest.chars().next();
        match (tokens.get(at), next) {
            (Some(Token::Many), _) => {
                retry = Some((rest, at + 1));
                at += 1;
            }
            (Some(Token::One), Some(c)) => {
                rest = &rest[c.len_utf8()..];
                at += 1;
            }
            (Some(Token::Char(wanted)), Some(c)) if *wanted == c => {
                rest = &rest[c.len_utf8()..];
                at += 1;
            }
            (None, None) => return true,
            _ => {
                let Some((from, token)) = retry else { return false };
                let Some(skipped) = from.chars().next() else { return false };
                rest = &from[skipped.len_utf8()..];
                retry = Some((rest, token));
                at = token;
            }
        }
    }
}

fn is_within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    match (address.to_canonical(), network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            u32::from(a) & mask == u32::from(n) & mask
        }
        (IpAddr::V6(a), IpAddr::V6(n)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            u128::from(a) & mask == u128::from(n) & mask
        }
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn is_like(pattern: &str, text: &str) -> bool {
        Pattern::text(pattern, Where::Whole, false).matches(&Leaf::Text(text))
    }

    #[test]
    fn wildcards_and_escapes() {
        for (pattern, text, expected) in [
            ("public-*", "Public-Read-Write", true),
            ("p?blic", "PUBLIC", true),
            ("p?blic", "pblic", false),
            (r"\*", "*", true),
            (r"\*", "x", false),
            (r"a\\*", r"a\b", true),
            (r"c:\temp", r"C:\Temp", true),
            ("*a*b", "xaab", true),
            ("*a*b", "xaabc", false),
            ("", "", true),
            ("*", "", true),
            ("ä*", "ÄB", true),
        ] {
            assert_eq!(is_like(pattern, text), expected, "{pattern} {text}");
        }
    }

    /// Text of an attacker must not make a pattern slow.
    #[test]
    fn a_hostile_text_costs_length_times_length_at_the_most() {
        let text = "a".repeat(20_000);
        let started = std::time::Instant::now();
        assert!(!is_like(&("*a".repeat(20) + "b"), &text));
        assert!(started.elapsed().as_secs() < 5);
    }

    /// The story: 9007199254740993 and 9007199254740992 are the same number as f64.
    #[test]
    fn long_integers_stay_apart() {
        let more = Pattern::Number(Relation::Greater, Number::parse("9007199254740992").unwrap());
        assert!(more.matches(&Leaf::Whole(9_007_199_254_740_993)));
        assert!(!more.matches(&Leaf::Text("9007199254740992")));
    }

    #[test]
    fn networks() {
        for (network, address, expected) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("0.0.0.0/0", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.1", true),
            ("2001:db8::/32", "2001:db8::1", true),
            ("10.0.0.0/8", "::ffff:10.1.1.1", true),
            ("10.0.0.0/8", "Internal", false),
            ("10.0.0.0/8", "ecs.aliyuncs.com", false),
        ] {
            assert_eq!(Pattern::network(network).unwrap().matches(&Leaf::Text(address)), expected, "{address}");
        }
        assert!(Pattern::network("10.0.0.0/33").is_none());
    }
}
