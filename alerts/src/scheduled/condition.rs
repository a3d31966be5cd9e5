//! A condition over the columns of a result: `n > 100 and (q2.n is null or n / q2.n >= 2)`.
//!
//! Two numbers are compared as numbers, whole ones exactly; anything else as text. What is null is in no comparison true.
//! It must never ask for more than the row, and depth and length are bounded.

mod parse;

use std::cmp::Ordering;

use parse::Parser;

/// Longest condition, bytes.
const LONGEST: usize = 4096;

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
        Ok(Self { text: text.trim().to_owned(), root: Parser::read(text)? })
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
