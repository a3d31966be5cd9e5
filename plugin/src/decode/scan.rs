//! One pass over JSON text: finds where strings, numbers and values end, and checks the grammar on the way.
//!
//! It builds nothing and copies nothing. It accepts exactly what `serde_json` accepts when it ignores a value
//! (property tests and a fuzz target hold the two against each other), except that nesting has a cap that is a
//! setting. It must never recurse, so hostile nesting cannot exhaust the stack.

use thiserror::Error;

pub use super::token::{Token, TokenKind};
use crate::event::special::first_special;

/// Hardest nesting cap that can be set: one bit a level is kept.
pub const MAX_DEPTH: usize = 127;

/// What is wrong with the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Problem {
    /// The text ends inside a value.
    #[error("the record ends inside a value")]
    Truncated,
    /// A value should begin here.
    #[error("expected a value")]
    Value,
    /// A key should begin here.
    #[error("expected a key in double quotes")]
    Key,
    /// A colon should stand here.
    #[error("expected a colon")]
    Colon,
    /// A comma or a closing bracket should stand here.
    #[error("expected a comma or a closing bracket")]
    Separator,
    /// A backslash is followed by something that is no escape.
    #[error("not a valid escape in a string")]
    Escape,
    /// A control character stands unescaped in a string.
    #[error("a control character stands unescaped in a string")]
    Control,
    /// A number that JSON does not allow.
    #[error("not a valid number")]
    Number,
    /// Nesting goes beyond the cap.
    #[error("nested deeper than decode.max_depth allows")]
    Depth,
}

/// A problem and where it is, bytes from the start of the scanned text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{problem} (byte {at} of the record)")]
pub struct ScanError {
    /// What is wrong.
    pub problem: Problem,
    /// Where.
    pub at: usize,
}

/// Told about every key that stands inside a value that is passed over, and about strings with escapes.
pub trait Watch {
    /// A key (without its quotes) and, later, its value.
    fn key(&mut self, text: &[u8], key: Token) -> bool;
    /// The value of a key that `key` answered `true` for.
    fn value(&mut self, text: &[u8], value: Token);
    /// A string value with escapes, which may hold JSON itself.
    fn escaped(&mut self, text: &[u8], value: Token);
}

/// A place in the text.
#[derive(Debug)]
pub struct Scanner<'a> {
    text: &'a [u8],
    /// Next byte.
    pub pos: usize,
    max_depth: usize,
}

impl<'a> Scanner<'a> {
    /// Begins at `pos`. `max_depth` is cut to [`MAX_DEPTH`].
    pub fn new(text: &'a [u8], pos: usize, max_depth: usize) -> Self {
        Self { text, pos, max_depth: max_depth.min(MAX_DEPTH) }
    }

    fn fail<T>(&self, problem: Problem) -> Result<T, ScanError> {
        let problem = if self.pos >= self.text.len() { Problem::Truncated } else { problem };
        Err(ScanError { problem, at: self.pos.min(self.text.len()) })
    }

    /// Passes over blanks and gives the next byte, 0 at the end.
    #[inline(always)]
    pub fn peek(&mut self) -> u8 {
        // Most JSON is compact. The loop stays out of the common way, because an interruptible engine pays for every
        // loop that is entered.
        match self.text.get(self.pos) {
            Some(byte) if *byte > b' ' => *byte,
            _ => self.skip_blanks(),
        }
    }

