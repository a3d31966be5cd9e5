//! What has to change before the text is parsed: `set session mode=scan;` and `array(varchar)`.
//! It must never move a character: every error names the place in the text as it was sent.

use std::borrow::Cow;

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

/// The text that the parser takes, of the same shape.
pub(super) fn prepare(sql: &str) -> Cow<'_, str> {
    let sql = without_session(sql);
    match array_types(&sql) {
        Some(changed) => Cow::Owned(changed),
        None => sql,
    }
}

/// `set session mode=scan;` at the beginning asks for a scan of what has no index. Here everything is scanned.
fn without_session(sql: &str) -> Cow<'_, str> {
    let Some((first, rest)) = sql.split_once(';') else { return Cow::Borrowed(sql) };
    let spaced = first.replace('=', " = ").to_ascii_lowercase();
    if !spaced.split_whitespace().eq(["set", "session", "mode", "=", "scan"]) {
        return Cow::Borrowed(sql);
    }
    let blank: String = first.chars().map(|c| if c == '\n' { c } else { ' ' }).collect();
    Cow::Owned(format!("{blank} {rest}"))
}

/// The parser knows the type as `array<varchar>`. `None` when there is none to change.
fn array_types(sql: &str) -> Option<String> {
    if !sql.to_ascii_lowercase().contains("array") {
        return None;
    }
    // What is no sequence of tokens is refused by the parser, with the place.
    let mut tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location().ok()?;
    tokens.retain(|t| !matches!(t.token, Token::Whitespace(_)));
    let mut places = Vec::new();
    let mut open: Vec<bool> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token.token {
            Token::LParen => {
                let is_type = at.checked_sub(1).is_some_and(|word| is_array_type(&tokens, word, &open));
                open.push(is_type);
                if is_type {
                    places.push((token.span.start, '<'));
                }
            }
            Token::RParen if open.pop() == Some(true) => places.push((token.span.start, '>')),
            _ => {}
        }
    }
    (!places.is_empty()).then(|| replaced(sql, &places))
}

/// Whether the word is `array` in the place of a type: after `AS`, or directly inside another such type.
fn is_array_type(tokens: &[TokenWithSpan], at: usize, open: &[bool]) -> bool {
    let is = |at: usize, keyword| matches!(&tokens[at].token, Token::Word(w) if w.keyword == keyword && w.quote_style.is_none());
    let Some(before) = at.checked_sub(1) else { return false };
    let inside = tokens[before].token == Token::LParen && open.last() == Some(&true);
    is(at, Keyword::ARRAY) && (is(before, Keyword::AS) || inside)
}

fn replaced(sql: &str, places: &[(Location, char)]) -> String {
    let mut places = places.iter().peekable();
    let (mut line, mut column) = (1, 1);
    let each = sql.chars().map(|c| {
        let here = places.next_if(|(at, _)| at.line == line && at.column == column);
        if c == '\n' {
            (line, column) = (line + 1, 1);
        } else {
            column += 1;
        }
        here.map_or(c, |(_, new)| *new)
    });
    each.collect()
}
