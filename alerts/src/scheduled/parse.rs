//! From a YAML document with `schedule:` to a rule.

use super::condition::Condition;
use super::{NoData, Query, Schedule, Scheduled};
use crate::correlation::span;
use crate::fault::{Flaw, did_you_mean, shown};
use crate::record::Store;
use crate::rule::{About, Level, level, list};
use crate::yaml::{Node, Value};

/// Keys of a scheduled rule.
const KEYS: [&str; 28] = [
    "title",
    "id",
    "name",
    "status",
    "description",
    "license",
    "author",
    "references",
    "date",
    "modified",
    "tags",
    "falsepositives",
    "level",
    "innertrail",
    "schedule",
    "store",
    "query",
    "window",
    "delay",
    "trigger",
    "group",
    "no_data",
    "severity",
    "silence",
    "recovery",
    "threshold",
    "related",
    "fields",
];

/// Most queries of a rule.
const MOST_QUERIES: usize = 3;
/// Longest query, bytes.
const LONGEST_QUERY: usize = 16 << 10;
/// Most rows that a trigger may ask for, and runs in a row.
const MOST: u32 = 1_000;

/// Reads a document with `schedule:`. `stem` is its name when it gives none.
pub(crate) fn scheduled(file: &str, stem: String, node: &Node) -> Result<Scheduled, Flaw> {
    node.only("a scheduled rule", &KEYS)?;
    let about = About::parse(node, &Default::default())?;
    if let Some(ends) = about.ends {
        return Err(Flaw::new(ends.at, "a scheduled rule ends by its own result; it has no `ends`"));
    }
    if !about.parameters.is_empty() {
        let at = node.get("innertrail").map_or(node.at, |n| n.at);
        return Err(Flaw::new(at, "a scheduled rule has no parameters; write the values into its query"));
    }
    let optional = |key: &str| node.get(key).map(|n| n.text(&format!("`{key}`"))).transpose();
    let id = optional("id")?.unwrap_or_default().to_owned();
    let name = optional("name")?.map(str::to_owned);
    let seconds = |key: &str| match node.get(key) {
        Some(found) => span(found.text(&format!("`{key}`"))?).map(Some).map_err(|message| Flaw::new(found.at, message)),
        None => Ok(None),
    };
    let (rows, when) = trigger(node)?;
    let group = match node.get("group") {
        Some(columns) => columns.texts("a column")?.into_iter().map(|(_, name)| name.to_owned()).collect(),
        None => Vec::new(),
    };
    let missing = || Flaw::new(node.at, "the rule has no `window`: `window: 15m`");
    Ok(Scheduled {
        name: name.unwrap_or_else(|| if id.is_empty() { stem } else { id.clone() }),
        id,
        title: node.required("title", "the rule")?.to_owned(),
        description: optional("description")?.unwrap_or_default().trim().to_owned(),
        version: about.version,
        category: about.category,
        level: level(node)?,
        remedy: about.remedy,
        false_positives: list(node, "falsepositives")?,
        file: file.to_owned(),
        at: node.at,
        fingerprint: crate::rule::digest(
            &serde_json::json!(FIRES.map(|key| node.get(key).map(Node::json))).to_string(),
        ),
        is_disabled: false,
        store: store(node)?,
        schedule: schedule(node)?,
        queries: queries(node)?,
        window: seconds("window")?.ok_or_else(missing)?,
        delay: seconds("delay")?.unwrap_or(0),
        rows,
        when,
        grades: grades(node)?,
        group,
        no_data: no_data(node)?,
        threshold: number(node, "threshold")?,
        silence: seconds("silence")?,
        recovery: boolean(node, "recovery")?,
    })
}

/// What decides when it fires. How it is told (`silence`, `recovery`) may change without its groups beginning anew.
const FIRES: [&str; 8] = ["schedule", "store", "query", "window", "delay", "trigger", "group", "no_data"];

fn schedule(node: &Node) -> Result<Schedule, Flaw> {
    let found = node.get("schedule").ok_or_else(|| Flaw::new(node.at, "the rule has no `schedule`"))?;
    found.only("`schedule`", &["every", "at"])?;
    match (found.get("every"), found.get("at")) {
        (Some(every), None) => {
            let seconds = span(every.text("`every`")?).map_err(|message| Flaw::new(every.at, message))?;
            Ok(Schedule::Every(seconds))
        }
        (None, Some(at)) => {
            let mut times = Vec::new();
            for (place, text) in at.texts("a time")? {
                let wrong = || Flaw::new(place, format!("{} is no time of the UTC day such as '08:30'", shown(text)));
                times.push(time(text).ok_or_else(wrong)?);
            }
            times.sort_unstable();
            times.dedup();
            if times.is_empty() { Err(Flaw::new(at.at, "`at` is empty")) } else { Ok(Schedule::At(times)) }
        }
        _ => Err(Flaw::new(found.at, "`schedule` is either `{ every: 5m }` or `{ at: ['08:00'] }` (UTC)")),
    }
}

