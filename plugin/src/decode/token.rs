//! Where a JSON value stands in its text, and what kind of value it is.
//!
//! A place, never a copy.

/// What kind of value a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TokenKind {
    /// There is none.
    #[default]
    Absent,
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean,
    /// A number.
    Number,
    /// A string without escapes; the token leaves the quotes out.
    Plain,
    /// A string with escapes; the token leaves the quotes out.
    Escaped,
    /// An object, brackets included.
    Object,
    /// An array, brackets included.
    Array,
}

/// Where a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Token {
    /// First byte.
    pub start: u32,
    /// Behind the last byte.
    pub end: u32,
    /// What it is.
    pub kind: TokenKind,
}

impl Token {
    /// The token's bytes.
    pub fn of<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// Whether it is a string.
    pub fn is_string(&self) -> bool {
        matches!(self.kind, TokenKind::Plain | TokenKind::Escaped)
    }
}
