//! The topology that the files make together: components, their outputs, and what each input means.
//!
//! Inputs are resolved as Vector does: each is a pattern over the names of all outputs, and a name that matches nothing
//! stays. A component of a type that is not known here is no error: it is taken to have any output that is asked for. A file
//! that holds the options of one component, in a folder named for its kind, is that component, as with `--config-dir`.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use super::conditions::{Says, mentions_seal, says};
use super::tree::{Fault, Key, Node, ReadError, Value};
use crate::config::Position;

/// What a component is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Source,
    Transform,
    Sink,
}

impl Kind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Transform => "transform",
            Self::Sink => "sink",
        }
    }
}

/// One component.
#[derive(Debug)]
pub(super) struct Component {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) type_name: String,
    pub(super) file: usize,
    pub(super) at: Position,
    pub(super) options: Node,
    /// From which component and which of its outputs; `None` is the output without a name.
    pub(super) inputs: Vec<Input>,
    pub(super) conditions: Vec<Condition>,
    /// Whether one of the conditions mentions the seal mark, in whatever form.
    pub(super) sorts: bool,
}

impl Component {
    /// Whether what leaves by this output has a seal mark; `None` is the output without a name.
    pub(super) fn asks_for_seal(&self, port: Option<&str>) -> bool {
        self.conditions.iter().any(|c| c.port.as_deref() == port && c.says == Says::Sealed)
    }
}

/// A condition that an event passes where it leaves a component.
#[derive(Debug)]
pub(super) struct Condition {
    /// The output it stands before; `None` is the output without a name.
    pub(super) port: Option<String>,
    pub(super) at: Position,
    pub(super) says: Says,
}

/// An input after its pattern was resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Input {
    pub(super) from: usize,
    pub(super) port: Option<String>,
}

/// Everything that the files say together.
#[derive(Debug)]
pub(super) struct Topology {
    pub(super) files: Vec<PathBuf>,
    pub(super) components: Vec<Component>,
    /// `acknowledgements` at the top of a file.
    pub(super) acknowledgements: bool,
    /// Inputs that name nothing: component, place, text.
    pub(super) unknown: Vec<(usize, Position, String)>,
    /// Components whose name is taken already: the later one, the earlier one.
    pub(super) doubles: Vec<(usize, usize)>,
    /// Files, and places in them, that say what is not read here.
    pub(super) unread: Vec<(usize, Position, Unread)>,
    /// Places in files where a name of the seal mark is given to a field that Vector sets in every event.
    pub(super) schema_names_seal: Vec<(usize, Position)>,
}

/// What is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// A file without any section of Vector's.
    NoSection,
    /// `provider`: the configuration comes from elsewhere.
    Provider,
}

/// Sections of Vector's files.
const SECTIONS: [&str; 27] = [
    "acknowledgements",
    "api",
    "buffer_utilization_ewma_alpha",
    "buffer_utilization_ewma_half_life_seconds",
    "data_dir",
    "enrichment_tables",
    "expire_metrics",
    "expire_metrics_per_metric_set",
    "expire_metrics_secs",
    "global",
    "graceful_shutdown_duration",
    "healthchecks",
    "latency_ewma_alpha",
    "latency_ewma_half_life_seconds",
    "log_schema",
    "metrics_storage_refresh_period",
    "provider",
    "proxy",
    "schema",
    "secret",
    "sinks",
    "sources",
    "telemetry",
    "tests",
    "timezone",
    "transforms",
    "wildcard_matching",
];

/// A file that is one component, as `sources/app.yaml`: its section, and its name.
fn as_component(file: &std::path::Path, root: &Node) -> Option<(&'static str, Key)> {
    let folder = file.parent()?.file_name()?.to_str()?;
    let section = ["sources", "transforms", "sinks", "enrichment_tables"].into_iter().find(|name| *name == folder)?;
    root.get("type").and_then(Node::text)?;
    Some((section, Key { name: file.file_stem()?.to_str()?.to_owned(), at: root.at }))
}

impl Topology {
    /// Puts files together.
    pub(super) fn new(files: Vec<(PathBuf, Node)>) -> Result<Self, ReadError> {
        let mut topology = Self {
            files: Vec::new(),
            components: Vec::new(),
            acknowledgements: false,
            unknown: Vec::new(),
            doubles: Vec::new(),
            unread: Vec::new(),
            schema_names_seal: Vec::new(),
        };
        for (file, root) in files {
            topology.add(&file, &root).map_err(|(at, why)| ReadError::Damaged { file: file.clone(), at, why })?;
            topology.files.push(file);
        }
        topology.find_doubles();
        topology.resolve();
        Ok(topology)
    }

