//! The process's environment variables, behind a seam, so that tests need not change those of the whole process.
//!
//! It must never be shown: some of the variables are secrets.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Environment variables.
#[derive(Clone, Default)]
pub struct Environment(Option<Arc<BTreeMap<String, String>>>);

impl Environment {
    /// The process's own, read anew at each look-up.
    #[must_use]
    pub fn process() -> Self {
        Self(None)
    }

    /// These alone.
    #[must_use]
    pub fn of<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        Self(Some(Arc::new(pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect())))
    }

    /// The variable, if it is there, is UTF-8, and is not empty.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let value = match &self.0 {
            Some(fixed) => fixed.get(name).cloned(),
            None => std::env::var(name).ok(),
        };
        value.filter(|v| !v.is_empty())
    }

    /// Whether the variable says `true`.
    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|v| v.eq_ignore_ascii_case("true"))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}
