//! The grammar of conditions: `or` below `and` below `not` below comparisons, sums, products, brackets.
//! It must never go back over what it has read: time is bounded by the length.

use super::{Datum, Expr, Op, Term, Wrong};

/// Deepest nesting.
const DEEPEST: u32 = 32;

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Number(String),
    Sign(&'static str),
}

impl Token {
    fn told(&self) -> String {
        match self {
            Self::Word(text) | Self::Text(text) | Self::Number(text) => crate::fault::shown(text),
            Self::Sign(sign) => format!("`{sign}`"),
        }
    }

    fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(text) if text.eq_ignore_ascii_case(word))
    }
}

/// Signs, the longer ones first.
const SIGNS: [&str; 14] = ["==", "!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", "+", "-", "*", "/"];

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, Wrong> {
    let chars: Vec<char> = text.chars().collect();
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(c) = chars.get(at).copied() {
        let begin = at;
        let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '$');
        if c.is_whitespace() {
            at += 1;
            continue;
        }
        let token = if c == '\'' || c == '"' {
            let close = chars.iter().skip(at + 1).position(|other| *other == c);
            let Some(length) = close else { return Err((at, "this quote is never closed".to_owned())) };
            at += length + 2;
            let inner: String = chars[begin + 1..at - 1].iter().collect();
            // As in SQL: single quotes around a value, double ones around a name.
            if c == '\'' { Token::Text(inner) } else { Token::Word(inner) }
        } else if c.is_ascii_digit() {
            at += chars[at..].iter().take_while(|c| c.is_ascii_digit() || **c == '.').count();
            Token::Number(chars[begin..at].iter().collect())
        } else if part(c) {
            at += chars[at..].iter().take_while(|c| part(**c)).count();
            Token::Word(chars[begin..at].iter().collect())
        } else {
            let is_here = |sign: &&&str| chars[at..].iter().take(sign.len()).collect::<String>() == **sign;
            let Some(sign) = SIGNS.iter().find(is_here) else {
                return Err((at, format!("{} is no sign of a condition", crate::fault::shown(&c.to_string()))));
            };
            at += sign.len();
            Token::Sign(sign)
        };
        found.push((begin, token));
    }
    Ok(found)
}

/// What was read: brackets stand around either.
enum Node {
    Truth(Expr),
    Value(Term),
}

pub(super) struct Parser {
    tokens: Vec<(usize, Token)>,
    at: usize,
    depth: u32,
    /// Characters of the text.
    end: usize,
}

