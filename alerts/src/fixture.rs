//! Fixtures of rules: events on which a rule fires, and events on which it stays silent.
//!
//! The fixtures of the rule file `x.yml` are the file `fixtures/x.yml`. A case gives a complete `event`, or a `base` with
//! what it has set or removed; a correlation's case gives `events`, each of which may be repeated. Made events have ids
//! of their own. It must never test against anything but complete events, classified as they are before storing.

mod make;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::engine::Engine;
use crate::fault::{Fault, Flaw, Position, did_you_mean, shown};
use crate::record::Store;
use crate::sample::{Sample, Sampler};
use crate::set::RuleSet;
use crate::track::Bounds;
use crate::yaml::{self, Node, Value};

/// One case.
#[derive(Debug, Clone)]
pub struct Case {
    /// Name of the rule.
    pub rule: String,
    /// Whether the rule has to fire.
    pub fires: bool,
    /// What it shows.
    pub about: String,
    /// The file that it is in.
    pub file: String,
    /// Where.
    pub at: Position,
    /// The events, complete, in the order of their arrival.
    pub events: Vec<Json>,
}

/// How a case went.
#[derive(Debug, Clone)]
pub struct Tested {
    /// The case.
    pub case: Case,
    /// Whether it went as it has to.
    pub passed: bool,
    /// Why it did not, harmless on a terminal; empty when it passed.
    pub detail: String,
}

/// Bases by name: complete events.
type Bases = BTreeMap<String, Json>;

/// Reads fixtures. `built_in`: files whose `bases.yml` may be used too.
#[must_use]
pub fn cases(set: &RuleSet, files: &[(&str, &str)], built_in: &[(&str, &str)]) -> (Vec<Case>, Vec<Fault>) {
    let (mut found, mut faults, mut bases) = (Vec::new(), Vec::new(), Bases::new());
    for (file, text) in built_in.iter().chain(files).filter(|(file, _)| stem(file) == "bases") {
        match read_bases(text) {
            Ok(more) => bases.extend(more),
            Err(flaw) => faults.push(flaw.of(file)),
        }
    }
    for (file, text) in files.iter().filter(|(file, _)| stem(file) != "bases") {
        let of = set.firing().filter(|rule| stem(&rule.file) == stem(file)).map(|rule| rule.name.as_str());
        match (of.collect::<Vec<_>>().as_slice(), yaml::parse(text)) {
            (_, Err(flaw)) => faults.push(flaw.of(file)),
            ([], _) => {
                let message =
                    format!("there is no sound rule in a file {}.yml that these fixtures could be for", stem(file));
                faults.push(Flaw::new(Position::START, message).of(file));
            }
            ([rule, ..], Ok(documents)) => {
                for node in &documents {
                    read(file, rule, node, &bases, &mut found, &mut faults);
                }
            }
        }
    }
    (found, faults)
}

fn stem(file: &str) -> &str {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.strip_suffix(".yml").or_else(|| name.strip_suffix(".yaml")).unwrap_or(name)
}

fn read_bases(text: &str) -> Result<Bases, Flaw> {
    let mut bases = Bases::new();
    for node in yaml::parse(text)? {
        for (key, value) in node.map("the file of bases")? {
            value.map("a base")?;
            bases.insert(key.name.clone(), value.json());
        }
    }
    Ok(bases)
}

fn read(file: &str, rule: &str, node: &Node, bases: &Bases, found: &mut Vec<Case>, faults: &mut Vec<Fault>) {
    if let Err(flaw) = node.only("a file of fixtures", &["rule", "fires", "silent"]) {
        return faults.push(flaw.of(file));
    }
    let rule = node.get("rule").and_then(|n| n.text("`rule`").ok()).unwrap_or(rule);
    for (key, fires) in [("fires", true), ("silent", false)] {
        let Some(list) = node.get(key) else { continue };
        let Value::List(items) = &list.value else {
            faults.push(Flaw::new(list.at, format!("`{key}` has to be a list of cases")).of(file));
            continue;
        };
        for item in items {
            let number = found.len();
            match make::events(item, bases, &format!("{file}#{number}")) {
                Ok((about, events)) => {
                    let (rule, file) = (rule.to_owned(), file.to_owned());
                    found.push(Case { rule, fires, about, file, at: item.at, events });
                }
                Err(flaw) => faults.push(flaw.of(file)),
            }
        }
    }
}

/// Runs cases, each with rules that remember nothing.
#[must_use]
pub fn run(set: &Arc<RuleSet>, cases: Vec<Case>) -> Vec<Tested> {
    let sampler = Sampler::new();
    cases.into_iter().map(|case| one(set, &sampler, case)).collect()
}

fn one(set: &Arc<RuleSet>, sampler: &Sampler, case: Case) -> Tested {
    let failed = |case: Case, detail: String| Tested { case, passed: false, detail };
    if set.find(&case.rule).is_none() {
        let meant = did_you_mean(&case.rule, set.rules().iter().map(|r| r.name.as_str()));
        let detail = format!("there is no rule {}{meant}", shown(&case.rule));
        return failed(case, detail);
    }
    let mut engine = Engine::new(Arc::clone(set), Bounds::default());
    let mut fired = 0;
    for (seq, event) in (0..).zip(&case.events) {
        let sample = match sample(sampler, event) {
            Ok(sample) => sample,
            Err(error) => {
                let detail = format!("event {}: {}", seq + 1, crate::fault::escaped(&error.to_string()));
                return failed(case, detail);
            }
        };
        let record = sample.record();
        let received = record.time_us().unwrap_or_default() + 60_000_000;
        fired += engine.take(seq, received, &record).iter().filter(|firing| firing.rule == case.rule).count();
    }
    let detail = match (case.fires, fired) {
        (true, 0) => "the rule has to fire and does not".to_owned(),
        (false, 1..) => "the rule has to stay silent and fires".to_owned(),
        _ => return Tested { case, passed: true, detail: String::new() },
    };
    failed(case, detail)
}

/// An event as a record: an entry of the journal has a `kind`.
fn sample(sampler: &Sampler, event: &Json) -> Result<Sample, crate::sample::SampleError> {
    let text = event.to_string();
    match store_of(event) {
        Store::Journal => sampler.journal(text.as_bytes()),
        Store::Log => sampler.log(text.as_bytes()),
    }
}

/// Which store an event would be in.
#[must_use]
pub fn store_of(event: &Json) -> Store {
    let journal = event.get("kind").is_some() && event.get("by").is_some() && event.get("eventId").is_none();
    if journal { Store::Journal } else { Store::Log }
}
