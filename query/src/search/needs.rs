//! Tokens that a matching row must hold, for the token index.
//! It must never ask for a token that a matching row could lack.

use std::ops::Range;

use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use innertrail_logstore::index::{TokenIndex, tokens};
use innertrail_logstore::{Error, SegmentRef};

use innertrail_search::words::Word;

/// The most alternatives that are asked about one by one.
const MAX_ALTERNATIVES: usize = 32;

/// Every matching row holds all tokens of at least one alternative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Needs(Vec<Vec<String>>);

impl Needs {
    /// Any row may match.
    pub(crate) fn nothing() -> Self {
        Self(vec![Vec::new()])
    }

    pub(super) fn words(words: &[Word]) -> Self {
        let exact = |word: &Word| if let Word::Exact(token) = word { Some(token.clone()) } else { None };
        Self(vec![words.iter().filter_map(exact).collect()])
    }

    /// Needs of rows for which all filters hold: a column that is equal to a text holds the tokens of the text.
    /// `indexed` says of which columns the values stand in the event, and so in the index.
    pub(crate) fn of_filters(filters: &[Expr], indexed: &dyn Fn(&str) -> bool) -> Self {
        filters.iter().map(|filter| Self::of_filter(filter, indexed)).fold(Self::nothing(), |a, b| a.and(&b))
    }

    fn of_filter(filter: &Expr, indexed: &dyn Fn(&str) -> bool) -> Self {
        match filter {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
                Self::of_filter(left, indexed).and(&Self::of_filter(right, indexed))
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
                Self::of_filter(left, indexed).or(Self::of_filter(right, indexed))
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => match (&**left, &**right) {
                (Expr::Column(column), text) | (text, Expr::Column(column)) if indexed(&column.name) => Self::of(text),
                _ => Self::nothing(),
            },
            Expr::InList(InList { expr, list, negated: false }) => match &**expr {
                Expr::Column(column) if indexed(&column.name) => {
                    list.iter().map(Self::of).reduce(Self::or).unwrap_or_else(Self::nothing)
                }
                _ => Self::nothing(),
            },
            _ => Self::nothing(),
        }
    }

    /// The tokens of a text in the query.
    fn of(text: &Expr) -> Self {
        let Expr::Literal(value, _) = text else { return Self::nothing() };
        let text = value.try_as_str().flatten().unwrap_or_default();
        Self(vec![tokens(text).map(std::borrow::Cow::into_owned).collect()])
    }

    /// Needs of rows that match both.
    pub(crate) fn and(self, other: &Self) -> Self {
        if other.is_nothing() {
            return self;
        }
        if self.is_nothing() {
            return other.clone();
        }
        if self.0.len() * other.0.len() > MAX_ALTERNATIVES {
            return self;
        }
        let both = |a: &Vec<String>, b: &Vec<String>| {
            let new = b.iter().filter(|token| !a.contains(token));
            a.iter().chain(new).cloned().collect::<Vec<_>>()
        };
        Self(self.0.iter().flat_map(|a| other.0.iter().map(move |b| both(a, b))).collect())
    }

    /// Needs of rows that match one of the two.
    pub(super) fn or(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        if self.0.len() > MAX_ALTERNATIVES || self.is_nothing() { Self::nothing() } else { self }
    }

    pub(crate) fn is_nothing(&self) -> bool {
        self.0.iter().any(Vec::is_empty)
    }

    /// The rows of the segment that may match, in order and without overlap. `None`: the index cannot tell.
    pub(crate) fn rows(&self, segment: &SegmentRef) -> Option<Vec<Range<u64>>> {
        if self.is_nothing() {
            return None;
        }
        // An index that is damaged or made for another segment costs time, not rows: everything is read.
        let index = TokenIndex::open_if_there(&segment.index_path()).ok()??;
        if index.rows() != segment.rows {
            return None;
        }
        let of = |tokens: &Vec<String>| -> Result<Vec<Range<u64>>, Error> {
            index.candidates(&tokens.iter().map(String::as_str).collect::<Vec<_>>())
        };
        let found: Result<Vec<_>, Error> = self.0.iter().map(of).collect();
        Some(merged(found.ok()?.concat()))
    }
}

fn merged(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|r| r.start);
    let mut out: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match out.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => out.push(range),
        }
    }
    out
}