    fn add(&mut self, file: &std::path::Path, root: &Node) -> Result<(), Fault> {
        let index = self.files.len();
        if let Some((section, key)) = as_component(file, root) {
            return self.add_component(section, &key, root);
        }
        let is_section = |(key, _): &(Key, Node)| SECTIONS.contains(&key.name.as_str());
        let tests = file.parent().and_then(|folder| folder.file_name()).is_some_and(|name| name == "tests");
        if !root.entries().is_empty()
            && !tests
            && (!root.entries().iter().any(is_section) || root.get("type").is_some())
        {
            self.unread.push((index, root.at, Unread::NoSection));
        }
        if let Some(node) = root.get("provider").filter(|node| !matches!(node.value, Value::Null)) {
            self.unread.push((index, node.at, Unread::Provider));
        }
        if let Some(node) = root.get("log_schema").filter(|node| mentions_seal(node)) {
            self.schema_names_seal.push((index, node.at));
        }
        if let Some(node) = root.get("acknowledgements") {
            self.acknowledgements |= switched_on(node).unwrap_or(false);
        }
        for section in ["sources", "transforms", "sinks", "enrichment_tables"] {
            let Some(node) = root.get(section) else { continue };
            if !matches!(node.value, Value::Map(_) | Value::Null) {
                return Err((node.at, format!("`{section}` has to be a mapping of names to components")));
            }
            for (key, options) in node.entries() {
                self.add_component(section, key, options).map_err(|(at, why)| (at, format!("`{section}`: {why}")))?;
            }
        }
        Ok(())
    }

    /// Adds one component; a table in memory is a sink, and a source by another name.
    fn add_component(&mut self, section: &str, key: &Key, options: &Node) -> Result<(), Fault> {
        let file = self.files.len();
        let kind = match section {
            "sources" => Kind::Source,
            "transforms" => Kind::Transform,
            "sinks" => Kind::Sink,
            _ if options.get("type").and_then(Node::text) != Some("memory") => return Ok(()),
            _ => {
                if let Some(name) = options.at_path("source_config.source_key") {
                    let key = Key { name: name.text().unwrap_or_default().to_owned(), at: name.at };
                    self.components.push(component(Kind::Source, &key, options, file)?);
                }
                Kind::Sink
            }
        };
        self.components.push(component(kind, key, options, file)?);
        Ok(())
    }

    /// Vector takes each name once, whatever it names.
    fn find_doubles(&mut self) {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for (index, component) in self.components.iter().enumerate() {
            match seen.get(component.name.as_str()) {
                Some(first) => self.doubles.push((index, *first)),
                None => {
                    seen.insert(&component.name, index);
                }
            }
        }
    }

    fn resolve(&mut self) {
        let mut candidates: Vec<(String, Input)> = Vec::new();
        for (from, component) in self.components.iter().enumerate().filter(|(_, c)| c.kind != Kind::Sink) {
            for port in outputs(component).unwrap_or_else(|| vec![None]) {
                let text = match &port {
                    None => component.name.clone(),
                    Some(port) => format!("{}.{port}", component.name),
                };
                candidates.push((text, Input { from, port }));
            }
        }
        let by_name: HashMap<&str, usize> =
            candidates.iter().enumerate().map(|(index, (text, _))| (text.as_str(), index)).collect();
        let mut resolved = Vec::new();
        let mut unknown = Vec::new();
        for (index, component) in self.components.iter().enumerate().filter(|(_, c)| c.kind != Kind::Source) {
            let mut inputs: Vec<Input> = Vec::new();
            for node in component.options.get("inputs").map(Node::elements).unwrap_or_default() {
                let Some(text) = node.text() else { continue };
                let found = self.matching(text, &component.name, &candidates, &by_name);
                if found.is_empty() {
                    unknown.push((index, node.at, text.to_owned()));
                }
                inputs.extend(found);
            }
            let mut seen = BTreeSet::new();
            inputs.retain(|input| seen.insert((input.from, input.port.clone())));
            resolved.push((index, inputs));
        }
        for (index, inputs) in resolved {
            self.components[index].inputs = inputs;
        }
        self.unknown = unknown;
    }

    /// What one input means.
    fn matching(
        &self,
        text: &str,
        own: &str,
        candidates: &[(String, Input)],
        by_name: &HashMap<&str, usize>,
    ) -> Vec<Input> {
        let found: Vec<Input> = match glob::Pattern::new(text) {
            Ok(pattern) if text.contains(['*', '?', '[']) => candidates
                .iter()
                .filter(|(name, _)| name != own && pattern.matches(name))
                .map(|(_, input)| input.clone())
                .collect(),
            _ => by_name.get(text).filter(|_| text != own).map(|i| candidates[*i].1.clone()).into_iter().collect(),
        };
        if !found.is_empty() {
            return found;
        }
        // A named output of a component whose outputs are not known here.
        let Some((name, port)) = text.split_once('.') else { return Vec::new() };
        let named = glob::Pattern::new(name).ok();
        let fits = |c: &Component| c.name == name || named.as_ref().is_some_and(|p| p.matches(&c.name));
        self.components
            .iter()
            .enumerate()
            .filter(|(_, c)| c.kind != Kind::Sink && c.name != own && outputs(c).is_none() && fits(c))
            .map(|(from, _)| Input { from, port: Some(port.to_owned()) })
            .collect()
    }

    /// The component of this kind and name.
    pub(super) fn find(&self, kind: Kind, name: &str) -> Option<usize> {
        self.components.iter().position(|c| c.kind == kind && c.name == name)
    }