impl Parser {
    /// Reads a whole condition.
    pub(super) fn read(text: &str) -> Result<Expr, Wrong> {
        let mut parser = Self { tokens: tokens(text)?, at: 0, depth: 0, end: text.chars().count() };
        let root = parser.or()?;
        let root = parser.truth(root)?;
        match parser.tokens.get(parser.at) {
            None => Ok(root),
            Some((at, token)) => Err((*at, format!("{} does not belong here", token.told()))),
        }
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    /// Where the next token stands.
    fn place(&self) -> usize {
        self.tokens.get(self.at).map_or(self.end, |(at, _)| *at)
    }

    fn word(&mut self, word: &str) -> bool {
        let is = self.peek().is_some_and(|token| token.is(word));
        self.at += usize::from(is);
        is
    }

    fn sign(&mut self, signs: &[&'static str]) -> Option<&'static str> {
        let found = signs.iter().find(|sign| self.peek() == Some(&Token::Sign(sign))).copied();
        self.at += usize::from(found.is_some());
        found
    }

    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, Wrong>) -> Result<T, Wrong> {
        if self.depth >= DEEPEST {
            return Err((self.place(), format!("nested deeper than {DEEPEST} levels")));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn or(&mut self) -> Result<Node, Wrong> {
        let mut left = self.and()?;
        while self.word("or") {
            let (a, b) = (self.truth(left)?, self.and()?);
            left = Node::Truth(Expr::Or(Box::new(a), Box::new(self.truth(b)?)));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Node, Wrong> {
        let mut left = self.not()?;
        while self.word("and") {
            let (a, b) = (self.truth(left)?, self.not()?);
            left = Node::Truth(Expr::And(Box::new(a), Box::new(self.truth(b)?)));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Node, Wrong> {
        if self.word("not") {
            let inner = self.deeper(Self::not)?;
            return Ok(Node::Truth(Expr::Not(Box::new(self.truth(inner)?))));
        }
        self.compare()
    }

    fn compare(&mut self) -> Result<Node, Wrong> {
        let left = self.sum()?;
        if self.word("is") {
            let left = self.value(left)?;
            let not = self.word("not");
            if !self.word("null") {
                return Err((self.place(), "`is` is followed by `null` or `not null`".to_owned()));
            }
            let is_null = Expr::IsNull(left);
            return Ok(Node::Truth(if not { Expr::Not(Box::new(is_null)) } else { is_null }));
        }
        let op = match self.sign(&["==", "!=", "<>", "<=", ">=", "=", "<", ">"]) {
            Some("=" | "==") => Op::Equal,
            Some("!=" | "<>") => Op::Unequal,
            Some("<") => Op::Less,
            Some("<=") => Op::LessOrEqual,
            Some(">") => Op::More,
            Some(">=") => Op::MoreOrEqual,
            _ => return Ok(left),
        };
        let (a, b) = (self.value(left)?, self.sum()?);
        Ok(Node::Truth(Expr::Compare(a, op, self.value(b)?)))
    }

    fn sum(&mut self) -> Result<Node, Wrong> {
        let mut left = self.product()?;
        while let Some(sign) = self.sign(&["+", "-"]) {
            let (a, b) = (self.value(left)?, self.product()?);
            let sign = if sign == "+" { '+' } else { '-' };
            left = Node::Value(Term::Sum(Box::new(a), sign, Box::new(self.value(b)?)));
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<Node, Wrong> {
        let mut left = self.term()?;
        while let Some(sign) = self.sign(&["*", "/"]) {
            let (a, b) = (self.value(left)?, self.term()?);
            let sign = if sign == "*" { '*' } else { '/' };
            left = Node::Value(Term::Sum(Box::new(a), sign, Box::new(self.value(b)?)));
        }
        Ok(left)
    }

    fn term(&mut self) -> Result<Node, Wrong> {
        if self.sign(&["("]).is_some() {
            let inner = self.deeper(Self::or)?;
            return match self.sign(&[")"]) {
                Some(_) => Ok(inner),
                None => Err((self.place(), "a `)` is missing here".to_owned())),
            };
        }
        if self.sign(&["-"]).is_some() {
            let inner = self.deeper(Self::term)?;
            let zero = Term::Value(Datum::Whole(0));
            return Ok(Node::Value(Term::Sum(Box::new(zero), '-', Box::new(self.value(inner)?))));
        }
        let place = self.place();
        let term = match self.peek().cloned() {
            Some(Token::Number(text)) => match Datum::of(&text) {
                Datum::Text(_) => return Err((place, format!("{} is no number", crate::fault::shown(&text)))),
                number => Term::Value(number),
            },
            Some(Token::Text(text)) => Term::Value(Datum::Text(text)),
            Some(Token::Word(name)) if !["and", "or", "not", "is"].contains(&name.to_ascii_lowercase().as_str()) => {
                Term::Column(name)
            }
            Some(other) => return Err((place, format!("a column or a value is expected, not {}", other.told()))),
            None => return Err((place, "a column or a value is expected at the end".to_owned())),
        };
        self.at += 1;
        Ok(Node::Value(term))
    }

    /// Something that is true or not.
    fn truth(&self, node: Node) -> Result<Expr, Wrong> {
        match node {
            Node::Truth(expr) => Ok(expr),
            Node::Value(_) => Err((self.place(), "a comparison such as `n > 100` is expected here".to_owned())),
        }
    }

    /// Something that can be compared.
    fn value(&self, node: Node) -> Result<Term, Wrong> {
        match node {
            Node::Value(term) => Ok(term),
            Node::Truth(_) => Err((self.place(), "a value is expected before this, not a comparison".to_owned())),
        }
    }
}
