//! The result's columns: what the user calls them, and what the engine must call them to tell them apart.
//! It must never show a name that the engine made up where the user wrote one.

use std::collections::HashSet;

use datafusion::sql::sqlparser::ast::{Expr, Ident, Select, SelectItem, SetExpr};

/// One item of the outermost select list.
#[derive(Debug)]
pub(crate) enum Output {
    Named(String),
    /// An expression without a name, as written.
    Unnamed(String),
    Wildcard,
}

/// The user's names for the engine's output columns, made unique. An expression without a name is called as it is
/// written, or `_col` and its place where columns are `numbered`.
pub(crate) fn display_names(outputs: &[Output], engine: Vec<String>, numbered: bool) -> Vec<String> {
    let wildcards = outputs.iter().filter(|o| matches!(o, Output::Wildcard)).count();
    let fixed = outputs.len() - wildcards;
    let names = match (wildcards, engine.len().checked_sub(fixed)) {
        (0 | 1, Some(wide)) if wildcards == 1 || wide == 0 => {
            let mut engine = engine.into_iter();
            let mut names = Vec::new();
            for output in outputs {
                match output {
                    Output::Named(name) => {
                        engine.next();
                        names.push(name.clone());
                    }
                    Output::Unnamed(written) => {
                        engine.next();
                        names.push(if numbered { format!("_col{}", names.len()) } else { written.clone() });
                    }
                    Output::Wildcard => names.extend(engine.by_ref().take(wide)),
                }
            }
            names
        }
        _ => engine,
    };
    unique(names)
}

fn unique(names: Vec<String>) -> Vec<String> {
    let mut taken: HashSet<String> = names.iter().cloned().collect();
    let mut used = HashSet::new();
    let mut out = Vec::with_capacity(names.len());
    for name in names {
        let mut chosen = name.clone();
        let mut number = 2;
        while used.contains(&chosen) || (chosen != name && taken.contains(&chosen)) {
            chosen = format!("{name}_{number}");
            number += 1;
        }
        taken.insert(chosen.clone());
        used.insert(chosen.clone());
        out.push(chosen);
    }
    out
}

/// The select whose list names the result's columns.
pub(crate) fn outermost(body: &mut SetExpr) -> Option<&mut Select> {
    match body {
        SetExpr::Select(select) => Some(select),
        SetExpr::Query(query) => outermost(&mut query.body),
        SetExpr::SetOperation { left, .. } => outermost(left),
        _ => None,
    }
}

/// The engine wants different names for all outputs, SQL does not: the second of a kind gets a name of its own.
pub(crate) fn tell_apart(items: &mut [SelectItem]) {
    let wildcard = items.iter().any(|i| matches!(i, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)));
    let mut taken = HashSet::new();
    for (at, item) in items.iter_mut().enumerate() {
        let name = match item {
            SelectItem::UnnamedExpr(expr) => match expr {
                Expr::Identifier(ident) => ident.value.clone(),
                Expr::CompoundIdentifier(parts) => parts.last().map(|p| p.value.clone()).unwrap_or_default(),
                other => other.to_string(),
            },
            SelectItem::ExprWithAlias { alias, .. } => alias.value.clone(),
            _ => continue,
        };
        let bare = matches!(item, SelectItem::UnnamedExpr(Expr::Identifier(_) | Expr::CompoundIdentifier(_)));
        if taken.insert(name) && !(wildcard && bare) {
            continue;
        }
        let alias = Ident::with_quote('"', format!("it_output_{at}"));
        match item {
            SelectItem::UnnamedExpr(expr) => *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias },
            SelectItem::ExprWithAlias { alias: old, .. } => *old = alias,
            _ => {}
        }
    }
}