    /// Names of one kind.
    pub(super) fn names(&self, kind: Kind) -> impl Iterator<Item = &str> {
        self.components.iter().filter(move |c| c.kind == kind).map(|c| c.name.as_str())
    }
}

fn component(kind: Kind, key: &Key, options: &Node, file: usize) -> Result<Component, Fault> {
    if !matches!(options.value, Value::Map(_)) {
        return Err((options.at, format!("{} has to be a mapping of options", crate::config::shown(&key.name))));
    }
    let inputs = options.get("inputs").map(Node::elements).unwrap_or_default();
    if let Some(wrong) = inputs.iter().find(|node| node.text().is_none()) {
        return Err((wrong.at, "`inputs` has to be a list of names".to_owned()));
    }
    let type_name = options.get("type").and_then(Node::text).unwrap_or_default().to_owned();
    let conditions = if kind == Kind::Transform { conditions(&type_name, options) } else { Vec::new() };
    let sorting = ["route", "routes", "lanes", "condition"].iter().filter_map(|key| options.get(key));
    let sorts = kind == Kind::Transform && { sorting }.any(mentions_seal);
    let (name, at, options) = (key.name.clone(), key.at, options.clone());
    Ok(Component { name, kind, type_name, file, at, options, inputs: Vec::new(), conditions, sorts })
}

/// The conditions of a transform.
fn conditions(type_name: &str, options: &Node) -> Vec<Condition> {
    let one =
        |port: Option<&str>, node: &Node| Condition { port: port.map(str::to_owned), at: node.at, says: says(node) };
    match type_name {
        "filter" => options.get("condition").map(|node| one(None, node)).into_iter().collect(),
        "route" | "swimlanes" => {
            let routes = options.get("route").or_else(|| options.get("lanes")).map(Node::entries).unwrap_or_default();
            routes.iter().map(|(key, node)| one(Some(&key.name), node)).collect()
        }
        "exclusive_route" => {
            let routes = options.get("routes").map(Node::elements).unwrap_or_default();
            let named = |route: &Node| Some(one(Some(route.get("name")?.text()?), route.get("condition")?));
            routes.iter().filter_map(named).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether `acknowledgements: true` or `acknowledgements: {enabled: true}` says on; `None`: it says nothing.
pub(super) fn switched_on(node: &Node) -> Option<bool> {
    node.bool().or_else(|| node.get("enabled").and_then(Node::bool))
}

/// The outputs of a component; `None`: its type is not known here, so it may have any.
pub(super) fn outputs(component: &Component) -> Option<Vec<Option<String>>> {
    let options = &component.options;
    let named = |names: Vec<String>| Some(names.into_iter().map(Some).collect());
    let on = |key: &str, otherwise: bool| options.get(key).and_then(Node::bool).unwrap_or(otherwise);
    let with_unmatched = |mut names: Vec<String>| {
        if on("reroute_unmatched", true) {
            names.push("_unmatched".to_owned());
        }
        named(names)
    };
    let three = || named(["logs", "metrics", "traces"].map(str::to_owned).to_vec());
    match (component.kind, component.type_name.as_str()) {
        (Kind::Source, "opentelemetry") => three(),
        (Kind::Source, "datadog_agent") if on("multiple_outputs", false) => three(),
        (Kind::Source, name) if KNOWN_SOURCES.contains(&name) => Some(vec![None]),
        (Kind::Transform, "route" | "swimlanes") => {
            let routes = options.get("route").or_else(|| options.get("lanes")).map(Node::entries).unwrap_or_default();
            with_unmatched(routes.iter().map(|(key, _)| key.name.clone()).collect())
        }
        (Kind::Transform, "exclusive_route") => {
            let routes = options.get("routes").map(Node::elements).unwrap_or_default();
            with_unmatched(routes.iter().filter_map(|r| r.get("name")?.text().map(str::to_owned)).collect())
        }
        (Kind::Transform, "remap") if on("reroute_dropped", false) => Some(vec![None, Some("dropped".to_owned())]),
        (Kind::Transform, name) if KNOWN_TRANSFORMS.contains(&name) => Some(vec![None]),
        _ => None,
    }
}

/// Sources with one output. A type that is missing here is only treated more mildly.
const KNOWN_SOURCES: [&str; 25] = [
    "amqp",
    "aws_kinesis_firehose",
    "aws_s3",
    "aws_sqs",
    "demo_logs",
    "docker_logs",
    "exec",
    "file",
    "file_descriptor",
    "fluent",
    "gcp_pubsub",
    "http_client",
    "http_server",
    "internal_logs",
    "internal_metrics",
    "journald",
    "kafka",
    "kubernetes_logs",
    "logstash",
    "memory",
    "nats",
    "socket",
    "stdin",
    "syslog",
    "vector",
];

/// Transforms with one output.
const KNOWN_TRANSFORMS: [&str; 8] =
    ["aggregate", "dedupe", "filter", "log_to_metric", "metric_to_log", "reduce", "remap", "trace_to_log"];
