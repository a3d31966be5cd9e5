//! `FROM t CROSS JOIN UNNEST(list) AS u (x)`: becomes `FROM (SELECT *, unnest(list) AS x FROM t) AS t`, because the
//! engine cannot join a table with the lists in its own rows. It must never change which rows come out.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, JoinOperator, Query, Select, SelectItem, SetExpr, Spanned, TableAlias, TableFactor, TableWithJoins,
    VisitMut, VisitorMut,
};

use super::calls::{fragment, template};
use super::limit::misuse;
use crate::Error;

/// Rewrites every such join in the query.
pub(super) fn rewrite(query: &mut Query) -> Result<(), Box<Error>> {
    let mut unnest = Unnest::default();
    if let ControlFlow::Break(error) = VisitMut::visit(query, &mut unnest) {
        return Err(error);
    }
    if !unnest.aliases.is_empty() {
        let ControlFlow::Continue(()) = VisitMut::visit(query, &mut Unqualify(unnest.aliases));
    }
    Ok(())
}

#[derive(Default)]
struct Unnest {
    /// Names of the lists' tables, in lower case. They are gone afterwards.
    aliases: HashSet<String>,
}

fn is_unnest(factor: &TableFactor) -> bool {
    matches!(factor, TableFactor::UNNEST { .. })
}

impl VisitorMut for Unnest {
    type Break = Box<Error>;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        match self.from(std::mem::take(&mut select.from)) {
            Ok(from) => {
                select.from = from;
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }
}

impl Unnest {
    fn from(&mut self, tables: Vec<TableWithJoins>) -> Result<Vec<TableWithJoins>, Box<Error>> {
        let mut done: Vec<TableWithJoins> = Vec::with_capacity(tables.len());
        for table in tables {
            let (first, joins) = (table.relation, table.joins);
            // `FROM t, UNNEST(…)` means the same as a cross join. On its own the engine takes it.
            let mut current = match done.pop() {
                Some(before) if is_unnest(&first) => self.fold(before, first)?,
                before => {
                    done.extend(before);
                    TableWithJoins { relation: first, joins: Vec::new() }
                }
            };
            for join in joins {
                let cross = matches!(join.join_operator, JoinOperator::CrossJoin(_));
                if cross && is_unnest(&join.relation) {
                    current = self.fold(current, join.relation)?;
                } else {
                    current.joins.push(join);
                }
            }
            done.push(current);
        }
        Ok(done)
    }

    fn fold(&mut self, left: TableWithJoins, right: TableFactor) -> Result<TableWithJoins, Box<Error>> {
        let at = right.span();
        let TableFactor::UNNEST { alias, array_exprs, with_offset, with_ordinality, .. } = right else {
            return Ok(left);
        };
        if with_offset || with_ordinality {
            return Err(misuse("UNNEST WITH ORDINALITY is not there", at));
        }
        if !left.joins.is_empty() {
            return Err(misuse(
                "CROSS JOIN UNNEST stands after one table or sub-query, not after a join; put the join into a sub-query",
                at,
            ));
        }
        let name = match &left.relation {
            TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. } => {
                Some(alias.name.clone())
            }
            TableFactor::Table { name, .. } => name.0.last().and_then(|part| part.as_ident()).cloned(),
            _ => None,
        };
        let names = self.names(alias, array_exprs.len(), at)?;
        let mut subquery = fragment("SELECT * FROM log");
        if let SetExpr::Select(select) = subquery.body.as_mut() {
            select.from = vec![left];
            for (expr, alias) in array_exprs.into_iter().zip(names) {
                select.projection.push(SelectItem::ExprWithAlias { expr: template("unnest($1)", &[expr]), alias });
            }
        }
        let alias = name.map(|name| TableAlias { explicit: true, name, columns: Vec::new(), at: None });
        let relation = TableFactor::Derived { lateral: false, subquery, alias, sample: None };
        Ok(TableWithJoins { relation, joins: Vec::new() })
    }

    /// What the values of the lists are called: `AS u (x, y)`, or `AS x` for one list.
    fn names(
        &mut self,
        alias: Option<TableAlias>,
        lists: usize,
        at: datafusion::sql::sqlparser::tokenizer::Span,
    ) -> Result<Vec<Ident>, Box<Error>> {
        let wrong = || misuse("UNNEST wants one name a list: CROSS JOIN UNNEST(a, b) AS t (x, y)", at);
        let alias = alias.ok_or_else(wrong)?;
        if alias.columns.is_empty() && lists == 1 {
            return Ok(vec![alias.name]);
        }
        if alias.columns.len() != lists {
            return Err(wrong());
        }
        self.aliases.insert(alias.name.value.to_lowercase());
        Ok(alias.columns.into_iter().map(|column| column.name).collect())
    }
}

/// `u.x` becomes `x`.
struct Unqualify(HashSet<String>);

impl VisitorMut for Unqualify {
    type Break = std::convert::Infallible;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        if let Expr::CompoundIdentifier(parts) = expr
            && let [table, column] = parts.as_slice()
            && self.0.contains(&table.value.to_lowercase())
        {
            *expr = Expr::Identifier(column.clone());
        }
        ControlFlow::Continue(())
    }
}
