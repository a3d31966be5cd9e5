//! Second pass: every name gets the one spelling that all places share.
//! It must never invent a name, and never touch a text or number.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, ExcludeSelectItem, Expr, Ident, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, Query,
    Select, SelectItem, SelectItemQualifiedWildcardKind, TableAlias, TableFactor, TableWithJoins, VisitorMut,
    WildcardAdditionalOptions,
};

use crate::names::{Defined, Schema, TABLE, nearest};
use crate::outputs::Output;
use crate::parse::position;
use crate::{Error, Position};

/// The names in sight, and where each was seen first.
pub(super) struct Resolve<'a> {
    pub(super) schema: &'a Schema,
    pub(super) defined: Defined,
    pub(super) seen: HashMap<String, (String, Option<Position>)>,
}

impl Resolve<'_> {
    fn column(&self, written: &str) -> Option<String> {
        self.schema.column(written).or_else(|| self.defined.column(written)).map(str::to_owned)
    }

    fn relation(&self, written: &str) -> Option<String> {
        let own = self.defined.relation(written).map(str::to_owned);
        own.or_else(|| self.schema.is_table(written).then(|| TABLE.to_owned()))
    }

    /// Resolves one identifier in place and remembers where it stood.
    fn ident(&mut self, ident: &mut Ident) {
        let name = self.column(&ident.value).unwrap_or_else(|| ident.value.clone());
        self.note(&name, &ident.value, ident);
        *ident = requoted(ident, name);
    }

    fn note(&mut self, name: &str, written: &str, at: &Ident) {
        let place = position(at.span.start);
        self.seen.entry(name.to_owned()).or_insert_with(|| (written.to_owned(), place));
    }

    /// `a.b.c`: a column with dots, a column of a table, or left to the engine (`None`).
    fn parts(&mut self, parts: &[Ident]) -> Result<Option<Vec<Ident>>, Box<Error>> {
        let Some((first, rest)) = parts.split_first() else { return Ok(None) };
        let whole = joined(parts);
        let qualifier = self.relation(&first.value).filter(|_| !rest.is_empty());
        if let Some(relation) = qualifier {
            let written = joined(rest);
            let name = self.column(&written).unwrap_or_else(|| written.clone());
            self.note(&name, &whole, first);
            return Ok(Some(vec![requoted(first, relation), requoted(first, name)]));
        }
        if let Some(name) = self.column(&whole) {
            self.note(&name, &whole, first);
            return Ok(Some(vec![requoted(first, name)]));
        }
        // No stored column has fields, so what stands after its name cannot be one; the engine would find out late.
        if !rest.is_empty() && self.schema.column(&first.value).is_some() {
            let known = self.schema.columns().iter().chain(self.defined.columns()).cloned();
            let (suggestion, at) = (nearest(&whole, known), position(first.span.start));
            return Err(Box::new(Error::UnknownColumn { name: whole, at, suggestion }));
        }
        // Neither: the engine will miss the whole or its last part, and the error should name what was written.
        self.note(&whole, &whole, first);
        for part in rest {
            self.note(&part.value, &whole, first);
        }
        Ok(None)
    }

    /// `a.b[1]`: the names before the first subscript are one name.
    fn access(&mut self, root: &mut Expr, chain: &mut Vec<AccessExpr>) -> Result<(), Box<Error>> {
        let Expr::Identifier(first) = root else { return Ok(()) };
        let dotted = chain.iter().map_while(|a| match a {
            AccessExpr::Dot(Expr::Identifier(ident)) => Some(ident.clone()),
            _ => None,
        });
        let parts: Vec<Ident> = std::iter::once(first.clone()).chain(dotted).collect();
        if parts.len() < 2 {
            return Ok(());
        }
        if let Some(resolved) = self.parts(&parts)? {
            chain.drain(..parts.len() - 1);
            *root = identifier(resolved);
        }
        Ok(())
    }

    fn alias(&self, alias: &mut TableAlias) {
        if let Some(name) = self.defined.relation(&alias.name.value) {
            alias.name = requoted(&alias.name, name.to_owned());
        }
        for column in &mut alias.columns {
            if let Some(name) = self.column(&column.name.value) {
                column.name = requoted(&column.name, name);
            }
        }
    }

    fn object_columns(&mut self, name: &mut ObjectName) {
        let parts: Option<Vec<Ident>> = name.0.iter().map(|p| p.as_ident().cloned()).collect();
        if let Some(mut parts) = parts {
            match parts.as_mut_slice() {
                [one] => self.ident(one),
                // Only a plain name can stand here; the engine refuses the rest.
                several => parts = self.parts(several).ok().flatten().unwrap_or(parts),
            }
            *name = ObjectName::from(parts);
        }
    }

    fn wildcard(&mut self, options: &mut WildcardAdditionalOptions) {
        match &mut options.opt_exclude {
            Some(ExcludeSelectItem::Single(name)) => self.object_columns(name),
            Some(ExcludeSelectItem::Multiple(names)) => names.iter_mut().for_each(|n| self.object_columns(n)),
            None => {}
        }
        if let Some(except) = &mut options.opt_except {
            self.ident(&mut except.first_element);
            except.additional_elements.iter_mut().for_each(|i| self.ident(i));
        }
    }

    fn joins(&mut self, tables: &mut TableWithJoins) {
        for join in &mut tables.joins {
            let constraint = match &mut join.join_operator {
                JoinOperator::Join(c)
                | JoinOperator::Inner(c)
                | JoinOperator::Left(c)
                | JoinOperator::LeftOuter(c)
                | JoinOperator::Right(c)
                | JoinOperator::RightOuter(c)
                | JoinOperator::FullOuter(c) => c,
                _ => continue,
            };
            if let JoinConstraint::Using(names) = constraint {
                names.iter_mut().for_each(|n| self.object_columns(n));
            }
        }
    }

    /// What the result's columns are called: as the user wrote them.
    pub(super) fn outputs(&self, items: &[SelectItem]) -> Vec<Output> {
        let dotted = |parts: &[Ident]| {
            let qualified = parts.len() > 1 && self.relation(&parts[0].value).is_some();
            Output::Named(if qualified { joined(&parts[1..]) } else { joined(parts) })
        };
        let output = |item: &SelectItem| match item {
            SelectItem::UnnamedExpr(Expr::Identifier(ident)) => Output::Named(ident.value.clone()),
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => dotted(parts),
            SelectItem::UnnamedExpr(expr) => Output::Unnamed(expr.to_string()),
            SelectItem::ExprWithAlias { alias, .. } => Output::Named(alias.value.clone()),
            SelectItem::ExprWithAliases { .. } | SelectItem::QualifiedWildcard(..) | SelectItem::Wildcard(_) => {
                Output::Wildcard
            }
        };
        items.iter().map(output).collect()
    }
}

