//! The functions that `search | SQL` has and the engine has not, or has under another meaning.
//! No function may fail without saying why, look outside its arguments, or make more than a bounded amount of memory.
//!
//! The list follows Log Service's published one as far as audit queries use it. Differences that are meant:
//! - one zone, [`scalar::ZONE`], for calendar fields and texts;
//! - `histogram` and `numeric_histogram` give JSON text, because results have no maps;
//! - `ip_to_country`, `ip_to_province`, `ip_to_city`, `ip_to_provider`, `ip_to_geo` give an empty text and
//!   `security_check_*` give 0: there is no such data on-premises;
//! - of several equal keys in a JSON object the last one counts, as everywhere in the Logstore;
//! - `ip_to_domain` calls private, shared, loopback and link-local addresses `intranet`; which ranges Log Service
//!   takes for that is not documented;
//! - JSON that went through `CASE`, `if` or `coalesce` is text to a cast;
//! - a subscript outside a list gives NULL;
//! - patterns have no look-around and no back-references, so that matching takes linear time;
//! - the name of a function that is defined here hides the engine's own.
//!
//! What can be said exactly in the engine's own words is rewritten instead: see `rewrite/calls.rs`.

mod address;
mod aggregate;
mod document;
mod json;
mod json_cast;
mod list;
mod memo;
mod number;
mod row_wise;
mod scalar;
mod text;
mod time;
mod time_format;
mod url;

use std::collections::BTreeSet;
use std::sync::OnceLock;

use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};
use datafusion::prelude::SessionContext;

pub(crate) use json_cast::resolve_json_casts;
use row_wise::RowWise;
use scalar::Function;

/// What a function is called inside `try`.
pub(crate) const TRY_PREFIX: &str = "it_try_";

fn row_wise() -> impl Iterator<Item = &'static Function> {
    let all: [&'static [Function]; 9] = [
        json::FUNCTIONS,
        time::FIELDS,
        time::FUNCTIONS,
        text::FUNCTIONS,
        number::OF_FLOAT,
        number::FUNCTIONS,
        address::WITHOUT_DATA,
        address::FUNCTIONS,
        url::FUNCTIONS,
    ];
    all.into_iter().flatten()
}

/// Adds all functions of the dialect to a session.
pub(crate) fn register(context: &SessionContext) {
    for function in row_wise() {
        context.register_udf(ScalarUDF::from(RowWise::new(function, function.name.to_owned(), false)));
        let lenient = format!("{TRY_PREFIX}{}", function.name);
        context.register_udf(ScalarUDF::from(RowWise::new(function, lenient, true)));
    }
    list::ListFunction::all().for_each(|function| context.register_udf(ScalarUDF::from(function)));
    aggregate::HistogramFunction::all().for_each(|function| context.register_udaf(AggregateUDF::from(function)));
}

/// Whether a function of this name has a twin that gives NULL for bad arguments.
pub(crate) fn has_lenient_twin(name: &str) -> bool {
    row_wise().any(|function| function.name == name)
}

/// Every name that may stand before a parenthesis once a query is rewritten, in lower case.
pub(crate) fn known() -> &'static BTreeSet<String> {
    static KNOWN: OnceLock<BTreeSet<String>> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let mut names = BTreeSet::new();
        for function in row_wise() {
            names.insert(function.name.to_owned());
            names.insert(format!("{TRY_PREFIX}{}", function.name));
        }
        names.extend(["array_position", "contains", "cardinality", "typeof"].map(str::to_owned));
        names.extend(["histogram", "numeric_histogram"].map(str::to_owned));
        // Planned by the engine itself, without a function of that name.
        names.extend(["grouping", "unnest", "array", "struct"].map(str::to_owned));
        let mut add = |name: &str, aliases: &[String]| {
            names.insert(name.to_owned());
            names.extend(aliases.iter().cloned());
        };
        SessionStateDefaults::default_scalar_functions().iter().for_each(|f| add(f.name(), f.aliases()));
        SessionStateDefaults::default_aggregate_functions().iter().for_each(|f| add(f.name(), f.aliases()));
        SessionStateDefaults::default_window_functions().iter().for_each(|f| add(f.name(), f.aliases()));
        SessionStateDefaults::default_higher_order_functions().iter().for_each(|f| add(f.name(), f.aliases()));
        names
    })
}