    #[inline(never)]
    fn skip_blanks(&mut self) -> u8 {
        loop {
            match self.text.get(self.pos) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.pos += 1,
                Some(byte) => return *byte,
                None => return 0,
            }
        }
    }

    /// Passes over a byte that has to stand here.
    #[inline(always)]
    pub fn expect(&mut self, byte: u8, problem: Problem) -> Result<(), ScanError> {
        if self.peek() == byte {
            self.pos += 1;
            Ok(())
        } else {
            self.fail(problem)
        }
    }

    /// A key and its colon.
    #[inline(always)]
    pub fn key(&mut self) -> Result<Token, ScanError> {
        if self.peek() != b'"' {
            return self.fail(Problem::Key);
        }
        let key = self.string()?;
        self.expect(b':', Problem::Colon)?;
        Ok(key)
    }

    /// A string; `pos` is at its opening quote.
    #[inline(always)]
    pub fn string(&mut self) -> Result<Token, ScanError> {
        let start = self.pos + 1;
        let at = first_special(self.text, start);
        if self.text.get(at) == Some(&b'"') {
            self.pos = at + 1;
            return Ok(Token { start: start as u32, end: at as u32, kind: TokenKind::Plain });
        }
        self.string_with_escapes(start, at)
    }

    #[inline(never)]
    fn string_with_escapes(&mut self, start: usize, mut at: usize) -> Result<Token, ScanError> {
        loop {
            match self.text.get(at) {
                Some(b'"') => {
                    self.pos = at + 1;
                    return Ok(Token { start: start as u32, end: at as u32, kind: TokenKind::Escaped });
                }
                Some(b'\\') => at = self.escape(at)?,
                found => {
                    self.pos = at;
                    return self.fail(if found.is_some() { Problem::Control } else { Problem::Truncated });
                }
            }
            at = first_special(self.text, at);
        }
    }

    fn escape(&mut self, at: usize) -> Result<usize, ScanError> {
        let long = match self.text.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => return Ok(at + 2),
            Some(b'u') => self.text.get(at + 2..at + 6),
            _ => None,
        };
        match long {
            Some(hex) if hex.iter().all(u8::is_ascii_hexdigit) => Ok(at + 6),
            _ => {
                self.pos = if at + 6 > self.text.len() && self.text.get(at + 1).is_none_or(|b| *b == b'u') {
                    self.text.len()
                } else {
                    at
                };
                self.fail(Problem::Escape)
            }
        }
    }

    fn number(&mut self) -> Result<Token, ScanError> {
        let start = self.pos;
        if self.byte() == b'-' {
            self.pos += 1;
        }
        match self.byte() {
            b'0' => self.pos += 1,
            b'1'..=b'9' => self.digits(),
            _ => return self.fail(Problem::Number),
        }
        if self.byte() == b'.' {
            self.pos += 1;
            self.some_digits()?;
        }
        if matches!(self.byte(), b'e' | b'E') {
            self.pos += 1;
            if matches!(self.byte(), b'+' | b'-') {
                self.pos += 1;
            }
            self.some_digits()?;
        }
        if self.byte().is_ascii_digit() {
            return self.fail(Problem::Number);
        }
        Ok(Token { start: start as u32, end: self.pos as u32, kind: TokenKind::Number })
    }

    fn byte(&self) -> u8 {
        self.text.get(self.pos).copied().unwrap_or(0)
    }

    fn digits(&mut self) {
        while self.byte().is_ascii_digit() {
            self.pos += 1;
        }
    }

    fn some_digits(&mut self) -> Result<(), ScanError> {
        if !self.byte().is_ascii_digit() {
            return self.fail(Problem::Number);
        }
        self.digits();
        Ok(())
    }

    fn literal(&mut self, word: &[u8], kind: TokenKind) -> Result<Token, ScanError> {
        let (start, rest) = (self.pos, &self.text[self.pos..]);
        if rest.starts_with(word) {
            self.pos += word.len();
            return Ok(Token { start: start as u32, end: self.pos as u32, kind });
        }
        if word.starts_with(rest) {
            self.pos = self.text.len();
        }
        self.fail(Problem::Value)
    }

    /// A value that is no container, or `None` where a bracket opens one.
    #[inline(always)]
    fn scalar(&mut self) -> Result<Option<Token>, ScanError> {
        match self.peek() {
            b'"' => self.string().map(Some),
            b'{' | b'[' => Ok(None),
            b'-' | b'0'..=b'9' => self.number().map(Some),
            b't' => self.literal(b"true", TokenKind::Boolean).map(Some),
            b'f' => self.literal(b"false", TokenKind::Boolean).map(Some),
            b'n' => self.literal(b"null", TokenKind::Null).map(Some),
            _ => self.fail(Problem::Value),
        }
    }

    /// Any value. `depth` is how many containers are open around it.
    #[inline(always)]
    pub fn value(&mut self, depth: usize, watch: &mut impl Watch) -> Result<Token, ScanError> {
        match self.scalar()? {
            Some(token) => {
                if token.kind == TokenKind::Escaped {
                    watch.escaped(self.text, token);
                }
                Ok(token)
            }
            None => self.container(depth, watch),
        }
    }

    /// An object or array, passed over in a loop: the brackets that are open are bits, not stack frames.
    fn container(&mut self, outer: usize, watch: &mut impl Watch) -> Result<Token, ScanError> {
        let start = self.pos;
        let kind = if self.text[start] == b'{' { TokenKind::Object } else { TokenKind::Array };
        let mut open = Open { objects: 0, depth: 0 };
        let mut wanted: Option<usize> = None;
        loop {
            // A value begins here.
            match self.scalar()? {
                Some(token) => {
                    if wanted == Some(open.depth) {
                        watch.value(self.text, token);
                        wanted = None;
                    } else if token.kind == TokenKind::Escaped {
                        watch.escaped(self.text, token);
                    }
                }
                None => {
                    if outer + open.depth >= self.max_depth {
                        return self.fail(Problem::Depth);
                    }
                    if wanted == Some(open.depth) {
                        // A container under a watched key is reported whole, by scanning it on its own.
                        wanted = None;
                        let token = Scanner { text: self.text, pos: self.pos, max_depth: self.max_depth }
                            .container(outer + open.depth, &mut Unwatched)?;
                        watch.value(self.text, token);
                        self.pos = token.end as usize;
                    } else if self.open(&mut open)? {
                        if open.in_object() && self.watched_key(watch)? {
                            wanted = Some(open.depth);
                        }
                        continue;
                    }
                }
            }
            // A value has ended here.
            loop {
                if open.depth == 0 {
                    return Ok(Token { start: start as u32, end: self.pos as u32, kind });
                }
                match (self.peek(), open.in_object()) {
                    (b',', true) => {
                        self.pos += 1;
                        if self.watched_key(watch)? {
                            wanted = Some(open.depth);
                        }
                        break;
                    }
                    (b',', false) => {
                        self.pos += 1;
                        break;
                    }
                    (b'}', true) | (b']', false) => {
                        self.pos += 1;
                        open.pop();
                    }
                    _ => return self.fail(Problem::Separator),
                }
            }
        }
    }

    #[inline(always)]
    fn watched_key(&mut self, watch: &mut impl Watch) -> Result<bool, ScanError> {
        let key = self.key()?;
        Ok(watch.key(self.text, key))
    }

    /// Opens a container; `false` where it closed at once.
    #[inline(always)]
    fn open(&mut self, open: &mut Open) -> Result<bool, ScanError> {
        let object = self.text[self.pos] == b'{';
        self.pos += 1;
        if self.peek() == if object { b'}' } else { b']' } {
            self.pos += 1;
            return Ok(false);
        }
        open.push(object);
        Ok(true)
    }
}

