//! `LIMIT`: the bounds of the dialect, and its default for a query that has none.
//! It must never change a limit that a query has.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, LimitClause, Query, Value, ValueWithSpan, Visit, Visitor};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::Dialect;
use crate::Error;
use crate::parse::position;

/// Checks every limit, and gives the outermost query the default.
pub(super) fn apply(query: &mut Query, dialect: Dialect) -> Result<(), Box<Error>> {
    if let ControlFlow::Break(error) = Visit::visit(query, &mut Check { dialect, depth: 0 }) {
        return Err(error);
    }
    if let (Some(rows), None, None) = (dialect.default_limit, &query.limit_clause, &query.fetch) {
        let value = ValueWithSpan { value: Value::Number(rows.to_string(), false), span: Span::empty() };
        let limit = Some(Expr::Value(value));
        query.limit_clause = Some(LimitClause::LimitOffset { limit, offset: None, limit_by: Vec::new() });
    }
    Ok(())
}

/// The outermost limit, where it is a number.
pub(super) fn of(query: &Query) -> Option<u64> {
    let limit = match query.limit_clause.as_ref()? {
        LimitClause::LimitOffset { limit, .. } => limit.as_ref()?,
        LimitClause::OffsetCommaLimit { limit, .. } => limit,
    };
    number(limit)?.0.parse().ok()
}

/// An error of the query's own words, with its place.
pub(super) fn misuse(message: &str, at: Span) -> Box<Error> {
    let place = position(at.start).map(|at| format!(" at {at}")).unwrap_or_default();
    Box::new(Error::Plan { message: format!("{message}{place}") })
}

struct Check {
    dialect: Dialect,
    depth: usize,
}

/// A number that stands in the query itself.
fn number(expr: &Expr) -> Option<(&str, Span)> {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::Number(digits, _), span }) => Some((digits, *span)),
        _ => None,
    }
}

fn within(expr: Option<&Expr>, most: Option<u64>, what: &str) -> Result<(), Box<Error>> {
    match (expr.and_then(number), most) {
        // What is too large for 64 bits is too large for every bound.
        (Some((rows, at)), Some(most)) if rows.parse().unwrap_or(u64::MAX) > most => {
            Err(misuse(&format!("{what} takes at most {most} rows, not {rows},"), at))
        }
        _ => Ok(()),
    }
}

impl Check {
    fn check(&self, limit: &LimitClause) -> Result<(), Box<Error>> {
        let (offset, rows) = match limit {
            LimitClause::LimitOffset { limit, offset, .. } => (offset.as_ref().map(|o| &o.value), limit.as_ref()),
            LimitClause::OffsetCommaLimit { offset, limit } => (Some(offset), Some(limit)),
        };
        let Some(offset) = offset else { return within(rows, self.dialect.max_limit, "LIMIT") };
        if self.depth > 1 && self.dialect.max_page.is_some() {
            let at = number(offset).map_or(Span::empty(), |(_, at)| at);
            return Err(misuse("a sub-query takes no offset; put it on the outermost query,", at));
        }
        within(rows, self.dialect.max_page, "LIMIT with an offset")
    }
}

impl Visitor for Check {
    type Break = Box<Error>;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Self::Break> {
        self.depth += 1;
        match query.limit_clause.as_ref().map_or(Ok(()), |limit| self.check(limit)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<Self::Break> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }
}
