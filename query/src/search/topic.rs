//! The topic that a row has to readers: the one it came with, and for an audit event that came without one (from OSS, from a file) the
//! one under which ActionTrail delivers all of them. It must never differ from what the API shows, or what is shown could not be found.

use arrow::datatypes::Schema as ArrowSchema;
use datafusion::common::Column;
use datafusion::logical_expr::{Case, Expr, lit};

/// The column.
pub(crate) const TOPIC: &str = "__topic__";
/// Platform, audit, insight.
const FAMILY: &str = "it_family";
/// ActionTrail's topic.
const AUDIT: &str = "actiontrail_audit_event";

/// The topic of a row; `None` where the store has none.
pub(crate) fn topic(arrow: &ArrowSchema) -> Option<Expr> {
    arrow.field_with_name(TOPIC).ok()?;
    let column = |name: &str| Expr::Column(Column::new_unqualified(name));
    if arrow.field_with_name(FAMILY).is_err() {
        return Some(column(TOPIC));
    }
    let came_without = column(TOPIC).is_null().or(column(TOPIC).eq(lit("")));
    let audit = came_without.and(column(FAMILY).eq(lit("audit")));
    let or_else = Some(Box::new(column(TOPIC)));
    Some(Expr::Case(Case {
        expr: None,
        when_then_expr: vec![(Box::new(audit), Box::new(lit(AUDIT)))],
        else_expr: or_else,
    }))
}