fn joined(parts: &[Ident]) -> String {
    parts.iter().map(|p| p.value.as_str()).collect::<Vec<_>>().join(".")
}

fn requoted(old: &Ident, name: String) -> Ident {
    Ident { value: name, quote_style: Some('"'), span: old.span }
}

fn identifier(mut parts: Vec<Ident>) -> Expr {
    match (parts.len(), parts.pop()) {
        (1, Some(one)) => Expr::Identifier(one),
        (_, last) => {
            parts.extend(last);
            Expr::CompoundIdentifier(parts)
        }
    }
}

impl VisitorMut for Resolve<'_> {
    type Break = Box<Error>;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        for cte in query.with.iter_mut().flat_map(|w| &mut w.cte_tables) {
            self.alias(&mut cte.alias);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Self::Break> {
        if select.from.is_empty() {
            let name = ObjectName::from(vec![Ident::with_quote('"', TABLE)]);
            let relation = TableFactor::Table {
                name,
                alias: None,
                args: None,
                with_hints: Vec::new(),
                version: None,
                with_ordinality: false,
                partitions: Vec::new(),
                json_path: None,
                sample: None,
                index_hints: Vec::new(),
            };
            select.from.push(TableWithJoins { relation, joins: Vec::new() });
        }
        for item in &mut select.projection {
            match item {
                SelectItem::ExprWithAlias { alias, .. } => {
                    if let Some(name) = self.column(&alias.value) {
                        *alias = requoted(alias, name);
                    }
                }
                SelectItem::Wildcard(options) => self.wildcard(options),
                SelectItem::QualifiedWildcard(kind, options) => {
                    if let SelectItemQualifiedWildcardKind::ObjectName(name) = kind
                        && let [ObjectNamePart::Identifier(ident)] = name.0.as_slice()
                        && let Some(relation) = self.relation(&ident.value)
                    {
                        *name = ObjectName::from(vec![requoted(ident, relation)]);
                    }
                    self.wildcard(options);
                }
                _ => {}
            }
        }
        let mut from = std::mem::take(&mut select.from);
        from.iter_mut().for_each(|t| self.joins(t));
        select.from = from;
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let single = match name.0.as_slice() {
                    [ObjectNamePart::Identifier(ident)] => self.relation(&ident.value).map(|r| requoted(ident, r)),
                    _ => None,
                };
                let Some(ident) = single else {
                    let at = name.0.first().and_then(ObjectNamePart::as_ident).and_then(|i| position(i.span.start));
                    let (name, known) = (name.to_string(), self.schema.tables().to_vec());
                    return ControlFlow::Break(Box::new(Error::UnknownTable { name, at, known }));
                };
                *name = ObjectName::from(vec![ident]);
                alias.iter_mut().for_each(|a| self.alias(a));
            }
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

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        let done = match expr {
            Expr::Identifier(ident) => {
                self.ident(ident);
                Ok(())
            }
            Expr::CompoundIdentifier(parts) => self.parts(&parts.clone()).map(|resolved| {
                if let Some(resolved) = resolved {
                    *expr = identifier(resolved);
                }
            }),
            Expr::CompoundFieldAccess { root, access_chain } => self.access(root, access_chain),
            _ => Ok(()),
        };
        match done {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}
