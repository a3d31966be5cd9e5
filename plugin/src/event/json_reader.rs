//! Reads JSON text into values and says at which byte it is wrong.
//! Never recurses deeper than the nesting limit, and never passes an integer through a float.

use std::collections::BTreeMap;

use thiserror::Error;

use super::value::{ARRAY_FRAMES, NestingLimit, OBJECT_FRAMES, Value};

/// How JSON text is read. The default is what Vector does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeSettings {
    /// How deep an event may nest.
    pub nesting: NestingLimit,
    /// Whether bytes that are not UTF-8 become U+FFFD; otherwise they are an error.
    pub lossy: bool,
}

impl Default for DecodeSettings {
    fn default() -> Self {
        Self { nesting: NestingLimit::VECTOR, lossy: true }
    }
}

/// Why a frame of JSON cannot be decoded, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("cannot decode JSON at byte {offset} (event {element} of the frame): {reason}")]
pub struct DecodeError {
    /// Offset in bytes from the start of the frame.
    pub offset: usize,
    /// Which event of the frame, from 0.
    pub element: usize,
    /// What is wrong there.
    pub reason: DecodeReason,
}

/// What is wrong with a piece of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeReason {
    /// The text stops in the middle of a value.
    #[error("the text ends too early; was the frame cut?")]
    UnexpectedEnd,
    /// Something else should stand here.
    #[error("expected {0}")]
    Expected(&'static str),
    /// There is more text after the event.
    #[error("unexpected text after the event; put one event or one array in a frame")]
    TrailingText,
    /// A raw control character inside a string.
    #[error("a control character inside a string must be escaped")]
    ControlCharacter,
    /// An escape that JSON does not have.
    #[error("unknown or incomplete escape sequence")]
    BadEscape,
    /// Half of a UTF-16 surrogate pair.
    #[error("a \\u escape is half of a surrogate pair; send both halves")]
    LoneSurrogate,
    /// Bytes that are not UTF-8 while `lossy` is off.
    #[error("the bytes are not UTF-8; encode them or allow replacement")]
    NotUtf8,
    /// A number that JSON does not allow.
    #[error("not a JSON number")]
    BadNumber,
    /// A number beyond the range of a double.
    #[error("the number is out of range of a 64-bit float")]
    NumberOutOfRange,
    /// Deeper than the nesting limit.
    #[error("nested deeper than {limit} frames (object 3, array 2); flatten the event")]
    TooDeep {
        /// The limit in frames.
        limit: u16,
    },
    /// A log whose value is not an object.
    #[error("a log must be an object, but this is of type {found}")]
    NotAnObject {
        /// The type found.
        found: &'static str,
    },
    /// An envelope key other than `log`, `metric` and `trace`.
    #[error("unknown event type {name:?}; use \"log\", \"metric\" or \"trace\"")]
    UnknownVariant {
        /// The key found.
        name: String,
    },
    /// More than one key in the envelope, or none.
    #[error("an event envelope must have exactly one key; move {name:?} into the event")]
    ExtraKey {
        /// The key that is too many.
        name: String,
    },
}

