//! A condition over the columns of a result: `n > 100 and (q2.n is null or n / q2.n >= 2)`.
//!
//! Two numbers are compared as numbers, whole ones exactly; anything else as text. What is null is in no comparison true.
//! It must never ask for more than the row, and depth and length are bounded.

use std::cmp::Ordering;

/// Longest condition, bytes.
const LONGEST: usize = 4096;
/// Deepest nesting.
const DEEPEST: u32 = 32;

/// A condition.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    text: String,
    root: Expr,
}

#[derive(Debug, Clone)]
enum Expr {
    Or(Box<Expr>, Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    Compare(Term, Op, Term),
    IsNull(Term),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
}

#[derive(Debug, Clone)]
enum Term {
    Column(String),
    Value(Datum),
    Sum(Box<Term>, char, Box<Term>),
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
enum Datum {
    Null,
    Text(String),
    Whole(i128),
    Part(f64),
}

/// Where it goes wrong, in characters from the begin, and how.
pub(crate) type Wrong = (usize, String);

impl Condition {
    /// Reads a condition.
    pub(crate) fn parse(text: &str) -> Result<Self, Wrong> {
        if text.len() > LONGEST {
            return Err((0, format!("a condition is at most {LONGEST} bytes long")));
        }
        let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0, end: text.chars().count() };
        let root = parser.or()?;
        let root = parser.truth(root)?;
        match parser.tokens.get(parser.at) {
            None => Ok(Self { text: text.trim().to_owned(), root }),
            Some((at, token)) => Err((*at, format!("{} does not belong here", token.told()))),
        }
    }

    /// As written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The columns that it names.
    pub(crate) fn columns(&self) -> Vec<&str> {
        let mut found = Vec::new();
        self.root.columns(&mut found);
        found
    }

    /// Whether a row meets it; `cell` gives the value of a column.
    pub(crate) fn holds<'r>(&self, cell: &dyn Fn(&str) -> Option<&'r str>) -> bool {
        self.root.holds(cell)
    }
}

impl Expr {
    fn columns<'e>(&'e self, found: &mut Vec<&'e str>) {
        match self {
            Self::Or(a, b) | Self::And(a, b) => {
                a.columns(found);
                b.columns(found);
            }
            Self::Not(a) => a.columns(found),
            Self::Compare(a, _, b) => {
                a.columns(found);
                b.columns(found);
            }
            Self::IsNull(a) => a.columns(found),
        }
    }

    fn holds<'r>(&self, cell: &dyn Fn(&str) -> Option<&'r str>) -> bool {
        match self {
            Self::Or(a, b) => a.holds(cell) || b.holds(cell),
            Self::And(a, b) => a.holds(cell) && b.holds(cell),
            Self::Not(a) => !a.holds(cell),
            Self::IsNull(a) => a.value(cell) == Datum::Null,
            Self::Compare(a, op, b) => match order(&a.value(cell), &b.value(cell)) {
                None => false,
                Some(order) => match op {
                    Op::Equal => order == Ordering::Equal,
                    Op::Unequal => order != Ordering::Equal,
                    Op::Less => order == Ordering::Less,
                    Op::LessOrEqual => order != Ordering::Greater,
                    Op::More => order == Ordering::Greater,
                    Op::MoreOrEqual => order != Ordering::Less,
                },
            },
        }
    }
}

impl Term {
    fn columns<'e>(&'e self, found: &mut Vec<&'e str>) {
        match self {
            Self::Column(name) => found.push(name),
            Self::Value(_) => {}
            Self::Sum(a, _, b) => {
                a.columns(found);
                b.columns(found);
            }
        }
    }

    fn value<'r>(&self, cell: &dyn Fn(&str) -> Option<&'r str>) -> Datum {
        match self {
            Self::Column(name) => cell(name).map_or(Datum::Null, Datum::of),
            Self::Value(value) => value.clone(),
            Self::Sum(a, sign, b) => {
                let (Some(a), Some(b)) = (a.value(cell).number(), b.value(cell).number()) else { return Datum::Null };
                let result = match sign {
                    '+' => a + b,
                    '-' => a - b,
                    '*' => a * b,
                    _ => a / b,
                };
                // Something divided by nothing is no number to compare with.
                if result.is_finite() { Datum::Part(result) } else { Datum::Null }
            }
        }
    }
}

impl Datum {
    fn of(text: &str) -> Self {
        match (text.parse::<i128>(), text.parse::<f64>()) {
            (Ok(whole), _) => Self::Whole(whole),
            (_, Ok(part)) if part.is_finite() => Self::Part(part),
            _ => Self::Text(text.to_owned()),
        }
    }

    #[allow(clippy::cast_precision_loss)]
    fn number(&self) -> Option<f64> {
        match self {
            Self::Whole(whole) => Some(*whole as f64),
            Self::Part(part) => Some(*part),
            _ => None,
        }
    }

    fn text(&self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Text(text) => Some(text.clone()),
            Self::Whole(whole) => Some(whole.to_string()),
            Self::Part(part) => Some(part.to_string()),
        }
    }
}

fn order(a: &Datum, b: &Datum) -> Option<Ordering> {
    match (a, b) {
        (Datum::Whole(a), Datum::Whole(b)) => Some(a.cmp(b)),
        _ => match (a.number(), b.number()) {
            (Some(a), Some(b)) => a.partial_cmp(&b),
            _ => Some(a.text()?.cmp(&b.text()?)),
        },
    }
}

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

struct Parser {
    tokens: Vec<(usize, Token)>,
    at: usize,
    depth: u32,
    /// Characters of the text.
    end: usize,
}

impl Parser {
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn holds(text: &str) -> bool {
        let row = [("n", "120"), ("q2.n", "50"), ("user", "alice"), ("id", "1000000000000000001"), ("half", "0.5")];
        Condition::parse(text).unwrap().holds(&|name| row.iter().find(|(n, _)| *n == name).map(|(_, v)| *v))
    }

    #[test]
    fn what_holds_and_what_does_not() {
        for text in [
            "n > 100",
            "n > 100 and user = 'alice'",
            "n < 100 or n >= 120 and not user != 'alice'",
            "(n + 30) / 3 == 50",
            "n / q2.n >= 2.4",
            "n - -1 = 121",
            "gone is null and n is not null",
            "half < 1",
            "id = 1000000000000000001",
            "\"user\" <> 'bob'",
            "((n > 1))",
            "not (n < 1 or gone > 1)",
        ] {
            assert!(holds(text), "{text}");
        }
        for text in [
            "n > 120",
            "gone = 1",
            "gone != 1",
            "n / gone > 0",
            "n / 0 > 0",
            "id = 1000000000000000002",
            "user > 5 and n < 5",
        ] {
            assert!(!holds(text), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, place, word) in [
            ("n >", 3, "at the end"),
            ("n", 1, "comparison"),
            ("n > 'x", 4, "never closed"),
            ("n > 1 m", 6, "does not belong"),
            ("n ~ 1", 2, "no sign"),
            ("n > 1.2.3", 4, "no number"),
            ("n is 5", 5, "null"),
            ("and", 0, "expected"),
        ] {
            let (at, told) = Condition::parse(text).unwrap_err();
            assert!(at == place && told.contains(word), "{text}: {at} {told}");
        }
        assert!(Condition::parse(&"(".repeat(200)).is_err());
        assert!(Condition::parse(&"not ".repeat(200)).is_err());
    }
}