struct Open {
    objects: u128,
    depth: usize,
}

impl Open {
    #[inline(always)]
    fn push(&mut self, object: bool) {
        self.objects = self.objects << 1 | u128::from(object);
        self.depth += 1;
    }

    #[inline(always)]
    fn pop(&mut self) {
        self.objects >>= 1;
        self.depth -= 1;
    }

    #[inline(always)]
    fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }
}

/// Watches nothing.
#[derive(Debug)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn key(&mut self, _: &[u8], _: Token) -> bool {
        false
    }
    fn value(&mut self, _: &[u8], _: Token) {}
    fn escaped(&mut self, _: &[u8], _: Token) {}
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn accepts(text: &[u8]) -> Result<(), ScanError> {
        let mut scanner = Scanner::new(text, 0, MAX_DEPTH);
        scanner.value(0, &mut Unwatched)?;
        if scanner.peek() != 0 || scanner.pos < text.len() {
            return scanner.fail(Problem::Separator);
        }
        Ok(())
    }

    fn oracle(text: &[u8]) -> bool {
        std::str::from_utf8(text).is_ok_and(|t| serde_json::from_str::<serde::de::IgnoredAny>(t).is_ok())
    }

    #[test]
    fn agrees_with_serde_json_on_odd_texts() {
        for text in [
            "{}",
            "[]",
            " [ ] ",
            "{\"a\":1}",
            "{\"a\":1,}",
            "[1,]",
            "[,]",
            "{,}",
            "{\"a\"}",
            "01",
            "-",
            "-0",
            "1.",
            "1.5e",
            "1e+5",
            "1e999",
            "NaN",
            "tru",
            "true",
            "nulll",
            "\"\\u12\"",
            "\"\\u12G4\"",
            "\"\\ud800\"",
            "\"\\x\"",
            "\"a\tb\"",
            "\"",
            "",
            "{\"a\":{\"b\":[1,2,{\"c\":null}]},\"d\":\"x\"}",
            "[[[[[]]]]]",
            "{\"a\":]",
            "[}",
            "1 2",
            "--1",
            "+1",
            ".5",
            "0x1",
            "{\"a\":[}]",
            "[1 2]",
            "{\"a\":1 \"b\":2}",
            "{1:2}",
            "\"\\",
            "\"\\u00",
            "{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\\n\":1}",
        ] {
            assert_eq!(accepts(text.as_bytes()).is_ok(), oracle(text.as_bytes()), "{text:?}");
        }
    }

    #[test]
    fn errors_say_where() {
        insta::assert_snapshot!(accepts(b"{\"a\":01}").unwrap_err(), @"not a valid number (byte 6 of the record)");
        insta::assert_snapshot!(accepts(b"{\"a\":\"b").unwrap_err(), @"the record ends inside a value (byte 7 of the record)");
        insta::assert_snapshot!(accepts(b"{\"a\" 1}").unwrap_err(), @"expected a colon (byte 5 of the record)");
        let deep = "[".repeat(200);
        insta::assert_snapshot!(accepts(deep.as_bytes()).unwrap_err(), @"nested deeper than decode.max_depth allows (byte 127 of the record)");
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json(text in "[\\[\\]{}:,\"\\\\a1 0\\.eE+\\-tfnu\u{1}é]{0,24}") {
            prop_assert_eq!(accepts(text.as_bytes()).is_ok(), oracle(text.as_bytes()));
        }

        /// Mutating one byte of a valid document reaches the rare branches that random text does not.
        #[test]
        fn agrees_with_serde_json_near_valid_text(at in 0usize..150, byte in 0u8..128) {
            let mut text = br#"{"eventId":"0A","n":-12.5e+3,"list":[1,true,null,{"k":"v\u00e9\n","e":{}},[]],"long":"aaaaaaaaaaaaaaaaaaaaaaaaaaaa\"b","z":false}"#.to_vec();
            let at = at % text.len();
            text[at] = byte;
            prop_assert_eq!(accepts(&text).is_ok(), oracle(&text), "{}", String::from_utf8_lossy(&text));
        }

    }
}
