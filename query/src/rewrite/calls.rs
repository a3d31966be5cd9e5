//! Function calls that the engine has under other words: each becomes those words, exactly.
//! It must never rewrite into something that only nearly means the same, and never let a query grow without bound.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, BinaryOperator, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, Ident, ObjectName, Query, Value, Visit, VisitMut, Visitor, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Span;

use super::limit::misuse;
use crate::functions::{TRY_PREFIX, has_lenient_twin, known};
use crate::names::nearest;
use crate::parse::position;
use crate::{Error, MAX_SQL_TOKENS, Position};

/// The most values of `max(x, n)` and its like.
const MOST: u64 = 10_000;
/// The most percentiles of one `approx_percentile`.
const PERCENTILES: usize = 32;

/// Name, number of arguments, and the same in the engine's words.
const WORDS: &[(&str, usize, &str)] = &[
    ("any_value", 1, "min($1)"),
    ("approx_distinct", 2, "approx_distinct($1)"),
    ("approx_percentile", 2, "approx_percentile_cont($1, $2)"),
    ("approx_percentile", 3, "approx_percentile_cont_with_weight($1, $2, $3)"),
    // Any value that is not NULL will do; the smallest makes results repeatable.
    ("arbitrary", 1, "min($1)"),
    ("count_if", 1, "count(CASE WHEN $1 THEN 1 END)"),
    ("current_unixtimestamp", 0, "to_unixtime(now())"),
    ("date", 1, "CAST($1 AS DATE)"),
    ("element_at", 2, "array_element($1, $2)"),
    ("every", 1, "bool_and($1)"),
    ("from_unixtime", 1, "it_from_unixtime($1)"),
    ("if", 2, "CASE WHEN $1 THEN $2 END"),
    ("if", 3, "CASE WHEN $1 THEN $2 ELSE $3 END"),
    ("max", 2, "array_slice(array_agg($1 ORDER BY $1 DESC) FILTER (WHERE $1 IS NOT NULL), 1, $2)"),
    ("max_by", 2, "last_value($1 ORDER BY $2) FILTER (WHERE $2 IS NOT NULL)"),
    ("max_by", 3, "array_slice(array_agg($1 ORDER BY $2 DESC) FILTER (WHERE $2 IS NOT NULL), 1, $3)"),
    ("min", 2, "array_slice(array_agg($1 ORDER BY $1) FILTER (WHERE $1 IS NOT NULL), 1, $2)"),
    ("min_by", 2, "first_value($1 ORDER BY $2) FILTER (WHERE $2 IS NOT NULL)"),
    ("min_by", 3, "array_slice(array_agg($1 ORDER BY $2) FILTER (WHERE $2 IS NOT NULL), 1, $3)"),
    ("slice", 3, "array_slice($1, $2, $2 + $3 - 1)"),
];

const RANGES: &str = "it needs a second time range; run the query once for each range";
const LAMBDAS: &str = "functions of functions are not taken; use CROSS JOIN UNNEST and GROUP BY";
const SERIES: &str = "intervals without events cannot be filled in; write date_format(date_trunc('hour', __time__), \
                      '%m-%d %H:%i') and GROUP BY it";

/// What Log Service has and this has not, and what to do instead.
const ABSENT: &[(&str, &str)] = &[
    ("compare", RANGES),
    ("ts_compare", RANGES),
    ("time_series", SERIES),
    ("filter", LAMBDAS),
    ("transform", LAMBDAS),
    ("reduce", LAMBDAS),
    ("reduce_agg", LAMBDAS),
    ("any_match", LAMBDAS),
    ("all_match", LAMBDAS),
    ("none_match", LAMBDAS),
    ("zip_with", LAMBDAS),
    ("map_filter", LAMBDAS),
    ("transform_keys", LAMBDAS),
    ("transform_values", LAMBDAS),
];

/// Where each function is called; `None` when it is called at several places.
pub(super) type Places = HashMap<String, Option<Position>>;

