//! From a YAML document to a rule. One with `schedule:` is a scheduled rule, and read elsewhere.

use sha2::{Digest, Sha256};

use super::{Level, Rule, Search, Service};
use crate::correlation::Correlation;
use crate::detect::{Detection, Parameters};
use crate::ending::Ending;
use crate::fault::{Flaw, did_you_mean, shown};
use crate::scheduled::{Scheduled, scheduled};
use crate::yaml::{self, Node};

/// Keys of a rule that Sigma knows, and ours.
const KEYS: [&str; 20] = [
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
    "taxonomy",
    "related",
    "logsource",
    "detection",
    "correlation",
    "falsepositives",
    "level",
    "fields",
    "innertrail",
];

/// A document of a rule file.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) rule: Rule,
    /// Names or ids of the rules that a correlation counts, with their places.
    pub(crate) bases: Vec<(crate::fault::Position, String)>,
    /// Whether those fire by themselves too.
    pub(crate) generate: bool,
}

/// What a file holds.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    pub(crate) rules: Vec<Document>,
    pub(crate) scheduled: Vec<Scheduled>,
    pub(crate) flaws: Vec<Flaw>,
}

/// Reads the rules of a file. Each that is broken is a flaw of its own.
pub(crate) fn documents(file: &str, text: &str, given: &Parameters) -> Documents {
    let mut found = Documents::default();
    let nodes = match yaml::parse(text) {
        Ok(nodes) => nodes,
        Err(flaw) => {
            found.flaws.push(flaw);
            return found;
        }
    };
    if nodes.is_empty() {
        found.flaws.push(Flaw::new(crate::fault::Position::START, "there is no rule in this file"));
    }
    for (number, node) in nodes.iter().enumerate() {
        if node.get("schedule").is_some() {
            match scheduled(file, stem(file, number), node) {
                Ok(rule) => found.scheduled.push(rule),
                Err(flaw) => found.flaws.push(flaw),
            }
            continue;
        }
        match document(file, number, node, given) {
            Ok(document) => found.rules.push(document),
            Err(flaw) => found.flaws.push(flaw),
        }
    }
    found
}

/// The name of a rule that gives none.
fn stem(file: &str, number: usize) -> String {
    let stem = file.rsplit('/').next().unwrap_or(file).trim_end_matches(".yml").trim_end_matches(".yaml");
    if number == 0 { stem.to_owned() } else { format!("{stem}-{}", number + 1) }
}

fn document(file: &str, number: usize, node: &Node, given: &Parameters) -> Result<Document, Flaw> {
    node.only("a rule", &KEYS)?;
    let about = About::parse(node, given)?;
    let (search, service, bases, generate) = match (node.get("detection"), node.get("correlation")) {
        (Some(detection), None) => {
            let detection = Detection::parse(detection, &about.parameters)?;
            (Search::Single(Box::new(detection)), service(node)?, Vec::new(), false)
        }
        (None, Some(correlation)) => {
            let (correlation, bases, generate) = Correlation::parse(correlation)?;
            // What it counts says where its records come from; see `RuleSet`.
            (Search::Several(correlation), Service::Actiontrail, bases, generate)
        }
        _ => return Err(Flaw::new(node.at, "a rule has either a `detection` or a `correlation`, or a `schedule`")),
    };
    let ending = match (&search, about.ends) {
        (_, None) => None,
        (Search::Single(_), Some(ends)) => Some(Box::new(Ending::parse(ends, &about.parameters)?)),
        (Search::Several(_), Some(ends)) => {
            return Err(Flaw::new(ends.at, "`ends` belongs to a rule with a `detection`: what is counted has no end"));
        }
    };
    let optional = |key: &str| node.get(key).map(|n| n.text(&format!("`{key}`"))).transpose();
    let id = optional("id")?.unwrap_or_default().to_owned();
    let stem = stem(file, number);
    let name = optional("name")?.map(str::to_owned);
    let rule = Rule {
        name: name.unwrap_or_else(|| if id.is_empty() { stem } else { id.clone() }),
        id,
        title: node.required("title", "the rule")?.to_owned(),
        description: optional("description")?.unwrap_or_default().trim().to_owned(),
        version: about.version,
        category: about.category,
        level: level(node)?,
        remedy: about.remedy,
        false_positives: list(node, "falsepositives")?,
        service,
        parameters: about.parameters.clone().into_iter().collect(),
        file: file.to_owned(),
        at: node.at,
        is_part: false,
        is_disabled: false,
        fingerprint: fingerprint(node, &about.parameters),
        search,
        ending,
    };
    Ok(Document { rule, bases, generate })
}