/// Seconds of the day of `08:30`.
fn time(text: &str) -> Option<u32> {
    let (hour, minute) = text.split_once(':').filter(|(h, m)| h.len() == 2 && m.len() == 2)?;
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u32>().ok()).flatten();
    let (hour, minute) = (digits(hour)?, digits(minute)?);
    (hour < 24 && minute < 60).then_some(hour * 3600 + minute * 60)
}

fn store(node: &Node) -> Result<Store, Flaw> {
    let Some(found) = node.get("store") else { return Ok(Store::Log) };
    match found.text("`store`")? {
        "log" => Ok(Store::Log),
        "journal" => Ok(Store::Journal),
        other => Err(Flaw::new(found.at, format!("{} is no store to ask; use log or journal", shown(other)))),
    }
}

fn queries(node: &Node) -> Result<Vec<Query>, Flaw> {
    let found = node.get("query").ok_or_else(|| Flaw::new(node.at, "the rule has no `query`: search | SQL"))?;
    let texts = found.texts("a query")?;
    if texts.is_empty() || texts.len() > MOST_QUERIES {
        return Err(Flaw::new(found.at, format!("`query` is a text, or a list of 1 to {MOST_QUERIES} of them")));
    }
    let query = |(at, text): (_, &str)| {
        if text.trim().is_empty() {
            return Err(Flaw::new(at, "this query is empty; `*` finds everything"));
        }
        if text.len() > LONGEST_QUERY {
            return Err(Flaw::new(at, format!("a query is at most {LONGEST_QUERY} bytes long")));
        }
        Ok(Query { text: text.trim().to_owned(), at })
    };
    texts.into_iter().map(query).collect()
}

/// How many rows have to be there, and what they have to meet.
fn trigger(node: &Node) -> Result<(u32, Option<Condition>), Flaw> {
    let Some(found) = node.get("trigger") else { return Ok((1, None)) };
    // One text is a condition.
    if let Value::Scalar { .. } = found.value {
        return Ok((1, Some(condition(found)?)));
    }
    found.only("`trigger`", &["when", "rows"])?;
    let when = found.get("when").map(condition).transpose()?;
    Ok((number(found, "rows")?, when))
}

fn condition(node: &Node) -> Result<Condition, Flaw> {
    let text = node.text("a condition")?;
    Condition::parse(text).map_err(|(at, message)| Flaw::new(node.within(at), message))
}

fn grades(node: &Node) -> Result<Vec<(Condition, Level)>, Flaw> {
    let Some(found) = node.get("severity") else { return Ok(Vec::new()) };
    let Value::List(items) = &found.value else {
        return Err(Flaw::new(found.at, "`severity` is a list such as `- { when: n > 1000, level: critical }`"));
    };
    let grade = |item: &Node| {
        item.only("a severity", &["when", "level"])?;
        let when = item.get("when").ok_or_else(|| Flaw::new(item.at, "a severity has a `when`"))?;
        if item.get("level").is_none() {
            return Err(Flaw::new(item.at, "a severity has a `level`"));
        }
        Ok((condition(when)?, level(item)?))
    };
    items.iter().map(grade).collect()
}

fn no_data(node: &Node) -> Result<NoData, Flaw> {
    const ALL: [NoData; 3] = [NoData::Ok, NoData::Fire, NoData::Ignore];
    let Some(found) = node.get("no_data") else { return Ok(NoData::Ok) };
    let text = found.text("`no_data`")?;
    ALL.into_iter().find(|word| word.name() == text).ok_or_else(|| {
        let meant = did_you_mean(text, ALL.map(NoData::name));
        Flaw::new(found.at, format!("`no_data` is ok, fire or ignore, not {}{meant}", shown(text)))
    })
}

fn number(node: &Node, key: &str) -> Result<u32, Flaw> {
    let Some(found) = node.get(key) else { return Ok(1) };
    let text = found.text(&format!("`{key}`"))?;
    let number = text.parse::<u32>().ok().filter(|n| (1..=MOST).contains(n));
    number.ok_or_else(|| Flaw::new(found.at, format!("`{key}` is a whole number of 1 to {MOST}, not {}", shown(text))))
}

fn boolean(node: &Node, key: &str) -> Result<bool, Flaw> {
    let Some(found) = node.get(key) else { return Ok(false) };
    found.json().as_bool().ok_or_else(|| Flaw::new(found.at, format!("`{key}` is true or false")))
}
