//! The gate: exactly one `SELECT` or `WITH` query comes out, everything else is refused by its name.
//! It must never let a statement through because it does not know it.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Query, Select, SetExpr, Statement, Visit, Visitor};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use crate::{Error, MAX_SQL_BYTES, MAX_SQL_TOKENS, Position};

/// Nesting of parentheses, sub-queries and the like.
const DEPTH: usize = 50;

pub(crate) fn position(at: Location) -> Option<Position> {
    (at.line > 0).then_some(Position { line: at.line, column: at.column })
}

/// Refuses a text that is too long to look at.
pub(crate) fn check_size(sql: &str) -> Result<(), Error> {
    if sql.len() <= MAX_SQL_BYTES {
        return Ok(());
    }
    Err(Error::TooLarge { what: format!("{} bytes of SQL, at most {MAX_SQL_BYTES} are taken", sql.len()) })
}

/// The one query in `sql`, checked to be nothing but reading.
pub(crate) fn parse(sql: &str) -> Result<Box<Query>, Error> {
    check_size(sql)?;
    let tokens = tokens(sql)?;
    check_first(&tokens)?;
    let dialect = GenericDialect {};
    let mut parser = Parser::new(&dialect).with_recursion_limit(DEPTH).with_tokens_with_locations(tokens);
    let query = parser.parse_query().map_err(syntax)?;
    let next = parser.peek_token();
    match next.token {
        Token::EOF => {}
        Token::SemiColon => return Err(Error::SeveralStatements { at: position(next.span.start) }),
        other => {
            let message = format!("the query should end before `{other}`");
            return Err(Error::Syntax { message, at: position(next.span.start) });
        }
    }
    match query.visit(&mut OnlyReads) {
        ControlFlow::Continue(()) => Ok(query),
        ControlFlow::Break(error) => Err(*error),
    }
}

/// Tokens without blanks, comments and one trailing semicolon.
fn tokens(sql: &str) -> Result<Vec<TokenWithSpan>, Error> {
    let all = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location();
    let mut tokens = all.map_err(|e| Error::Syntax { message: e.message, at: position(e.location) })?;
    tokens.retain(|t| !matches!(t.token, Token::Whitespace(_) | Token::EOF));
    if tokens.len() > 1 && tokens.last().is_some_and(|t| t.token == Token::SemiColon) {
        tokens.pop();
    }
    if tokens.len() > MAX_SQL_TOKENS {
        let what = format!("{} words and signs of SQL, at most {MAX_SQL_TOKENS} are taken", tokens.len());
        return Err(Error::TooLarge { what });
    }
    Ok(tokens)
}

/// A statement is named before it is parsed, so dialects that the parser does not know are refused the same way.
fn check_first(tokens: &[TokenWithSpan]) -> Result<(), Error> {
    let Some(first) = tokens.iter().find(|t| t.token != Token::LParen) else { return Err(Error::Empty) };
    let at = position(first.span.start);
    match &first.token {
        Token::Word(word) if matches!(word.keyword, Keyword::SELECT | Keyword::WITH) => Ok(()),
        Token::Word(word) if word.keyword != Keyword::NoKeyword && word.quote_style.is_none() => {
            Err(Error::Refused { statement: word.value.to_uppercase(), at })
        }
        Token::SemiColon => Err(Error::Empty),
        other => Err(Error::Syntax { message: format!("expected SELECT or WITH, found `{other}`"), at }),
    }
}

/// The parser puts the place into its text.
fn syntax(error: ParserError) -> Error {
    let message = match error {
        ParserError::RecursionLimitExceeded => {
            return Error::TooLarge { what: format!("nested more than {DEPTH} levels deep") };
        }
        ParserError::ParserError(message) | ParserError::TokenizerError(message) => message,
    };
    let Some((text, place)) = message.rsplit_once(" at Line: ") else { return Error::Syntax { message, at: None } };
    let place = place.split_once(", Column: ").and_then(|(line, column)| {
        Some(Position { line: line.trim().parse().ok()?, column: column.trim().parse().ok()? })
    });
    match place {
        Some(at) => Error::Syntax { message: text.to_owned(), at: Some(at) },
        None => Error::Syntax { message, at: None },
    }
}

/// Finds what writes, wherever it hides.
struct OnlyReads;

fn refused(statement: impl Into<String>) -> ControlFlow<Box<Error>> {
    ControlFlow::Break(Box::new(Error::Refused { statement: statement.into(), at: None }))
}

fn writes(body: &SetExpr) -> Option<&'static str> {
    match body {
        SetExpr::Insert(_) => Some("INSERT"),
        SetExpr::Update(_) => Some("UPDATE"),
        SetExpr::Delete(_) => Some("DELETE"),
        SetExpr::Merge(_) => Some("MERGE"),
        _ => None,
    }
}

impl Visitor for OnlyReads {
    type Break = Box<Error>;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        if let Some(name) = writes(&query.body) {
            return refused(name);
        }
        if query.locks.is_empty() { ControlFlow::Continue(()) } else { refused("SELECT … FOR UPDATE or SHARE") }
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Self::Break> {
        if select.into.is_some() { refused("SELECT INTO") } else { ControlFlow::Continue(()) }
    }

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<Self::Break> {
        let text = statement.to_string();
        refused(text.split_whitespace().next().unwrap_or("this statement"))
    }
}