/// A reader at a place in the text. `element` only labels errors.
pub(super) struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    settings: DecodeSettings,
    pub(super) element: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a [u8], settings: DecodeSettings) -> Self {
        Self { text, at: 0, settings, element: 0 }
    }

    /// The offset of the next byte.
    pub(super) fn offset(&self) -> usize {
        self.at
    }

    pub(super) fn error_at(&self, offset: usize, reason: DecodeReason) -> DecodeError {
        DecodeError { offset, element: self.element, reason }
    }

    fn error(&self, reason: DecodeReason) -> DecodeError {
        self.error_at(self.at, reason)
    }

    fn expected(&self, what: &'static str) -> DecodeError {
        match self.text.get(self.at) {
            Some(_) => self.error(DecodeReason::Expected(what)),
            None => self.error(DecodeReason::UnexpectedEnd),
        }
    }

    /// Skips white space and gives the byte after it, without taking it.
    pub(super) fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.text.get(self.at) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    /// Skips white space and takes `byte` if it comes next.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let hit = self.peek() == Some(byte);
        self.at += usize::from(hit);
        hit
    }

    /// Takes `byte` or fails with `what` was expected.
    pub(super) fn require(&mut self, byte: u8, what: &'static str) -> Result<(), DecodeError> {
        if self.take(byte) { Ok(()) } else { Err(self.expected(what)) }
    }

    /// Nothing but white space may follow.
    pub(super) fn finish(&mut self) -> Result<(), DecodeError> {
        match self.peek() {
            Some(_) => Err(self.error(DecodeReason::TrailingText)),
            None => Ok(()),
        }
    }

    /// Reads an event: a value at the root of the nesting count.
    pub(super) fn root(&mut self) -> Result<Value, DecodeError> {
        self.value(0)
    }

    /// Reads `"key":`.
    pub(super) fn key(&mut self) -> Result<String, DecodeError> {
        self.require(b'"', "a key in double quotes")?;
        let key = self.string()?;
        self.require(b':', "':' after a key")?;
        Ok(key)
    }

    fn value(&mut self, used: u16) -> Result<Value, DecodeError> {
        match self.peek() {
            Some(b'{') => self.object(used).map(Value::Object),
            Some(b'[') => self.array(used).map(Value::Array),
            Some(b'"') => {
                self.at += 1;
                self.string().map(|text| Value::Bytes(text.into_bytes()))
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word(b"true", Value::Boolean(true)),
            Some(b'f') => self.word(b"false", Value::Boolean(false)),
            Some(b'n') => self.word(b"null", Value::Null),
            _ => Err(self.expected("a JSON value")),
        }
    }

    fn enter(&self, used: u16, cost: u16) -> Result<u16, DecodeError> {
        let limit = self.settings.nesting;
        limit.enter(used, cost).ok_or_else(|| self.error(DecodeReason::TooDeep { limit: limit.frames() }))
    }

    fn object(&mut self, used: u16) -> Result<BTreeMap<String, Value>, DecodeError> {
        let used = self.enter(used, OBJECT_FRAMES)?;
        self.at += 1;
        let mut fields = BTreeMap::new();
        if self.take(b'}') {
            return Ok(fields);
        }
        loop {
            let key = self.key()?;
            fields.insert(key, self.value(used)?);
            if self.take(b'}') {
                return Ok(fields);
            }
            self.require(b',', "',' or '}' in an object")?;
        }
    }

    fn array(&mut self, used: u16) -> Result<Vec<Value>, DecodeError> {
        let used = self.enter(used, ARRAY_FRAMES)?;
        self.at += 1;
        let mut items = Vec::new();
        if self.take(b']') {
            return Ok(items);
        }
        loop {
            items.push(self.value(used)?);
            if self.take(b']') {
                return Ok(items);
            }
            self.require(b',', "',' or ']' in an array")?;
        }
    }

    fn word(&mut self, word: &'static [u8], value: Value) -> Result<Value, DecodeError> {
        let rest = &self.text[self.at..];
        if rest.starts_with(word) {
            self.at += word.len();
            return Ok(value);
        }
        let cut = word.starts_with(rest);
        let reason = match cut {
            true => DecodeReason::UnexpectedEnd,
            false => DecodeReason::Expected("a JSON value"),
        };
        Err(self.error(reason))
    }

    /// Takes digits and says how many.
    fn digits(&mut self) -> usize {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.text.get(self.at) {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Result<Value, DecodeError> {
        let start = self.at;
        self.at += usize::from(self.text.get(self.at) == Some(&b'-'));
        let first = self.text.get(self.at).copied();
        let mut valid = match self.digits() {
            0 => false,
            1 => true,
            _ => first != Some(b'0'),
        };
        let whole = !matches!(self.text.get(self.at), Some(b'.' | b'e' | b'E'));
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            valid &= self.digits() > 0;
        }
        if let Some(b'e' | b'E') = self.text.get(self.at) {
            self.at += 1;
            self.at += usize::from(matches!(self.text.get(self.at), Some(b'+' | b'-')));
            valid &= self.digits() > 0;
        }
        let bad = |reason| self.error_at(start, reason);
        let Some(text) = std::str::from_utf8(&self.text[start..self.at]).ok().filter(|_| valid) else {
            return Err(bad(DecodeReason::BadNumber));
        };
        // "-0" has no integer form that keeps its sign; serde_json makes it a float, so does Vector.
        if whole
            && text != "-0"
            && let Ok(value) = text.parse()
        {
            return Ok(Value::Integer(value));
        }
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Value::Float(value)),
            _ => Err(bad(DecodeReason::NumberOutOfRange)),
        }
    }

    /// Reads a string whose opening quote has been taken.
    fn string(&mut self) -> Result<String, DecodeError> {
        let mut text = String::new();
        loop {
            let rest = &self.text[self.at..];
            let stop = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
            self.append_run(&mut text, &rest[..stop.unwrap_or(rest.len())])?;
            self.at += stop.unwrap_or(rest.len());
            match self.text.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.push(self.escape()?),
                Some(_) => return Err(self.error(DecodeReason::ControlCharacter)),
                None => return Err(self.error(DecodeReason::UnexpectedEnd)),
            }
        }
    }

    fn append_run(&self, text: &mut String, run: &[u8]) -> Result<(), DecodeError> {
        if let Ok(run) = simdutf8::basic::from_utf8(run) {
            text.push_str(run);
            return Ok(());
        }
        for chunk in run.utf8_chunks() {
            text.push_str(chunk.valid());
            if chunk.invalid().is_empty() {
                continue;
            }
            if !self.settings.lossy {
                let good = std::str::from_utf8(run).map_or_else(|e| e.valid_up_to(), str::len);
                return Err(self.error_at(self.at + good, DecodeReason::NotUtf8));
            }
            text.push(char::REPLACEMENT_CHARACTER);
        }
        Ok(())
    }

    /// Reads an escape that starts with the backslash at the current place.
    fn escape(&mut self) -> Result<char, DecodeError> {
        let start = self.at;
        let Some(letter) = self.text.get(start + 1) else {
            return Err(self.error_at(self.text.len(), DecodeReason::UnexpectedEnd));
        };
        self.at += 2;
        let short = match letter {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode_escape(start),
            _ => return Err(self.error_at(start, DecodeReason::BadEscape)),
        };
        Ok(short)
    }

    fn unicode_escape(&mut self, start: usize) -> Result<char, DecodeError> {
        let lone = |reader: &Self| reader.error_at(start, DecodeReason::LoneSurrogate);
        let high = self.hex4()?;
        if !(0xd800..0xdc00).contains(&high) {
            return char::from_u32(high).ok_or_else(|| lone(self));
        }
        if !self.text[self.at..].starts_with(b"\\u") {
            return Err(lone(self));
        }
        self.at += 2;
        let low = self.hex4()?;
        if !(0xdc00..0xe000).contains(&low) {
            return Err(lone(self));
        }
        let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
        char::from_u32(code).ok_or_else(|| lone(self))
    }

    fn hex4(&mut self) -> Result<u32, DecodeError> {
        let mut code = 0;
        for _ in 0..4 {
            let Some(byte) = self.text.get(self.at) else {
                return Err(self.error(DecodeReason::UnexpectedEnd));
            };
            let Some(digit) = char::from(*byte).to_digit(16) else {
                return Err(self.error(DecodeReason::BadEscape));
            };
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }
}
