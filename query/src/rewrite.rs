//! Turns the user's query into one that DataFusion plans: names get their stored spelling, `FROM log` is added, the
//! dialect's functions and `UNNEST` become what the engine has, and the user's own spelling is kept for the result.
//! It must never change what a query means, and never touch a text or number in it.

mod calls;
mod explain;
mod limit;
mod prepare;
mod resolve;
mod unnest;

use std::collections::HashMap;
use std::convert::Infallible;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::sql::parser::Statement as EngineStatement;
use datafusion::sql::sqlparser::ast::VisitMut;
use datafusion::sql::sqlparser::ast::{Query, Select, SelectItem, Statement, TableAlias, TableFactor, Visit, Visitor};

use crate::names::{Defined, Schema, nearest};
use crate::outputs::{self, Output};
pub(crate) use crate::parse::check_size;
use crate::parse::parse;
use crate::{Error, Position};
use resolve::Resolve;

/// What a query's surroundings decide: the command line shows what was asked for, Log Service has habits of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dialect {
    /// Rows of a query that has no `LIMIT`; `None` for all.
    pub default_limit: Option<usize>,
    /// The largest `LIMIT`, in rows.
    pub max_limit: Option<u64>,
    /// The largest number of rows of `LIMIT offset, rows`. With it, sub-queries may have no offset.
    pub max_page: Option<u64>,
    /// Whether a column without a name is called `_col` and its place from 0, and not by its expression. That Log
    /// Service does so is inferred from Presto, not documented.
    pub numbered_columns: bool,
}

impl Dialect {
    /// What follows `search |` in Log Service: 100 rows unless said otherwise, at most 1,000,000, pages of 10,000.
    pub const LOG_SERVICE: Self =
        Self { default_limit: Some(100), max_limit: Some(1_000_000), max_page: Some(10_000), numbered_columns: true };
}

/// The rewritten query and what is needed to speak of it in the user's words.
#[derive(Debug)]
pub(crate) struct Rewritten {
    statement: Option<Statement>,
    schema: Arc<Schema>,
    defined: Defined,
    /// Name as rewritten -> as written, and where.
    seen: HashMap<String, (String, Option<Position>)>,
    calls: calls::Places,
    outputs: Vec<Output>,
    dialect: Dialect,
    limit: Option<u64>,
}

/// Parses, refuses, resolves.
pub(crate) fn rewrite(sql: &str, schema: &Arc<Schema>, dialect: Dialect) -> Result<Rewritten, Error> {
    check_size(sql)?;
    let mut query = parse(&prepare::prepare(sql))?;
    limit::apply(&mut query, dialect).map_err(|e| *e)?;
    let limit = limit::of(&query);
    unnest::rewrite(&mut query).map_err(|e| *e)?;
    let mut collect = Collect::default();
    let ControlFlow::Continue(()) = Visit::visit(&*query, &mut collect);
    let mut names = Resolve { schema, defined: collect.0, seen: HashMap::new() };
    let outputs = outputs::outermost(&mut query.body).map(|s| names.outputs(&s.projection)).unwrap_or_default();
    if let ControlFlow::Break(error) = VisitMut::visit(&mut *query, &mut names) {
        return Err(*error);
    }
    let calls = calls::rewrite(&mut query).map_err(|e| *e)?;
    if let Some(select) = outputs::outermost(&mut query.body) {
        outputs::tell_apart(&mut select.projection);
    }
    let Resolve { defined, seen, .. } = names;
    let statement = Some(Statement::Query(query));
    Ok(Rewritten { statement, schema: Arc::clone(schema), defined, seen, calls, outputs, dialect, limit })
}

impl Rewritten {
    /// The statement for the engine; empty the second time.
    pub(crate) fn take_statement(&mut self) -> EngineStatement {
        let statement = self.statement.take().unwrap_or(Statement::Commit { chain: false, end: false, modifier: None });
        EngineStatement::Statement(Box::new(statement))
    }

    /// The outermost `LIMIT`, where it is a number.
    pub(crate) fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// The user's names for the engine's output columns, made unique.
    pub(crate) fn display_names(&self, engine: Vec<String>) -> Vec<String> {
        outputs::display_names(&self.outputs, engine, self.dialect.numbered_columns)
    }

    /// The error for a column that the engine did not find; `valid` is what it would have taken.
    pub(crate) fn unknown_column(&self, name: &str, valid: impl Iterator<Item = String>) -> Error {
        let (written, at) = self.seen.get(name).cloned().unwrap_or_else(|| (name.to_owned(), None));
        let own = self.schema.columns().iter().chain(self.defined.columns()).cloned();
        let suggestion = nearest(&written, own.chain(valid).filter(|c| c != name));
        Error::UnknownColumn { name: written, at, suggestion }
    }
}

/// First pass: the names that the query makes itself.
#[derive(Default)]
struct Collect(Defined);

impl Collect {
    fn alias(&mut self, alias: &TableAlias) {
        self.0.add_relation(&alias.name.value);
        for column in &alias.columns {
            self.0.add_column(&column.name.value);
        }
    }
}

impl Visitor for Collect {
    type Break = Infallible;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Infallible> {
        for cte in query.with.iter().flat_map(|w| &w.cte_tables) {
            self.alias(&cte.alias);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Infallible> {
        for item in &select.projection {
            match item {
                SelectItem::ExprWithAlias { alias, .. } => self.0.add_column(&alias.value),
                SelectItem::ExprWithAliases { aliases, .. } => aliases.iter().for_each(|a| self.0.add_column(&a.value)),
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Infallible> {
        match factor {
            TableFactor::Table { alias: Some(alias), .. }
            | TableFactor::Derived { alias: Some(alias), .. }
            | TableFactor::TableFunction { alias: Some(alias), .. }
            | TableFactor::Function { alias: Some(alias), .. }
            | TableFactor::UNNEST { alias: Some(alias), .. }
            | TableFactor::NestedJoin { alias: Some(alias), .. } => self.alias(alias),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