/// Rewrites every call in the query.
pub(super) fn rewrite(query: &mut Query) -> Result<Places, Box<Error>> {
    let mut calls = Calls { copied: 0, places: HashMap::new() };
    match VisitMut::visit(query, &mut calls) {
        ControlFlow::Continue(()) => Ok(calls.places),
        ControlFlow::Break(error) => Err(error),
    }
}

/// A query of the rewriter's own.
pub(super) fn fragment(sql: &'static str) -> Box<Query> {
    let parser = Parser::new(&GenericDialect {}).try_with_sql(sql);
    parser.and_then(|mut p| p.parse_query()).expect("the fragments are constants that parse")
}

/// An expression of the rewriter's own, with `$1`, `$2` … replaced.
pub(super) fn template(sql: &'static str, args: &[Expr]) -> Expr {
    struct Fill<'a>(&'a [Expr]);
    impl VisitorMut for Fill<'_> {
        type Break = std::convert::Infallible;

        // After and not before a visit: what was filled in may hold a `$1` of the user's.
        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
            if let Expr::Value(value) = expr
                && let Value::Placeholder(name) = &value.value
                && let Some(at) = name.strip_prefix('$').and_then(|n| n.parse::<usize>().ok())
                && let Some(arg) = self.0.get(at - 1)
            {
                *expr = Expr::Nested(Box::new(arg.clone()));
            }
            ControlFlow::Continue(())
        }
    }
    let parser = Parser::new(&GenericDialect {}).try_with_sql(sql);
    let mut expr = parser.and_then(|mut p| p.parse_expr()).expect("the templates are constants that parse");
    let ControlFlow::Continue(()) = VisitMut::visit(&mut expr, &mut Fill(args));
    expr
}

struct Calls {
    /// Expressions that were made by copying; each copy may be copied again by a call around it.
    copied: usize,
    places: Places,
}

/// The name of a call, in lower case, and its place.
fn name_of(function: &Function) -> Option<(String, Span)> {
    match function.name.0.as_slice() {
        [part] => part.as_ident().map(|ident| (ident.value.to_lowercase(), ident.span)),
        _ => None,
    }
}

fn renamed(function: &mut Function, name: &str, at: Span) {
    function.name = ObjectName::from(vec![Ident { value: name.to_owned(), quote_style: None, span: at }]);
}

/// The arguments, when they are nothing but expressions.
fn plain_args(function: &Function) -> Option<Vec<Expr>> {
    let list = match &function.args {
        FunctionArguments::List(list) if list.duplicate_treatment.is_none() && list.clauses.is_empty() => list,
        FunctionArguments::None => return Some(Vec::new()),
        _ => return None,
    };
    let expr = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    list.args.iter().map(expr).collect()
}

impl Calls {
    fn call(&mut self, expr: &mut Expr) -> Result<(), Box<Error>> {
        let Expr::Function(function) = expr else { return Ok(()) };
        let Some((name, at)) = name_of(function) else { return Ok(()) };
        self.places.entry(name.clone()).and_modify(|at| *at = None).or_insert_with(|| position(at.start));
        if let Some((_, why)) = ABSENT.iter().find(|(absent, _)| *absent == name) {
            return Err(misuse(&format!("the function {name} is not there: {why}; it stands"), at));
        }
        if let Some(args) = plain_args(function)
            && let Some(words) = self.words(function, &name, &args, at)?
        {
            *expr = words;
            return Ok(());
        }
        if known().contains(&name) {
            return Ok(());
        }
        Err(unknown(&name, at))
    }

