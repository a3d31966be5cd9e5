//! Environment variables in scalar values: `${VAR}`, `${VAR:-default}`, `${VAR:?message}`, and `$$` for a dollar.
//!
//! Works on values that are parsed already, so a variable can never add structure to the file. Must never put the
//! value of a variable into a message.

use std::ffi::OsString;

use super::error::{Finding, printable, shown};
use super::yaml::{Node, Value, Variable};

/// Most bytes that all variables of a file may put in together.
const MAX_EXPANDED_BYTES: usize = 1 << 20;

/// Looks up an environment variable by name.
pub type Lookup<'a> = dyn Fn(&str) -> Option<OsString> + 'a;

/// What became of a value with variables in it.
#[derive(Debug, PartialEq, Eq)]
struct Expanded {
    text: String,
    /// The first variable in it; none when there were only doubled dollars.
    variable: Option<Variable>,
}

/// Expands every scalar value below `node`; a value that cannot be expanded is reported and marked invalid.
pub(super) fn expand_tree(node: &mut Node, lookup: &Lookup<'_>, findings: &mut Vec<Finding>) {
    let mut left = MAX_EXPANDED_BYTES;
    walk(node, lookup, &mut left, findings);
}

fn walk(node: &mut Node, lookup: &Lookup<'_>, left: &mut usize, findings: &mut Vec<Finding>) {
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| walk(item, lookup, left, findings)),
        Value::Map(entries) => entries.iter_mut().for_each(|(_, value)| walk(value, lookup, left, findings)),
        Value::Scalar { text, plain, variable } if text.contains('$') => match expand(text, lookup, left) {
            Ok(expanded) => {
                *text = expanded.text;
                *variable = expanded.variable;
                *plain = false;
            }
            Err((message, help)) => {
                findings.push(Finding { position: node.position, path: String::new(), message, help: Some(help) });
                node.value = Value::Invalid;
            }
        },
        Value::Scalar { .. } | Value::Invalid => {}
    }
}

/// A message and what to do.
type Refusal = (String, String);

fn expand(text: &str, lookup: &Lookup<'_>, left: &mut usize) -> Result<Expanded, Refusal> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut first = None;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let (inner, after) = after.split_once('}').ok_or_else(|| refusal("`${` without its `}`"))?;
            let (name, value) = variable(inner, lookup)?;
            *left = left.checked_sub(value.len()).ok_or_else(|| too_much(name))?;
            out.push_str(&value);
            let whole = text.len() == inner.len() + "${}".len();
            first.get_or_insert_with(|| Variable { name: name.to_owned(), whole });
            rest = after;
        } else {
            return Err(refusal("a single `$`"));
        }
    }
    out.push_str(rest);
    Ok(Expanded { text: out, variable: first })
}

/// Evaluates what stands between the braces. An empty variable counts as unset for `:-` and `:?`, as in a shell.
fn variable<'t>(inner: &'t str, lookup: &Lookup<'_>) -> Result<(&'t str, String), Refusal> {
    let end = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inner.len());
    let (name, operator) = inner.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(refusal(&format!("{}, which does not begin with the name of a variable,", shown(inner))));
    }
    if operator.contains('$') {
        return Err(refusal(&format!("a variable within {}", shown(inner))));
    }
    let value = match lookup(name).map(OsString::into_string) {
        Some(Err(_)) => return Err((format!("`${{{name}}}` is not UTF-8"), "set it to UTF-8 text".to_owned())),
        Some(Ok(value)) => Some(value),
        None => None,
    };
    let filled = value.clone().filter(|value| !value.is_empty());
    if operator.is_empty() {
        value.map(|value| (name, value)).ok_or_else(|| unset(name))
    } else if let Some(default) = operator.strip_prefix(":-") {
        Ok((name, filled.unwrap_or_else(|| default.to_owned())))
    } else if let Some(message) = operator.strip_prefix(":?") {
        let help = || if message.is_empty() { unset(name).1 } else { printable(message) };
        filled.map(|value| (name, value)).ok_or_else(|| (unset(name).0, help()))
    } else {
        Err(refusal(&format!("{} after the name of the variable", shown(operator))))
    }
}

fn unset(name: &str) -> Refusal {
    (
        format!("the environment variable `{name}` is not set"),
        format!("set it, or give a default: `${{{name}:-default}}`"),
    )
}

fn too_much(name: &str) -> Refusal {
    (
        format!("with `{name}` the variables of this file exceed {MAX_EXPANDED_BYTES} bytes"),
        "use shorter values".to_owned(),
    )
}

fn refusal(what: &str) -> Refusal {
    (
        format!("{what} cannot be read as a variable"),
        "write `${VAR}`, `${VAR:-default}` or `${VAR:?message}`, and `$$` for a dollar".to_owned(),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lookup(name: &str) -> Option<OsString> {
        match name {
            "A" => Some("1: {x}\n$B".into()),
            "EMPTY" => Some("".into()),
            "BIG" => Some("x".repeat(400_000).into()),
            _ => None,
        }
    }

    fn run(text: &str) -> Result<(String, Option<String>), String> {
        expand(text, &lookup, &mut MAX_EXPANDED_BYTES.clone())
            .map(|expanded| {
                (expanded.text, expanded.variable.filter(|variable| variable.whole).map(|variable| variable.name))
            })
            .map_err(|(message, help)| format!("{message}; {help}"))
    }

    fn ok(text: &str) -> (String, Option<String>) {
        run(text).unwrap()
    }

    #[test]
    fn values_are_taken_once_and_never_expanded_again() {
        assert_eq!(ok("${A}"), ("1: {x}\n$B".to_owned(), Some("A".to_owned())));
        assert_eq!(ok("a${A}b${A}").0, "a1: {x}\n$Bb1: {x}\n$B");
        assert_eq!(ok("a${A}").1, None);
    }

    #[test]
    fn defaults_stand_in_for_unset_and_empty() {
        assert_eq!(ok("${NO:-7}"), ("7".to_owned(), Some("NO".to_owned())));
        assert_eq!(ok("${EMPTY:-7}").0, "7");
        assert_eq!(ok("${EMPTY}").0, "");
        assert_eq!(ok("${NO:-}").0, "");
        assert_eq!(ok("${A:?no}").0, ok("${A}").0);
    }

    #[test]
    fn dollars() {
        assert_eq!(ok("$$"), ("$".to_owned(), None));
        assert_eq!(ok("$${A}$$").0, "${A}$");
    }

    #[test]
    fn refusals() {
        let table: String =
            ["${NO}", "${NO:?name the account}", "${EMPTY:?}", "$A", "${A", "${}", "${1}", "${A:+x}", "${A:-${B}}"]
                .iter()
                .map(|text| format!("{text} → {}\n", run(text).unwrap_err()))
                .collect();
        crate::config::tests::snapshot("refusals", &table);
    }

    #[test]
    fn variables_of_a_file_are_bounded_together() {
        assert_eq!(ok("${BIG}${BIG}").0.len(), 800_000);
        assert!(run("${BIG}${BIG}${BIG}").unwrap_err().contains("exceed 1048576 bytes"));
    }

    proptest! {
        #[test]
        fn text_with_doubled_dollars_comes_back(text in "\\PC*") {
            prop_assert_eq!(ok(&text.replace('$', "$$")).0, text);
        }

        #[test]
        fn no_text_panics(text in "[${}:?A-C -]*") {
            let _ = run(&text);
        }
    }
}