/// What the key `innertrail` says: what Sigma has no place for.
pub(crate) struct About<'a> {
    pub(crate) version: u32,
    pub(crate) category: String,
    pub(crate) remedy: String,
    pub(crate) parameters: Parameters,
    /// What ends an alert.
    pub(crate) ends: Option<&'a Node>,
}

impl<'a> About<'a> {
    pub(crate) fn parse(node: &'a Node, given: &Parameters) -> Result<Self, Flaw> {
        let (category, parameters) = ("custom".to_owned(), Parameters::new());
        let mut about = Self { version: 1, category, remedy: String::new(), parameters, ends: None };
        let Some(own) = node.get("innertrail") else { return Ok(about) };
        own.only("`innertrail`", &["version", "category", "remedy", "parameters", "ends"])?;
        about.ends = own.get("ends");
        if let Some(version) = own.get("version") {
            let text = version.text("`version`")?;
            about.version = text
                .parse()
                .map_err(|_| Flaw::new(version.at, format!("`version` is a whole number, not {}", shown(text))))?;
        }
        if own.get("category").is_some() {
            own.required("category", "`innertrail`")?.clone_into(&mut about.category);
        }
        if own.get("remedy").is_some() {
            own.required("remedy", "`innertrail`")?.trim().clone_into(&mut about.remedy);
        }
        if let Some(parameters) = own.get("parameters") {
            for (key, value) in parameters.map("`parameters`")? {
                let defaults = value.texts("a parameter's value")?.into_iter().map(|(_, text)| text.to_owned());
                let values = given.get(&key.name).cloned().unwrap_or_else(|| defaults.collect());
                about.parameters.insert(key.name.clone(), values);
            }
        }
        Ok(about)
    }
}

/// The level of a rule; medium when it gives none.
pub(crate) fn level(node: &Node) -> Result<Level, Flaw> {
    let Some(found) = node.get("level") else { return Ok(Level::Medium) };
    let text = found.text("`level`")?;
    Level::ALL.into_iter().find(|level| level.name() == text).ok_or_else(|| {
        let meant = did_you_mean(text, Level::ALL.map(Level::name));
        let message = format!("{} is no level; use informational, low, medium, high or critical{meant}", shown(text));
        Flaw::new(found.at, message)
    })
}

fn service(node: &Node) -> Result<Service, Flaw> {
    const ALL: [Service; 3] = [Service::Oss, Service::Actiontrail, Service::Innertrail];
    let source = node.get("logsource").ok_or_else(|| Flaw::new(node.at, "the rule has no `logsource`"))?;
    source.only("`logsource`", &["product", "service", "definition"])?;
    let product = source.required("product", "`logsource`")?;
    if product != "alibaba" {
        let at = source.get("product").map_or(source.at, |n| n.at);
        return Err(Flaw::new(at, format!("the product is {}; this Logstore holds `alibaba`", shown(product))));
    }
    let Some(found) = source.get("service") else { return Ok(Service::Actiontrail) };
    let text = found.text("`service`")?;
    ALL.into_iter().find(|service| service.name() == text).ok_or_else(|| {
        let meant = did_you_mean(text, ALL.map(Service::name));
        Flaw::new(found.at, format!("{} is no service; use oss, actiontrail or innertrail{meant}", shown(text)))
    })
}

pub(crate) fn list(node: &Node, key: &str) -> Result<Vec<String>, Flaw> {
    let Some(found) = node.get(key) else { return Ok(Vec::new()) };
    Ok(found.texts(&format!("`{key}`"))?.into_iter().map(|(_, text)| text.to_owned()).collect())
}

/// What decides when a rule fires: its log source, detection, correlation and parameters, whatever the file looks like.
fn fingerprint(node: &Node, parameters: &Parameters) -> String {
    let parts = ["logsource", "detection", "correlation"].map(|key| node.get(key).map(Node::json));
    digest(&serde_json::json!([parts, parameters]).to_string())
}

/// Sixteen hexadecimal digits of a text.
pub(crate) fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