    fn words(&mut self, function: &Function, name: &str, args: &[Expr], at: Span) -> Result<Option<Expr>, Box<Error>> {
        match (name, args) {
            ("concat", [_, _, ..]) => return Ok(joined(args)),
            ("try", [inner]) => return Ok(Some(lenient(inner.clone()))),
            ("approx_percentile", [value, Expr::Array(array)]) => {
                if array.elem.len() > PERCENTILES {
                    return Err(misuse(&format!("approx_percentile takes at most {PERCENTILES} percentiles"), at));
                }
                self.copy(value, array.elem.len())?;
                let call =
                    |p: &Expr| with_clauses("approx_percentile_cont($1, $2)", &[value.clone(), p.clone()], function);
                return Ok(Some(make_array(array.elem.iter().map(call).collect())));
            }
            ("max" | "min", [_, most]) | ("max_by" | "min_by", [_, _, most]) => check_most(name, most, at)?,
            _ => {}
        }
        let found = WORDS.iter().find(|(known, count, _)| *known == name && *count == args.len());
        let Some((_, _, words)) = found else { return Ok(None) };
        for (number, arg) in args.iter().enumerate() {
            self.copy(arg, words.matches(&format!("${}", number + 1)).count().saturating_sub(1))?;
        }
        Ok(Some(with_clauses(words, args, function)))
    }

    /// Counts what copying an expression so many times makes, and refuses too much of it.
    fn copy(&mut self, expr: &Expr, times: usize) -> Result<(), Box<Error>> {
        struct Count(usize);
        impl Visitor for Count {
            type Break = std::convert::Infallible;

            fn pre_visit_expr(&mut self, _: &Expr) -> ControlFlow<Self::Break> {
                self.0 += 1;
                ControlFlow::Continue(())
            }
        }
        let mut count = Count(0);
        let ControlFlow::Continue(()) = Visit::visit(expr, &mut count);
        self.copied = self.copied.saturating_add(count.0.saturating_mul(times));
        if self.copied <= MAX_SQL_TOKENS {
            return Ok(());
        }
        Err(Box::new(Error::TooLarge { what: "calls like max_by are nested too deeply or too large".into() }))
    }
}

fn unknown(name: &str, at: Span) -> Box<Error> {
    let words: BTreeSet<&str> = WORDS.iter().map(|(known, ..)| *known).collect();
    let own = known().iter().map(String::as_str).filter(|known| !known.starts_with("it_"));
    let candidates = own.chain(words).chain(["try"]).map(str::to_owned);
    let hint = nearest(name, candidates).map(|near| format!(" (did you mean {near}?)")).unwrap_or_default();
    misuse(&format!("there is no function {name}{hint}"), at)
}

/// The template with what stood behind the call: `FILTER` and `OVER`.
fn with_clauses(words: &'static str, args: &[Expr], call: &Function) -> Expr {
    let mut expr = template(words, args);
    if let Some(aggregate) = aggregate(&mut expr) {
        aggregate.over.clone_from(&call.over);
        aggregate.null_treatment = aggregate.null_treatment.or(call.null_treatment);
        aggregate.filter = match (aggregate.filter.take(), call.filter.clone()) {
            (Some(own), Some(given)) => {
                let both = [Expr::Nested(own), Expr::Nested(given)].map(Box::new);
                let [left, right] = both;
                Some(Box::new(Expr::BinaryOp { left, op: BinaryOperator::And, right }))
            }
            (own, given) => own.or(given),
        };
    }
    expr
}

/// The call that aggregates: the outer one, or the one that `array_slice` cuts.
fn aggregate(expr: &mut Expr) -> Option<&mut Function> {
    let Expr::Function(function) = expr else { return None };
    if name_of(function)?.0 != "array_slice" {
        return Some(function);
    }
    let FunctionArguments::List(list) = &mut function.args else { return None };
    match list.args.first_mut()? {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(inner @ Expr::Function(_))) => aggregate(inner),
        _ => None,
    }
}

fn check_most(name: &str, most: &Expr, at: Span) -> Result<(), Box<Error>> {
    let number = match most {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse::<u64>().ok(),
            _ => None,
        },
        _ => None,
    };
    if number.is_some_and(|n| (1..=MOST).contains(&n)) {
        return Ok(());
    }
    Err(misuse(&format!("the last argument of {name} is to be a number from 1 to {MOST}; {name} stands"), at))
}

