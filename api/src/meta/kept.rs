//! Dashboards, saved searches and alerts that come with innertrail: GET of `/dashboards`, `/savedsearches` and `/jobs`.
//! Nobody can make, change or delete one, and it must never say of an alert that something watches it: innertrail shows its
//! definition and runs none.
//!
//! They are data: dashboards are chart packs and what users copied of them, which the host knows; the others are `kept/*.json`, in the
//! form in which clients read them, with a version a file. A value that is a word with a dollar sign before it stands for a name
//! of this Logstore.

use std::borrow::Cow;
use std::sync::LazyLock;

use innertrail_logstore::Store;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{page, seconds};
use crate::host::Facts;
use crate::route::{Router, not_supported, shown};
use crate::{Answer, ApiError, Call};

/// The type of jobs that there are; of every other one there is none.
const ALERT: &str = "Alert";

/// What is kept beside the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    Dashboards,
    SavedSearches,
    Jobs,
}

/// One file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Grows with each change of the file.
    #[cfg_attr(not(test), expect(dead_code, reason = "a test holds it against the content"))]
    version: u32,
    entries: Vec<Value>,
}

/// The files' content, as it is in the repository.
const TEXTS: [&str; 2] = [include_str!("../../kept/savedsearches.json"), include_str!("../../kept/alerts.json")];

static FILES: LazyLock<[File; 2]> =
    LazyLock::new(|| TEXTS.map(|text| serde_json::from_str(text).expect("the file is built in, and a test reads it")));

impl Kept {
    /// What there is, before names are filled in.
    fn entries(self, router: &Router) -> Cow<'static, [Value]> {
        let [searches, alerts] = &*FILES;
        match self {
            Self::Dashboards => router.host().dashboards().into(),
            Self::SavedSearches => (&*searches.entries).into(),
            Self::Jobs => (&*alerts.entries).into(),
        }
    }

    /// The member of an entry that is its name, and the parameter that filters by it.
    fn name_keys(self) -> (&'static str, &'static str) {
        match self {
            Self::Dashboards => ("dashboardName", "dashboardName"),
            Self::SavedSearches => ("savedsearchName", "savedsearchName"),
            Self::Jobs => ("name", "jobName"),
        }
    }

    fn name(self, entry: &Value) -> &str {
        entry.get(self.name_keys().0).and_then(Value::as_str).unwrap_or_default()
    }

    fn missing(self, name: &str) -> ApiError {
        let (code, what) = match self {
            Self::Dashboards => ("DashboardNotExist", "dashboard"),
            Self::SavedSearches => ("SavedSearchNotExist", "savedsearch"),
            Self::Jobs => ("JobNotExist", "job"),
        };
        ApiError::new(404, code, format!("{what} {} does not exist", shown(name)))
    }
}

/// The list, or what has the name that stands behind it.
pub(crate) fn kept(router: &Router, call: &Call, kept: Kept, rest: &[String]) -> Result<Answer, ApiError> {
    match rest {
        [] => list(router, call, kept),
        [name] => {
            let entries = kept.entries(router);
            let entry = entries.iter().find(|entry| kept.name(entry) == name);
            Answer::json(&filled(router, &router.host().facts()?, kept, entry.ok_or_else(|| kept.missing(name))?))
        }
        _ => Err(not_supported("this path")),
    }
}

fn list(router: &Router, call: &Call, kept: Kept) -> Result<Answer, ApiError> {
    let wanted = call.parameters.given(kept.name_keys().1).unwrap_or_default();
    let other = kept == Kept::Jobs && call.parameters.given("jobType").is_some_and(|kind| kind != ALERT);
    let fits = |entry: &&Value| !other && kept.name(entry).contains(wanted);
    let entries = kept.entries(router);
    let all: Vec<&Value> = entries.iter().filter(fits).collect();
    let total = all.len();
    let found = page(call, all)?;
    let count = found.len();
    let names = || found.iter().map(|entry| kept.name(entry)).collect::<Vec<_>>();
    let items = || found.iter().map(|entry| item(kept, entry)).collect::<Vec<_>>();
    Answer::json(&match kept {
        Kept::Dashboards => {
            json!({"count": count, "total": total, "dashboards": names(), "dashboardItems": items()})
        }
        Kept::SavedSearches => {
            json!({"count": count, "total": total, "savedsearches": names(), "savedsearchItems": items()})
        }
        // Clients expect whole jobs here.
        Kept::Jobs => {
            let facts = router.host().facts()?;
            let jobs: Vec<Value> = found.iter().map(|entry| filled(router, &facts, kept, entry)).collect();
            json!({"count": count, "total": total, "results": jobs})
        }
    })
}

/// The short form in lists.
fn item(kept: Kept, entry: &Value) -> Value {
    let (name, _) = kept.name_keys();
    json!({name: entry.get(name), "displayName": entry.get("displayName")})
}

/// An entry with the names of this Logstore. They came with the Logstore, so that is when they were made.
fn filled(router: &Router, facts: &Facts, kept: Kept, entry: &Value) -> Value {
    let mut entry = entry.clone();
    fill(&mut entry, &|word| {
        Some(match word {
            "$project" => router.names().project().to_owned(),
            "$logstore" => router.names().logstore(Store::Log),
            "$journal" => router.names().logstore(Store::Journal),
            "$quarantine" => router.names().logstore(Store::Quarantine),
            "$region" => facts.region.clone(),
            _ => return None,
        })
    });
    let made = seconds(facts.created_us);
    if let Some(members) = entry.as_object_mut().filter(|_| kept == Kept::Jobs) {
        members.extend(["createTime", "lastModifiedTime"].map(|name| (name.to_owned(), made.into())));
    }
    entry
}

/// Puts names in place of words. A text that holds more than the word is left alone: those of alerts have variables of their own.
fn fill(value: &mut Value, name: &impl Fn(&str) -> Option<String>) {
    match value {
        Value::String(text) => {
            if let Some(name) = name(text) {
                *text = name;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, name)),
        Value::Object(members) => members.values_mut().for_each(|member| fill(member, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
#[path = "kept_tests.rs"]
#[allow(clippy::unwrap_used)]
mod tests;
