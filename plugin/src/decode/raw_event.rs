//! What decoding hands to classification: one record, its lifted fields as places in its own text, and its shape.
//!
//! Nothing is copied but strings with escapes. A raw event never owns or changes the record's bytes.

use std::borrow::Cow;

use super::scan::{Token, TokenKind};
use super::text::unescape;
use crate::event::columns::{Column, LIFTED};

/// Which of the three record families, told by shape and never by topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// What users, roles and services did: camelCase, `eventId` and `serviceName`.
    Audit,
    /// What the provider's staff and systems did: PascalCase, `EventID` and `EventProduct`.
    Platform,
    /// A third shape without `userIdentity`: `insightDetails`.
    Insight,
}

impl Family {
    /// The word in `it_family`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Platform => "platform",
            Self::Insight => "insight",
        }
    }
}

/// The record around an event.
#[derive(Debug, Clone, Default)]
pub struct Envelope {
    /// The record with `null` in the event's place; empty where there was none.
    pub json: Vec<u8>,
    /// Whether it was found to hold no secret, so that nobody need look through it again.
    pub is_plain: bool,
    /// `__topic__` of a Log Service record.
    pub topic: Option<String>,
    /// `__source__` of a Log Service record.
    pub source: Option<String>,
}

/// One record, decoded as far as any room needs it.
#[derive(Debug)]
pub struct RawEvent<'a> {
    /// The record's own bytes, verbatim.
    pub bytes: &'a [u8],
    /// Where the lifted fields stand in `bytes`, by column.
    pub fields: [Token; LIFTED],
    /// `referencedResources`, also in its misspelt form.
    pub referenced: Token,
    /// `requestParameters`.
    pub parameters: Token,
    /// `insightDetails`.
    pub insight: Token,
    /// A field that addresses a Logstore by name.
    pub logstore: Token,
    /// Seal mark, as it stands.
    pub seal: Token,
    /// Values under watched keys, to be masked.
    pub secrets: Vec<Token>,
    /// Strings with escapes that hold a watched key.
    pub secret_texts: Vec<Token>,
    /// Keys that stood twice; the last one won.
    pub duplicate_keys: u32,
    /// A string in it holds an operation log among other text, so that it cannot be taken out whole.
    pub hides_log: bool,
    /// The record around it, where there was one.
    pub envelope: Option<&'a Envelope>,
}

impl<'a> RawEvent<'a> {
    /// An event without any field.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            fields: [Token::default(); LIFTED],
            referenced: Token::default(),
            parameters: Token::default(),
            insight: Token::default(),
            logstore: Token::default(),
            seal: Token::default(),
            secrets: Vec::new(),
            secret_texts: Vec::new(),
            duplicate_keys: 0,
            hides_log: false,
            envelope: None,
        }
    }

    /// The token of a lifted field.
    #[inline(always)]
    pub fn token(&self, column: Column) -> Token {
        self.fields.get(column as usize).copied().unwrap_or_default()
    }

    /// Whether a field is there and not null. `""` counts as there.
    #[inline(always)]
    pub fn has(&self, column: Column) -> bool {
        !matches!(self.token(column).kind, TokenKind::Absent | TokenKind::Null)
    }

    /// A field's bytes: strings unescaped, numbers, booleans and containers as they stand. `None`: absent or null.
    ///
    /// Bytes rather than text, because the frame was checked to be UTF-8 as a whole and checking every field again would
    /// cost more than lifting it.
    #[inline(always)]
    pub fn value(&self, column: Column) -> Option<Cow<'a, [u8]>> {
        self.value_of(self.token(column))
    }

    /// A field's bytes where it has any.
    #[inline(always)]
    pub fn filled(&self, column: Column) -> Option<Cow<'a, [u8]>> {
        self.value(column).filter(|t| !t.is_empty())
    }

    /// A token's bytes, as [`Self::value`] gives them.
    #[inline(always)]
    pub fn value_of(&self, token: Token) -> Option<Cow<'a, [u8]>> {
        match token.kind {
            TokenKind::Absent | TokenKind::Null => None,
            TokenKind::Escaped => Some(Cow::Owned(unescape(token.of(self.bytes)).into_bytes())),
            _ => Some(Cow::Borrowed(token.of(self.bytes))),
        }
    }

    /// A field as text, for people and for rare ways.
    pub fn text(&self, column: Column) -> Option<Cow<'a, str>> {
        self.text_of(self.token(column))
    }

    /// A token as text.
    pub fn text_of(&self, token: Token) -> Option<Cow<'a, str>> {
        match token.kind {
            TokenKind::Absent | TokenKind::Null => None,
            TokenKind::Escaped => Some(Cow::Owned(unescape(token.of(self.bytes)))),
            _ => Some(String::from_utf8_lossy(token.of(self.bytes))),
        }
    }

    /// The family, or `None` where the record is no operation log.
    pub fn family(&self) -> Option<Family> {
        let token = |c| self.token(c).kind != TokenKind::Absent;
        if self.insight.kind == TokenKind::Object && (token(Column::EventId) || token(Column::EventType)) {
            return Some(Family::Insight);
        }
        if token(Column::EventProduct) && (token(Column::EventId) || token(Column::EventName)) {
            return Some(Family::Platform);
        }
        let acts = token(Column::ServiceName) || token(Column::IdentityType);
        let audit = acts && token(Column::EventName);
        (audit && (token(Column::EventId) || token(Column::EventTime))).then_some(Family::Audit)
    }
}