fn make_array(elements: Vec<Expr>) -> Expr {
    let args = elements.into_iter().map(|e| FunctionArg::Unnamed(FunctionArgExpr::Expr(e))).collect();
    let mut expr = template("make_array()", &[]);
    if let Expr::Function(function) = &mut expr {
        let list = FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() };
        function.args = FunctionArguments::List(list);
    }
    expr
}

/// The engine's `concat` takes NULL for an empty text; `||` does not. The tree is kept flat.
fn joined(args: &[Expr]) -> Option<Expr> {
    let (left, right) = args.split_at(args.len() / 2);
    let all = match (left, right) {
        ([], [one]) => one.clone(),
        _ => {
            let [left, right] = [joined(left)?, joined(right)?].map(Box::new);
            Expr::BinaryOp { left, op: BinaryOperator::StringConcat, right }
        }
    };
    Some(Expr::Nested(Box::new(all)))
}

/// The expression with NULL in the place of what would fail: casts, divisions, and functions that are told to.
fn lenient(mut expr: Expr) -> Expr {
    struct Lenient;
    impl VisitorMut for Lenient {
        type Break = std::convert::Infallible;

        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
            match expr {
                Expr::Cast { kind, .. } => *kind = CastKind::TryCast,
                Expr::BinaryOp { op: BinaryOperator::Divide | BinaryOperator::Modulo, right, .. } => {
                    let divisor = std::mem::replace(right.as_mut(), Expr::Tuple(Vec::new()));
                    **right = template("nullif($1, 0)", &[divisor]);
                }
                Expr::Function(function) => {
                    if let Some((name, at)) = name_of(function).filter(|(name, _)| has_lenient_twin(name)) {
                        renamed(function, &format!("{TRY_PREFIX}{name}"), at);
                    }
                }
                _ => {}
            }
            ControlFlow::Continue(())
        }
    }
    let ControlFlow::Continue(()) = VisitMut::visit(&mut expr, &mut Lenient);
    Expr::Nested(Box::new(expr))
}

/// `substr(x, from, count)` has a syntax of its own; the dialect's function counts from the end below 0.
fn substring(expr: &mut Expr) {
    let Expr::Substring { expr: text, substring_from: Some(from), substring_for, .. } = expr else { return };
    let (text, from) = (text.as_ref().clone(), from.as_ref().clone());
    *expr = match substring_for.take() {
        Some(count) => template("it_substr($1, $2, $3)", &[text, from, *count]),
        None => template("it_substr($1, $2)", &[text, from]),
    };
}

/// `CAST(x AS json)` is a function, and the elements of a list of JSON are texts.
fn cast(expr: &mut Expr) {
    let Expr::Cast { expr: inner, data_type, .. } = expr else { return };
    match data_type {
        DataType::JSON => {
            let makes_json = ["json_parse", "json_extract", "json_array_get", "it_to_json"];
            let is_json = match inner.as_ref() {
                Expr::Function(f) => name_of(f).is_some_and(|(name, _)| makes_json.contains(&name.as_str())),
                _ => false,
            };
            let inner = inner.as_ref().clone();
            *expr = if is_json { inner } else { template("it_to_json($1)", &[inner]) };
        }
        DataType::Array(ArrayElemTypeDef::AngleBracket(element)) if **element == DataType::JSON => {
            **element = DataType::Varchar(None);
        }
        _ => {}
    }
}

impl VisitorMut for Calls {
    type Break = Box<Error>;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        let done = match expr {
            Expr::Function(_) => self.call(expr),
            Expr::Substring { .. } => {
                substring(expr);
                Ok(())
            }
            Expr::Cast { .. } => {
                cast(expr);
                Ok(())
            }
            _ => Ok(()),
        };
        match done {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}
